package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trent/store"
)

const duePrefix = kindDue + separator

// Due returns up to limit pieces of work that are due at now, the longest due first; among them deletions that were
// begun and cut short. Errors: store.ErrUnavailable, ErrRecord.
func (k *Keyring) Due(ctx context.Context, now time.Time, limit int) ([]Due, error) {
	records, _, err := k.store.List(ctx, []byte(duePrefix), nil, limit)
	if err != nil {
		return nil, fmt.Errorf("listing what is due: %w", err)
	}
	var due []Due
	for i := range records {
		d, ok := parseDueKey(records[i].Key)
		if !ok {
			return nil, fmt.Errorf("reading the due index: %w", ErrRecord)
		}
		if d.At.After(now) {
			break
		}
		due = append(due, d)
	}
	return due, nil
}

// Work does what is due. ErrNotDue: it is not due any more. Other errors are the task's.
func (k *Keyring) Work(ctx context.Context, d Due) error {
	switch d.Task {
	case TaskDelete:
		return k.Delete(ctx, d.ID)
	case TaskSync:
		return k.syncDue(ctx, d)
	case TaskRotate:
		return k.rotateDue(ctx, d)
	case TaskExpire:
		return k.expire(ctx, d.ID)
	case TaskWrappingKey:
		return k.dropWrappingKeys(ctx, d)
	case TaskSettle:
		return k.settle(ctx, d.ID)
	}
	return fmt.Errorf("keyring: no task of number %d", d.Task)
}

// Delete removes a key that is pending deletion and due, for ever; what it encrypted cannot be decrypted any more. In
// the first transaction it ceases to exist for all readers; the module forgets it; its aliases, grants, tokens,
// tags and policy go in further, bounded ones, the entry in the due index with the last. Cut short anywhere, it is
// continued by calling it again. A key that does not exist is deleted: no error. Errors: ErrNotDue, the module's of
// Forget and Destroy, store.ErrConflict after many attempts, store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) Delete(ctx context.Context, id ID) error {
	var manager Manager
	err := k.countDelete(id.scope(), &manager, func() error {
		_, err := k.write(ctx, id, func() (txn store.Txn, err error) { return k.markDying(ctx, id, &manager) })
		return err
	})
	if errors.Is(err, ErrKeyMissing) {
		return nil
	}
	if err != nil && !errors.Is(err, errAlreadyDying) {
		return err
	}
	if err := k.forget(ctx, id); err != nil {
		return err
	}
	if err := k.destroy(ctx, id); err != nil {
		return err
	}
	if err := k.sweep(ctx, id.prefix(kindReverse), func(rest []byte) []byte {
		return aliasKey(id.scope(), string(rest))
	}); err != nil {
		return err
	}
	if err := k.sweepGrants(ctx, id); err != nil {
		return err
	}
	for _, kind := range [...]string{kindToken, kindWrapping} {
		if err := k.sweep(ctx, id.prefix(kind), nil); err != nil {
			return err
		}
	}
	_, err = k.write(ctx, id, func() (txn store.Txn, err error) {
		r, _, err := k.record(ctx, id)
		if err != nil {
			return txn, err
		}
		txn = store.Txn{
			Require: []store.Condition{{Key: id.storeKey(kindKey), Revision: r.Revision}},
			Delete: [][]byte{
				id.storeKey(kindTags), id.storeKey(kindPolicy), id.storeKey(kindMaterials), id.storeKey(kindUsage),
				dueKey(Due{id, TaskDelete, r.Deletion}), id.storeKey(kindKey),
			},
		}
		return txn, k.leaveStore(ctx, &r, &txn)
	})
	if errors.Is(err, ErrKeyMissing) { // another process was faster
		return nil
	}
	return err
}

var errAlreadyDying = errors.New("keyring: deletion has begun")

// markDying is the transaction that ends a key's life; it tells whose key it was.
func (k *Keyring) markDying(ctx context.Context, id ID, manager *Manager) (txn store.Txn, err error) {
	r, dying, err := k.record(ctx, id)
	*manager = r.Manager
	switch {
	case err != nil:
		return txn, err
	case dying:
		return txn, errAlreadyDying
	case r.State != PendingDeletion || r.Deletion.After(k.clock()):
		return txn, ErrNotDue
	}
	_, counted, err := k.children(ctx, id)
	if err != nil {
		return txn, err
	}
	txn = store.Txn{
		Require: []store.Condition{
			{Key: id.storeKey(kindKey), Revision: r.Revision},
			{Key: id.storeKey(kindChildren), Revision: counted},
		},
		Put:    []store.Record{{Key: id.storeKey(kindKey), Value: encodeKey(&r, true)}},
		Delete: [][]byte{id.storeKey(kindChildren)},
	}
	for _, d := range r.dues() {
		if d.Task != TaskDelete { // that entry goes last
			txn.Delete = append(txn.Delete, dueKey(d))
		}
	}
	if r.MultiRegion {
		err = k.unrelate(ctx, &r, &txn)
	}
	return txn, err
}

// sweep deletes all records of a prefix in bounded transactions, each with its twin, whose key is made from what follows
// the prefix. Nothing is added below the prefix any more; requiring each record keeps a second sweeper from
// deleting a twin that somebody has meanwhile made anew.
func (k *Keyring) sweep(ctx context.Context, prefix []byte, twin func(rest []byte) []byte) error {
	const perRecord = 3 // condition, record, twin
	for conflicts := 0; conflicts < maxAttempts; {
		records, _, err := k.store.List(ctx, prefix, nil, store.MaxTxnEntries/perRecord)
		if err != nil {
			return fmt.Errorf("listing what a key leaves behind: %w", err)
		}
		if len(records) == 0 {
			return nil
		}
		var txn store.Txn
		for i := range records {
			key := records[i].Key
			txn.Require = append(txn.Require, store.Condition{Key: key, Revision: records[i].Revision})
			txn.Delete = append(txn.Delete, key)
			if twin != nil {
				txn.Delete = append(txn.Delete, twin(key[len(prefix):]))
			}
		}
		_, err = k.commit(ctx, txn)
		if errors.Is(err, store.ErrConflict) {
			conflicts++
			continue
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("sweeping what a key leaves behind: %w", store.ErrConflict)
}
