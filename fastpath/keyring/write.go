package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trent/hsm"
	"trent/store"
)

// maxAttempts bounds how often a write that lost a race to another process is tried again.
const maxAttempts = 32

// writerLocks lets the writers of one key in this process wait for each other instead of colliding. They only
// save work: the conditions of the transactions are what keeps writes apart.
type writerLocks [128]chan struct{}

func (l *writerLocks) init() {
	for i := range l {
		l[i] = make(chan struct{}, 1)
	}
}

// write builds and commits a transaction for the key, again after each conflict. Errors: build's,
// store.ErrConflict after maxAttempts, store.ErrUnavailable, store.ErrAmbiguous, ctx's while waiting.
func (k *Keyring) write(ctx context.Context, id ID, build func() (store.Txn, error)) (store.Revision, error) {
	var c cacheKey
	if lower, ok := setKey(&c, id.Key); !ok || !lower || !setPlace(&c, id.Partition, id.Account, id.Region) {
		return 0, ErrKeyMissing
	}
	if c.kind == multiRegionID { // its copies are written together
		c.region = [len(c.region)]byte{}
	}
	return k.writeAt(ctx, k.seed.of(&c), build)
}

// writeAt is write under the lock that hash chooses.
func (k *Keyring) writeAt(ctx context.Context, hash uint64, build func() (store.Txn, error)) (store.Revision, error) {
	lock := k.writers[hash%uint64(len(k.writers))]
	select {
	case lock <- struct{}{}:
		defer func() { <-lock }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for range maxAttempts {
		txn, err := build()
		if err != nil {
			return 0, err
		}
		revision, err := k.commit(ctx, txn)
		if !errors.Is(err, store.ErrConflict) {
			return revision, err
		}
	}
	return 0, fmt.Errorf("writing a key's records %d times: %w", maxAttempts, store.ErrConflict)
}

// commit commits and drops from the caches what the transaction writes, before anyone is answered, whatever the
// outcome: it may be applied also after an error.
func (k *Keyring) commit(ctx context.Context, txn store.Txn) (store.Revision, error) {
	revision, err := k.store.Commit(ctx, txn)
	upTo := revision
	if err != nil {
		upTo = anyRevision
	}
	for i := range txn.Put {
		k.invalidate(txn.Put[i].Key, upTo)
	}
	for _, key := range txn.Delete {
		k.invalidate(key, upTo)
	}
	if !errors.Is(err, store.ErrConflict) { // which leaves everything as it was
		k.changeGrants(txn.Put, txn.Delete, true, revision)
	}
	if err != nil {
		return 0, fmt.Errorf("committing a key's records: %w", err)
	}
	return revision, nil
}

// Create writes a new key, enabled if it has material. The id must be well-formed, lower-case and new, the place
// one that exists. A custom key store must be there and connected, and an external key nobody's yet. Errors:
// ErrKeyExists, *ErrTooManyKeys, ErrStoreMissing, ErrStoreState, ErrExternalInUse, store.ErrUnavailable, store.ErrAmbiguous, and for
// keys of custom key stores store.ErrConflict after many attempts.
func (k *Keyring) Create(ctx context.Context, n NewKey) (*Snapshot, error) {
	var c cacheKey
	lower, ok := setKey(&c, n.Key)
	if !ok || !lower || !isAccount(n.Account) || !setPlace(&c, n.Partition, n.Account, n.Region) ||
		strings.ContainsRune(n.Region, 0) {
		return nil, fmt.Errorf("creating a key: %q is not the ARN of a key", n.ARN())
	}
	r := n.record()
	txn := store.Txn{
		Require: []store.Condition{{Key: n.storeKey(kindKey)}},
		Put: []store.Record{
			{Key: n.storeKey(kindKey), Value: encodeKey(&r, false)},
			{Key: n.storeKey(kindChildren), Value: encodeChildren(children{aliases: n.aliases()})},
		},
	}
	if n.Token != nil {
		txn.Require = append(txn.Require, store.Condition{Key: materialKey(n.Partition, n.Material)})
		txn.Put = append(txn.Put,
			store.Record{Key: tokenKey(n.ID, n.Material), Value: encodeToken(n.Token, n.Public)},
			store.Record{Key: materialKey(n.Partition, n.Material), Value: encodeMaterial(n.Account, n.Key)})
	}
	if n.Policy != nil {
		txn.Put = append(txn.Put, store.Record{Key: n.storeKey(kindPolicy), Value: encodePolicy(n.Policy)})
	}
	if len(n.Tags) > 0 {
		txn.Put = append(txn.Put, store.Record{Key: n.storeKey(kindTags), Value: encodeTags(sortedTags(n.Tags))})
	}
	if n.Alias != "" {
		n.nameFirst(&txn)
	}
	for _, d := range r.dues() {
		txn.Put = append(txn.Put, store.Record{Key: dueKey(d), Value: []byte{recordVersion}})
	}
	var revision store.Revision
	err := k.countCreate(ctx, n.scope(), n.Manager, func() (err error) {
		revision, err = k.commitNew(ctx, &r, txn)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.Revision = revision
	var key *hsm.Key
	if n.Token != nil {
		key = keyOf(n.ID, n.MultiRegion, n.Spec, n.Usage, n.Material, n.Token)
	}
	policy := k.policies.byDefault(n.ID)
	if n.Policy != nil {
		policy, _ = k.policies.compiled(n.Policy)
	}
	s := &Snapshot{}
	s.set(&r, key, slices.Clone(n.Public), policy)
	return s, nil
}

// aliases is how many the key is made with.
func (n *NewKey) aliases() int {
	if n.Alias != "" {
		return 1
	}
	return 0
}

// nameFirst adds the alias that the key is made with.
func (n *NewKey) nameFirst(txn *store.Txn) {
	at := aliasKey(n.scope(), n.Alias)
	now := toMillis(n.Created)
	value := encodeAlias(Alias{Target: n.Key, Created: now, Updated: now})
	txn.Require = append(txn.Require, store.Condition{Key: at})
	txn.Put = append(txn.Put, store.Record{Key: at, Value: value}, store.Record{Key: reverseKey(n.ID, n.Alias), Value: value})
}

// commitNew commits the transaction of a new key, again after each conflict where the key joins a custom key store,
// whose other writers are not to be held up.
func (k *Keyring) commitNew(ctx context.Context, r *Record, txn store.Txn) (store.Revision, error) {
	if r.Store != "" {
		return k.writeStores(ctx, r.scope(), func() (store.Txn, error) {
			joined := store.Txn{Require: slices.Clone(txn.Require), Put: slices.Clone(txn.Put)}
			return joined, k.joinStore(ctx, r, &joined)
		})
	}
	revision, err := k.commit(ctx, txn)
	if errors.Is(err, store.ErrConflict) {
		err = ErrKeyExists
	}
	return revision, err
}

func (n *NewKey) record() Record {
	r := Record{
		ID:          n.ID,
		State:       PendingImport,
		Spec:        n.Spec,
		Usage:       n.Usage,
		Origin:      n.Origin,
		Manager:     n.Manager,
		MultiRegion: n.MultiRegion,
		Created:     toMillis(n.Created),
		Description: n.Description,
		Store:       n.Store,
		BackingID:   n.BackingID,
	}
	if n.MultiRegion {
		r.Primary = n.Region
	}
	if n.Token != nil {
		r.State, r.Current = Enabled, n.Material
	}
	if r.Origin == OriginNone {
		r.Origin = AWSKMS
	}
	if r.Manager == ManagerNone {
		r.Manager = Customer
	}
	if n.RotateDays > 0 {
		r.StartRotation(r.Created, n.RotateDays)
	}
	return r
}

// toMillis cuts to what records hold.
func toMillis(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// forget makes the module drop the ready state of all materials of a key. The caller's deadline does not cut it
// short: the write that made it necessary is done.
func (k *Keyring) forget(ctx context.Context, id ID) error {
	ctx = context.WithoutCancel(ctx)
	prefix := id.prefix(kindToken)
	for after := []byte(nil); ; {
		records, more, err := k.store.List(ctx, prefix, after, store.MaxTxnEntries)
		if err != nil {
			return fmt.Errorf("listing a key's tokens: %w", err)
		}
		for i := range records {
			after = records[i].Key
			m, ok := bytes.CutPrefix(after, prefix)
			if !ok || len(m) != len(hsm.MaterialID{}) {
				return fmt.Errorf("reading the store key of a token: %w", ErrRecord)
			}
			if err := k.module.Forget(ctx, hsm.MaterialID(m)); err != nil {
				return fmt.Errorf("forgetting a key: %w", err)
			}
		}
		if !more {
			return nil
		}
	}
}
