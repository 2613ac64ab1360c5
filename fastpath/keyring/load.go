package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"trent/hsm"
	"trent/store"
)

// load reads a key from the store and offers it to the cache.
func (k *Keyring) load(ctx context.Context, c cacheKey, hash uint64) (*Snapshot, error) {
	epoch := k.keys.epoch(hash)
	n := &node[Snapshot]{key: c}
	policyBytes, err := k.read(ctx, c.ID(), &n.value)
	if err != nil {
		return nil, fmt.Errorf("loading a key: %w", err)
	}
	n.absent, n.revision = n.value.Missing, n.value.Revision
	k.keys.fill(n, epoch, n.value.bytes()+policyBytes)
	return &n.value, nil
}

// read fills s from the store: first the key record, whose revision thereby bounds the age of the whole. A token that
// is gone means that the key changed in between; then all is read again. policyBytes is what the key's policy adds to memory.
func (k *Keyring) read(ctx context.Context, id ID, s *Snapshot) (policyBytes int, err error) {
	for attempt := 0; ; attempt++ {
		r, err := k.Record(ctx, id)
		if errors.Is(err, ErrKeyMissing) {
			s.miss(id)
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		key, public, err := k.token(ctx, &r)
		if errors.Is(err, store.ErrNotFound) && attempt < 3 {
			continue
		}
		if errors.Is(err, store.ErrNotFound) && r.Origin == External {
			err = nil // deleted or expired; the record goes on naming it
		}
		if errors.Is(err, store.ErrNotFound) {
			return 0, fmt.Errorf("the token of a key's current material is gone: %w", ErrRecord)
		}
		if err != nil {
			return 0, err
		}
		policy, policyBytes, err := k.policyOf(ctx, id)
		if err != nil {
			return 0, err
		}
		s.set(&r, key, public, policy)
		return policyBytes, nil
	}
}

// Record returns everything durable of a key. It reads the store. Errors: ErrKeyMissing, ErrRecord,
// store.ErrUnavailable.
func (k *Keyring) Record(ctx context.Context, id ID) (Record, error) {
	r, dying, err := k.record(ctx, id)
	if err == nil && dying {
		err = ErrKeyMissing
	}
	if err != nil {
		return Record{}, err
	}
	return r, nil
}

func (k *Keyring) record(ctx context.Context, id ID) (r Record, dying bool, err error) {
	rec, err := k.store.Load(ctx, id.storeKey(kindKey))
	if errors.Is(err, store.ErrNotFound) {
		return r, false, ErrKeyMissing
	}
	if err != nil {
		return r, false, fmt.Errorf("loading a key record: %w", err)
	}
	r.ID, r.Revision = id, rec.Revision
	dying, err = decodeKey(rec.Value, &r)
	if r.MultiRegion && r.Primary == "" {
		r.Primary = id.Region
	}
	return r, dying, err
}

// token loads the current material's token; both results are nil while the key has none. Errors:
// store.ErrNotFound.
func (k *Keyring) token(ctx context.Context, r *Record) (*hsm.Key, []byte, error) {
	if r.Current == (hsm.MaterialID{}) {
		return nil, nil, nil
	}
	return k.tokenOf(ctx, r.ID, r.MultiRegion, r.Spec, r.Usage, r.Current)
}

func (k *Keyring) tokenOf(ctx context.Context, id ID, multiRegion bool, spec hsm.KeySpec, usage hsm.Usage, m hsm.MaterialID) (*hsm.Key, []byte, error) {
	key, public, _, err := k.tokenAt(ctx, id, multiRegion, spec, usage, m)
	return key, public, err
}

// tokenAt is tokenOf with the token record's revision.
func (k *Keyring) tokenAt(ctx context.Context, id ID, multiRegion bool, spec hsm.KeySpec, usage hsm.Usage, m hsm.MaterialID) (*hsm.Key, []byte, store.Revision, error) {
	rec, err := k.store.Load(ctx, tokenKey(id, m))
	if err != nil {
		return nil, nil, 0, fmt.Errorf("loading a key token: %w", err)
	}
	token, public, err := decodeToken(rec.Value)
	if err != nil {
		return nil, nil, 0, err
	}
	key := keyOf(id, multiRegion, spec, usage, m, token)
	if len(public) > 0 {
		return key, slices.Clone(public), rec.Revision, nil
	}
	return key, nil, rec.Revision, nil
}

// keyOf names a key to the module. Identity and token share one allocation of the exact size.
func keyOf(id ID, multiRegion bool, spec hsm.KeySpec, usage hsm.Usage, m hsm.MaterialID, token []byte) *hsm.Key {
	region := id.Region
	if multiRegion {
		region = ""
	}
	identity := hsm.AppendIdentity(make([]byte, 0, 128), id.Partition, id.Account, id.Key, region)
	both := append(append(make([]byte, 0, len(identity)+len(token)), identity...), token...)
	return &hsm.Key{
		Token:    both[len(identity):],
		Identity: both[:len(identity):len(identity)],
		Material: m,
		Spec:     spec,
		Usage:    usage,
	}
}
