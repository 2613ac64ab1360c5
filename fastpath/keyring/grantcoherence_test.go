package keyring_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trent/fastpath/keyring"
	"trent/store"
)

// While grants come and go, one of two always allows: nobody is refused meanwhile, and nobody allowed by what is gone.
func TestGrantsConcurrently(t *testing.T) {
	t.Parallel()
	const turns, others = 150, 40
	k := open(t, newMemory(), keyring.Options{})
	key := create(t, k, newKey(1))
	with := func(n int, pair string) keyring.Grant {
		g := newGrant(key, n)
		g.Equals = pairsOf(pair)
		return g
	}
	grantTo(t, k, with(0, "always=0"))
	var gone atomic.Int64 // all grants on temp=n for n up to this have ended
	gone.Store(-1)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			always := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{bob, alice}, Context: contextOf("always=0")}
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, key), &always); !ok || err != nil {
					t.Errorf("refused: %v", err)
					return
				}
				if n := gone.Load(); n >= 0 {
					q := always
					q.Context = contextOf(fmt.Sprintf("temp=%d", n))
					if id, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, key), &q); ok || err != nil {
						t.Errorf("allowed by %v, which is gone: %v", id, err)
						return
					}
				}
			}
		})
	}
	writers.Go(func() { // replaces the grant that allows always by its equal
		for n := range turns {
			grantTo(t, k, with(n+1, "always=0"))
			if err := k.DeleteGrant(t.Context(), key, newGrant(key, n).ID); err != nil {
				t.Error(err)
			}
		}
	})
	writers.Go(func() {
		for n := range turns {
			g := with(10_000+n, fmt.Sprintf("temp=%d", n))
			grantTo(t, k, g)
			q := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{alice}, Context: contextOf(fmt.Sprintf("temp=%d", n))}
			if id, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, key), &q); !ok || id != g.ID || err != nil {
				t.Errorf("a new grant is not found: %v", err)
			}
			if err := k.DeleteGrant(t.Context(), key, g.ID); err != nil {
				t.Error(err)
			}
			gone.Store(int64(n))
		}
	})
	writers.Go(func() {
		for n := range others {
			grantTo(t, k, with(20_000+n, fmt.Sprintf("other=%d", n)))
		}
	})
	writers.Wait()
	close(stop)
	readers.Wait()
}

// A commit that the watch brings late adds nothing that has ended meanwhile, whether the set was cached then or not.
func TestLateGrantsStayGone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		before bool // the set is cached before the grant is made
		ask    bool // and asked for between the grant's end and the watch
	}{{"cached", true, true}, {"read after", false, true}, {"cached, not asked", true, false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				k := open(t, m, keyring.Options{})
				key := create(t, k, newKey(1))
				grantTo(t, k, newGrant(key, 0))
				permitted := func(pair string) bool {
					q := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{alice}, Context: contextOf(pair)}
					_, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, key), &q)
					if err != nil {
						t.Fatal(err)
					}
					return ok
				}
				if err := k.DeleteGrant(t.Context(), key, newGrant(key, 0).ID); err != nil {
					t.Fatal(err)
				}
				other := newGrant(key, 1)
				other.Equals = pairsOf("x=1")
				grantTo(t, k, other)
				synctest.Wait()
				if c.before && !permitted("x=1") {
					t.Fatal("not permitted")
				}
				m.set(func() { m.silent = true })
				synctest.Wait()
				late := newGrant(key, 2)
				late.Equals = pairsOf("x=2")
				grantTo(t, k, late)
				if err := k.DeleteGrant(t.Context(), key, late.ID); err != nil {
					t.Fatal(err)
				}
				if c.ask && permitted("x=2") {
					t.Error("permitted by a grant that is gone")
				}
				// Only the creation arrives.
				m.set(func() { m.silent, m.log = false, m.log[:len(m.log)-1] })
				time.Sleep(2 * time.Second)
				if permitted("x=2") {
					t.Error("permitted by a grant that came late")
				}
				if !permitted("x=1") {
					t.Error("the other grant is gone")
				}
			})
		})
	}
}

// What a commit of unknown fate did is read again.
func TestGrantsOfUnknownFate(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.silent = true
	k := open(t, m, keyring.Options{})
	key := create(t, k, newKey(1))
	q := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{alice}}
	permitted := func() bool {
		_, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, key), &q)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	permitted()
	m.set(func() { m.after = func(store.Txn) error { return store.ErrAmbiguous } })
	if _, err := k.CreateGrant(t.Context(), newGrant(key, 1), false); err == nil {
		t.Fatal("no error")
	}
	if !permitted() {
		t.Error("the grant is not seen")
	}
	if err := k.DeleteGrant(t.Context(), key, newGrant(key, 1).ID); err == nil {
		t.Fatal("no error")
	}
	if permitted() {
		t.Error("the grant is seen")
	}
}

// A token names a grant that the watch has not brought yet.
func TestGrantTokensAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.silent = true
	here, there := open(t, m, keyring.Options{}), open(t, m, keyring.Options{})
	key := create(t, here, newKey(1))
	q := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{alice}}
	for _, want := range []bool{false, true} {
		if _, ok, err := here.PermitByGrant(t.Context(), snapshot(t, here, key), &q); ok != want || err != nil {
			t.Errorf("%v, want %v: %v", ok, want, err)
		}
		if !want {
			grantTo(t, there, newGrant(key, 1))
			if _, ok, err := here.PermitByGrant(t.Context(), snapshot(t, here, key), &q); ok || err != nil {
				t.Errorf("seen without a token and without a watch: %v", err)
			}
			q.Tokens = []keyring.GrantID{newGrant(key, 7).ID, newGrant(key, 1).ID}
		}
	}
	q.Grantees = []string{bob}
	if _, ok, err := here.PermitByGrant(t.Context(), snapshot(t, here, key), &q); ok || err != nil {
		t.Errorf("a token gives others the grant: %v", err)
	}
}

// What commits do to a set while it is being read is in it when it has been read; those who ask meanwhile wait for it.
func TestGrantsChangeWhileRead(t *testing.T) {
	t.Parallel()
	m := &slow{memory: newMemory()}
	m.silent = true // the writer's own word has to do
	k := open(t, m, keyring.Options{})
	key := create(t, k, newKey(1))
	with := func(n int, pair string) keyring.Grant {
		g := newGrant(key, n)
		g.Equals = pairsOf(pair)
		return g
	}
	permitted := func(pair string) bool {
		q := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{alice}, Context: contextOf(pair)}
		_, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, key), &q)
		if err != nil {
			t.Error(err)
		}
		return ok
	}
	const before = 10
	for n := range before {
		grantTo(t, k, with(n, fmt.Sprintf("n=%d", n)))
	}
	h := newHook("grt")
	m.hook.Store(h)
	var readers sync.WaitGroup
	var first, second atomic.Bool
	readers.Go(func() { first.Store(permitted("n=1")) })
	<-h.loaded // one grant has been read
	for n := range before {
		if n%2 == 0 {
			if err := k.DeleteGrant(t.Context(), key, newGrant(key, n).ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range before {
		grantTo(t, k, with(100+n, fmt.Sprintf("n=%d", 100+n)))
	}
	if err := k.DeleteGrant(t.Context(), key, newGrant(key, 100).ID); err != nil {
		t.Fatal(err)
	}
	readers.Go(func() { second.Store(permitted("n=101")) })
	close(h.release)
	readers.Wait()
	if !first.Load() || !second.Load() {
		t.Errorf("what was there all the time: %v, what came meanwhile: %v", first.Load(), second.Load())
	}
	for range 2 {
		for n := range 200 {
			want := n < before && n%2 == 1 || n > 100 && n < 100+before
			if permitted(fmt.Sprintf("n=%d", n)) != want {
				t.Errorf("%d: want %v", n, want)
			}
		}
	}
}

// Whoever asks for grantees that have none evicts nobody who has some, and takes no more than a bounded part of the cache.
func TestNobodysGrantsEvictNothing(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.silent = true
	k := open(t, m, keyring.Options{CacheBytes: 1 << 20})
	key, bare := create(t, k, newKey(1)), create(t, k, newKey(2))
	for n := range 50 {
		g := newGrant(key, n)
		g.Grantee = role(n)
		grantTo(t, k, g)
	}
	ask := func(id keyring.ID, grantee string, want bool) {
		t.Helper()
		q := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{grantee}}
		if _, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, id), &q); ok != want || err != nil {
			t.Fatalf("%s: %v, %v", grantee, ok, err)
		}
	}
	for n := range 50 {
		ask(key, role(n), true)
	}
	for n := range 3000 {
		ask(key, role(1000+n), false)
	}
	loads := m.countLoads()
	for n := range 50 {
		ask(key, role(n), true)
	}
	if now := m.countLoads(); now != loads {
		t.Errorf("%d reads for what was cached", now-loads)
	}
	if st := k.Stats(); st.Bytes > 1<<18 || st.Evicted == 0 {
		t.Errorf("%+v", st)
	}
	// That a key has no grants is known once for all grantees.
	ask(bare, alice, false)
	loads = m.countLoads()
	for n := range 100 {
		ask(bare, role(n), false)
	}
	if now := m.countLoads(); now != loads {
		t.Errorf("%d reads for a key without grants", now-loads)
	}
}

// A writer that is late to tell of its own grant does not bring back what another process has deleted meanwhile.
func TestOwnGrantToldLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &slow{memory: newMemory()}
		here, there := open(t, m, keyring.Options{}), open(t, m.memory, keyring.Options{})
		key := create(t, here, newKey(1))
		first := newGrant(key, 0)
		first.Equals = pairsOf("x=1")
		grantTo(t, here, first)
		permitted := func(pair string) bool {
			q := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{alice}, Context: contextOf(pair)}
			_, ok, err := here.PermitByGrant(t.Context(), snapshot(t, here, key), &q)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		synctest.Wait()
		if !permitted("x=1") {
			t.Fatal("not permitted")
		}
		h := newHook("commit")
		m.hook.Store(h)
		second := newGrant(key, 1)
		var writer sync.WaitGroup
		writer.Go(func() { grantTo(t, here, second) })
		<-h.loaded // it is committed, and the writer knows nothing yet
		synctest.Wait()
		if err := there.DeleteGrant(t.Context(), key, second.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		close(h.release)
		writer.Wait()
		if permitted("x=2") {
			t.Error("permitted by a grant that is gone")
		}
		if !permitted("x=1") {
			t.Error("the other grant is gone")
		}
	})
}
