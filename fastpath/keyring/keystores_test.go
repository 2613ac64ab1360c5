package keyring_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/fastpath/keyring"
)

func storeID(n int) string { return fmt.Sprintf("cks-%017x", n) }

func newStore(n int) keyring.KeyStore {
	return keyring.KeyStore{
		Scope: home, ID: storeID(n), Name: fmt.Sprint("store ", n), Type: keyring.CloudHSMStore, State: keyring.Disconnected,
		Created: epoch, Cluster: fmt.Sprint("cluster-", n), TrustAnchor: "pem", Secret: []byte{1, 2},
	}
}

func anyOthers([]keyring.KeyStore) error { return nil }

func mustStore(t testing.TB, k *keyring.Keyring, s keyring.KeyStore) {
	t.Helper()
	if err := k.CreateKeyStore(t.Context(), s, anyOthers); err != nil {
		t.Fatal(err)
	}
}

func setState(t testing.TB, k *keyring.Keyring, id string, state keyring.ConnectionState) {
	t.Helper()
	if err := k.EditKeyStore(t.Context(), home, id, func(s *keyring.KeyStore, _ []keyring.KeyStore) error {
		s.State, s.Next = state, time.Time{}
		if state.Moving() {
			s.Next = epoch
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestKeyStoreRecords(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	s := newStore(1)
	s.Type, s.Cluster, s.TrustAnchor = keyring.ExternalStore, "", ""
	s.Connectivity, s.Endpoint, s.Path, s.Service, s.ServiceOwner, s.AccessKeyID = keyring.VPCEndpointService, "https://x", "/kms/xks/v1", "service", "123456789012", "ID"
	s.State, s.Failure, s.Attempt, s.Began = keyring.ConnectionFailed, "INTERNAL_ERROR", 7, epoch
	mustStore(t, k, s)
	k = open(t, m, keyring.Options{})
	for range 2 { // from the store, then from the cache
		got, err := k.KeyStore(t.Context(), home, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		s.Revision = got.Revision
		if d := cmp.Diff(&s, got); d != "" {
			t.Error(d)
		}
	}
	for _, id := range []string{storeID(2), "cks-", "", "cks-0000000000000000G", keyID(1)} {
		if _, err := k.KeyStore(t.Context(), home, id); !errors.Is(err, keyring.ErrStoreMissing) {
			t.Errorf("%q: %v", id, err)
		}
	}
	other := home
	other.Region = "eu-west-1"
	if _, err := k.KeyStore(t.Context(), other, s.ID); !errors.Is(err, keyring.ErrStoreMissing) {
		t.Errorf("another Region: %v", err)
	}
	if err := k.EditKeyStore(t.Context(), home, s.ID, func(s *keyring.KeyStore, _ []keyring.KeyStore) error {
		s.Type = keyring.CloudHSMStore
		return nil
	}); !errors.Is(err, keyring.ErrImmutable) {
		t.Errorf("another type: %v", err)
	}
}

// TestKeyStoreQuota: two processes on one store make exactly as many as there may be, with names of their own.
func TestKeyStoreQuota(t *testing.T) {
	t.Parallel()
	m := newMemory()
	rings := []*keyring.Keyring{open(t, m, keyring.Options{}), open(t, m, keyring.Options{})}
	taken := errors.New("taken")
	var wait sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 40 {
		wait.Go(func() {
			s := newStore(i)
			s.Name = fmt.Sprint("store ", i%20)
			err := rings[i%2].CreateKeyStore(t.Context(), s, func(others []keyring.KeyStore) error {
				for _, o := range others {
					if o.Name == s.Name {
						return taken
					}
				}
				return nil
			})
			var tooMany *keyring.ErrTooManyStores
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made++
			case errors.As(err, &tooMany):
				if tooMany.Limit != keyring.DefaultKeyStores || tooMany.Current != tooMany.Limit {
					t.Errorf("%+v", tooMany)
				}
			case !errors.Is(err, taken):
				t.Error(err)
			}
		})
	}
	wait.Wait()
	all, more, err := rings[0].KeyStores(t.Context(), home, "", 100)
	if err != nil || more || len(all) != keyring.DefaultKeyStores || made != len(all) {
		t.Errorf("%d made, %d there, %v, %v", made, len(all), more, err)
	}
	names := map[string]bool{}
	for _, s := range all {
		names[s.Name] = true
	}
	if len(names) != len(all) {
		t.Errorf("names: %v", names)
	}
	if err := rings[0].DeleteKeyStore(t.Context(), home, all[0].ID, func(*keyring.KeyStore) error { return nil }); err != nil {
		t.Error(err)
	}
	mustStore(t, rings[1], newStore(1000)) // there is room again
}

func storeKey(n int, store, external string) keyring.NewKey {
	k := newKey(n)
	k.Origin, k.Store, k.BackingID = keyring.ExternalKeyStore, store, external
	return k
}

func TestKeysOfStores(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	now := epoch
	k := open(t, newMemory(), keyring.Options{Clock: func() time.Time { return now }})
	s := newStore(1)
	s.Type = keyring.ExternalStore
	mustStore(t, k, s)
	if _, err := k.Create(ctx, storeKey(1, s.ID, "a")); !errors.Is(err, keyring.ErrStoreState) {
		t.Errorf("disconnected: %v", err)
	}
	setState(t, k, s.ID, keyring.Connected)
	if _, err := k.Create(ctx, storeKey(1, storeID(9), "a")); !errors.Is(err, keyring.ErrStoreMissing) {
		t.Errorf("no store: %v", err)
	}
	snapshot, err := k.Create(ctx, storeKey(1, s.ID, "a"))
	if err != nil || snapshot.Store != s.ID {
		t.Fatalf("%+v, %v", snapshot, err)
	}
	if _, err := k.Create(ctx, storeKey(2, s.ID, "a")); !errors.Is(err, keyring.ErrExternalInUse) {
		t.Errorf("same external key: %v", err)
	}
	anyState := func(*keyring.KeyStore) error { return nil }
	if err := k.DeleteKeyStore(ctx, home, s.ID, anyState); !errors.Is(err, keyring.ErrStoreHasKeys) {
		t.Errorf("store with keys: %v", err)
	}
	id := newKey(1).ID
	if _, err := k.Update(ctx, id, func(r *keyring.Record) error {
		r.State, r.Deletion, r.WindowDays = keyring.PendingDeletion, now.Add(time.Hour), 7
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := k.DeleteKeyStore(ctx, home, s.ID, anyState); !errors.Is(err, keyring.ErrStoreHasKeys) {
		t.Errorf("store with a key that is to be deleted: %v", err)
	}
	now = now.Add(2 * time.Hour)
	for range 2 { // repeated, it counts once
		if err := k.Delete(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.Create(ctx, storeKey(2, s.ID, "a")); err != nil {
		t.Errorf("external key that is free again: %v", err)
	}
	if err := k.DeleteKeyStore(ctx, home, s.ID, anyState); !errors.Is(err, keyring.ErrStoreHasKeys) {
		t.Errorf("store with the second key: %v", err)
	}
}

// TestStoreGoesOrKeyComes: never both.
func TestStoreGoesOrKeyComes(t *testing.T) {
	t.Parallel()
	m := newMemory()
	rings := []*keyring.Keyring{open(t, m, keyring.Options{}), open(t, m, keyring.Options{})}
	for i := range 50 {
		s := newStore(i)
		s.State = keyring.Connected
		mustStore(t, rings[0], s)
		var created, deleted error
		var wait sync.WaitGroup
		wait.Go(func() { _, created = rings[0].Create(t.Context(), storeKey(i, s.ID, "a")) })
		wait.Go(func() {
			deleted = rings[1].DeleteKeyStore(t.Context(), home, s.ID, func(*keyring.KeyStore) error { return nil })
		})
		wait.Wait()
		if (created == nil) == (deleted == nil) {
			t.Fatalf("created: %v, deleted: %v", created, deleted)
		}
		if deleted != nil { // make room for the next
			m.set(func() {
				for key := range m.records {
					if strings.HasPrefix(key, "ck") {
						delete(m.records, key)
					}
				}
			})
		}
	}
}

// TestMovingStoresAreDue: a store is in the due index exactly while its state is to end by itself.
func TestMovingStoresAreDue(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{})
	mustStore(t, k, newStore(1))
	due := func() []keyring.Due {
		all, err := k.Due(t.Context(), epoch.Add(time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, state := range []keyring.ConnectionState{keyring.Connecting, keyring.Connecting, keyring.Disconnecting} {
		setState(t, k, storeID(1), state)
		if d := due(); len(d) != 1 || d[0].Key != storeID(1) || d[0].Task != keyring.TaskSettle || !d[0].At.Equal(epoch) {
			t.Errorf("%s: %+v", state, d)
		}
	}
	for _, state := range []keyring.ConnectionState{keyring.Connected, keyring.Disconnected} {
		setState(t, k, storeID(1), state)
		if d := due(); len(d) != 0 {
			t.Errorf("%s: %+v", state, d)
		}
	}
}

// TestSettle: a transitional state ends when it is due and not held, once.
func TestSettle(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	now := epoch
	k := open(t, newMemory(), keyring.Options{Clock: func() time.Time { return now }})
	id := create(t, k, newKey(1))
	if _, err := k.Update(ctx, id, func(r *keyring.Record) error {
		r.Enter(keyring.Updating, now.Add(time.Minute), keyring.Disabled)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	due, err := k.Due(ctx, now.Add(time.Minute), 10)
	if err != nil || len(due) != 1 || due[0].Task != keyring.TaskSettle {
		t.Fatalf("%+v, %v", due, err)
	}
	work := func(want error, state keyring.State) {
		t.Helper()
		if err := k.Work(ctx, due[0]); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if s, err := k.ByID(ctx, id); err != nil || s.State != state {
			t.Errorf("%s, %v, want %s", s.State, err, state)
		}
	}
	work(keyring.ErrNotDue, keyring.Updating)
	now = now.Add(time.Minute)
	k.Holds().HoldState("Updating")
	work(keyring.ErrNotDue, keyring.Updating)
	k.Holds().HoldID(id)
	if !k.Holds().ReleaseState("Updating") || k.Holds().ReleaseState("Updating") {
		t.Error("released twice")
	}
	work(keyring.ErrNotDue, keyring.Updating)
	if held := k.Holds().List(); len(held) != 1 || held[0] != id.ARN() {
		t.Errorf("held %v", held)
	}
	k.Holds().ReleaseID(id)
	work(nil, keyring.Disabled)
	work(keyring.ErrNotDue, keyring.Disabled)
	if due, err := k.Due(ctx, now.Add(time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("%+v, %v", due, err)
	}
	if r, err := k.Record(ctx, id); err != nil || r.Resume != keyring.StateNone || !r.Settle.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestDisconnectionForgetsKeys: what a store's keys had ready in the module is gone when it is connected no more; other
// keys keep theirs.
func TestDisconnectionForgetsKeys(t *testing.T) {
	t.Parallel()
	mod := &module{}
	k, err := keyring.Open(newMemory(), mod, keyring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	mustStore(t, k, newStore(1))
	mustStore(t, k, newStore(2))
	for n := 1; n <= 2; n++ {
		setState(t, k, storeID(n), keyring.Connected)
	}
	for n := range 6 { // two of each store, two of none
		key := newKey(n)
		if n%3 > 0 {
			key.Origin, key.Store, key.BackingID = keyring.AWSCloudHSM, storeID(n%3), "cluster"
		}
		create(t, k, key)
	}
	setState(t, k, storeID(1), keyring.Connected) // as before
	for n := range 6 {
		if mod.times(material(n)) != 0 {
			t.Errorf("key %d is forgotten while its store is connected", n)
		}
	}
	setState(t, k, storeID(1), keyring.Disconnecting)
	setState(t, k, storeID(1), keyring.Disconnected)
	for n := range 6 {
		want := 0
		if n%3 == 1 {
			want = 1
		}
		if got := mod.times(material(n)); got != want {
			t.Errorf("key %d was forgotten %d times, want %d", n, got, want)
		}
	}
}
