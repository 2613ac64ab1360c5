package sts

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
)

// Claims with a meaning to STS (IAM User Guide, "Passing session tags in AWS STS" and "Monitor and control actions taken
// with assumed roles").
const (
	tagsClaim           = "https://aws.amazon.com/tags"
	sourceIdentityClaim = "https://aws.amazon.com/source_identity"
)

// clockSkew is how far an issuer's clock may be ahead (chosen).
const clockSkew = 5 * time.Minute

// webIdentity is a token that was verified.
type webIdentity struct {
	provider                  *identity.Provider
	subject, audience         string
	tags                      []authz.Tag
	transitive                []string
	sourceIdentity            string
	token                     *idToken
	audiences                 []string // aud as the token has it
	authorizedParty, issuerID string
}

// assumeRoleWithWebIdentity is the operation of this name.
func (s *Service) assumeRoleWithWebIdentity(ctx context.Context, c *Call) ([]element, error) {
	c.Caller, c.record.UserIdentity, c.record.Account = nil, nil, ""
	checks := checks{form: &c.Form}
	r := checks.readRole()
	text := checks.text("WebIdentityToken", true, 4, 20_000, "")
	c.leastToken = checks.tokenSize()
	providerID := checks.text("ProviderId", false, 4, 2048, "")
	c.record.webIdentity(&r, providerID)
	if err := checks.done(); err != nil {
		return nil, err
	}
	if providerID != "" {
		return nil, badToken("Tokens of OAuth 2.0 providers (%s) are not taken; leave ProviderId out for OpenID Connect.", providerID)
	}
	snapshot := s.directory.Current()
	role, refused := r.role(snapshot)
	if refused != nil {
		return nil, refused
	}
	_, account, _, _ := roleARN(r.arn)
	partition, _, _, _ := roleARN(r.arn)
	id, refused := readIdentity(snapshot.Account(partition, account), text, c.at)
	if refused != nil {
		return nil, refused
	}
	c.record.UserIdentity, c.record.Account = id.userIdentity(), account
	if role == nil {
		return nil, denied("Not authorized to perform sts:AssumeRoleWithWebIdentity")
	}
	c.record.about(r.arn, account)
	r.tags, r.transitive, r.sourceIdentity = id.tags, id.transitive, id.sourceIdentity
	if err := s.mayAssumeByToken(c, snapshot, role, &r, id); err != nil {
		return nil, err
	}
	lifetime, refused := r.lifetime(role, false)
	if refused == nil {
		refused = checkTags(r.tags, r.transitive, nil)
	}
	if refused == nil {
		refused = s.passed(snapshot, account, partition, r.policy, r.policyARNs)
	}
	if refused != nil {
		return nil, refused
	}
	of := r.claims(role)
	of.Provider = id.provider.ARN
	answer, err := s.assumed(ctx, c, role, of, lifetime)
	if err != nil {
		return nil, err
	}
	size := packed(of)
	p := role.Session(&identity.Session{Name: of.Name})
	c.record.assumedByToken(p.ID, p.ARN, size, of.SourceIdentity, id.subject, id.provider.ARN, id.audience)
	return append(answer,
		leaf("SubjectFromWebIdentityToken", id.subject),
		leaf("Provider", id.provider.ARN),
		leaf("Audience", id.audience),
	), nil
}

func (s *Service) mayAssumeByToken(c *Call, snapshot *identity.Snapshot, role *identity.Role, r *roleRequest, id *webIdentity) error {
	a := role.Account
	caller := &authz.Caller{
		Type: authz.CallerAnonymous, Partition: a.Partition, Federated: id.provider.ARN, FederatedProvider: id.provider.ARN,
	}
	q := &question{
		call: c, service: s, roleTags: role.Tags, sessionName: r.name, seconds: r.seconds, tags: r.tags, transitive: r.transitive,
		sourceIdentity: r.sourceIdentity, issuer: id.provider.Issuer, claims: id.conditionClaims(),
	}
	actions := []authz.Action{authz.ActionSTSAssumeRoleWithWebIdentity}
	if len(r.tags) > 0 {
		actions = append(actions, authz.ActionSTSTagSession)
	}
	if r.sourceIdentity != "" {
		actions = append(actions, authz.ActionSTSSetSourceIdentity)
	}
	on := s.onRole(snapshot, role)
	for _, action := range actions {
		if q.may(action, caller, on) != nil {
			return denied("Not authorized to perform %s", action)
		}
	}
	return nil
}

// readIdentity verifies a token by the providers of the role's account.
func readIdentity(a *identity.Account, text string, now time.Time) (*webIdentity, *Error) {
	token, err := parseToken(text)
	if err != nil {
		return nil, badToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	issuer := token.text("iss")
	if issuer == "" {
		return nil, badToken("Missing a required claim: iss")
	}
	provider := a.Provider(issuer)
	if provider == nil {
		return nil, badToken("No OpenIDConnect provider found in your account for %s", issuer)
	}
	switch err := token.verify(provider.Keys); {
	case errors.Is(err, errNoKey):
		return nil, badToken("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
	case err != nil:
		return nil, badToken("Token signature invalid")
	}
	id := &webIdentity{provider: provider, token: token, issuerID: issuer, subject: token.text("sub"), authorizedParty: token.text("azp")}
	if id.subject == "" {
		return nil, badToken("Missing a required claim: sub")
	}
	if refused := token.checkTimes(now); refused != nil {
		return nil, refused
	}
	id.audiences = claimTexts(token.claims["aud"])
	if len(id.audiences) == 0 {
		return nil, badToken("Missing a required claim: aud")
	}
	id.audience = id.audiences[0]
	if id.authorizedParty != "" {
		id.audience = id.authorizedParty
	}
	known := func(audience string) bool { return slices.Contains(provider.ClientIDs, audience) }
	if len(provider.ClientIDs) > 0 && !known(id.audience) && (id.authorizedParty != "" || !slices.ContainsFunc(id.audiences, known)) {
		return nil, badToken("Incorrect token audience")
	}
	if id.authorizedParty == "" && !known(id.audience) {
		if i := slices.IndexFunc(id.audiences, known); i >= 0 {
			id.audience = id.audiences[i]
		}
	}
	return id, id.readTags()
}

// checkTimes holds exp, nbf and iat against now.
func (t *idToken) checkTimes(now time.Time) *Error {
	ends, ok := t.seconds("exp")
	if !ok {
		return badToken("Missing a required claim: exp")
	}
	at := now.Unix()
	if ends <= at {
		return refusal(http.StatusBadRequest, "ExpiredTokenException",
			"Token expired: current date/time %d must be before the expiration date/time %d", at, ends)
	}
	latest := now.Add(clockSkew).Unix()
	for _, name := range []string{"nbf", "iat"} {
		if from, ok := t.seconds(name); ok && from > latest {
			return badToken("Token is not yet valid: current date/time %d must not be before %d (%s)", at, from, name)
		}
	}
	return nil
}

// readTags reads what the issuer passes on to the session.
func (id *webIdentity) readTags() *Error {
	id.sourceIdentity = id.token.text(sourceIdentityClaim)
	claim, ok := id.token.claims[tagsClaim].(map[string]any)
	if !ok {
		return nil
	}
	values, _ := claim["principal_tags"].(map[string]any)
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		texts := claimTexts(values[name])
		if len(texts) != 1 || name == "" || characters(name) > maxTagName || characters(texts[0]) > maxTagValue {
			return refusal(http.StatusForbidden, "IDPRejectedClaim", "The tag %q of the token is not valid", name)
		}
		id.tags = append(id.tags, authz.Tag{Key: name, Value: texts[0]})
	}
	if len(id.tags) > maxTags {
		return refusal(http.StatusForbidden, "IDPRejectedClaim", "The token has more than %d tags", maxTags)
	}
	id.transitive = claimTexts(claim["transitive_tag_keys"])
	return nil
}

// conditionClaims are the token's claims as conditions see them: aud is who the token was made for, azp where there is
// one, and oaud is then what aud was.
func (id *webIdentity) conditionClaims() map[string]any {
	out := make(map[string]any, len(id.token.claims)+1)
	for name, v := range id.token.claims {
		if !strings.HasPrefix(name, "https://aws.amazon.com/") {
			out[name] = v
		}
	}
	if id.authorizedParty != "" {
		out["oaud"], out["aud"] = id.token.claims["aud"], id.authorizedParty
	}
	return out
}

// userIdentity is that element of the record (CloudTrail User Guide, "CloudTrail userIdentity element").
func (id *webIdentity) userIdentity() []byte {
	b, err := json.Marshal(struct {
		Type        string `json:"type"`
		PrincipalID string `json:"principalId"`
		UserName    string `json:"userName"`
		Provider    string `json:"identityProvider"`
	}{"WebIdentityUser", id.provider.ARN + ":" + id.audience + ":" + id.subject, id.subject, id.provider.ARN})
	if err != nil {
		panic("sts: a record does not encode") // only texts are in it
	}
	return b
}
