package keyring_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/store"
)

// mustRefuse tries to make one more key.
func mustRefuse(t *testing.T, k *keyring.Keyring, n keyring.NewKey, limit, current int) {
	t.Helper()
	_, err := k.Create(t.Context(), n)
	var full *keyring.ErrTooManyKeys
	if !errors.As(err, &full) || full.Limit != limit || full.Current != current {
		t.Errorf("one more than %d of %d: %v", current, limit, err)
	}
}

// TestKeyQuota: exactly as many keys as the limit are made, by writers at a time, on a store that has some already.
func TestKeyQuota(t *testing.T) {
	t.Parallel()
	const before, limit, asked = 3, 20, 60
	m := newMemory()
	unlimited := open(t, m, keyring.Options{})
	for n := range before {
		create(t, unlimited, newKey(n))
	}
	managed := newKey(900)
	managed.Manager = keyring.AWS
	create(t, unlimited, managed) // is not counted
	elsewhere := newKey(901)
	elsewhere.Region = "eu-west-1"
	create(t, unlimited, elsewhere)

	k := open(t, m, keyring.Options{Keys: limit})
	var made atomic.Int32
	var wg sync.WaitGroup
	for i := range asked {
		wg.Go(func() {
			_, err := k.Create(t.Context(), newKey(100+i))
			var full *keyring.ErrTooManyKeys
			switch {
			case err == nil:
				made.Add(1)
			case !errors.As(err, &full) || full.Limit != limit || full.Current != limit:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != limit-before {
		t.Errorf("%d keys made beside %d, limit %d", made.Load(), before, limit)
	}
	other := newKey(902)
	other.Region = "eu-west-1"
	create(t, k, other)
	managed = newKey(903)
	managed.Manager = keyring.AWS
	create(t, k, managed)
	mustRefuse(t, k, newKey(904), limit, limit)
}

// TestKeyQuotaCountsEveryState: a key that waits for its deletion counts, one that is gone does not, also when the
// number was not known before the deletion.
func TestKeyQuotaCountsEveryState(t *testing.T) {
	t.Parallel()
	m := newMemory()
	clock := func() time.Time { return epoch }
	k := open(t, m, keyring.Options{Keys: 1, Clock: clock})
	id := scheduled(t, k, 0)
	mustRefuse(t, k, newKey(2), 1, 1)
	for range 2 { // the second finds nothing and takes nothing off
		if err := k.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	create(t, k, newKey(3))
	mustRefuse(t, k, newKey(4), 1, 1)

	m = newMemory()
	id = scheduled(t, open(t, m, keyring.Options{Clock: clock}), 0)
	k = open(t, m, keyring.Options{Keys: 1, Clock: clock})
	if err := k.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	create(t, k, newKey(3))
	mustRefuse(t, k, newKey(4), 1, 1)
}

// TestKeyQuotaAfterFailures: what was not written leaves its place, and what may have been written is counted again.
func TestKeyQuotaAfterFailures(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{Keys: 2})
	create(t, k, newKey(1))
	if _, err := k.Create(t.Context(), newKey(1)); !errors.Is(err, keyring.ErrKeyExists) {
		t.Fatal(err)
	}
	m.set(func() { m.before = func(store.Txn) error { return store.ErrAmbiguous } })
	if _, err := k.Create(t.Context(), newKey(2)); !errors.Is(err, store.ErrAmbiguous) {
		t.Fatal(err)
	}
	m.set(func() { m.before = nil; m.after = func(store.Txn) error { return store.ErrAmbiguous } })
	if _, err := k.Create(t.Context(), newKey(3)); !errors.Is(err, store.ErrAmbiguous) {
		t.Fatal(err)
	}
	m.set(func() { m.after = nil })
	mustRefuse(t, k, newKey(4), 2, 2)
}
