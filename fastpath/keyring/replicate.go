package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"trent/hsm"
	"trent/store"
)

// NewReplica is what Replicate makes of a multi-Region primary: the properties that each copy has for itself.
type NewReplica struct {
	Region      string
	Description string
	Policy      []byte // nil: the account's default policy
	Tags        []Tag
	Created     time.Time
	Enter       func(r *Record) // puts the replica into a transitional state; nil: none
}

// Errors of Replicate and Promote, besides those of a Keyring.
var (
	ErrNotPrimary = errors.New("keyring: key is not a multi-Region primary")
	ErrNoReplica  = errors.New("keyring: key has no replica in that Region")
)

// tokensPerTxn is how many tokens go into one transaction beside what else it holds.
const tokensPerTxn = 40

// Replicate makes a copy of a multi-Region primary in another Region, with the same id and material, enabled; or pending
// import, where the material is imported: each copy imports it for itself. check, which may be called several times,
// sees the primary's record and may refuse. One transaction, unless the key has very many materials: then the copy is
// Creating until the rest is there, and the due index holds the work. Errors: check's unchanged, ErrKeyMissing,
// ErrNotPrimary, ErrKeyExists, *ErrTooManyKeys, store.ErrConflict after many attempts, store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) Replicate(ctx context.Context, primary ID, n NewReplica, check func(r *Record) error) (Record, error) {
	var r Record
	var sync Due
	build := func() (txn store.Txn, err error) {
		r, sync = Record{}, Due{}
		from, materials, err := k.Materials(ctx, primary)
		if err != nil {
			return txn, err
		}
		if !from.Leads() {
			return txn, ErrNotPrimary
		}
		if err := check(&from); err != nil {
			return txn, err
		}
		rel, err := k.newCopy(ctx, &from, n.Region)
		if err != nil {
			return txn, err
		}
		txn.Require = []store.Condition{{Key: primary.storeKey(kindKey), Revision: from.Revision}}
		rel.put(primary, rel.with(n.Region), &txn)
		materials, held := k.holdFor(&from, materials, &txn)
		made := Edit{Record: n.record(&from)}
		made.follow(&from, materials, nil)
		r = made.Record
		rest, err := k.firstTokens(ctx, &from, r.ID, &txn)
		if err != nil {
			return txn, err
		}
		if rest {
			r.State, r.Resume = Creating, r.State
		} else if n.Enter != nil {
			n.Enter(&r)
		}
		if rest || held {
			sync = Due{primary, TaskSync, toMillis(k.clock())}
			txn.Put = append(txn.Put, store.Record{Key: dueKey(sync), Value: []byte{recordVersion}})
		}
		n.put(&r, made.Materials, &txn)
		return txn, nil
	}
	var revision store.Revision
	err := k.countCreate(ctx, primary.in(n.Region).scope(), Customer, func() (err error) {
		revision, err = k.write(ctx, primary, build)
		return err
	})
	if err != nil {
		return Record{}, err
	}
	r.Revision = revision
	k.syncNow(ctx, sync)
	return r, nil
}

// holdFor lets the imported material that a primary could be rotated to wait for a new copy, in the transaction that makes
// the copy, and returns the primary's materials as they then are. held: some are to wait, which the other copies have to
// follow.
func (k *Keyring) holdFor(from *Record, materials []Material, txn *store.Txn) (after []Material, held bool) {
	if from.Origin != External {
		return materials, false
	}
	if after, held = heldBack(materials); held {
		txn.Put = append(txn.Put,
			store.Record{Key: from.storeKey(kindKey), Value: encodeKey(from, false)}, // its revision covers the materials
			store.Record{Key: from.storeKey(kindMaterials), Value: encodeMaterials(after)})
	}
	return after, held
}

// newCopy reads the copies of a key, and refuses a Region that has one.
func (k *Keyring) newCopy(ctx context.Context, from *Record, region string) (storedRelated, error) {
	rel, err := k.related(ctx, from.ID)
	if err != nil {
		return rel, err
	}
	// A copy that is being deleted is related no more, but its remains are still there.
	_, _, err = k.record(ctx, from.in(region))
	if err == nil || slices.Contains(rel.Replicas, region) {
		return rel, ErrKeyExists
	}
	if !errors.Is(err, ErrKeyMissing) {
		return rel, err
	}
	return rel, nil
}

func (n *NewReplica) record(from *Record) Record {
	return Record{
		ID:          from.in(n.Region),
		State:       Enabled,
		Spec:        from.Spec,
		Usage:       from.Usage,
		Origin:      from.Origin,
		Manager:     from.Manager,
		MultiRegion: true,
		Created:     toMillis(n.Created),
		Description: n.Description,
	}
}

// put adds the replica's own records to txn.
func (n *NewReplica) put(r *Record, materials []Material, txn *store.Txn) {
	txn.Require = append(txn.Require, store.Condition{Key: r.storeKey(kindKey)})
	txn.Put = append(txn.Put,
		store.Record{Key: r.storeKey(kindKey), Value: encodeKey(r, false)},
		store.Record{Key: r.storeKey(kindChildren), Value: encodeChildren(children{})},
		store.Record{Key: r.storeKey(kindMaterials), Value: encodeMaterials(materials)})
	if n.Policy != nil {
		txn.Put = append(txn.Put, store.Record{Key: r.storeKey(kindPolicy), Value: encodePolicy(n.Policy)})
	}
	if len(n.Tags) > 0 {
		txn.Put = append(txn.Put, store.Record{Key: r.storeKey(kindTags), Value: encodeTags(sortedTags(n.Tags))})
	}
	for _, d := range r.dues() {
		txn.Put = append(txn.Put, store.Record{Key: dueKey(d), Value: []byte{recordVersion}})
	}
}

// firstTokens adds the tokens of a key to the transaction that makes a copy of it, the current one in any case: they are
// bound to no Region. rest: they were too many.
func (k *Keyring) firstTokens(ctx context.Context, from *Record, to ID, txn *store.Txn) (rest bool, err error) {
	if from.Origin == External {
		return false, nil
	}
	tokens, err := k.tokens(ctx, from.ID)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(tokens, func(t storedToken) bool { return t.material == from.Current })
	if i < 0 {
		return false, fmt.Errorf("the token of a key's current material is gone: %w", ErrRecord)
	}
	tokens[0], tokens[i] = tokens[i], tokens[0]
	if rest = len(tokens) > tokensPerTxn; rest {
		tokens = tokens[:tokensPerTxn]
	}
	putTokens(tokens, to, txn)
	return rest, nil
}

// storedToken is a token record as it is stored.
type storedToken struct {
	material hsm.MaterialID
	value    []byte
}

func putTokens(tokens []storedToken, to ID, txn *store.Txn) {
	for _, t := range tokens {
		txn.Put = append(txn.Put, store.Record{Key: tokenKey(to, t.material), Value: t.value})
	}
}

// tokens reads all tokens of a key.
func (k *Keyring) tokens(ctx context.Context, id ID) ([]storedToken, error) {
	prefix := id.prefix(kindToken)
	var all []storedToken
	for after := []byte(nil); ; {
		records, more, err := k.store.List(ctx, prefix, after, store.MaxTxnEntries)
		if err != nil {
			return nil, fmt.Errorf("listing a key's tokens: %w", err)
		}
		for i := range records {
			after = records[i].Key
			m := after[len(prefix):]
			if len(m) != len(hsm.MaterialID{}) {
				return nil, fmt.Errorf("reading the store key of a token: %w", ErrRecord)
			}
			all = append(all, storedToken{hsm.MaterialID(m), records[i].Value})
		}
		if !more {
			return all, nil
		}
	}
}

// Promote makes the replica of a multi-Region primary in another Region the primary, and the primary a replica, in one
// transaction. check, which may be called several times, sees the record of the one, then of the other, and may
// refuse; enter may put both into a transitional state, and may be nil. Errors: check's unchanged, ErrKeyMissing, ErrNotPrimary, ErrNoReplica, store.ErrConflict after many
// attempts, store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) Promote(ctx context.Context, primary ID, region string, check func(r *Record) error, enter func(r *Record)) error {
	for range maxAttempts {
		var sync Due
		_, err := k.write(ctx, primary, func() (txn store.Txn, err error) {
			txn, sync, err = k.promotion(ctx, primary, region, check, enter)
			return txn, err
		})
		if !errors.Is(err, errBehind) {
			if err == nil {
				k.syncNow(ctx, sync)
			}
			return err
		}
		// What the replica lacks would be lost with the primary's role.
		if _, err := k.syncCopy(ctx, primary, region); err != nil {
			return err
		}
	}
	return fmt.Errorf("promoting a replica that always lags behind: %w", store.ErrConflict)
}

var errBehind = errors.New("keyring: replica does not have all of its primary")

func (k *Keyring) promotion(ctx context.Context, primary ID, region string, check func(r *Record) error, enter func(r *Record)) (txn store.Txn, sync Due, err error) {
	old, materials, err := k.Materials(ctx, primary)
	if err != nil {
		return txn, sync, err
	}
	if !old.Leads() {
		return txn, sync, ErrNotPrimary
	}
	if err := check(&old); err != nil {
		return txn, sync, err
	}
	rel, err := k.related(ctx, primary)
	if err != nil {
		return txn, sync, err
	}
	if !slices.Contains(rel.Replicas, region) {
		return txn, sync, ErrNoReplica
	}
	replica, has, err := k.Materials(ctx, primary.in(region))
	if errors.Is(err, ErrKeyMissing) {
		return txn, sync, ErrNoReplica
	}
	if err != nil {
		return txn, sync, err
	}
	if err := check(&replica); err != nil {
		return txn, sync, err
	}
	step, err := k.copyStep(ctx, &old, materials, region)
	if err != nil {
		return txn, sync, err
	}
	if !step.done {
		return txn, sync, errBehind
	}
	for _, r := range []Record{old, replica} {
		before := r
		r.Primary = region
		if enter != nil {
			enter(&r)
		}
		txn.Require = append(txn.Require, store.Condition{Key: r.storeKey(kindKey), Revision: r.Revision})
		txn.Put = append(txn.Put, store.Record{Key: r.storeKey(kindKey), Value: encodeKey(&r, false)})
		reschedule(&before, &r, &txn)
	}
	if slices.ContainsFunc(has, waits) { // it may be the only one that has what waits for a rotation
		sync = Due{replica.ID, TaskSync, toMillis(k.clock())}
		txn.Put = append(txn.Put, store.Record{Key: dueKey(sync), Value: []byte{recordVersion}})
	}
	next := rel.without(region).with(old.Region)
	next.Primary = region
	rel.put(primary, next, &txn)
	return txn, sync, nil
}
