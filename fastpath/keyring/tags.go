package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trent/fastpath/authz"
	"trent/store"
)

// MaxPolicyBytes is the longest policy that a record can hold.
const MaxPolicyBytes = store.MaxValueBytes - 1

// Policy returns the key policy as it was given, or the account's default policy. It reads the store.
// Errors: ErrKeyMissing, store.ErrUnavailable, ErrRecord.
func (k *Keyring) Policy(ctx context.Context, id ID) ([]byte, error) {
	if _, err := k.Record(ctx, id); err != nil {
		return nil, err
	}
	rec, err := k.store.Load(ctx, id.storeKey(kindPolicy))
	if errors.Is(err, store.ErrNotFound) {
		return []byte(authz.DefaultPolicy(id.Partition, id.Account)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("loading a key policy: %w", err)
	}
	return decodePolicy(rec.Value)
}

// PutPolicy replaces the key policy; that it keeps to the grammar and has at most MaxPolicyBytes is the caller's to check. Errors: ErrKeyMissing,
// store.ErrConflict after many attempts, store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) PutPolicy(ctx context.Context, id ID, policy []byte) error {
	_, err := k.write(ctx, id, func() (store.Txn, error) {
		r, err := k.Record(ctx, id)
		if err != nil {
			return store.Txn{}, err
		}
		return store.Txn{
			Require: []store.Condition{{Key: id.storeKey(kindKey), Revision: r.Revision}},
			Put:     []store.Record{{Key: id.storeKey(kindPolicy), Value: encodePolicy(policy)}},
		}, nil
	})
	return err
}

// Tags returns the key's tags in order of their keys. It reads the store. Errors: ErrKeyMissing,
// store.ErrUnavailable, ErrRecord.
func (k *Keyring) Tags(ctx context.Context, id ID) ([]Tag, error) {
	if _, err := k.Record(ctx, id); err != nil {
		return nil, err
	}
	tags, _, err := k.tags(ctx, id)
	return tags, err
}

func (k *Keyring) tags(ctx context.Context, id ID) ([]Tag, store.Revision, error) {
	rec, err := k.store.Load(ctx, id.storeKey(kindTags))
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("loading a key's tags: %w", err)
	}
	tags, err := decodeTags(rec.Value)
	return tags, rec.Revision, err
}

// EditTags replaces the key's tags by what f makes of them. f may be called several times; its error is returned
// unchanged. Other errors: those of PutPolicy.
func (k *Keyring) EditTags(ctx context.Context, id ID, f func([]Tag) ([]Tag, error)) error {
	_, err := k.write(ctx, id, func() (txn store.Txn, err error) {
		r, err := k.Record(ctx, id)
		if err != nil {
			return txn, err
		}
		tags, revision, err := k.tags(ctx, id)
		if err != nil {
			return txn, err
		}
		if tags, err = f(tags); err != nil {
			return txn, err
		}
		at := id.storeKey(kindTags)
		txn.Require = []store.Condition{
			{Key: id.storeKey(kindKey), Revision: r.Revision},
			{Key: at, Revision: revision},
		}
		if len(tags) == 0 {
			txn.Delete = [][]byte{at}
		} else {
			txn.Put = []store.Record{{Key: at, Value: encodeTags(sortedTags(tags))}}
		}
		return txn, nil
	})
	return err
}

func sortedTags(tags []Tag) []Tag {
	return slices.SortedStableFunc(slices.Values(tags), func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
}
