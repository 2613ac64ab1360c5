package keyring

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"

	"trent/store"
)

// storeCacheBytes bounds the cache of custom key stores.
const storeCacheBytes = 4 << 20

// KeyStore finds a custom key store; it must not be changed. It takes no lock and allocates nothing when the cache has
// it. Errors: ErrStoreMissing, store.ErrUnavailable, ErrRecord.
func (k *Keyring) KeyStore(ctx context.Context, scope Scope, id string) (*KeyStore, error) {
	var c cacheKey
	if !setStore(&c, id) || !setPlace(&c, scope.Partition, scope.Account, scope.Region) {
		return nil, ErrStoreMissing
	}
	hash := k.seed.of(&c)
	s := k.stores.get(&c, hash)
	if s == nil {
		epoch := k.stores.epoch(hash)
		n := &node[KeyStore]{key: c}
		loaded, err := k.loadKeyStore(ctx, scope, id)
		if err != nil && !errors.Is(err, ErrStoreMissing) {
			return nil, err
		}
		n.value, n.absent, n.revision = loaded, err != nil, loaded.Revision
		k.stores.fill(n, epoch, len(loaded.TrustAnchor)+len(loaded.Secret)+512)
		s = &n.value
	}
	if s.ID == "" {
		return nil, ErrStoreMissing
	}
	return s, nil
}

func (k *Keyring) loadKeyStore(ctx context.Context, scope Scope, id string) (s KeyStore, err error) {
	rec, err := k.store.Load(ctx, storeKeyOf(scope, kindStore, id))
	if errors.Is(err, store.ErrNotFound) {
		return s, ErrStoreMissing
	}
	if err != nil {
		return s, fmt.Errorf("loading a custom key store: %w", err)
	}
	s.Scope, s.ID, s.Revision = scope, id, rec.Revision
	return s, decodeKeyStore(rec.Value, &s)
}

// KeyStores returns up to limit custom key stores of the scope, in order of their ids after the id `after`, and whether
// there are more. It reads the store. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) KeyStores(ctx context.Context, scope Scope, after string, limit int) ([]KeyStore, bool, error) {
	prefix := scope.prefix(kindStore)
	records, more, err := k.store.List(ctx, []byte(prefix), marker(prefix, after), limit)
	if err != nil {
		return nil, false, fmt.Errorf("listing custom key stores: %w", err)
	}
	all := make([]KeyStore, len(records))
	for i := range records {
		s := &all[i]
		s.Scope, s.ID, s.Revision = scope, strings.TrimPrefix(string(records[i].Key), prefix), records[i].Revision
		if err := decodeKeyStore(records[i].Value, s); err != nil {
			return nil, false, err
		}
	}
	return all, more, nil
}

// everyKeyStore is KeyStores without a limit.
func (k *Keyring) everyKeyStore(ctx context.Context, scope Scope) (all []KeyStore, err error) {
	for more, after := true, ""; more; {
		var page []KeyStore
		if page, more, err = k.KeyStores(ctx, scope, after, 100); err != nil {
			return nil, err
		}
		if all = append(all, page...); len(all) > 0 {
			after = all[len(all)-1].ID
		}
	}
	return all, nil
}

// writeStores is write for the custom key stores of a scope.
func (k *Keyring) writeStores(ctx context.Context, scope Scope, build func() (store.Txn, error)) (store.Revision, error) {
	return k.writeAt(ctx, maphash.String(k.nameSeed, scope.prefix(kindStore)), build)
}

// roster reads how many custom key stores a scope has. Whatever must be unique among them stands under the condition of
// this record's revision, since everything that adds, removes or changes one rewrites it.
func (k *Keyring) roster(ctx context.Context, scope Scope) (count int, c store.Condition, err error) {
	return k.count(ctx, storeKeyOf(scope, kindStoreRoster, ""))
}

// count reads a number and the condition that it stays so; absent, it is 0.
func (k *Keyring) count(ctx context.Context, key []byte) (int, store.Condition, error) {
	rec, err := k.store.Load(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, store.Condition{Key: key}, nil
	}
	if err != nil {
		return 0, store.Condition{}, fmt.Errorf("loading a count of custom key stores: %w", err)
	}
	n, err := decodeCount(rec.Value)
	return n, store.Condition{Key: key, Revision: rec.Revision}, err
}

func encodeCount(n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{recordVersion}, uint32(n))
}

func decodeCount(value []byte) (int, error) {
	d := reader{b: value}
	d.version()
	n := int(d.u32())
	return n, d.done("count")
}

// CreateKeyStore writes a new custom key store. check looks at the others of the scope and may refuse; its error is
// returned unchanged. Others: *ErrTooManyStores, store.ErrConflict after many attempts, store.ErrUnavailable,
// store.ErrAmbiguous.
func (k *Keyring) CreateKeyStore(ctx context.Context, n KeyStore, check func(others []KeyStore) error) error {
	var c cacheKey
	if !setStore(&c, n.ID) || !setPlace(&c, n.Partition, n.Account, n.Region) {
		return fmt.Errorf("creating a custom key store: %q is not the id of one", n.ID)
	}
	n.Created = toMillis(n.Created)
	_, err := k.writeStores(ctx, n.Scope, func() (txn store.Txn, err error) {
		count, roster, err := k.roster(ctx, n.Scope)
		if err != nil {
			return txn, err
		}
		others, err := k.everyKeyStore(ctx, n.Scope)
		if err != nil {
			return txn, err
		}
		if err := check(others); err != nil {
			return txn, err
		}
		if count >= k.keyStores {
			return txn, &ErrTooManyStores{Limit: k.keyStores, Current: count}
		}
		at := storeKeyOf(n.Scope, kindStore, n.ID)
		if _, err := k.loadKeyStore(ctx, n.Scope, n.ID); err == nil {
			return txn, errStoreNotUnique
		}
		return store.Txn{
			Require: []store.Condition{roster, {Key: at}},
			Put: []store.Record{
				{Key: roster.Key, Value: encodeCount(count + 1)},
				{Key: at, Value: encodeKeyStore(&n)},
				{Key: storeKeyOf(n.Scope, kindStoreKeys, n.ID), Value: encodeCount(0)},
			},
		}, nil
	})
	return err
}

// EditKeyStore changes a custom key store by f, which is given the others of its scope too, may be called several times,
// and must not change Scope, ID, Type or Created; its error is returned unchanged. A Next goes with a moving state
// only, and is then in the due index. When a connected store is so no more, the module has forgotten its keys before
// EditKeyStore returns. Other errors: ErrStoreMissing, those of CreateKeyStore, the module's of Forget (the change is then
// written).
func (k *Keyring) EditKeyStore(ctx context.Context, scope Scope, id string, f func(s *KeyStore, others []KeyStore) error) error {
	severed := false
	_, err := k.writeStores(ctx, scope, func() (txn store.Txn, err error) {
		count, roster, err := k.roster(ctx, scope)
		if err != nil {
			return txn, err
		}
		old, err := k.loadKeyStore(ctx, scope, id)
		if err != nil {
			return txn, err
		}
		all, err := k.everyKeyStore(ctx, scope)
		if err != nil {
			return txn, err
		}
		others := all[:0]
		for i := range all {
			if all[i].ID != id {
				others = append(others, all[i])
			}
		}
		s := old
		if err := f(&s, others); err != nil {
			return txn, err
		}
		if s.Scope != old.Scope || s.ID != old.ID || s.Type != old.Type || s.Created != old.Created {
			return txn, ErrImmutable
		}
		s.Began, s.Next = toMillis(s.Began), toMillis(s.Next)
		at := storeKeyOf(scope, kindStore, id)
		txn = store.Txn{
			Require: []store.Condition{roster, {Key: at, Revision: old.Revision}},
			Put:     []store.Record{{Key: roster.Key, Value: encodeCount(count)}, {Key: at, Value: encodeKeyStore(&s)}},
		}
		rescheduleStore(&old, &s, &txn)
		severed = old.State == Connected && s.State != Connected
		return txn, nil
	})
	if err != nil || !severed {
		return err
	}
	return k.forgetStore(context.WithoutCancel(ctx), scope, id)
}

// forgetStore makes the module drop the ready state of all keys of a custom key store. It reads all keys of the scope:
// a store does not list its own.
func (k *Keyring) forgetStore(ctx context.Context, scope Scope, id string) error {
	prefix := scope.prefix(kindKey)
	for more, after := true, ""; more; {
		var records []store.Record
		var err error
		if records, more, err = k.store.List(ctx, []byte(prefix), marker(prefix, after), store.MaxTxnEntries); err != nil {
			return fmt.Errorf("looking for the keys of a custom key store: %w", err)
		}
		for i := range records {
			var r Record
			if _, err := decodeKey(records[i].Value, &r); err != nil {
				return err
			}
			after = strings.TrimPrefix(string(records[i].Key), prefix)
			if r.Store != id {
				continue
			}
			if err := k.forget(ctx, scope.Key(after)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rescheduleStore moves a custom key store's entry in the due index.
func rescheduleStore(old, s *KeyStore, txn *store.Txn) {
	before, after := dueKey(Due{old.place(), TaskSettle, old.Next}), dueKey(Due{s.place(), TaskSettle, s.Next})
	if old.State.Moving() && s.State.Moving() && string(before) == string(after) {
		return
	}
	if old.State.Moving() {
		txn.Delete = append(txn.Delete, before)
	}
	if s.State.Moving() {
		txn.Put = append(txn.Put, store.Record{Key: after, Value: []byte{recordVersion}})
	}
}

// DeleteKeyStore removes a custom key store that has no keys, in whatever state these. check may refuse; its error is
// returned unchanged. Others: ErrStoreHasKeys, ErrStoreMissing, and those of CreateKeyStore.
func (k *Keyring) DeleteKeyStore(ctx context.Context, scope Scope, id string, check func(s *KeyStore) error) error {
	_, err := k.writeStores(ctx, scope, func() (txn store.Txn, err error) {
		count, roster, err := k.roster(ctx, scope)
		if err != nil {
			return txn, err
		}
		s, err := k.loadKeyStore(ctx, scope, id)
		if err != nil {
			return txn, err
		}
		keys, counted, err := k.count(ctx, storeKeyOf(scope, kindStoreKeys, id))
		switch {
		case err != nil:
			return txn, err
		case keys > 0:
			return txn, ErrStoreHasKeys
		}
		if err := check(&s); err != nil {
			return txn, err
		}
		at := storeKeyOf(scope, kindStore, id)
		return store.Txn{
			Require: []store.Condition{roster, counted, {Key: at, Revision: s.Revision}},
			Put:     []store.Record{{Key: roster.Key, Value: encodeCount(max(count-1, 0))}},
			Delete:  [][]byte{at, counted.Key},
		}, nil
	})
	return err
}

// joinStore adds to the transaction of a new key what puts it into its custom key store.
func (k *Keyring) joinStore(ctx context.Context, r *Record, txn *store.Txn) error {
	s, err := k.loadKeyStore(ctx, r.scope(), r.Store)
	if err != nil {
		return err
	}
	if s.State != Connected {
		return ErrStoreState
	}
	keys, counted, err := k.count(ctx, storeKeyOf(r.scope(), kindStoreKeys, r.Store))
	if err != nil {
		return err
	}
	txn.Require = append(txn.Require, counted, store.Condition{Key: storeKeyOf(r.scope(), kindStore, r.Store), Revision: s.Revision})
	txn.Put = append(txn.Put, store.Record{Key: counted.Key, Value: encodeCount(keys + 1)})
	if s.Type != ExternalStore {
		return nil
	}
	taken := takenKey(r.scope(), r.Store, r.BackingID)
	if _, err := k.store.Load(ctx, taken); err == nil {
		return ErrExternalInUse
	} else if !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("loading whose an external key is: %w", err)
	}
	txn.Require = append(txn.Require, store.Condition{Key: taken})
	txn.Put = append(txn.Put, store.Record{Key: taken, Value: encodeMaterial(r.Account, r.Key)})
	return nil
}

// leaveStore adds to the last transaction of a key's deletion what takes it out of its custom key store.
func (k *Keyring) leaveStore(ctx context.Context, r *Record, txn *store.Txn) error {
	if r.Store == "" {
		return nil
	}
	keys, counted, err := k.count(ctx, storeKeyOf(r.scope(), kindStoreKeys, r.Store))
	if err != nil {
		return err
	}
	txn.Require = append(txn.Require, counted)
	txn.Put = append(txn.Put, store.Record{Key: counted.Key, Value: encodeCount(max(keys-1, 0))})
	if r.Origin == ExternalKeyStore {
		txn.Delete = append(txn.Delete, takenKey(r.scope(), r.Store, r.BackingID))
	}
	return nil
}
