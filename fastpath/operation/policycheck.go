package operation

import (
	"errors"
	"slices"
	"strings"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/fastpath/wire"
)

// checkPolicy is what is required of a key policy document before it is stored: its size, its grammar, the forms of its
// principals, its condition keys, and, unless bypass is set, that it leaves the caller a way to change it again. arn and region are
// of the key that it is for.
func (s *Service) checkPolicy(c *Call, policy []byte, arn, region string, bypass bool) error {
	if len(policy) > s.limits.PolicyBytes {
		return wire.Errorf(wire.CodeLimitExceededException, "The key policy has %d bytes, more than the quota of %d.", len(policy), s.limits.PolicyBytes)
	}
	p, err := authz.ParsePolicy(policy)
	if err != nil {
		return policyError(err)
	}
	if err := s.checkPolicyPrincipals(p, c.Caller.Partition); err != nil {
		return err
	}
	if err := checkConditionKeys(p); err != nil {
		return err
	}
	if bypass {
		return nil
	}
	left, err := s.leavesAWay(c, authz.Compile(authz.KindKey, policy, p), arn, region)
	if err == nil && !left {
		err = malformedPolicy("The new key policy will not allow you to update the key policy in the future.")
	}
	return err
}

// leavesAWay tells whether the caller could call PutKeyPolicy under a policy, in a request like this one. Where decisions do
// not count, what the account is allowed is allowed to the caller.
func (s *Service) leavesAWay(c *Call, policy *authz.Compiled, arn, region string) (bool, error) {
	key := c.Key.Snapshot
	if key != nil && key.ARN != arn {
		key = nil
	}
	c.ask(authz.ActionPutKeyPolicy, key)
	c.asking.region = region
	q := &c.asked
	q.Resource, q.ResourceAccount, q.Policy = arn, c.Scope.Account, policy
	if s.principals.ResourceControl != nil {
		q.ResourceControl = s.principals.ResourceControl(c.Scope.Partition, c.Scope.Account)
	}
	d := authz.Decide(q)
	if !d.Allowed && s.mode != Enforce {
		root := identity.Root(c.Scope.Partition, c.Scope.Account)
		q.Caller = &root.Caller
		d = authz.Decide(q)
	}
	return d.Allowed, c.asking.trouble
}

func malformedPolicy(format string, args ...any) *wire.Error {
	return wire.Errorf(wire.CodeMalformedPolicyDocumentException, format, args...)
}

var (
	errPolicyPrincipal = malformedPolicy("Policy contains a statement with one or more invalid principals.")
	errPolicyARN       = wire.Errorf(wire.CodeInvalidArnException, "An ARN in the specified key policy is invalid.")
)

// policyError words what the parser found.
func policyError(err error) error {
	var refused *authz.Error
	switch {
	case errors.As(err, &refused) && refused.ARN:
		return errPolicyARN
	case refused != nil && refused.Principal:
		return errPolicyPrincipal
	}
	return malformedPolicy("%s", err)
}

// checkPolicyPrincipals refuses principals of other partitions, who cannot exist for the key, and those that are not known
// where principals have to be.
func (s *Service) checkPolicyPrincipals(p *authz.Policy, partition string) error {
	for i := range p.Statements {
		for _, who := range slices.Concat(p.Statements[i].Principals, p.Statements[i].NotPrincipals) {
			elsewhere := who.Kind == authz.AWSPrincipal && strings.HasPrefix(who.Name, "arn:") && !strings.HasPrefix(who.Name, "arn:"+partition+":")
			if elsewhere || who.Kind != authz.Anyone && !s.accepts(partition, who) {
				return errPolicyPrincipal
			}
		}
	}
	return nil
}

// accepts tells whether a principal may be named.
func (s *Service) accepts(partition string, p authz.Principal) bool {
	return s.principals.Accepts == nil || s.principals.Accepts(partition, p)
}

// identityOnly are the condition keys that only identity policies may use, as the service lists them (AWS KMS
// Developer Guide, "ABAC for AWS KMS": policy type).
var identityOnly = [...]string{"aws:ResourceTag", "kms:ResourceTag", "kms:ResourceAliases"}

// checkConditionKeys refuses the keys that a key policy may not use, and tests that hold for requests without the key.
func checkConditionKeys(p *authz.Policy) error {
	var refused [len(identityOnly)]bool
	for i := range p.Statements {
		for _, c := range p.Statements[i].Conditions {
			key, sub, _ := strings.Cut(c.Key, "/")
			for j, name := range identityOnly {
				refused[j] = refused[j] || strings.EqualFold(key, name)
			}
			operator, _, _ := strings.Cut(c.Operator, ":")
			open := strings.EqualFold(key, "aws:RequestTag") && sub != "" || len(key) > len("kms:EncryptionContext:") &&
				strings.EqualFold(key[:len("kms:EncryptionContext:")], "kms:EncryptionContext:")
			if open && strings.EqualFold(operator, "ForAllValues") {
				return malformedPolicy("OverlyPermissiveCondition: Using ForAllValues with the single-valued condition key %s is overly permissive.", c.Key)
			}
		}
	}
	var names []string
	for j, name := range identityOnly {
		if refused[j] {
			names = append(names, name)
		}
	}
	if names != nil {
		return malformedPolicy("These condition keys are not permitted in a key policy: %s", strings.Join(names, ", "))
	}
	return nil
}
