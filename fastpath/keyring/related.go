package keyring

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"trent/store"
)

// Related is which copies of a multi-Region key there are. Which one is the primary also stands in the records of the
// copies, by Record.Leads, and changes with it in one transaction; the Region of the primary in the record of another
// copy may be out of date, the one here is not.
type Related struct {
	Primary  string   // Region
	Replicas []string // Regions, in order
}

// storedRelated is Related with what a transaction on it has to require.
type storedRelated struct {
	Related
	revision store.Revision // 0: nothing is stored, because the primary is the only copy
}

// Leads tells whether the key is the primary of a multi-Region key.
func (r *Record) Leads() bool { return r.MultiRegion && !r.follows() }

// in is the copy of the key in another Region.
func (id ID) in(region string) ID {
	id.Region = region
	return id
}

func relatedKey(id ID) []byte {
	return []byte(kindRelated + separator + id.Partition + separator + id.Account + separator + id.Key)
}

// Related returns which copies of a multi-Region key there are; r may be any of them. It reads the store. Errors:
// store.ErrUnavailable, ErrRecord.
func (k *Keyring) Related(ctx context.Context, r *Record) (Related, error) {
	rel, err := k.related(ctx, r.ID)
	return rel.Related, err
}

// related reads which copies there are. Where nothing is stored, id is the only one.
func (k *Keyring) related(ctx context.Context, id ID) (rel storedRelated, err error) {
	rec, err := k.store.Load(ctx, relatedKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return storedRelated{Related: Related{Primary: id.Region}}, nil
	}
	if err != nil {
		return rel, fmt.Errorf("loading the copies of a key: %w", err)
	}
	rel.Related, err = decodeRelated(rec.Value)
	rel.revision = rec.Revision
	return rel, err
}

// put adds to txn that the copies are now those of next, on the condition that they were those of rel.
func (rel *storedRelated) put(id ID, next Related, txn *store.Txn) {
	at := relatedKey(id)
	rel.require(id, txn)
	if len(next.Replicas) == 0 {
		txn.Delete = append(txn.Delete, at)
		return
	}
	txn.Put = append(txn.Put, store.Record{Key: at, Value: encodeRelated(next)})
}

// require makes txn fail if there are other copies than those of rel.
func (rel *storedRelated) require(id ID, txn *store.Txn) {
	txn.Require = append(txn.Require, store.Condition{Key: relatedKey(id), Revision: rel.revision})
}

// with is rel with another replica.
func (rel Related) with(region string) Related {
	rel.Replicas = append(slices.Clone(rel.Replicas), region)
	slices.Sort(rel.Replicas)
	return rel
}

// without is rel without a replica.
func (rel Related) without(region string) Related {
	rel.Replicas = slices.DeleteFunc(slices.Clone(rel.Replicas), func(r string) bool { return r == region })
	return rel
}

func encodeRelated(rel Related) []byte {
	b := appendStr16([]byte{recordVersion}, rel.Primary)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rel.Replicas)))
	for _, region := range rel.Replicas {
		b = appendStr16(b, region)
	}
	return b
}

func decodeRelated(value []byte) (Related, error) {
	d := reader{b: value}
	d.version()
	rel := Related{Primary: d.str16()}
	n := int(d.u16())
	for range n {
		if rel.Replicas = append(rel.Replicas, d.str16()); d.bad {
			break
		}
	}
	return rel, d.done("related")
}

// unrelate adds to the transaction that ends the life of a copy that it is related no more. With the last replica the
// waiting period of a primary begins that was to be deleted after them.
func (k *Keyring) unrelate(ctx context.Context, r *Record, txn *store.Txn) error {
	rel, err := k.related(ctx, r.ID)
	if err != nil {
		return err
	}
	next := rel.without(r.Region)
	rel.put(r.ID, next, txn)
	if !r.Leads() && r.Origin == External { // material may have waited for its import in this copy
		txn.Put = append(txn.Put, store.Record{
			Key: dueKey(Due{r.in(rel.Primary), TaskSync, toMillis(k.clock())}), Value: []byte{recordVersion},
		})
	}
	if r.Leads() || len(next.Replicas) > 0 {
		return nil
	}
	primary, err := k.Record(ctx, r.in(rel.Primary))
	if err != nil {
		return fmt.Errorf("loading the primary of the last replica: %w", err)
	}
	if primary.State != PendingReplicaDeletion {
		return nil
	}
	old := primary
	primary.State = PendingDeletion
	primary.Deletion = toMillis(k.clock().Add(time.Duration(primary.WindowDays) * 24 * time.Hour))
	txn.Require = append(txn.Require, store.Condition{Key: primary.storeKey(kindKey), Revision: primary.Revision})
	txn.Put = append(txn.Put, store.Record{Key: primary.storeKey(kindKey), Value: encodeKey(&primary, false)})
	reschedule(&old, &primary, txn)
	return nil
}
