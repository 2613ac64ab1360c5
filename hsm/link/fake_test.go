package link_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/link/linktest"
)

// fake is a module that does what a test says.
type fake struct {
	do     func(c *hsm.Call) error
	forget func(ctx context.Context, m hsm.MaterialID) error
}

func (f *fake) Do(c *hsm.Call) error { return f.do(c) }

func (f *fake) Forget(ctx context.Context, m hsm.MaterialID) error {
	if f.forget == nil {
		return nil
	}
	return f.forget(ctx, m)
}

func (f *fake) Status(context.Context) (hsm.Status, error) {
	return hsm.Status{Healthy: true, Domain: "fake", DomainVersion: 3}, nil
}

func (f *fake) Close() error { return nil }

// echo returns the input.
func echo(c *hsm.Call) error {
	c.Out = append(c.Out, c.In...)
	return nil
}

// stall is a module whose slow calls wait until they are let go, and whose fast ones are echoed.
type stall struct {
	fake
	began chan struct{} // one for each slow call
	let   chan struct{}
	once  sync.Once
}

func newStall(t testing.TB) *stall {
	s := &stall{began: make(chan struct{}, 4096), let: make(chan struct{})}
	s.do = func(c *hsm.Call) error {
		if c.Op == hsm.OpSign {
			s.began <- struct{}{}
			<-s.let
		}
		return echo(c)
	}
	t.Cleanup(s.release) // before the server is closed, which waits for its workers
	return s
}

// release lets all go.
func (s *stall) release() { s.once.Do(func() { close(s.let) }) }

// slowCall is a call that a stall holds up; fastCall is one that it does not.
func slowCall(in string) *hsm.Call {
	return &hsm.Call{Op: hsm.OpSign, Key: &hsm.Key{Spec: hsm.RSA2048}, In: []byte(in), Out: make([]byte, 0, 64)}
}

func fastCall(in string) *hsm.Call {
	return &hsm.Call{Op: hsm.OpEncrypt, Key: &hsm.Key{Spec: hsm.SymmetricDefault}, In: []byte(in), Out: make([]byte, 0, 64)}
}

// check runs a call that is echoed.
func check(t testing.TB, m hsm.Module, c *hsm.Call) {
	t.Helper()
	if err := m.Do(c); err != nil || string(c.Out) != string(c.In) {
		t.Errorf("%q, %v", c.Out, err)
	}
}

// refuse runs a call that must fail with want.
func refuse(t testing.TB, want error, m hsm.Module, c *hsm.Call) {
	t.Helper()
	if err := m.Do(c); !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// await gives what a channel brings.
func await[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(linktest.Patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// until waits for something to become true.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(linktest.Patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("in vain: ", what)
		}
	}
}

// later runs a call and gives its error.
func later(m hsm.Module, c *hsm.Call) <-chan error {
	done := make(chan error, 1)
	go func() { done <- m.Do(c) }()
	return done
}
