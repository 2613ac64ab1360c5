package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"trent/hsm"
)

// Permanent says whether m is a part of its key for good: it is or was the current one. Others wait for a rotation.
func (m *Material) Permanent() bool {
	return m.State == MaterialCurrent || m.State == MaterialNonCurrent
}

// settle brings what the record says of imported material into line with the list. While a permanent material is not
// here, the key waits for its import; when the last one is back, the key is enabled, whatever it was before.
func (e *Edit) settle() {
	e.ValidTo, e.Waiting = time.Time{}, time.Time{}
	e.Lacking = e.Current == hsm.MaterialID{}
	for i := range e.Materials {
		switch m := &e.Materials[i]; {
		case m.Import != Imported:
			e.Lacking = e.Lacking || m.Permanent()
		case m.Permanent():
			e.ValidTo = earlier(e.ValidTo, m.ValidTo)
		default:
			e.Waiting = earlier(e.Waiting, m.ValidTo)
		}
	}
	switch {
	case e.Lacking && (e.State == Enabled || e.State == Disabled):
		e.State = PendingImport
	case !e.Lacking && e.State == PendingImport:
		e.State = Enabled
	}
}

// earlier is the first of two times; zero: never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Discard deletes imported material: its token goes. Its entry stays, to be imported again, unless it was waiting for a
// rotation; a replica goes on waiting for it as long as its primary does.
func (e *Edit) Discard(id hsm.MaterialID) {
	m := e.Material(id)
	if m == nil {
		return
	}
	if m.Import == Imported {
		e.DropToken(id)
	}
	if m.Permanent() || e.follows() {
		m.Import, m.Expires, m.ValidTo = PendingReimport, ExpirationNone, time.Time{}
		return
	}
	e.Materials = slices.DeleteFunc(e.Materials, func(m Material) bool { return m.ID == id })
}

// nextExpiry is when imported material expires next, in milliseconds since the epoch; 0: none does.
func (r *Record) nextExpiry() int64 {
	t := earlier(r.ValidTo, r.Waiting)
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// expire discards the imported material of a key whose time is over. Errors: ErrNotDue, and those of Edit.
func (k *Keyring) expire(ctx context.Context, id ID) error {
	now := k.clock()
	_, err := k.Edit(ctx, id, func(e *Edit) error {
		var over []hsm.MaterialID // as many as a transaction holds; the others are due still
		for i := range e.Materials {
			if m := &e.Materials[i]; len(over) < tokensPerTxn && m.Import == Imported && !m.ValidTo.IsZero() && !m.ValidTo.After(now) {
				over = append(over, m.ID)
			}
		}
		if over == nil {
			return ErrNotDue
		}
		for _, m := range over {
			e.Discard(m)
		}
		return nil
	})
	if errors.Is(err, ErrKeyMissing) {
		return ErrNotDue
	}
	return err
}

// unexpired is s, unless the time of imported material of its key is over: then that is discarded first, so that a
// reader never sees it, whether the due work has been done or not. It allocates nothing while there is nothing to do.
func (k *Keyring) unexpired(ctx context.Context, s *Snapshot) (*Snapshot, error) {
	if s.ExpiresMillis == 0 || s.ExpiresMillis > k.clock().UnixMilli() {
		return s, nil
	}
	return k.outlived(ctx, s.ID)
}

func (k *Keyring) outlived(ctx context.Context, id ID) (*Snapshot, error) {
	if err := k.expire(ctx, id); err != nil && !errors.Is(err, ErrNotDue) {
		return nil, fmt.Errorf("discarding expired key material: %w", err)
	}
	var c cacheKey
	if _, ok := setKey(&c, id.Key); !ok || !setPlace(&c, id.Partition, id.Account, id.Region) {
		return missing(id), nil
	}
	return k.load(ctx, c, k.seed.of(&c))
}
