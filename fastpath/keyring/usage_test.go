package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/store"
	"trent/store/faultstore"
)

func used(id keyring.ID, n int) keyring.KeyUsage {
	return keyring.KeyUsage{Key: id, Usage: keyring.Usage{
		At: epoch.Add(time.Duration(n) * time.Second), Operation: "Encrypt", RequestID: fmt.Sprint("r", n), EventID: fmt.Sprint("e", n),
	}}
}

func TestUsages(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	ctx := t.Context()
	var all []keyring.KeyUsage
	const keys = 50 // several transactions
	for i := range keys {
		all = append(all, used(create(t, k, newKey(i+1)), i))
	}
	if _, ok, err := k.LastUsage(ctx, all[0].Key); ok || err != nil {
		t.Error("a new key was used", err)
	}
	gone := used(home.Key(keyID(99)), 1)
	if err := k.KeepUsages(ctx, append(all, gone)); err != nil {
		t.Fatal(err)
	}
	older, newer := used(all[10].Key, 9), used(all[11].Key, 12)
	if err := k.KeepUsages(ctx, []keyring.KeyUsage{older, newer}); err != nil {
		t.Fatal(err)
	}
	all[11] = newer
	k = open(t, m, keyring.Options{})
	for i, u := range all {
		if got, ok, err := k.LastUsage(ctx, u.Key); err != nil || !ok || got != u.Usage {
			t.Errorf("key %d: %+v, %v, %v", i, got, ok, err)
		}
	}
	if m.countWith(gone.Key.Key) != 0 {
		t.Error("the usage of no key was kept")
	}
	commits := m.revision
	if err := k.KeepUsages(ctx, all); err != nil || m.revision != commits {
		t.Errorf("the same again: %d commits, %v", m.revision-commits, err)
	}
}

// A key that is deleted leaves no usage behind, even where its last one is kept in the same moment.
func TestUsageGoesWithTheKey(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	id := scheduled(t, k, 0)
	if err := k.KeepUsages(t.Context(), []keyring.KeyUsage{used(id, 1)}); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	other := open(t, m, keyring.Options{})
	racing := faultstore.Wrap(m)
	slow := open(t, hooked{racing, func() {
		once.Do(func() {
			if err := other.Delete(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}}, keyring.Options{})
	if err := slow.KeepUsages(t.Context(), []keyring.KeyUsage{used(id, 2)}); err != nil {
		t.Error(err)
	}
	if n := m.countWith(id.Key); n != 0 {
		t.Errorf("%d records left: %v", n, m.keys())
	}
}

func TestTrackingSince(t *testing.T) {
	t.Parallel()
	m := newMemory()
	now := epoch
	clock := keyring.Options{Clock: func() time.Time { return now }}
	broken := open(t, faultstore.Wrap(m, faultstore.Fault{Kind: faultstore.Commit, Err: store.ErrUnavailable}), clock)
	if _, err := broken.TrackingSince(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	for range 3 {
		k := open(t, m, clock)
		if got, err := k.TrackingSince(t.Context()); err != nil || !got.Equal(epoch) {
			t.Errorf("%v, %v", got, err)
		}
		now = now.Add(time.Hour)
	}
}

// hooked calls f before each commit.
type hooked struct {
	store.Store
	f func()
}

func (h hooked) Commit(ctx context.Context, t store.Txn) (store.Revision, error) {
	h.f()
	return h.Store.Commit(ctx, t)
}
