package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trent/store"
)

// storedAlias is an alias with what a transaction on it has to require.
type storedAlias struct {
	Alias
	revision store.Revision
	children children       // of its target
	counted  store.Revision // of the target's counts
}

// CreateAlias gives the key target another name, which begins with "alias/". Errors: ErrAliasExists, ErrKeyMissing,
// *ErrTooManyAliases, store.ErrConflict after many attempts, store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) CreateAlias(ctx context.Context, scope Scope, name string, target ID) error {
	if !storableAlias(name) || target.scope() != scope {
		return fmt.Errorf("creating an alias: %q of %s is not a name in %v", name, target.ARN(), scope)
	}
	_, err := k.write(ctx, target, func() (store.Txn, error) {
		_, err := k.alias(ctx, scope, name)
		if err == nil {
			return store.Txn{}, ErrAliasExists
		}
		if !errors.Is(err, ErrAliasMissing) {
			return store.Txn{}, err
		}
		c, counted, err := k.room(ctx, target)
		if err != nil {
			return store.Txn{}, err
		}
		c.aliases++
		now := toMillis(k.clock())
		value := encodeAlias(Alias{Target: target.Key, Created: now, Updated: now})
		return store.Txn{
			Require: []store.Condition{
				{Key: aliasKey(scope, name)},
				{Key: target.storeKey(kindChildren), Revision: counted},
			},
			Put: []store.Record{
				{Key: aliasKey(scope, name), Value: value},
				{Key: reverseKey(target, name), Value: value},
				{Key: target.storeKey(kindChildren), Value: encodeChildren(c)},
			},
		}, nil
	})
	return err
}

// UpdateAlias makes an alias name another key. That the keys are of one kind is the caller's to check. Errors:
// ErrAliasMissing, and those of CreateAlias.
func (k *Keyring) UpdateAlias(ctx context.Context, scope Scope, name string, target ID) error {
	if target.scope() != scope {
		return fmt.Errorf("updating an alias: %s is not a key in %v", target.ARN(), scope)
	}
	_, err := k.write(ctx, target, func() (txn store.Txn, err error) {
		a, err := k.counted(ctx, scope, name)
		if err != nil {
			return txn, err
		}
		from := scope.Key(a.Target)
		a.Target, a.Updated = target.Key, toMillis(k.clock())
		value := encodeAlias(a.Alias)
		txn = store.Txn{
			Require: []store.Condition{
				{Key: aliasKey(scope, name), Revision: a.revision},
				{Key: from.storeKey(kindChildren), Revision: a.counted},
			},
			Put: []store.Record{
				{Key: aliasKey(scope, name), Value: value},
				{Key: reverseKey(target, name), Value: value},
			},
		}
		if from == target {
			txn.Put = append(txn.Put, store.Record{Key: from.storeKey(kindChildren), Value: encodeChildren(a.children)})
			return txn, nil
		}
		c, counted, err := k.room(ctx, target)
		if err != nil {
			return txn, err
		}
		c.aliases++
		a.children.aliases--
		txn.Require = append(txn.Require, store.Condition{Key: target.storeKey(kindChildren), Revision: counted})
		txn.Put = append(txn.Put,
			store.Record{Key: from.storeKey(kindChildren), Value: encodeChildren(a.children)},
			store.Record{Key: target.storeKey(kindChildren), Value: encodeChildren(c)})
		txn.Delete = [][]byte{reverseKey(from, name)}
		return txn, nil
	})
	return err
}

// DeleteAlias takes a name from its key. Errors: ErrAliasMissing, store.ErrConflict after many attempts,
// store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) DeleteAlias(ctx context.Context, scope Scope, name string) error {
	a, err := k.alias(ctx, scope, name) // only for the lock: it is read again under it
	if err != nil {
		return err
	}
	_, err = k.write(ctx, scope.Key(a.Target), func() (store.Txn, error) {
		a, err := k.counted(ctx, scope, name)
		if err != nil {
			return store.Txn{}, err
		}
		target := scope.Key(a.Target)
		a.children.aliases--
		return store.Txn{
			Require: []store.Condition{
				{Key: aliasKey(scope, name), Revision: a.revision},
				{Key: target.storeKey(kindChildren), Revision: a.counted},
			},
			Put:    []store.Record{{Key: target.storeKey(kindChildren), Value: encodeChildren(a.children)}},
			Delete: [][]byte{aliasKey(scope, name), reverseKey(target, name)},
		}, nil
	})
	return err
}

// alias reads an alias. Errors: ErrAliasMissing, store.ErrUnavailable, ErrRecord.
func (k *Keyring) alias(ctx context.Context, scope Scope, name string) (a storedAlias, err error) {
	if !storableAlias(name) {
		return a, ErrAliasMissing
	}
	rec, err := k.store.Load(ctx, aliasKey(scope, name))
	if errors.Is(err, store.ErrNotFound) {
		return a, ErrAliasMissing
	}
	if err != nil {
		return a, fmt.Errorf("loading an alias: %w", err)
	}
	a.Alias, err = decodeAlias(rec.Value)
	a.Name, a.revision = name, rec.Revision
	return a, err
}

// counted reads an alias and the counts of its key. Where the counts are gone the key is being deleted, and the
// alias is as good as gone: ErrAliasMissing.
func (k *Keyring) counted(ctx context.Context, scope Scope, name string) (storedAlias, error) {
	a, err := k.alias(ctx, scope, name)
	if err != nil {
		return a, err
	}
	a.children, a.counted, err = k.children(ctx, scope.Key(a.Target))
	if errors.Is(err, ErrKeyMissing) {
		err = ErrAliasMissing
	}
	return a, err
}

// children reads what of a key is counted. Errors: ErrKeyMissing, also while the key is being deleted.
func (k *Keyring) children(ctx context.Context, id ID) (c children, revision store.Revision, err error) {
	rec, err := k.store.Load(ctx, id.storeKey(kindChildren))
	if errors.Is(err, store.ErrNotFound) {
		return c, 0, ErrKeyMissing
	}
	if err != nil {
		return c, 0, fmt.Errorf("loading a key's counts: %w", err)
	}
	c, err = decodeChildren(rec.Value)
	return c, rec.Revision, err
}

// room is children, and an *ErrTooManyAliases where another alias would be one too many.
func (k *Keyring) room(ctx context.Context, id ID) (c children, revision store.Revision, err error) {
	c, revision, err = k.children(ctx, id)
	if err == nil && c.aliases >= k.aliasesPerKey {
		err = &ErrTooManyAliases{Limit: k.aliasesPerKey, Current: c.aliases}
	}
	return c, revision, err
}

// ListAliases returns up to limit aliases of the scope, or of one key of it, by name after the name `after`, and
// whether there are more. A key that is not there has none. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) ListAliases(ctx context.Context, scope Scope, keyID, after string, limit int) ([]Alias, bool, error) {
	prefix := scope.prefix(kindAlias)
	if keyID != "" {
		prefix = string(scope.Key(keyID).prefix(kindReverse))
	}
	records, more, err := k.store.List(ctx, []byte(prefix), marker(prefix, after), limit)
	if err != nil {
		return nil, false, fmt.Errorf("listing aliases: %w", err)
	}
	aliases := make([]Alias, 0, len(records))
	for i := range records {
		a, err := decodeAlias(records[i].Value)
		if err != nil {
			return nil, false, err
		}
		a.Name = strings.TrimPrefix(string(records[i].Key), prefix)
		aliases = append(aliases, a)
	}
	return aliases, more, nil
}

// ListKeys returns up to limit ids of keys of the scope, in all states, in order after the id `after`, and whether
// there are more. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) ListKeys(ctx context.Context, scope Scope, after string, limit int) ([]string, bool, error) {
	prefix := scope.prefix(kindKey)
	var ids []string
	for {
		records, more, err := k.store.List(ctx, []byte(prefix), marker(prefix, after), limit-len(ids))
		if err != nil {
			return nil, false, fmt.Errorf("listing keys: %w", err)
		}
		for i := range records {
			var r Record
			dying, err := decodeKey(records[i].Value, &r)
			if err != nil {
				return nil, false, err
			}
			after = strings.TrimPrefix(string(records[i].Key), prefix)
			if !dying {
				ids = append(ids, after)
			}
		}
		if !more || len(ids) >= limit {
			return ids, more, nil
		}
	}
}

// marker is the store key to list after, nil for the start.
func marker(prefix, after string) []byte {
	if after == "" {
		return nil
	}
	return []byte(prefix + after)
}
