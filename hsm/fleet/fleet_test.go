package fleet_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/fleet"
	"trent/hsm/hsmtest"
)

// fake is a module that answers as it is told.
type fake struct {
	do      atomic.Pointer[func(*hsm.Call) error]
	sick    atomic.Pointer[error] // what Status gives; nil: healthy
	calls   atomic.Int64
	mu      sync.Mutex
	forgot  map[hsm.MaterialID]int
	refuses bool // to forget
	closed  atomic.Bool
}

func (m *fake) Do(c *hsm.Call) error {
	m.calls.Add(1)
	if f := m.do.Load(); f != nil {
		return (*f)(c)
	}
	return nil
}

func (m *fake) answer(f func(*hsm.Call) error) { m.do.Store(&f) }

func (m *fake) Forget(_ context.Context, id hsm.MaterialID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuses {
		return hsm.ErrUnavailable
	}
	if m.forgot == nil {
		m.forgot = map[hsm.MaterialID]int{}
	}
	m.forgot[id]++
	return nil
}

func (m *fake) Status(context.Context) (hsm.Status, error) {
	if err := m.sick.Load(); err != nil {
		return hsm.Status{}, *err
	}
	return hsm.Status{Healthy: true, Workers: 2, DomainVersion: 3}, nil
}

// A call that ends every module it meets must not go round.
func TestACallThatEndsItsModules(t *testing.T) {
	t.Parallel()
	f, fakes := open(t, 5, nil)
	for _, m := range fakes {
		m.answer(func(*hsm.Call) error { return hsm.ErrUnavailable })
	}
	if err := f.Do(call(hsm.OpSign, 1)); !errors.Is(err, hsm.ErrUnavailable) {
		t.Error(err)
	}
	total := int64(0)
	for _, m := range fakes {
		total += m.calls.Load()
	}
	if total != 3 {
		t.Errorf("%d modules got it", total)
	}
}

// The only member is gone for a moment: what was not started waits for it, and so does what may be run again.
func TestTheOnlyMemberComesBack(t *testing.T) {
	t.Parallel()
	for _, gone := range []error{hsm.ErrUnavailable, hsm.ErrOutOfService, fmt.Errorf("not connected: %w", hsm.ErrBusy)} {
		f, fakes := open(t, 1, func(o *fleet.Options) { o.Patience = time.Minute })
		var first atomic.Bool
		fakes[0].answer(func(*hsm.Call) error {
			if first.CompareAndSwap(false, true) {
				return gone
			}
			return nil
		})
		if err := f.Do(call(hsm.OpDecrypt, 1)); err != nil {
			t.Errorf("%v: %v", gone, err)
		}
	}
}

func (m *fake) Close() error { m.closed.Store(true); return nil }

// open makes a fleet of n fakes, all of them in service.
func open(t *testing.T, n int, change func(*fleet.Options)) (*fleet.Fleet, []*fake) {
	t.Helper()
	o := fleet.Options{}
	fakes := make([]*fake, n)
	for i := range fakes {
		fakes[i] = &fake{}
		o.Members = append(o.Members, fleet.Member{Name: fmt.Sprint("hsm-", i), Module: fakes[i]})
	}
	if change != nil {
		change(&o)
	}
	f, err := fleet.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	inService(t, f, n)
	return f, fakes
}

func inService(t *testing.T, f *fleet.Fleet, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.Wait(ctx, n); err != nil {
		t.Fatal(err)
	}
}

func call(op hsm.Op, material uint64) *hsm.Call {
	k := &hsm.Key{}
	binary.LittleEndian.PutUint64(k.Material[:], material)
	return &hsm.Call{Op: op, Key: k}
}

func TestModule(t *testing.T) {
	t.Parallel()
	hsmtest.Run(t, hsmtest.Options{}, func(t testing.TB) hsm.Module {
		dir := t.TempDir()
		var members []fleet.Member
		for i := range 3 { // all on one sealed domain, as if it had been brought to each
			m, err := hsm.Open(hsm.Config{Dir: filepath.Join(dir, "data"), Seal: hsm.Seal{KeyFile: filepath.Join(dir, "seal.key")}, Workers: 4})
			if err != nil {
				t.Fatal(err)
			}
			members = append(members, fleet.Member{Name: fmt.Sprint(i), Module: m})
		}
		f, err := fleet.New(fleet.Options{Members: members})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Wait(context.Background(), 3); err != nil {
			t.Fatal(err)
		}
		return f
	})
}

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		err   error
		op    hsm.Op
		again bool
	}{
		{"busy", hsm.ErrBusy, hsm.OpGenerate, true},
		{"out of service", hsm.ErrOutOfService, hsm.OpGenerate, true},
		{"lost, safe", hsm.ErrUnavailable, hsm.OpSign, true},
		{"lost, makes a key", hsm.ErrUnavailable, hsm.OpGenerate, false},
		{"lost, makes a pair", hsm.ErrUnavailable, hsm.OpDataKeyPair, false},
		{"lost, imports", hsm.ErrUnavailable, hsm.OpImport, false},
		{"deadline", hsm.ErrDeadline, hsm.OpSign, false},
		{"an answer", hsm.ErrAuthentication, hsm.OpDecrypt, false},
		{"wrong token", hsm.ErrToken, hsm.OpEncrypt, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, fakes := open(t, 3, nil)
			var first atomic.Bool
			for _, m := range fakes {
				m.answer(func(c *hsm.Call) error {
					if first.CompareAndSwap(false, true) {
						c.Secret = append(c.Secret, "half an answer"...)
						return fmt.Errorf("wrapped: %w", tt.err)
					}
					c.Secret = append(c.Secret, "whole"...)
					return nil
				})
			}
			c := call(tt.op, 1)
			c.Secret = append(make([]byte, 0, 64), "before "...)
			err := f.Do(c)
			switch {
			case tt.again && (err != nil || string(c.Secret) != "before whole"):
				t.Errorf("got %v and %q", err, c.Secret)
			case !tt.again && !errors.Is(err, tt.err):
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
}

func TestAllDown(t *testing.T) {
	t.Parallel()
	f, fakes := open(t, 2, func(o *fleet.Options) { o.Patience = 20 * time.Millisecond })
	gone := error(hsm.ErrUnavailable)
	for _, m := range fakes {
		m.sick.Store(&gone)
		m.answer(func(*hsm.Call) error { return hsm.ErrUnavailable })
	}
	for _, name := range []string{"the call that finds out", "the next"} {
		if err := f.Do(call(hsm.OpEncrypt, 1)); !errors.Is(err, hsm.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := call(hsm.OpEncrypt, 1)
	c.Deadline = time.Now().Add(time.Millisecond)
	if err := f.Do(c); !errors.Is(err, hsm.ErrDeadline) {
		t.Errorf("one with a deadline: %v", err)
	}
	if s, err := f.Status(t.Context()); err != nil || s.Healthy {
		t.Errorf("status %+v, %v", s, err)
	}
	for _, m := range fakes {
		m.sick.Store(nil)
		m.answer(func(*hsm.Call) error { return nil })
	}
	inService(t, f, 2)
	if err := f.Do(call(hsm.OpEncrypt, 1)); err != nil {
		t.Errorf("after they are back: %v", err)
	}
}

func TestACallWaitsForAMember(t *testing.T) {
	t.Parallel()
	f, fakes := open(t, 1, func(o *fleet.Options) { o.Patience = time.Minute })
	if err := f.Drain(t.Context(), "hsm-0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- f.Do(call(hsm.OpEncrypt, 1)) }()
	if n := fakes[0].calls.Load(); n != 0 {
		t.Fatal("a drained member got a call")
	}
	if err := f.Restore(t.Context(), "hsm-0"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDrainWaitsForCallsInFlight(t *testing.T) {
	t.Parallel()
	f, fakes := open(t, 1, nil)
	started, release := make(chan struct{}), make(chan struct{})
	fakes[0].answer(func(*hsm.Call) error { close(started); <-release; return nil })
	done := make(chan error)
	go func() { done <- f.Do(call(hsm.OpSign, 1)) }()
	<-started
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Drain(ended, "hsm-0"); !errors.Is(err, context.Canceled) {
		t.Errorf("draining with a call in flight: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := f.Drain(t.Context(), "hsm-0"); err != nil {
		t.Error(err)
	}
	if err := f.Drain(t.Context(), "nobody"); err == nil {
		t.Error("a member that does not exist was drained")
	}
}

func TestRollingRestartFailsNoCall(t *testing.T) {
	t.Parallel()
	f, fakes := open(t, 3, nil)
	stop := make(chan struct{})
	var callers sync.WaitGroup
	var served atomic.Int64
	for g := range 8 {
		callers.Go(func() {
			for i := uint64(g); ; i += 8 {
				select {
				case <-stop:
					return
				default:
				}
				if err := f.Do(call(hsm.OpEncrypt, i)); err != nil {
					t.Error(err)
					return
				}
				served.Add(1)
			}
		})
	}
	err := f.Roll(t.Context(), func(_ context.Context, name string) error {
		for i, m := range fakes {
			if name != fmt.Sprint("hsm-", i) {
				continue
			}
			m.answer(func(*hsm.Call) error { t.Error("a call during the restart"); return hsm.ErrUnavailable })
			for was := served.Load(); served.Load() < was+50; { // the others go on
				time.Sleep(time.Millisecond)
			}
			m.answer(func(*hsm.Call) error { return nil })
		}
		return nil
	})
	close(stop)
	callers.Wait()
	if err != nil {
		t.Error(err)
	}
	broken := errors.New("does not start")
	if err := f.Roll(t.Context(), func(context.Context, string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a restart that fails: %v", err)
	}
	if err := f.Do(call(hsm.OpEncrypt, 1)); err != nil {
		t.Errorf("with one member drained for good: %v", err)
	}
}

func TestForgetIsOwed(t *testing.T) {
	t.Parallel()
	f, fakes := open(t, 2, nil)
	id := hsm.MaterialID{1}
	fakes[1].mu.Lock()
	fakes[1].refuses = true
	fakes[1].mu.Unlock()
	if err := f.Forget(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if fakes[0].forgot[id] != 1 {
		t.Error("a member in service was not told")
	}
	for range 100 {
		if err := f.Do(call(hsm.OpEncrypt, 5)); err != nil {
			t.Fatal(err)
		}
	}
	if n := fakes[1].calls.Load(); n != 0 {
		t.Errorf("a member that may still have the key got %d calls", n)
	}
	fakes[1].mu.Lock()
	fakes[1].refuses = false
	fakes[1].mu.Unlock()
	inService(t, f, 2)
	fakes[1].mu.Lock()
	defer fakes[1].mu.Unlock()
	if fakes[1].forgot[id] != 1 {
		t.Error("a member came back without forgetting")
	}
}

func TestAMemberIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	var delivered atomic.Int64
	f, fakes := open(t, 1, func(o *fleet.Options) {
		o.Deliver = func(context.Context, fleet.Member) error { delivered.Add(1); return nil }
	})
	fakes[0].answer(func(*hsm.Call) error {
		if delivered.Load() == 0 {
			return hsm.ErrDomain
		}
		return nil
	})
	if err := f.Do(call(hsm.OpEncrypt, 1)); err != nil {
		t.Errorf("a token under a key that has to be brought first: %v", err)
	}
	fakes[0].answer(func(*hsm.Call) error { return hsm.ErrDomain })
	for range 10 {
		if err := f.Do(call(hsm.OpEncrypt, 1)); !errors.Is(err, hsm.ErrDomain) {
			t.Errorf("a token of nobody: %v", err)
		}
	}
	if n := delivered.Load(); n > 3 {
		t.Errorf("ten tokens of nobody caused %d deliveries", n)
	}
}

func TestHedging(t *testing.T) {
	t.Parallel()
	f, fakes := open(t, 2, func(o *fleet.Options) { o.HedgeAfter = time.Millisecond })
	release := make(chan struct{})
	var first atomic.Bool
	for _, m := range fakes {
		m.answer(func(c *hsm.Call) error {
			if first.CompareAndSwap(false, true) {
				<-release // hangs until the other has answered
			}
			c.Secret = append(c.Secret, c.In...)
			return nil
		})
	}
	c := call(hsm.OpDecrypt, 1)
	c.In, c.Secret = []byte("in"), make([]byte, 0, 16)
	if err := f.Do(c); err != nil || string(c.Secret) != "in" {
		t.Errorf("got %v, %q", err, c.Secret)
	}
	close(release)
	fakes[0].answer(func(*hsm.Call) error { return hsm.ErrMismatch })
	fakes[1].answer(func(*hsm.Call) error { return hsm.ErrMismatch })
	if err := f.Do(call(hsm.OpVerify, 1)); !errors.Is(err, hsm.ErrMismatch) {
		t.Error(err)
	}
}

func TestNoAllocation(t *testing.T) {
	f, _ := open(t, 3, nil)
	c := call(hsm.OpEncrypt, 1)
	if n := testing.AllocsPerRun(1000, func() { _ = f.Do(c) }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func TestStatusIsASum(t *testing.T) {
	t.Parallel()
	f, fakes := open(t, 3, nil)
	if s, err := f.Status(t.Context()); err != nil || s.Workers != 6 || s.DomainVersion != 3 || !s.Healthy {
		t.Errorf("%+v, %v", s, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for i, m := range fakes {
		if !m.closed.Load() {
			t.Errorf("member %d is not closed", i)
		}
	}
	for _, names := range [][]string{{}, {"a", "a"}, {""}} {
		var o fleet.Options
		for _, name := range names {
			o.Members = append(o.Members, fleet.Member{Name: name, Module: &fake{}})
		}
		if _, err := fleet.New(o); err == nil {
			t.Errorf("a fleet of %q was made", names)
		}
	}
}
