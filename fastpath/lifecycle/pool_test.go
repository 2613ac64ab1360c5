package lifecycle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trent/fastpath/lifecycle"
	"trent/hsm"
)

// maker is a module that makes pool tokens only.
type maker struct {
	hsm.Module
	mu     sync.Mutex
	made   int
	status hsm.Status
	err    error
	hold   chan struct{} // nil: nothing is held up
}

func (m *maker) Do(c *hsm.Call) error {
	m.mu.Lock()
	hold := m.hold
	m.mu.Unlock()
	if hold != nil {
		<-hold
	}
	time.Sleep(300 * time.Millisecond) // virtual: what RSA takes
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Op != hsm.OpGeneratePool || c.Usage != hsm.UsageNone {
		return fmt.Errorf("op %d, usage %d", c.Op, c.Usage)
	}
	if m.err != nil {
		return m.err
	}
	m.made++
	c.Out = fmt.Appendf(c.Out, "token %d", m.made)
	return nil
}

func (m *maker) Status(context.Context) (hsm.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status, nil
}

func (m *maker) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// count is how many tokens were made.
func (m *maker) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.made
}

// running starts a pool in the test's bubble.
func running(t *testing.T, m *maker, sizes map[hsm.KeySpec]int) (p *lifecycle.Pool, stop func()) {
	t.Helper()
	m.status.Healthy = true
	p = lifecycle.NewPool(m, sizes, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	return p, func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	}
}

// ready is how many keys of the first spec a pool has.
func ready(p *lifecycle.Pool) int { return p.Levels()[0].Ready }

func TestPoolFillsAndRefills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &maker{}
		p, stop := running(t, m, map[hsm.KeySpec]int{hsm.RSA2048: 2, hsm.RSA4096: 1, hsm.RSA3072: 0})
		defer stop()
		synctest.Wait()
		if p.Take(hsm.RSA2048) != nil || m.count() != 0 {
			t.Error("a key at once: the start has other things to do")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got, want := p.Levels(), []lifecycle.Level{{"RSA_2048", 2, 2}, {"RSA_4096", 1, 1}}; !slices.Equal(got, want) || m.count() != 3 {
			t.Errorf("filled: %v, %d made", got, m.count())
		}
		seen := map[string]bool{}
		for range 2 {
			k := p.Take(hsm.RSA2048)
			if k == nil || k.Spec != hsm.RSA2048 || k.Usage != hsm.UsageNone || seen[string(k.Token)] {
				t.Fatalf("took %+v", k)
			}
			seen[string(k.Token)] = true
		}
		if p.Take(hsm.RSA2048) != nil || p.Take(hsm.RSA3072) != nil || p.Take(hsm.P256) != nil {
			t.Error("a key that is not there")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if ready(p) != 2 || m.count() != 5 {
			t.Errorf("refilled: %d, %d made", ready(p), m.count())
		}
	})
}

// TestPoolWaitsForIdleness: nothing is made while the module has other work.
func TestPoolWaitsForIdleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &maker{}
		for _, busy := range []hsm.Status{{EnginesBusy: 1}, {EngineQueue: 1}, {Busy: 1}} {
			m.set(func() { m.status, m.made = busy, 0 })
			p, stop := running(t, m, map[hsm.KeySpec]int{hsm.RSA2048: 1})
			time.Sleep(time.Minute)
			synctest.Wait()
			if m.count() != 0 {
				t.Errorf("%+v: made a key", busy)
			}
			m.set(func() { m.status = hsm.Status{Healthy: true} })
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if ready(p) != 1 {
				t.Errorf("%+v: none after it", busy)
			}
			stop()
		}
	})
}

func TestPoolFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &maker{err: hsm.ErrUnavailable}
		p, stop := running(t, m, map[hsm.KeySpec]int{hsm.RSA2048: 1})
		defer stop()
		time.Sleep(5 * time.Second)
		m.set(func() { m.err = nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		if ready(p) != 1 {
			t.Error("not tried again")
		}
	})
}

// TestPoolStops at once, also while a key is in the making; what comes of that is dropped.
func TestPoolStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &maker{hold: make(chan struct{})}
		p, stop := running(t, m, map[hsm.KeySpec]int{hsm.RSA4096: 1})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		before := time.Now()
		stop()
		if d := time.Since(before); d != 0 {
			t.Errorf("took %v", d)
		}
		close(m.hold)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if ready(p) != 0 {
			t.Error("a key was added after the end")
		}
	})
}

// TestPoolHandsOutOnce: however many take at once, nobody gets what another has.
func TestPoolHandsOutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &maker{}
		p, stop := running(t, m, map[hsm.KeySpec]int{hsm.RSA2048: 100})
		defer stop()
		time.Sleep(time.Minute)
		var mu sync.Mutex
		seen := map[string]int{}
		var takers sync.WaitGroup
		for range 20 {
			takers.Go(func() {
				for range 10 {
					if k := p.Take(hsm.RSA2048); k != nil {
						mu.Lock()
						seen[string(k.Token)]++
						mu.Unlock()
					}
				}
			})
		}
		takers.Wait()
		if len(seen) != 100 {
			t.Errorf("%d tokens", len(seen))
		}
		for token, n := range seen {
			if n != 1 {
				t.Errorf("%s: %d times", token, n)
			}
		}
	})
}

// TestPoolTokens are good for what a service does with them, in a module as it is.
func TestPoolTokens(t *testing.T) {
	t.Parallel()
	module, err := hsm.Open(hsm.Config{Dir: t.TempDir(), Seal: hsm.Seal{KeyFile: filepath.Join(t.TempDir(), "seal.key")}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = module.Close() }()
	p := lifecycle.NewPool(module, map[hsm.KeySpec]int{hsm.RSA2048: 1}, t.Logf)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = p.Run(ctx) }()
	var pooled *hsm.Key
	for pooled == nil && t.Context().Err() == nil {
		if pooled = p.Take(hsm.RSA2048); pooled == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
	target := hsm.Key{Identity: hsm.AppendIdentity(nil, "aws", "000000000000", "k", "us-east-1"), Spec: hsm.RSA2048, Usage: hsm.SignVerify}
	adopt := hsm.Call{Op: hsm.OpAdopt, Key: pooled, Target: &target, Out: make([]byte, 0, 4096), Public: make([]byte, 0, 1024)}
	if err := module.Do(&adopt); err != nil || len(adopt.Public) == 0 || bytes.Equal(adopt.Out, pooled.Token) {
		t.Errorf("adopting: %v", err)
	}
}

func TestParsePoolSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   []string
		want map[hsm.KeySpec]int
	}{
		{nil, map[hsm.KeySpec]int{}}, {[]string{"none"}, map[hsm.KeySpec]int{}},
		{[]string{"RSA_2048=4", "RSA_4096=0"}, map[hsm.KeySpec]int{hsm.RSA2048: 4, hsm.RSA4096: 0}},
		{[]string{"RSA_2048"}, nil}, {[]string{"RSA_1024=1"}, nil}, {[]string{"ECC_NIST_P256=1"}, nil}, {[]string{"RSA_2048=-1"}, nil},
		{[]string{"RSA_2048=x"}, nil}, {[]string{"RSA_2048=1", "RSA_2048=2"}, nil}, {[]string{"none", "RSA_2048=1"}, nil}, {[]string{"RSA_2048=10001"}, nil},
	} {
		got, err := lifecycle.ParsePoolSizes(c.in)
		if (err != nil) != (c.want == nil) || err == nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %v, %v", c.in, got, err)
		}
	}
}
