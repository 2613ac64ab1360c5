package operation

import (
	"context"
	"errors"
	"fmt"

	"trent/fastpath/identity"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// retireGrant deletes the grant that a token names, or its key and its id. Key policies have no say in
// it; the grant itself tells who may.
func retireGrant(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.RetireGrantRequest)
	byID := r.KeyId != nil || r.GrantId != nil
	if byID == (r.GrantToken != nil) || byID && (r.KeyId == nil || r.GrantId == nil) {
		return validation("You must specify either GrantToken, or both KeyId and GrantId.")
	}
	var g keyring.Grant
	var err error
	if byID {
		g, err = s.grantByID(ctx, c, r.KeyId, r.GrantId)
	} else {
		g, err = s.grantByToken(ctx, c, r.GrantToken)
	}
	if err != nil {
		return err
	}
	if !mayRetire(c.Caller, &g) {
		return foreign(c, "RetireGrant")
	}
	if r.DryRun {
		return dryRun()
	}
	return grantGone(g.ID, s.keys.DeleteGrant(ctx, g.Key, g.ID))
}

// grantByID finds a grant by the id or ARN of its key; an ARN may be of another account.
func (s *Service) grantByID(ctx context.Context, c *Call, name, text []byte) (g keyring.Grant, err error) {
	if keyring.Classify(name).IsAlias() {
		return g, wire.Errorf(wire.CodeInvalidArnException, "Key Aliases are not supported for this operation.")
	}
	c.Key, err = s.keys.Resolve(ctx, c.Scope, name)
	if err != nil {
		if err := c.unresolved(err, &c.Key); err != nil {
			return g, err
		}
		return g, c.refuse
	}
	key := c.Key.Snapshot
	own := key.Account == c.Scope.Account && key.Partition == c.Scope.Partition
	if key.Missing && own {
		return g, notFound(key)
	}
	id, err := grantID(text)
	if err != nil {
		return g, err
	}
	g, err = s.keys.Grant(ctx, key.ID, id)
	switch {
	case key.Missing, errors.Is(err, keyring.ErrGrantMissing) && !own:
		return g, foreign(c, "RetireGrant")
	case err != nil:
		return g, grantGone(id, err)
	}
	return g, nil
}

// grantByToken finds a grant by a token. One that is no token, or of a grant that is gone, is not told apart.
func (s *Service) grantByToken(ctx context.Context, c *Call, token []byte) (g keyring.Grant, err error) {
	refused := wire.Bare(wire.CodeInvalidGrantTokenException)
	key, id, ok := openGrantToken(token)
	if !ok || key.Partition != c.Scope.Partition || key.Region != c.Scope.Region {
		return g, refused
	}
	if c.Key.Snapshot, err = s.keys.ByID(ctx, key); err != nil {
		return g, fmt.Errorf("finding the key of a grant: %w", err)
	}
	if c.Key.Snapshot.Missing {
		return g, refused
	}
	g, err = s.keys.Grant(ctx, key, id)
	if errors.Is(err, keyring.ErrGrantMissing) {
		return g, refused
	}
	return g, err
}

// mayRetire tells whether a caller may retire a grant: its retiring principal, its grantee if it allows that, and
// the account that made it (AWS KMS Developer Guide, "Retiring and revoking grants").
func mayRetire(caller *identity.Principal, g *keyring.Grant) bool {
	if caller.Partition != g.Key.Partition {
		return false
	}
	return caller.Account == g.Issuer || speaksFor(caller, g.Retiring) ||
		g.Allows(keyring.GrantRetireGrant) && speaksFor(caller, g.Grantee)
}

// speaksFor tells whether the caller is the principal of an ARN. An account stands for all its principals.
func speaksFor(caller *identity.Principal, arn string) bool {
	return arn != "" && (arn == caller.ARN || arn == "arn:"+caller.Partition+":iam::"+caller.Account+":root")
}

// checkTokens refuses the request where one of its grant tokens is none, or names no grant on a key of the request. Of
// a key that the caller may not learn of, the refusal comes first.
func (s *Service) checkTokens(ctx context.Context, c *Call, tokens [][]byte) error {
	refused := wire.Bare(wire.CodeInvalidGrantTokenException)
	for _, token := range tokens {
		if _, _, ok := openGrantToken(token); !ok {
			return refused
		}
	}
	if c.refuse != nil {
		return c.refuse
	}
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
