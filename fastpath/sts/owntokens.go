package sts

import (
	"context"
	"strconv"
	"time"

	"trent/fastpath/authz"
)

// defaultOfOwn is how long GetSessionToken's and GetFederationToken's credentials last in seconds; the root user's an hour.
const defaultOfOwn = 43_200

func packedElement(size int) []element {
	if size == 0 {
		return nil
	}
	return []element{leaf("PackedPolicySize", strconv.Itoa(size))}
}

// lifetimeOfOwn is that of credentials for the caller itself. The root user's are shortened (API Reference).
func lifetimeOfOwn(seconds int, root bool) time.Duration {
	if seconds == 0 {
		seconds = defaultOfOwn
	}
	if root {
		seconds = min(seconds, anHour)
	}
	return time.Duration(seconds) * time.Second
}

// ownClaims are those of a session of the caller, a user or the root user with long-term credentials; nil: it is none.
func (c *Call) ownClaims() *claims {
	p := &c.Caller.Principal
	if p.Temporary || p.Type != authz.CallerAccount && p.Type != authz.CallerUser {
		return nil
	}
	return &claims{Partition: p.Partition, Account: p.Account, Of: p.ARN, UniqueID: p.UniqueID}
}

// sessionToken is GetSessionToken, which needs no permission.
func (s *Service) sessionToken(ctx context.Context, c *Call) ([]element, error) {
	checks := checks{form: &c.Form}
	seconds := checks.seconds(leastSeconds, mostOfOwn)
	serial := checks.text("SerialNumber", false, 9, 256, mfaPattern)
	code := checks.text("TokenCode", false, 6, 6, codePattern)
	c.leastToken = checks.tokenSize()
	c.record.own("", seconds, "", nil, serial)
	if err := checks.done(); err != nil {
		return nil, err
	}
	of := c.ownClaims()
	if of == nil {
		return nil, denied("Cannot call GetSessionToken with session credentials")
	}
	if serial != "" || code != "" {
		return nil, denied("MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.")
	}
	credentials, tokenSize, err := s.issue(ctx, c, of, lifetimeOfOwn(seconds, of.UniqueID == ""))
	if err != nil {
		return nil, err
	}
	return append([]element{credentials}, tokenSize...), nil
}

// federationToken is GetFederationToken.
func (s *Service) federationToken(ctx context.Context, c *Call) ([]element, error) {
	checks := checks{form: &c.Form}
	name := checks.text("Name", true, 2, 32, namePattern)
	policy := checks.text("Policy", false, 1, maxPolicyText, "")
	arns := checks.policyARNs()
	seconds := checks.seconds(leastSeconds, mostOfOwn)
	tags := checks.tags()
	c.leastToken = checks.tokenSize()
	c.record.own(name, seconds, policy, tags, "")
	if err := checks.done(); err != nil {
		return nil, err
	}
	of := c.ownClaims()
	if of == nil {
		return nil, denied("Cannot call GetFederationToken with session credentials")
	}
	of.Federated, of.Name, of.Policy, of.PolicyARNs, of.Tags = true, name, policy, arns, tags
	caller := &c.Caller.Principal
	arn := "arn:" + caller.Partition + ":sts::" + caller.Account + ":federated-user/" + name
	q := &question{call: c, service: s, tags: tags, seconds: seconds}
	actions := []authz.Action{authz.ActionSTSGetFederationToken}
	if len(tags) > 0 {
		actions = append(actions, authz.ActionSTSTagSession)
	}
	for _, action := range actions {
		if refused := q.may(action, &caller.Caller, target{arn: arn, account: caller.Account, partition: caller.Partition}); refused != nil {
			return nil, refused
		}
	}
	refused := checkTags(tags, nil, nil)
	if refused == nil {
		refused = s.passed(s.directory.Current(), caller.Account, caller.Partition, policy, arns)
	}
	if refused != nil {
		return nil, refused
	}
	credentials, tokenSize, err := s.issue(ctx, c, of, lifetimeOfOwn(seconds, of.UniqueID == ""))
	if err != nil {
		return nil, err
	}
	id, size := caller.Account+":"+name, packed(of)
	c.record.federated(id, arn, size)
	answer := []element{credentials, parent("FederatedUser", leaf("FederatedUserId", id), leaf("Arn", arn))}
	return append(append(answer, packedElement(size)...), tokenSize...), nil
}
