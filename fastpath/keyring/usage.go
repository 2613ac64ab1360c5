package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"trent/store"
)

// Usage is the last successful cryptographic use of a key.
type Usage struct {
	At        time.Time // to the second
	Operation string    // the API's name
	RequestID string
	EventID   string // of the CloudTrail record
}

// KeyUsage is a Usage of a key.
type KeyUsage struct {
	Key ID
	Usage
}

// LastUsage returns what is kept of the key's last usage, false if it was never used. It reads the store. Errors:
// store.ErrUnavailable, ErrRecord.
func (k *Keyring) LastUsage(ctx context.Context, id ID) (Usage, bool, error) {
	u, revision, err := k.usage(ctx, id)
	return u, revision != 0, err
}

// usage has the revision 0 for a key that was never used.
func (k *Keyring) usage(ctx context.Context, id ID) (u Usage, revision store.Revision, err error) {
	rec, err := k.store.Load(ctx, id.storeKey(kindUsage))
	if errors.Is(err, store.ErrNotFound) {
		return u, 0, nil
	}
	if err != nil {
		return u, 0, fmt.Errorf("loading a key's last usage: %w", err)
	}
	u, err = decodeUsage(rec.Value)
	return u, rec.Revision, err
}

// flushers is how many transactions of usages are under way at a time: the store syncs those that wait together.
const flushers = 8

// Before tells whether the use was before a key was created: of an earlier copy of a multi-Region key in that Region.
func (u *Usage) Before(created time.Time) bool { return u.At.Before(created.Truncate(time.Second)) }

// KeepUsages keeps usages, one a key, where they are not older than what is kept already. Keys that do not exist any
// more are passed over, and those that were not there yet. It writes up to 21 keys a transaction. Errors: store.ErrConflict after many attempts,
// store.ErrUnavailable, store.ErrAmbiguous, ErrRecord; what was written before stays so.
func (k *Keyring) KeepUsages(ctx context.Context, usages []KeyUsage) error {
	const perUsage = 3 // conditions on the key and on its usage, the usage
	batches := slices.Collect(slices.Chunk(usages, store.MaxTxnEntries/perUsage))
	var next atomic.Int64
	var errs [flushers]error
	var work sync.WaitGroup
	for w := range min(flushers, len(batches)) {
		work.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(batches) {
					return
				}
				errs[w] = k.keepBatch(ctx, batches[i])
			}
		})
	}
	work.Wait()
	return errors.Join(errs[:]...)
}

// keepBatch keeps what fits into one transaction, each by itself if one of the keys was written meanwhile.
func (k *Keyring) keepBatch(ctx context.Context, usages []KeyUsage) error {
	err := k.keepUsages(ctx, usages)
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	for i := range usages {
		for attempt := 1; ; attempt++ {
			err := k.keepUsages(ctx, usages[i:i+1])
			if err == nil {
				break
			}
			if !errors.Is(err, store.ErrConflict) || attempt == maxAttempts {
				return err
			}
		}
	}
	return nil
}

// keepUsages writes one transaction. The condition on the key's record keeps a key that is being deleted from leaving
// its usage behind.
func (k *Keyring) keepUsages(ctx context.Context, usages []KeyUsage) error {
	var txn store.Txn
	for i := range usages {
		u := &usages[i]
		r, err := k.Record(ctx, u.Key)
		if errors.Is(err, ErrKeyMissing) {
			continue
		}
		if err != nil {
			return err
		}
		kept, revision, err := k.usage(ctx, u.Key)
		if err != nil {
			return err
		}
		if kept.At.After(u.At) || kept == u.Usage || u.Before(r.Created) {
			continue
		}
		at := u.Key.storeKey(kindUsage)
		txn.Require = append(txn.Require,
			store.Condition{Key: u.Key.storeKey(kindKey), Revision: r.Revision},
			store.Condition{Key: at, Revision: revision})
		txn.Put = append(txn.Put, store.Record{Key: at, Value: encodeUsage(&u.Usage)})
	}
	if len(txn.Put) == 0 {
		return nil
	}
	_, err := k.commit(ctx, txn)
	return err
}

// TrackingSince is since when usage is kept in this store. The first call ever decides it. Errors:
// store.ErrUnavailable, store.ErrAmbiguous, ErrRecord.
func (k *Keyring) TrackingSince(ctx context.Context) (time.Time, error) {
	for {
		rec, err := k.store.Load(ctx, []byte(kindTracking))
		if err == nil {
			d := reader{b: rec.Value}
			d.version()
			since := d.time()
			return since, d.done("tracking")
		}
		if !errors.Is(err, store.ErrNotFound) {
			return time.Time{}, fmt.Errorf("loading the start of tracking: %w", err)
		}
		now := toMillis(k.clock())
		_, err = k.commit(ctx, store.Txn{
			Require: []store.Condition{{Key: []byte(kindTracking)}},
			Put:     []store.Record{{Key: []byte(kindTracking), Value: appendTime([]byte{recordVersion}, now)}},
		})
		if err == nil {
			return now, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return time.Time{}, err
		}
	}
}

func encodeUsage(u *Usage) []byte {
	b := appendTime([]byte{recordVersion}, u.At)
	return appendStr16(appendStr16(appendStr16(b, u.Operation), u.RequestID), u.EventID)
}

func decodeUsage(value []byte) (u Usage, err error) {
	d := reader{b: value}
	d.version()
	u = Usage{At: d.time(), Operation: d.str16(), RequestID: d.str16(), EventID: d.str16()}
	return u, d.done("usage")
}
