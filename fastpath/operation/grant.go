package operation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// grantRows are the rows of CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant and RetireGrant.
func grantRows(t *[wire.NumOperations]row) {
	t[wire.OperationCreateGrant] = row{run: createGrant, class: granting, write: true, foreignKeys: true, invalidARN: true,
		key:    func(r wire.Request) []byte { return r.(*wire.CreateGrantRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.CreateGrantRequest).GrantTokens }}
	t[wire.OperationListGrants] = row{run: listGrants, foreignKeys: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.ListGrantsRequest).KeyId }}
	t[wire.OperationListRetirableGrants] = row{run: listRetirableGrants, invalidARN: true}
	t[wire.OperationRevokeGrant] = row{run: revokeGrant, write: true, foreignKeys: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.RevokeGrantRequest).KeyId }}
	// Whoever may retire a grant need not be of the key's account: the handler finds the key itself.
	t[wire.OperationRetireGrant] = row{run: retireGrant, resolve: (*Service).resolveRetired, write: true, foreignKeys: true, invalidARN: true}
}

func createGrant(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.CreateGrantRequest)
	key := c.Key.Snapshot
	g, err := newGrant(c, r)
	if err != nil {
		return err
	}
	if err := checkState(granting, key.State, key.ARN); err != nil {
		return err
	}
	g.Created = s.clock()
	_, _ = rand.Read(g.ID[:]) // never fails (crypto/rand)
	id, err := s.keys.CreateGrant(ctx, g, r.DryRun)
	var full *keyring.ErrTooManyGrants
	if errors.As(err, &full) {
		return wire.Errorf(wire.CodeLimitExceededException, "Grants per key quota for this account in this region is %d, current usage is %d.", full.Limit, full.Current)
	}
	if err != nil {
		return keyGone(c, err)
	}
	if r.DryRun {
		return dryRun()
	}
	c.Response = &wire.CreateGrantResponse{GrantToken: newGrantToken(key.ID, id), GrantId: id.String()}
	return nil
}

func revokeGrant(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.RevokeGrantRequest)
	id, err := grantID(r.GrantId)
	if err != nil {
		return err
	}
	if r.DryRun {
		if _, err := s.keys.Grant(ctx, c.Key.Snapshot.ID, id); err != nil {
			return grantGone(id, err)
		}
		return dryRun()
	}
	return grantGone(id, s.keys.DeleteGrant(ctx, c.Key.Snapshot.ID, id))
}

func listGrants(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.ListGrantsRequest)
	after, err := openMarker(r.Marker, c)
	if err != nil {
		return err
	}
	if r.GranteePrincipal != nil && r.GranteeServicePrincipal != nil {
		return exclusive("GranteePrincipal", "GranteeServicePrincipal")
	}
	grantee := string(r.GranteePrincipal) + string(r.GranteeServicePrincipal)
	if r.GrantId != nil {
		return s.listOneGrant(ctx, c, r.GrantId, grantee)
	}
	grants, next, err := s.keys.ListGrants(ctx, c.Key.Snapshot.ID, grantee, after, pageSize(r.Limit, r.HasLimit(), 50, 100))
	if err != nil {
		return fmt.Errorf("listing grants: %w", err)
	}
	resp := &wire.ListGrantsResponse{Grants: grantEntries(grants), Truncated: wire.Some(next != "")}
	if next != "" {
		resp.NextMarker = sealMarker(next, c)
	}
	c.Response = resp
	return nil
}

// listOneGrant lists the grant of an id, if the key has it and it is the grantee's.
func (s *Service) listOneGrant(ctx context.Context, c *Call, text []byte, grantee string) error {
	id, err := grantID(text)
	if err != nil {
		return err
	}
	resp := &wire.ListGrantsResponse{Grants: []wire.GrantListEntry{}, Truncated: wire.Some(false)}
	g, err := s.keys.Grant(ctx, c.Key.Snapshot.ID, id)
	switch {
	case err == nil && (grantee == "" || grantee == g.Grantee || grantee == g.GranteeService):
		resp.Grants = grantEntries([]keyring.Grant{g})
	case err != nil && !errors.Is(err, keyring.ErrGrantMissing):
		return err
	}
	c.Response = resp
	return nil
}

func listRetirableGrants(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.ListRetirableGrantsRequest)
	after, err := openMarker(r.Marker, c)
	if err != nil {
		return err
	}
	principal, account := string(r.RetiringPrincipal), ""
	switch {
	case r.RetiringPrincipal != nil && r.RetiringServicePrincipal != nil:
		return exclusive("RetiringPrincipal", "RetiringServicePrincipal")
	case r.RetiringServicePrincipal != nil:
		// A service principal is of no account; what it may retire elsewhere is not the caller's to see.
		principal, account = string(r.RetiringServicePrincipal), c.Scope.Account
		if err := checkService(r.RetiringServicePrincipal); err != nil {
			return err
		}
	case r.RetiringPrincipal == nil:
		return validation("1 validation error detected: Value null at 'retiringPrincipal' failed to satisfy constraint: Member must not be null")
	default:
		if err := checkPrincipal(c, r.RetiringPrincipal); err != nil {
			return err
		}
		if accountOf(principal) != c.Scope.Account {
			return wire.Errorf(wire.CodeAccessDeniedException, "User: %s is not authorized to perform: kms:ListRetirableGrants on resource: *", c.Caller.ARN)
		}
	}
	grants, next, err := s.keys.ListRetirable(ctx, c.Scope.Partition, c.Scope.Region, principal, account, after, pageSize(r.Limit, r.HasLimit(), 50, 100))
	if err != nil {
		return fmt.Errorf("listing retirable grants: %w", err)
	}
	resp := &wire.ListGrantsResponse{Grants: grantEntries(grants), Truncated: wire.Some(next != "")}
	if next != "" {
		resp.NextMarker = sealMarker(next, c)
	}
	c.Response = resp
	return nil
}

func grantEntries(grants []keyring.Grant) []wire.GrantListEntry {
	entries := make([]wire.GrantListEntry, len(grants))
	for i := range grants {
		g := &grants[i]
		entries[i] = wire.GrantListEntry{
			KeyId: g.Key.ARN(), GrantId: g.ID.String(), Name: g.Name, CreationDate: wire.Some(wire.TimestampOf(g.Created)),
			GranteePrincipal: g.Grantee, GranteeServicePrincipal: g.GranteeService,
			RetiringPrincipal: g.Retiring, RetiringServicePrincipal: g.RetiringService,
			IssuingAccount: "arn:" + g.Key.Partition + ":iam::" + g.Issuer + ":root",
			Operations:     make([]wire.GrantOperation, len(g.Operations)),
		}
		for j, op := range g.Operations {
			entries[i].Operations[j] = grantOperations[op].api
		}
		if g.Equals != nil || g.Subset != nil || g.SourceARN != "" {
			entries[i].Constraints = &wire.ResponseGrantConstraints{
				EncryptionContextEquals: responsePairs(g.Equals), EncryptionContextSubset: responsePairs(g.Subset), SourceArn: g.SourceARN,
			}
		}
	}
	return entries
}

// responsePairs keeps an absent constraint apart from an empty one.
func responsePairs(pairs []keyring.Tag) []wire.ResponsePair {
	if pairs == nil {
		return nil
	}
	out := make([]wire.ResponsePair, len(pairs))
	for i, p := range pairs {
		out[i] = wire.ResponsePair(p)
	}
	return out
}

func grantID(text []byte) (keyring.GrantID, error) {
	id, ok := keyring.ParseGrantID(text)
	if !ok {
		return id, wire.Errorf(wire.CodeInvalidGrantIdException, "Invalid grant ID '%s'", text)
	}
	return id, nil
}

// grantGone turns a grant that is not there into the API's error.
func grantGone(id keyring.GrantID, err error) error {
	if errors.Is(err, keyring.ErrGrantMissing) {
		return wire.Errorf(wire.CodeNotFoundException, "Grant '%s' does not exist", id)
	}
	return err
}

func exclusive(one, other string) error {
	return validation("%s and %s cannot be specified in the same request.", one, other)
}
