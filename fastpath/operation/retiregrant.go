package operation

import (
	"context"
	"errors"
	"fmt"

	"trent/fastpath/authz"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// retireGrant deletes the grant that a token names, or its key and its id. Key policies have no say in it.
func retireGrant(s *Service, ctx context.Context, c *Call) error {
	if c.Request.(*wire.RetireGrantRequest).DryRun {
		return dryRun()
	}
	return grantGone(c.grant.ID, s.keys.DeleteGrant(ctx, c.grant.Key, c.grant.ID))
}

// resolveRetired finds the grant; a caller's mistake becomes c.refuse.
func (s *Service) resolveRetired(ctx context.Context, c *Call) error {
	r := c.Request.(*wire.RetireGrantRequest)
	byID := r.KeyId != nil || r.GrantId != nil
	if byID == (r.GrantToken != nil) || byID && (r.KeyId == nil || r.GrantId == nil) {
		return validation("You must specify either GrantToken, or both KeyId and GrantId.")
	}
	if byID {
		return s.grantByID(ctx, c, r.KeyId, r.GrantId)
	}
	return s.grantByToken(ctx, c, r.GrantToken)
}

// grantByID finds a grant by the id or ARN of its key; an ARN may be of another account.
func (s *Service) grantByID(ctx context.Context, c *Call, name, text []byte) error {
	if keyring.Classify(name).IsAlias() {
		return wire.Errorf(wire.CodeInvalidArnException, "Key Aliases are not supported for this operation.")
	}
	var err error
	if c.Key, err = s.keys.Resolve(ctx, c.Scope, name); err != nil {
		return c.unresolved(err, onKey)
	}
	key := c.Key.Snapshot
	if key.Missing {
		c.refuse = notFound(key)
		return nil
	}
	id, err := grantID(text)
	if err != nil {
		return err
	}
	g, err := s.keys.Grant(ctx, key.ID, id)
	if errors.Is(err, keyring.ErrGrantMissing) {
		c.refuse = wire.Errorf(wire.CodeNotFoundException, "Grant '%s' does not exist", id)
		return nil
	}
	c.grant = &g
	return err
}

// grantByToken finds a grant by a token. One that is no token, or of a grant that is gone, is not told apart.
func (s *Service) grantByToken(ctx context.Context, c *Call, token []byte) error {
	refused := wire.Bare(wire.CodeInvalidGrantTokenException)
	key, id, ok := openGrantToken(token)
	if !ok || key.Partition != c.Scope.Partition || key.Region != c.Scope.Region {
		return refused
	}
	snapshot, err := s.keys.ByID(ctx, key)
	switch {
	case err != nil:
		return fmt.Errorf("finding the key of a grant: %w", err)
	case snapshot.Missing:
		return refused
	}
	g, err := s.keys.Grant(ctx, key, id)
	switch {
	case errors.Is(err, keyring.ErrGrantMissing):
		return refused
	case err != nil:
		return err
	}
	c.Key.Snapshot, c.grant = snapshot, &g
	return nil
}

// authorizeRetirement lets those retire a grant who may: its retiring principal, its grantee if it allows that, and, by
// identity policies, the account that made it or that one of both is (AWS KMS Developer Guide, "Retiring and revoking
// grants"). An explicit deny counts, and what an organization or an endpoint does not allow; a key policy does not.
// Nobody else learns whether the grant exists: whom their own policies do not let, in the key's account, are told so.
func (s *Service) authorizeRetirement(c *Call, n *need) error {
	key := c.Key.Snapshot
	if key == nil { // of a name that is none
		return nil
	}
	own := c.owns(key)
	if s.mode == Off {
		if c.grant == nil && own || c.grant != nil && (c.Caller.Account == c.grant.Issuer || c.retiresBy(false) || c.retiresBy(true)) {
			return nil
		}
		return foreign(c, n.action)
	}
	c.ask(n.action, key)
	c.asked.Resource, c.asked.ResourceAccount = key.ARN, c.Scope.Account
	d := authz.Decide(&c.asked)
	if c.asking.trouble != nil {
		return c.asking.trouble
	}
	switch {
	case c.grant == nil:
		if !own {
			d.Allowed, d.Reason = false, authz.DeniedElsewhere
		}
	case d.Reason == authz.DeniedExplicitly, !d.Allowed && (d.Kind == authz.KindServiceControl || d.Kind == authz.KindEndpoint):
	case c.retiresBy(false):
		d = authz.Decision{Allowed: true, Reason: authz.AllowedByGrant, Kind: authz.KindGrant, Statement: -1, AlsoStatement: -1, Grant: c.grantText(c.grant.ID)}
	case d.Allowed && c.Caller.Account != c.grant.Issuer && !c.retiresBy(true):
		d = authz.Decision{Reason: authz.DeniedElsewhere, Kind: authz.KindGrant, Statement: -1, AlsoStatement: -1}
	}
	s.decided(c, &d)
	switch {
	case d.Allowed:
		return nil
	case d.Reason != authz.DeniedElsewhere && own && !key.Missing:
		return s.denied(c, &wire.Error{Code: wire.CodeAccessDeniedException, Message: d.Text(c.Caller.ARN, n.action.String(), key.ARN)})
	}
	return s.denied(c, foreign(c, n.action))
}

// retiresBy tells whether the grant itself lets the caller retire it: as the retiring principal, or as the grantee where
// RetireGrant is among its operations. With account, that is its account.
func (c *Call) retiresBy(account bool) bool {
	is := c.isPrincipal
	if account {
		is = func(name string) bool { return name != "" && name == c.accountARN() }
	}
	g := c.grant
	if is(g.Retiring) || is(g.RetiringService) {
		return true
	}
	return g.Allows(keyring.GrantRetireGrant) && (is(g.Grantee) || is(g.GranteeService))
}

// isPrincipal tells whether a grant's principal is the caller, or the role whose session it is.
func (c *Call) isPrincipal(name string) bool {
	who := c.Caller
	return name != "" && (name == who.ARN || name == who.Role || name == who.UniqueID || name == who.Service)
}

// checkTokens refuses the request where one of its grant tokens, which are ones by form, names no grant on a key of the
// request.
func (s *Service) checkTokens(ctx context.Context, c *Call, tokens [][]byte) error {
	refused := wire.Bare(wire.CodeInvalidGrantTokenException)
	for _, token := range tokens {
		key, id, _ := openGrantToken(token)
		if (c.Key.Snapshot == nil || c.Key.Snapshot.ID != key) && (c.Target.Snapshot == nil || c.Target.Snapshot.ID != key) {
			return refused
		}
		if _, err := s.keys.Grant(ctx, key, id); errors.Is(err, keyring.ErrGrantMissing) {
			return refused
		} else if err != nil {
			return fmt.Errorf("finding the grant of a token: %w", err)
		}
	}
	return nil
}
