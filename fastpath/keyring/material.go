package keyring

import (
	"context"
	"errors"
	"fmt"

	"trent/hsm"
	"trent/store"
)

// materialEntry says whose material it is. Once issued that never changes.
type materialEntry struct {
	material hsm.MaterialID // whole: the cache key holds half of it
	key      cacheKey       // the key, without its Region; partition 0: never issued
}

func setMaterial(c *cacheKey, partition string, m *hsm.MaterialID) bool {
	copy(c.id[:], m[:])
	return setPartition(c, partition)
}

// ByMaterial finds the key that a material belongs to, in the Region of scope, and the token of that material.
// The account may be any. Three ways not to find it:
//
//   - ErrUnknownMaterial: never issued in this partition;
//   - a Missing snapshot: the key was deleted, or has no copy in this Region;
//   - a snapshot and no hsm.Key: the key is there, this material of it is not (deleted imported material).
//
// Other errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) ByMaterial(ctx context.Context, scope Scope, m hsm.MaterialID) (*Snapshot, *hsm.Key, error) {
	var c cacheKey
	if !setMaterial(&c, scope.Partition, &m) || len(scope.Region) > len(c.region) {
		return nil, nil, ErrUnknownMaterial
	}
	e := k.materials.get(&c, k.seed.of(&c))
	if e == nil || e.material != m {
		var err error
		if e, err = k.loadMaterial(ctx, c, scope.Partition, m); err != nil {
			return nil, nil, err
		}
	}
	if e.key.partition == 0 {
		return nil, nil, ErrUnknownMaterial
	}
	c = e.key
	copy(c.region[:], scope.Region)
	hash := k.seed.of(&c)
	s := k.keys.get(&c, hash)
	if s == nil {
		var err error
		if s, err = k.load(ctx, c, hash); err != nil {
			return nil, nil, err
		}
	}
	if s.Missing {
		return s, nil, nil
	}
	s, err := k.unexpired(ctx, s)
	if err != nil || s.Missing {
		return s, nil, err
	}
	if s.Current != nil && s.Current.Material == m {
		return s, s.Current, nil
	}
	key, err := k.older(ctx, c, s, m)
	return s, key, err
}

func (k *Keyring) loadMaterial(ctx context.Context, c cacheKey, partition string, m hsm.MaterialID) (*materialEntry, error) {
	epoch := k.materials.epoch(k.seed.of(&c))
	n := &node[materialEntry]{key: c, value: materialEntry{material: m}}
	rec, err := k.store.Load(ctx, materialKey(partition, m))
	switch {
	case errors.Is(err, store.ErrNotFound):
		n.absent = true
	case err != nil:
		return nil, fmt.Errorf("loading a material record: %w", err)
	default:
		account, key, err := decodeMaterial(rec.Value)
		if err != nil {
			return nil, err
		}
		owner := &n.value.key
		lower, ok := setKey(owner, key)
		if !ok || !lower || !isAccount(account) {
			return nil, fmt.Errorf("reading the owner of a material: %w", ErrRecord)
		}
		copy(owner.account[:], account)
		owner.partition = c.partition
		n.revision = rec.Revision
	}
	k.materials.fill(n, epoch, 0)
	return &n.value, nil
}
