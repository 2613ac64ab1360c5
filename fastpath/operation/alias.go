package operation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// resolveNewAlias finds the key that a new alias is to name.
func resolveNewAlias(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.CreateAliasRequest)
	if bytes.HasPrefix(r.AliasName, []byte(managedPrefix)) {
		return wire.Bare(wire.CodeNotAuthorizedException)
	}
	var err error
	if c.alias, err = aliasName(r.AliasName); err != nil {
		return err
	}
	return s.aliasTarget(ctx, c, r.TargetKeyId)
}

func createAlias(s *Service, ctx context.Context, c *Call) error {
	target := c.Key.Snapshot
	if err := checkState(aliasTarget, target.State, target.ARN); err != nil {
		return err
	}
	return aliasError(c, c.alias, s.keys.CreateAlias(ctx, c.Scope, c.alias, target.ID))
}

// resolveMovedAlias finds the key that an alias names and the one that it is to name.
func resolveMovedAlias(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.UpdateAliasRequest)
	old, err := s.aliasNamed(ctx, c, r.AliasName)
	if err != nil {
		return err
	}
	c.other = old
	return s.aliasTarget(ctx, c, r.TargetKeyId)
}

func updateAlias(s *Service, ctx context.Context, c *Call) error {
	target := c.Key.Snapshot
	if err := checkState(aliasTarget, target.State, target.ARN); err != nil {
		return err
	}
	if old := c.other; kindOf(old) != kindOf(target) || old.Usage != target.Usage {
		return validation("Alias %s cannot be changed to a KMS key of another type or KeyUsage.", c.Scope.AliasARN(c.alias))
	}
	return aliasError(c, c.alias, s.keys.UpdateAlias(ctx, c.Scope, c.alias, target.ID))
}

// resolveOldAlias finds the key that an alias names.
func resolveOldAlias(s *Service, ctx context.Context, c *Call) (err error) {
	c.Key.Snapshot, err = s.aliasNamed(ctx, c, c.Request.(*wire.DeleteAliasRequest).AliasName)
	return err
}

func deleteAlias(s *Service, ctx context.Context, c *Call) error {
	return aliasError(c, c.alias, s.keys.DeleteAlias(ctx, c.Scope, c.alias))
}

// aliasNamed finds the key of an alias that is to be changed; where there is no such alias, that becomes c.refuse.
func (s *Service) aliasNamed(ctx context.Context, c *Call, name []byte) (*keyring.Snapshot, error) {
	var err error
	if c.alias, err = ownAliasName(name); err != nil {
		return nil, err
	}
	current, err := s.keys.Resolve(ctx, c.Scope, []byte(c.alias))
	var refused *keyring.NameError
	if errors.As(err, &refused) {
		c.refuseBy(wire.Errorf(wire.CodeNotFoundException, "Alias %s is not found.", c.Scope.AliasARN(c.alias)))
		return nil, nil
	}
	return current.Snapshot, err
}

func listAliases(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.ListAliasesRequest)
	key := ""
	if c.Key.Snapshot != nil {
		key = c.Key.Snapshot.Key
	}
	after, err := openMarker(r.Marker, c)
	if err != nil {
		return err
	}
	limit := pageSize(r.Limit, r.HasLimit(), 50, 100)
	aliases, more, err := s.keys.ListAliases(ctx, c.Scope, key, after, limit)
	if err != nil {
		return fmt.Errorf("listing aliases: %w", err)
	}
	if key == "" {
		aliases, more = withPredefined(aliases, more, after, limit)
	}
	resp := &wire.ListAliasesResponse{Aliases: make([]wire.AliasListEntry, len(aliases)), Truncated: wire.Some(more)}
	for i, a := range aliases {
		entry := &resp.Aliases[i]
		entry.AliasName, entry.AliasArn, entry.TargetKeyId = a.Name, c.Scope.AliasARN(a.Name), a.Target
		if a.Target != "" { // predefined aliases without a key have no dates
			entry.CreationDate, entry.LastUpdatedDate = wire.Some(wire.TimestampOf(a.Created)), wire.Some(wire.TimestampOf(a.Updated))
		}
	}
	if more {
		resp.NextMarker = sealMarker(aliases[len(aliases)-1].Name, c)
	}
	c.Response = resp
	return nil
}

func kindOf(s *keyring.Snapshot) kind { return specs[s.Spec].kind }

// aliasName checks the name of an alias that is written; the model's pattern and length were checked before.
func aliasName(name []byte) (string, error) {
	n := string(name)
	switch {
	case !strings.HasPrefix(n, "alias/"):
		return "", validation(`Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`)
	case n == "alias/", strings.Contains(n, ":"):
		return "", validation("%s contains invalid characters for an alias", n)
	}
	return n, nil
}

// ownAliasName is aliasName for an alias that is there already, and is not one of the service's. Other names with their
// prefix are those of no alias.
func ownAliasName(name []byte) (string, error) {
	n, err := aliasName(name)
	if err == nil && managedByAlias(n) != nil {
		return "", wire.Bare(wire.CodeNotAuthorizedException)
	}
	return n, err
}

// aliasTarget finds the key that an alias is to name: by key id or key ARN, in the caller's account and Region.
func (s *Service) aliasTarget(ctx context.Context, c *Call, name []byte) error {
	if keyring.Classify(name).IsAlias() {
		return validation("Aliases must refer to keys. Not aliases")
	}
	return s.resolve(ctx, c, name, onKey)
}

// aliasError turns the keyring's refusals into the API's.
func aliasError(c *Call, name string, err error) error {
	var full *keyring.ErrTooManyAliases
	switch {
	case errors.Is(err, keyring.ErrAliasExists):
		return wire.Errorf(wire.CodeAlreadyExistsException, "An alias with the name %s already exists", c.Scope.AliasARN(name))
	case errors.Is(err, keyring.ErrAliasMissing):
		return wire.Errorf(wire.CodeNotFoundException, "Alias %s is not found.", c.Scope.AliasARN(name))
	case errors.As(err, &full):
		return wire.Errorf(wire.CodeLimitExceededException, "Aliases per key quota for this account in this region is %d, current usage is %d.", full.Limit, full.Current)
	case errors.Is(err, keyring.ErrKeyMissing):
		return notFound(c.Key.Snapshot)
	}
	return err
}
