package keyring_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trent/fastpath/keyring"
	"trent/hsm"
	"trent/store"
)

func TestHitsDoNotAskTheStore(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	id := create(t, k, newKey(1))
	if err := k.CreateAlias(t.Context(), home, "alias/a", id); err != nil {
		t.Fatal(err)
	}
	ask := func() {
		for _, name := range []string{id.Key, id.ARN(), "alias/a", keyID(99)} {
			if _, err := k.Resolve(t.Context(), home, []byte(name)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := k.Resolve(t.Context(), home, []byte("alias/none")); err == nil {
			t.Fatal("an alias that is not there resolves")
		}
		if _, key, err := k.ByMaterial(t.Context(), home, material(1)); err != nil || key == nil {
			t.Fatal(key, err)
		}
		if _, _, err := k.ByMaterial(t.Context(), home, material(99)); !errors.Is(err, keyring.ErrUnknownMaterial) {
			t.Fatal(err)
		}
	}
	// The watch may bring the commits above a little later and void a fill; then the next one holds.
	for range 1000 {
		before := m.countLoads()
		ask()
		if m.countLoads() == before {
			return
		}
	}
	t.Error("answers are never cached")
}

// Readers never see less than the last answered write, for key states and aliases alike.
func TestOwnWritesAreSeen(t *testing.T) {
	t.Parallel()
	const moves = 150
	k := open(t, newMemory(), keyring.Options{})
	place := map[keyring.ID]int64{}
	for i := range moves + 1 {
		place[create(t, k, newKey(i))] = int64(i)
	}
	id := newKey(0).ID
	if err := k.CreateAlias(t.Context(), home, "alias/a", id); err != nil {
		t.Fatal(err)
	}
	var answered, moved atomic.Int64
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				floor, at := answered.Load(), moved.Load()
				if s, err := k.ByID(t.Context(), id); err != nil || int64(s.Revision) < floor {
					t.Errorf("%+v after revision %d was answered (%v)", s, floor, err)
					return
				}
				r, err := k.Resolve(t.Context(), home, []byte("alias/a"))
				if err != nil || place[r.Snapshot.ID] < at {
					t.Errorf("alias at %+v after it moved to %d (%v)", r.Snapshot, at, err)
					return
				}
				runtime.Gosched()
			}
		})
	}
	for i := range moves {
		s, err := k.Update(t.Context(), id, func(r *keyring.Record) error {
			r.State = []keyring.State{keyring.Enabled, keyring.Disabled}[i&1]
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		answered.Store(int64(s.Revision))
		if got, err := k.ByID(t.Context(), id); err != nil || got.Revision != s.Revision || got.State != s.State {
			t.Fatalf("after the write: %+v, %v", got, err)
		}
		if err := k.UpdateAlias(t.Context(), home, "alias/a", newKey(i+1).ID); err != nil {
			t.Fatal(err)
		}
		moved.Add(1)
	}
	close(stop)
	readers.Wait()
}

// A load that began before a write and ends after it must not stay.
func TestLateFillIsRefused(t *testing.T) {
	t.Parallel()
	m := &slow{memory: newMemory()}
	m.silent = true // the writer's own invalidation has to do
	k := open(t, m, keyring.Options{})
	id := create(t, k, newKey(1))
	for range 20 {
		h := newHook("key")
		m.hook.Store(h)
		done := make(chan error, 1)
		go func() {
			_, err := k.ByID(t.Context(), id)
			done <- err
		}()
		<-h.loaded // the reader holds what it read; now the write
		s, err := k.Update(t.Context(), id, func(r *keyring.Record) error { r.Description += "x"; return nil })
		if err != nil {
			t.Fatal(err)
		}
		close(h.release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got, err := k.ByID(t.Context(), id); err != nil || got.Revision != s.Revision {
			t.Fatalf("revision %d, want %d (%v)", got.Revision, s.Revision, err)
		}
		// Void what the line above cached, for the next turn.
		if _, err := k.Update(t.Context(), id, func(*keyring.Record) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOthersWritesAreSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		a, b := open(t, m, keyring.Options{}), open(t, m, keyring.Options{})
		id := create(t, a, newKey(1))
		see := func(want keyring.State) {
			t.Helper()
			synctest.Wait()
			s, err := b.ByID(t.Context(), id)
			if err != nil || s.State != want || s.Missing {
				t.Fatalf("%+v, %v; want %v", s, err, want)
			}
		}
		change := func(to keyring.State) {
			t.Helper()
			if _, err := a.Update(t.Context(), id, func(r *keyring.Record) error { r.State = to; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		see(keyring.Enabled)
		change(keyring.Disabled)
		see(keyring.Disabled)

		// A watch that has nothing to say for too long counts as broken.
		m.set(func() { m.silent = true })
		time.Sleep(2 * time.Second)
		change(keyring.Enabled)
		time.Sleep(12 * time.Second)
		see(keyring.Enabled)
		m.set(func() { m.silent = false })
		time.Sleep(15 * time.Second)

		// Compacted: nothing cached before survives.
		see(keyring.Enabled)
		m.set(func() { m.oldest = m.revision + 2 })
		change(keyring.Disabled)
		change(keyring.Enabled)
		time.Sleep(2 * time.Second)
		change(keyring.Disabled)
		see(keyring.Disabled)

		// A store that is away: hits are not served for ever, and it comes back.
		m.set(func() { m.broken = store.ErrUnavailable })
		time.Sleep(2 * time.Second)
		if _, err := b.ByID(t.Context(), id); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("store away: %v", err)
		}
		m.set(func() { m.broken = nil })
		time.Sleep(time.Second)
		see(keyring.Disabled)
		before := m.countLoads()
		see(keyring.Disabled)
		if m.countLoads() != before {
			t.Error("the cache does not fill any more")
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	m := newMany(t, 20_000)
	k := open(t, m, keyring.Options{CacheBytes: limit})
	for i := range 20_000 {
		if s, err := k.ByID(t.Context(), home.Key(keyID(i+1))); err != nil || s.Missing {
			t.Fatal(s, err)
		}
		if i%10 == 0 {
			if s, err := k.ByID(t.Context(), home.Key(keyID(1))); err != nil || s.Missing {
				t.Fatal(s, err)
			}
		}
	}
	st := k.Stats()
	if st.Bytes > limit || st.Bytes < limit/2 || st.Evicted == 0 || st.Entries == 0 {
		t.Errorf("%+v for a limit of %d", st, limit)
	}
	settle(t, func() *keyring.Snapshot { // only a hit returns the same snapshot again
		s, err := k.ByID(t.Context(), home.Key(keyID(1)))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// Unknown names have a bound of their own: asking for many evicts no key.
func TestUnknownNamesEvictNothing(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{CacheBytes: 1 << 20})
	id := create(t, k, newKey(1))
	held := func() *keyring.Snapshot {
		s, err := k.ByID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	settle(t, held)
	before := held()
	for i := range 20_000 {
		if s, err := k.ByID(t.Context(), home.Key(keyID(i+100))); err != nil || !s.Missing {
			t.Fatal(s, err)
		}
		if _, err := k.Resolve(t.Context(), home, fmt.Appendf(nil, "alias/%d", i)); err == nil {
			t.Fatal("alias resolves")
		}
		if _, _, err := k.ByMaterial(t.Context(), home, material(i+100)); !errors.Is(err, keyring.ErrUnknownMaterial) {
			t.Fatal(err)
		}
	}
	if held() != before {
		t.Error("the key was evicted by names that do not exist")
	}
	if st := k.Stats(); st.Bytes > 1<<20/4 {
		t.Errorf("%d bytes of absences", st.Bytes)
	}
}

// settle asks until the cache holds the answer: the watch may void the first fills.
func settle(t *testing.T, f func() *keyring.Snapshot) {
	t.Helper()
	for range 1000 {
		if first, second := f(), f(); first == second {
			return
		}
	}
	t.Fatal("never cached")
}

// A symmetric key takes at most 1 KiB, with the entry that finds it by its material.
func TestMemoryPerKey(t *testing.T) { // not parallel: it measures the heap
	n := int64(100_000)
	if testing.Short() {
		n = 20_000
	}
	m := newMany(t, int(n))
	k := open(t, m, keyring.Options{})
	before := heap()
	for i := range n {
		if _, _, err := k.ByMaterial(t.Context(), home, material(int(i)+1)); err != nil {
			t.Fatal(err)
		}
	}
	used := heap() - before
	st := k.Stats()
	t.Logf("%d bytes a key on the heap, %d by the cache's own count", used/n, st.Bytes/n)
	if st.Entries != 2*int(n) || st.Evicted != 0 {
		t.Fatalf("%+v", st)
	}
	if used > n<<10 {
		t.Errorf("%d bytes a key", used/n)
	}
	if off := float64(st.Bytes) / float64(used); off < 0.8 || off > 1.25 {
		t.Errorf("counted %d bytes, the heap grew by %d", st.Bytes, used)
	}
	runtime.KeepAlive(k)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestByMaterial(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{})
	single := create(t, k, newKey(1))
	multi := newKey(2)
	multi.ID.Key, multi.MultiRegion = mrkID, true
	create(t, k, multi)
	caller := home
	caller.Account = "111122223333" // whose ciphertext it is does not depend on who asks
	s, key, err := k.ByMaterial(t.Context(), caller, material(1))
	if err != nil || s.ID != single || key == nil || key.Material != material(1) || key != s.Current {
		t.Errorf("%+v, %+v, %v", s, key, err)
	}
	want := hsm.AppendIdentity(nil, "aws", home.Account, single.Key, home.Region)
	if string(key.Identity) != string(want) || string(key.Token) != string(newKey(1).Token) {
		t.Errorf("identity %q, token %q", key.Identity, key.Token)
	}
	if _, key, _ = k.ByMaterial(t.Context(), home, material(2)); string(key.Identity) != string(hsm.AppendIdentity(nil, "aws", home.Account, mrkID, "")) {
		t.Errorf("identity of a multi-Region key: %q", key.Identity)
	}
	away := home
	away.Region = "eu-west-1"
	if s, key, err = k.ByMaterial(t.Context(), away, material(1)); err != nil || !s.Missing || key != nil {
		t.Errorf("another Region: %+v, %v, %v", s, key, err)
	}
	china := keyring.Scope{Partition: "aws-cn", Account: home.Account, Region: "cn-north-1"}
	if _, _, err = k.ByMaterial(t.Context(), china, material(1)); !errors.Is(err, keyring.ErrUnknownMaterial) {
		t.Errorf("another partition: %v", err)
	}
	if _, _, err = k.ByMaterial(t.Context(), home, material(3)); !errors.Is(err, keyring.ErrUnknownMaterial) {
		t.Errorf("never issued: %v", err)
	}
	create(t, k, newKey(3)) // what was unknown is known now
	if s, _, err = k.ByMaterial(t.Context(), home, material(3)); err != nil || s.Missing {
		t.Errorf("just issued: %+v, %v", s, err)
	}
}
