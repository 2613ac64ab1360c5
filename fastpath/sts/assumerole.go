package sts

import (
	"context"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
)

// Bounds of times in seconds.
const (
	leastSeconds = 900
	mostOfRole   = 43_200
	mostOfOwn    = 129_600
	anHour       = 3600
)

// roleRequest is what both ways to assume a role have in common.
type roleRequest struct {
	arn, name      string // of the role; of the session
	seconds        int
	policy         string
	policyARNs     []string
	tags           []authz.Tag
	transitive     []string
	sourceIdentity string
}

// readRole reads and checks it.
func (c *checks) readRole() roleRequest {
	return roleRequest{
		arn:        c.text("RoleArn", true, 20, 2048, ""),
		name:       c.text("RoleSessionName", true, 2, 64, namePattern),
		policyARNs: c.policyARNs(),
		policy:     c.text("Policy", false, 1, maxPolicyText, ""),
		seconds:    c.seconds(leastSeconds, mostOfRole),
	}
}

// role finds the role; nil: there is none.
func (r *roleRequest) role(snapshot *identity.Snapshot) (*identity.Role, *Error) {
	partition, account, name, ok := roleARN(r.arn)
	if !ok {
		return nil, invalid("%s is invalid", r.arn)
	}
	if role := snapshot.Role(partition, account, name); role != nil && role.ARN == r.arn {
		return role, nil
	}
	return nil, nil
}

// lifetime of a session of the role.
func (r *roleRequest) lifetime(role *identity.Role, chained bool) (time.Duration, *Error) {
	if r.seconds == 0 {
		return anHour * time.Second, nil
	}
	d := time.Duration(r.seconds) * time.Second
	if chained && d > time.Hour {
		return 0, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if d > role.MaxSession {
		return 0, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return d, nil
}

// assumeRole is the operation of this name.
func (s *Service) assumeRole(ctx context.Context, c *Call) ([]element, error) {
	c.record.ReadOnly = true
	checks := checks{form: &c.Form}
	r := checks.readRole()
	r.tags, r.transitive = checks.tags(), checks.transitive()
	c.leastToken = checks.tokenSize()
	externalID := checks.text("ExternalId", false, 2, 1224, extPattern)
	serial := checks.text("SerialNumber", false, 9, 256, mfaPattern)
	code := checks.text("TokenCode", false, 6, 6, codePattern)
	r.sourceIdentity = checks.text("SourceIdentity", false, 2, 64, namePattern)
	c.record.assuming(&r, externalID, serial)
	if err := checks.done(); err != nil {
		return nil, err
	}
	caller := &c.Caller.Principal
	if caller.Type == authz.CallerAccount {
		return nil, errRoot
	}
	if serial != "" || code != "" {
		return nil, denied("MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.")
	}
	snapshot := s.directory.Current()
	role, refused := r.role(snapshot)
	if refused != nil {
		return nil, refused
	}
	if role == nil || role.Account.Partition != caller.Partition || caller.Type == authz.CallerFederated {
		return nil, denied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", caller.ARN, r.arn)
	}
	c.record.about(r.arn, role.Account.ID)
	var inherited []authz.Tag
	if from := c.session(); from != nil {
		inherited = from.inherited()
	}
	q := &question{
		call: c, service: s, roleTags: role.Tags, externalID: externalID, sessionName: r.name, seconds: r.seconds,
		tags: r.tags, transitive: r.transitive, sourceIdentity: r.sourceIdentity,
	}
	if err := s.mayAssume(q, snapshot, &caller.Caller, role, len(inherited) > 0); err != nil {
		return nil, err
	}
	lifetime, refused := r.lifetime(role, caller.Temporary && caller.Type != authz.CallerService)
	if refused == nil {
		refused = checkTags(r.tags, r.transitive, inherited)
	}
	if refused == nil {
		refused = s.passed(snapshot, role.Account.ID, role.Account.Partition, r.policy, r.policyARNs)
	}
	if refused != nil {
		return nil, refused
	}
	of := r.claims(role)
	of.Tags = append(of.Tags, inherited...)
	for _, t := range inherited {
		of.Transitive = append(of.Transitive, t.Key)
	}
	if caller.SourceIdentity != "" {
		of.SourceIdentity = caller.SourceIdentity
	}
	return s.assumed(ctx, c, role, of, lifetime)
}

// mayAssume decides on all that it takes: to assume the role, to pass or inherit tags, and to set a source identity or
// keep one.
func (s *Service) mayAssume(q *question, snapshot *identity.Snapshot, caller *authz.Caller, role *identity.Role, inherits bool) error {
	if caller.SourceIdentity != "" {
		if q.sourceIdentity != "" && q.sourceIdentity != caller.SourceIdentity {
			return denied("User: %s is not authorized to perform: sts:SetSourceIdentity on resource: %s because the source identity of a session cannot be changed",
				caller.ARN, role.ARN)
		}
		q.sourceIdentity = caller.SourceIdentity
	}
	actions := []authz.Action{authz.ActionSTSAssumeRole}
	if len(q.tags) > 0 || inherits {
		actions = append(actions, authz.ActionSTSTagSession)
	}
	if q.sourceIdentity != "" {
		actions = append(actions, authz.ActionSTSSetSourceIdentity)
	}
	on := s.onRole(snapshot, role)
	for _, action := range actions {
		if refused := q.may(action, caller, on); refused != nil {
			return refused
		}
	}
	return nil
}

// nobody is the trust policy of a role without one.
func (s *Service) nobody() *authz.Compiled {
	p, err := s.interner.Compile(authz.KindTrust, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:GetCallerIdentity"}]}`))
	if err != nil {
		panic("sts: " + err.Error())
	}
	return p
}

// claims are a session's as it was asked for.
func (r *roleRequest) claims(role *identity.Role) *claims {
	return &claims{
		Partition: role.Account.Partition, Account: role.Account.ID, Of: role.ARN, UniqueID: role.UniqueID, Name: r.name,
		Policy: r.policy, PolicyARNs: r.policyARNs, Tags: r.tags, Transitive: r.transitive, SourceIdentity: r.sourceIdentity,
	}
}

// assumed makes the session and the answer that both operations have in common.
func (s *Service) assumed(ctx context.Context, c *Call, role *identity.Role, of *claims, lifetime time.Duration) ([]element, error) {
	credentials, tokenSize, err := s.issue(ctx, c, of, lifetime)
	if err != nil {
		return nil, err
	}
	size := packed(of)
	principal := role.Session(&identity.Session{Name: of.Name})
	c.record.assumed(principal.ID, principal.ARN, size, of.SourceIdentity)
	answer := []element{
		parent("AssumedRoleUser", leaf("AssumedRoleId", principal.ID), leaf("Arn", principal.ARN)),
		credentials,
	}
	answer = append(answer, packedElement(size)...)
	answer = append(answer, given("SourceIdentity", of.SourceIdentity)...)
	return append(answer, tokenSize...), nil
}
