package hsm_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trent/hsm"
)

func encrypt(t testing.TB, m hsm.Module, k *hsm.Key) {
	t.Helper()
	if err := m.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, In: []byte("x"), Out: make([]byte, 0, 512)}); err != nil {
		t.Fatal(err)
	}
}

func sign(m hsm.Module, k *hsm.Key, deadline time.Time) error {
	return m.Do(&hsm.Call{Op: hsm.OpSign, Key: k, Algorithm: algorithmOf(k), In: []byte("x"), Out: make([]byte, 0, 512), Deadline: deadline})
}

func algorithmOf(k *hsm.Key) hsm.Algorithm {
	if k.Spec == hsm.RSA2048 {
		return hsm.PSSSHA256
	}
	return hsm.AlgorithmNone
}

func TestForgetWipesWhatIsReady(t *testing.T) {
	t.Parallel()
	l := openLocal(t, hsm.Config{SlotIdle: -1})
	a, b := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "a"), newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "b")
	c := newKey(t, l, hsm.P256, hsm.SignVerify, "c")
	all := hsm.Claim(l, 60) // so that all calls meet few workers
	defer all()
	encrypt(t, l, a)
	if err := sign(l, c, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if h := held(l, all); h.Slots != 1 || h.Parsed != 1 {
		t.Fatalf("ready: %+v", h)
	}
	forget := func(k *hsm.Key, want hsm.Held) {
		t.Helper()
		if err := l.Forget(context.Background(), k.Material); err != nil {
			t.Fatal(err)
		}
		if h := hsm.HeldBy(l); h != want {
			t.Errorf("ready: %+v, want %+v", h, want)
		}
	}
	forget(b, hsm.Held{Slots: 1, Parsed: 1})
	forget(a, hsm.Held{Parsed: 1})
	forget(c, hsm.Held{})
}

// held gives back what is claimed and counts.
func held(l *hsm.Local, release func()) hsm.Held {
	release()
	return hsm.HeldBy(l)
}

func TestForgetObeysItsContext(t *testing.T) {
	t.Parallel()
	l := openLocal(t, hsm.Config{Workers: 1})
	release := hsm.Claim(l, 1)
	defer release()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Forget(ctx, hsm.MaterialID{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestIdleKeysAreWiped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		idle time.Duration
		kept bool
	}{"default": {0, false}, "off": {-1, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := openLocal(t, hsm.Config{SlotIdle: c.idle})
				k, e := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k"), newKey(t, l, hsm.P256, hsm.SignVerify, "e")
				for range 10 { // in use, it stays
					encrypt(t, l, k)
					if err := sign(l, e, time.Time{}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(300 * time.Millisecond)
					synctest.Wait()
					if h := hsm.HeldBy(l); h.Slots == 0 || h.Parsed != 1 {
						t.Fatalf("ready: %+v", h)
					}
				}
				time.Sleep(1500 * time.Millisecond)
				synctest.Wait()
				if h := hsm.HeldBy(l); (h != hsm.Held{}) != c.kept {
					t.Errorf("ready: %+v", h)
				}
			})
		})
	}
}

// TestParking: with all workers taken a call waits, is counted, and ends as it should.
func TestParking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := openLocal(t, hsm.Config{Workers: 2, SlotIdle: -1})
		k := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
		release := hsm.Claim(l, 2)
		call := func(deadline time.Time) error {
			return l.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, Out: make([]byte, 0, 512), Deadline: deadline})
		}
		if err := call(time.Time{}); !errors.Is(err, hsm.ErrBusy) {
			t.Errorf("without a deadline: %v", err)
		}
		if err := call(time.Now().Add(time.Millisecond)); !errors.Is(err, hsm.ErrDeadline) {
			t.Errorf("with a deadline: %v", err)
		}
		s, err := l.Status(t.Context())
		if err != nil || s.Busy != 2 || s.Parked != 2 {
			t.Errorf("status %+v, %v", s, err)
		}
		var wg sync.WaitGroup
		var done atomic.Int32
		for range 10 {
			wg.Go(func() {
				if err := call(time.Time{}); err != nil {
					t.Error(err)
				}
				done.Add(1)
			})
		}
		synctest.Wait()
		if n := done.Load(); n != 0 {
			t.Errorf("%d calls ran without a worker", n)
		}
		release()
		wg.Wait()
		if s, _ := l.Status(t.Context()); s.Busy != 0 || s.Parked != 12 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestEnginesAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := openLocal(t, hsm.Config{AsymmetricEngines: 1})
		rsa, ecc := newKey(t, l, hsm.RSA2048, hsm.SignVerify, "r"), newKey(t, l, hsm.P256, hsm.SignVerify, "e")
		leave, err := hsm.EnterGate(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := sign(l, rsa, time.Now().Add(time.Millisecond)); !errors.Is(err, hsm.ErrDeadline) {
			t.Errorf("RSA without an engine: %v", err)
		}
		if err := sign(l, ecc, time.Time{}); err != nil {
			t.Errorf("ECDSA without an engine: %v", err)
		}
		var order []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				leave, err := hsm.EnterGate(l)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				leave()
			})
			synctest.Wait() // it stands in the queue
		}
		s, _ := l.Status(t.Context())
		if s.Engines != 1 || s.EnginesBusy != 1 || s.EngineQueue != 5 || s.EngineWaits != 6 {
			t.Errorf("status %+v", s)
		}
		leave()
		wg.Wait()
		for i, n := range order {
			if n != i {
				t.Errorf("order %v", order)
				break
			}
		}
		if s, _ := l.Status(t.Context()); s.EnginesBusy != 0 || s.EngineQueue != 0 || s.EngineWaited < time.Millisecond {
			t.Errorf("status %+v", s)
		}
	})
}
