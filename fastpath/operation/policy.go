package operation

import (
	"context"

	"trent/fastpath/wire"
)

// policyName is the only name that a key policy can have.
const policyName = "default"

func getKeyPolicy(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.GetKeyPolicyRequest)
	if err := checkPolicyName(r.PolicyName); err != nil {
		return err
	}
	policy, err := s.keys.Policy(ctx, c.Key.Snapshot.ID)
	if err != nil {
		return keyGone(c, err)
	}
	c.Response = &wire.GetKeyPolicyResponse{Policy: string(policy), PolicyName: policyName}
	return nil
}

func putKeyPolicy(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.PutKeyPolicyRequest)
	if err := checkPolicyName(r.PolicyName); err != nil {
		return err
	}
	if err := s.checkPolicy(c, r.Policy, c.Key.Snapshot.ARN, c.Scope.Region, r.BypassPolicyLockoutSafetyCheck); err != nil {
		return err
	}
	return keyGone(c, s.keys.PutPolicy(ctx, c.Key.Snapshot.ID, append([]byte(nil), r.Policy...)))
}

func checkPolicyName(name []byte) error {
	if name != nil && string(name) != policyName {
		return wire.Errorf(wire.CodeNotFoundException, "No such policy exists")
	}
	return nil
}

func listKeyPolicies(_ *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.ListKeyPoliciesRequest)
	// One name is all there is, so that no page can follow and no marker was ever issued.
	if r.Marker != nil {
		return wire.Bare(wire.CodeInvalidMarkerException)
	}
	c.Response = &wire.ListKeyPoliciesResponse{PolicyNames: []string{policyName}, Truncated: wire.Some(false)}
	return nil
}
