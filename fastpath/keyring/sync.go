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

// share adds to the transaction that changes a copy of a multi-Region key what makes the others follow: an entry in the
// due index, which is there until all of them have done so. They follow the primary; what a replica may bring about is
// that material that waits for a rotation has been imported in the last of the Regions, or is in one of them no more.
func (k *Keyring) share(old *Record, before []Material, e *Edit, txn *store.Txn) {
	r := &e.Record
	same := slices.Equal(before, e.Materials)
	if r.follows() {
		if same || !slices.ContainsFunc(e.Materials, waits) {
			return
		}
	} else if len(e.Replicas) == 0 || same && old.Current == r.Current && old.Rotation == r.Rotation && old.OnDemand == r.OnDemand &&
		len(e.put) == 0 && len(e.drop) == 0 {
		return
	}
	e.sync = Due{r.ID, TaskSync, toMillis(k.clock())}
	txn.Put = append(txn.Put, store.Record{Key: dueKey(e.sync), Value: []byte{recordVersion}})
}

// syncNow does what the due index has been told to do, d, or nothing if d is empty. The change that it follows is
// written, and what fails here is tried again from the index: no error.
func (k *Keyring) syncNow(ctx context.Context, d Due) {
	if d != (Due{}) {
		_ = k.syncDue(ctx, d)
	}
}

// syncDue carries what the copies of a multi-Region key share from the primary to the others, and takes d from the due
// index when none of them lags behind the primary as it then is.
func (k *Keyring) syncDue(ctx context.Context, d Due) error {
	for range maxAttempts {
		rel, err := k.related(ctx, d.ID)
		if err != nil {
			return err
		}
		primary, err := k.Record(ctx, d.in(rel.Primary))
		switch {
		case errors.Is(err, ErrKeyMissing):
			_, err := k.commit(ctx, store.Txn{Delete: [][]byte{dueKey(d)}})
			return err
		case err != nil:
			return err
		}
		current := true
		for _, region := range rel.Replicas {
			revision, err := k.syncCopy(ctx, primary.ID, region)
			if errors.Is(err, ErrNotPrimary) || errors.Is(err, ErrKeyMissing) {
				current = false
				break
			}
			if err != nil {
				return err
			}
			current = current && revision == primary.Revision
		}
		if current {
			current, err = k.importedEverywhere(ctx, &primary, rel.Replicas)
			if err != nil {
				return err
			}
		}
		if !current {
			continue
		}
		_, err = k.commit(ctx, store.Txn{
			Require: []store.Condition{{Key: primary.storeKey(kindKey), Revision: primary.Revision}},
			Delete:  [][]byte{dueKey(d)},
		})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("synchronizing the copies of a key %d times: %w", maxAttempts, store.ErrConflict)
}

var errInSync = errors.New("keyring: copy has all of its primary")

// syncCopy makes the copy in a Region follow the primary, in as many transactions as it takes, and returns the revision
// of the primary that it now follows. A copy that is being deleted follows any. Errors: ErrKeyMissing and ErrNotPrimary
// of the primary, store.ErrConflict after many attempts, store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) syncCopy(ctx context.Context, primary ID, region string) (store.Revision, error) {
	var follows store.Revision
	for {
		_, err := k.write(ctx, primary, func() (txn store.Txn, err error) {
			from, materials, err := k.Materials(ctx, primary)
			if err != nil {
				return txn, err
			}
			if !from.Leads() {
				return txn, ErrNotPrimary
			}
			follows = from.Revision
			step, err := k.copyStep(ctx, &from, materials, region)
			if err == nil && step.done {
				err = errInSync
			}
			return step.txn, err
		})
		switch {
		case errors.Is(err, errInSync):
			return follows, nil
		case err != nil:
			return 0, err
		}
	}
}

// copyStep is the next transaction that brings a copy nearer to its primary.
type copyStep struct {
	txn  store.Txn
	done bool // there is none
}

func (k *Keyring) copyStep(ctx context.Context, from *Record, materials []Material, region string) (step copyStep, err error) {
	to, has, err := k.Materials(ctx, from.in(region))
	if errors.Is(err, ErrKeyMissing) {
		return copyStep{done: true}, nil
	}
	if err != nil {
		return step, err
	}
	lacks, err := k.lacking(ctx, from, to.ID)
	if err != nil {
		return step, err
	}
	txn := &step.txn
	txn.Require = []store.Condition{
		{Key: from.storeKey(kindKey), Revision: from.Revision},
		{Key: to.storeKey(kindKey), Revision: to.Revision},
	}
	if len(lacks) > tokensPerTxn {
		putTokens(lacks[:tokensPerTxn], to.ID, txn)
		return step, nil
	}
	next := Edit{Record: to}
	next.follow(from, materials, has)
	if len(lacks) > 0 && to.State == Creating && to.Resume != StateNone {
		next.State, next.Resume = to.Resume, StateNone // it was made without all of its tokens
	}
	sameMaterials := slices.Equal(next.Materials, has)
	if len(lacks) == 0 && next.Record == to && sameMaterials {
		return copyStep{done: true}, nil
	}
	putTokens(lacks, to.ID, txn)
	txn.Put = append(txn.Put, store.Record{Key: to.storeKey(kindKey), Value: encodeKey(&next.Record, false)})
	if !sameMaterials {
		txn.Put = append(txn.Put, store.Record{Key: to.storeKey(kindMaterials), Value: encodeMaterials(next.Materials)})
	}
	reschedule(&to, &next.Record, txn)
	return step, nil
}

// lacking are the tokens that a copy does not have yet. Imported material is not among them: each copy imports it.
func (k *Keyring) lacking(ctx context.Context, from *Record, to ID) ([]storedToken, error) {
	if from.Origin == External {
		return nil, nil
	}
	all, err := k.tokens(ctx, from.ID)
	if err != nil {
		return nil, err
	}
	has, err := k.tokens(ctx, to)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(t storedToken) bool {
		return slices.ContainsFunc(has, func(h storedToken) bool { return h.material == t.material })
	}), nil
}

// follow gives a copy what it shares with its primary, which has materials; the copy has has.
func (e *Edit) follow(from *Record, materials, has []Material) {
	e.Current, e.Rotation, e.OnDemand, e.Primary = from.Current, from.Rotation, from.OnDemand, from.Region
	e.Materials = followed(from, materials, has)
	if e.Origin == External {
		e.settle()
	}
}

// followed are the materials of a copy that has has, and follows a primary that has materials. What is imported is
// the copy's own: whether it is there, and until when.
func followed(from *Record, materials, has []Material) []Material {
	next := slices.Clone(materials)
	if from.Origin != External {
		return next
	}
	for i := range next {
		m := &next[i]
		m.Import, m.Expires, m.ValidTo, m.Description = PendingReimport, ExpirationNone, time.Time{}, ""
		if own := materialIn(has, m.ID); own != nil {
			m.Import, m.Expires, m.ValidTo, m.Description = own.Import, own.Expires, own.ValidTo, own.Description
		}
	}
	// What the primary has given up stays with a copy that has it still: nobody else has.
	for i := range has {
		if has[i].Import == Imported && materialIn(next, has[i].ID) == nil {
			m := has[i]
			if waits(m) {
				m.State = MaterialPendingMultiRegion
			}
			next = append(next, m)
		}
	}
	return next
}

func materialIn(all []Material, m hsm.MaterialID) *Material {
	for i := range all {
		if all[i].ID == m {
			return &all[i]
		}
	}
	return nil
}
