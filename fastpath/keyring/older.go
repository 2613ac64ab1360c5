package keyring

import (
	"context"
	"errors"

	"trent/hsm"
	"trent/store"
)

// olderEntry is a material of a key that is not its current one, in one Region: what old ciphertexts need.
type olderEntry struct {
	material hsm.MaterialID // whole: the cache key holds half of it
	key      *hsm.Key       // nil: no token of it is there
}

// olderKind keeps the names of older materials apart from those of keys.
const olderKind = 2

// setOlder names a material in the place that c is in.
func setOlder(c *cacheKey, m *hsm.MaterialID) {
	copy(c.id[:], m[:])
	c.kind = olderKind
}

// older finds the token of a material of s that is not the current one; c holds the key's place. Entries follow token
// records alone: identity, spec and usage never change, and whether the key may be used is the snapshot's to say.
func (k *Keyring) older(ctx context.Context, c cacheKey, s *Snapshot, m hsm.MaterialID) (*hsm.Key, error) {
	setOlder(&c, &m)
	hash := k.seed.of(&c)
	if e := k.olds.get(&c, hash); e != nil && e.material == m {
		return e.key, nil
	}
	return k.loadOlder(ctx, c, hash, s, m)
}

func (k *Keyring) loadOlder(ctx context.Context, c cacheKey, hash uint64, s *Snapshot, m hsm.MaterialID) (*hsm.Key, error) {
	epoch := k.olds.epoch(hash)
	n := &node[olderEntry]{key: c, value: olderEntry{material: m}}
	key, _, revision, err := k.tokenAt(ctx, s.ID, s.MultiRegion, s.Spec, s.Usage, m)
	extra := 0
	switch {
	case errors.Is(err, store.ErrNotFound):
		n.absent = true
	case err != nil:
		return nil, err
	default:
		n.revision, n.value.key = revision, key
		extra = keyBytes(key)
	}
	k.olds.fill(n, epoch, extra)
	return n.value.key, nil
}
