package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trent/hsm"
	"trent/store"
)

// WrappingKey is the private key that material to import into a key is wrapped for, as the module's token.
type WrappingKey struct {
	ID    hsm.MaterialID
	Token []byte
	Ends  time.Time // when it is deleted
}

// ErrWrappingKeyMissing says that a wrapping key never was, is of another key, or is deleted.
var ErrWrappingKeyMissing = errors.New("keyring: no such wrapping key")

func wrappingKey(id ID, w hsm.MaterialID) []byte { return append(id.prefix(kindWrapping), w[:]...) }

// PutWrappingKey keeps a wrapping key of a key until it ends. Errors: ErrKeyMissing, store.ErrConflict after many
// attempts, store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) PutWrappingKey(ctx context.Context, id ID, w WrappingKey) error {
	w.Ends = toMillis(w.Ends)
	value := appendBytes32(appendTime([]byte{recordVersion}, w.Ends), w.Token)
	_, err := k.write(ctx, id, func() (txn store.Txn, err error) {
		r, err := k.Record(ctx, id)
		if err != nil {
			return txn, err
		}
		return store.Txn{
			Require: []store.Condition{{Key: id.storeKey(kindKey), Revision: r.Revision}},
			Put: []store.Record{
				{Key: wrappingKey(id, w.ID), Value: value},
				{Key: dueKey(Due{id, TaskWrappingKey, w.Ends}), Value: []byte{recordVersion}},
			},
		}, nil
	})
	return err
}

// WrappingKey finds a wrapping key of a key. Errors: ErrWrappingKeyMissing, store.ErrUnavailable, ErrRecord.
func (k *Keyring) WrappingKey(ctx context.Context, id ID, w hsm.MaterialID) (WrappingKey, error) {
	rec, err := k.store.Load(ctx, wrappingKey(id, w))
	if errors.Is(err, store.ErrNotFound) {
		return WrappingKey{}, ErrWrappingKeyMissing
	}
	if err != nil {
		return WrappingKey{}, fmt.Errorf("loading a wrapping key: %w", err)
	}
	found, err := decodeWrapping(rec.Value)
	found.ID = w
	return found, err
}

func decodeWrapping(value []byte) (WrappingKey, error) {
	d := reader{b: value}
	d.version()
	w := WrappingKey{Ends: d.time(), Token: d.bytes32()}
	return w, d.done("wrapping key")
}

// dropWrappingKeys deletes those of a key that have ended, and with the last of them d from the due index. Errors:
// ErrNotDue, ErrRecord, store.ErrConflict if another process is at it, store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) dropWrappingKeys(ctx context.Context, d Due) error {
	now := k.clock()
	if d.At.After(now) {
		return ErrNotDue
	}
	const atOnce = (store.MaxTxnEntries - 1) / 2 // condition and deletion each, and the entry in the due index
	prefix := d.ID.prefix(kindWrapping)
	for after := []byte(nil); ; {
		records, more, err := k.store.List(ctx, prefix, after, atOnce)
		if err != nil {
			return fmt.Errorf("listing a key's wrapping keys: %w", err)
		}
		var txn store.Txn
		for i := range records {
			after = records[i].Key
			w, err := decodeWrapping(records[i].Value)
			if err != nil {
				return err
			}
			if !w.Ends.After(now) {
				txn.Require = append(txn.Require, store.Condition{Key: records[i].Key, Revision: records[i].Revision})
				txn.Delete = append(txn.Delete, records[i].Key)
			}
		}
		if !more {
			txn.Delete = append(txn.Delete, dueKey(d))
		}
		if len(txn.Delete) > 0 {
			if _, err := k.commit(ctx, txn); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}
