package keyring_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"trent/fastpath/keyring"
	"trent/store/pebblestore"
)

// The same over the engine that is used: what was answered is there after a restart, quotas hold, readers see
// their own writes, a deletion leaves nothing but the material's record.
func TestOnPebble(t *testing.T) {
	t.Parallel()
	const keys, aliases, limit = 8, 12, 5
	fs := vfs.NewMem()
	s, err := pebblestore.Open("data", pebblestore.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	o := keyring.Options{AliasesPerKey: limit, Clock: func() time.Time { return epoch }}
	k, err := keyring.Open(s, &module{}, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	var made [keys]atomic.Int32
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			n := newKey(i + 1)
			n.Tags = []keyring.Tag{{Key: "n", Value: fmt.Sprint(i)}}
			id := create(t, k, n)
			for j := range aliases {
				wg.Go(func() {
					name := fmt.Sprintf("alias/%d/%d", i, j)
					if err := k.CreateAlias(ctx, home, name, id); err != nil {
						return
					}
					made[i].Add(1)
					if r, err := k.Resolve(ctx, home, []byte(name)); err != nil || r.Snapshot.ID != id {
						t.Errorf("%s right after it was made: %+v, %v", name, r.Snapshot, err)
					}
				})
			}
			for range 5 {
				want, err := k.Update(ctx, id, func(r *keyring.Record) error { r.Description += "x"; return nil })
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := k.ByID(ctx, id); err != nil || got.Revision < want.Revision {
					t.Errorf("%+v after revision %d, %v", got, want.Revision, err)
				}
			}
		})
	}
	wg.Wait()
	if _, err := k.Update(ctx, newKey(1).ID, func(r *keyring.Record) error {
		r.State, r.Deletion = keyring.PendingDeletion, epoch
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	if s, err = pebblestore.Open("data", pebblestore.Options{FS: fs}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	k = open(t, s, o)
	for i := range keys {
		id := newKey(i + 1).ID
		r, err := k.Record(ctx, id)
		if err != nil || r.Description != "xxxxx" {
			t.Errorf("key %d: %+v, %v", i, r, err)
		}
		as, _, err := k.ListAliases(ctx, home, id.Key, "", 100)
		if err != nil || len(as) != limit || int(made[i].Load()) != limit {
			t.Errorf("key %d: %d aliases, %d answered, %v", i, len(as), made[i].Load(), err)
		}
	}
	due, err := k.Due(ctx, epoch, 10)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	if err := k.Work(ctx, due[0]); err != nil {
		t.Fatal(err)
	}
	ids, more, err := k.ListKeys(ctx, home, "", 100)
	if err != nil || more || len(ids) != keys-1 {
		t.Errorf("%v, %v, %v", ids, more, err)
	}
	all, _, err := k.ListAliases(ctx, home, "", "", 1000)
	if err != nil || len(all) != (keys-1)*limit {
		t.Errorf("%d aliases, %v", len(all), err)
	}
	if snap, _, err := k.ByMaterial(ctx, home, material(1)); err != nil || !snap.Missing {
		t.Errorf("%+v, %v", snap, err)
	}
}
