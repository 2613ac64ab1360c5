package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/link"
	"trent/hsm/link/linktest"
)

// TestOutOfOrder: a call that takes long holds up nobody on the same connection.
func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	m := newStall(t)
	c := connect(t, m, link.ServerOptions{}, link.Options{Connections: 1})
	slow := slowCall("slow")
	done := later(c, slow)
	await(t, m.began)
	for range 50 { // more than there are workers for what takes long
		more := slowCall("more")
		defer func(done <-chan error) {
			if err := await(t, done); err != nil {
				t.Error(err)
			}
		}(later(c, more))
	}
	for i := range 100 {
		check(t, c, fastCall(fmt.Sprint("fast ", i)))
		curve := fastCall(fmt.Sprint("brief ", i))
		curve.Op, curve.Key = hsm.OpDerive, &hsm.Key{Spec: hsm.P256}
		check(t, c, curve)
		if _, err := c.Status(t.Context()); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-done:
		t.Fatalf("the slow call ended: %v", err)
	default:
	}
	m.release()
	if err := await(t, done); err != nil || string(slow.Out) != "slow" {
		t.Errorf("%q, %v", slow.Out, err)
	}
}

// TestPipelining: many callers share a connection, and each gets its own answer.
func TestPipelining(t *testing.T) {
	t.Parallel()
	c := connect(t, &fake{do: echo}, link.ServerOptions{}, link.Options{Connections: 1, InFlight: 32})
	var wg sync.WaitGroup
	for g := range 100 {
		wg.Go(func() {
			call, out := &hsm.Call{Op: hsm.OpEncrypt, Key: &hsm.Key{Spec: hsm.SymmetricDefault}}, make([]byte, 0, 8192)
			for i := range 100 {
				call.In, call.Out = bytes.Repeat([]byte{byte(g), byte(i)}, 1+(g*i)%4000), out
				check(t, c, call)
			}
		})
	}
	wg.Wait()
}

// TestResults: what a call held stays, results come behind it, and only as much as there is room for.
func TestResults(t *testing.T) {
	t.Parallel()
	caps := make(chan [3]int, 2)
	m := &fake{do: func(c *hsm.Call) error {
		caps <- [3]int{cap(c.Out), cap(c.Secret), cap(c.Public)}
		c.Out, c.Secret, c.Public = append(c.Out, "out"...), append(c.Secret, "secret"...), append(c.Public, "public"...)
		c.Material[0] = 7
		return nil
	}}
	c := connect(t, m, link.ServerOptions{}, link.Options{})
	call := fastCall("in")
	call.Out, call.Secret, call.Public = append(make([]byte, 0, 10), "ab"...), make([]byte, 0, 6), make([]byte, 1, 100)
	if err := c.Do(call); err != nil {
		t.Fatal(err)
	}
	if got := <-caps; got != [3]int{8, 6, 99} {
		t.Errorf("the module has room for %v", got)
	}
	tight := fastCall("in")
	tight.Out, tight.Secret = make([]byte, 0, 2), make([]byte, 0, 100)
	refuse(t, hsm.ErrShort, c, tight)
	if len(tight.Out)+len(tight.Secret) != 0 {
		t.Error("results with an error")
	}
	if string(call.Out) != "about" || string(call.Secret) != "secret" || string(call.Public) != "\x00public" || call.Material[0] != 7 {
		t.Errorf("%q, %q, %q, %v", call.Out, call.Secret, call.Public, call.Material)
	}
}

// TestErrors: every error of a module arrives as itself, and others as one that may have run.
func TestErrors(t *testing.T) {
	t.Parallel()
	var next error
	c := connect(t, &fake{do: func(c *hsm.Call) error {
		c.Secret = append(c.Secret, "half a result"...)
		return next
	}}, link.ServerOptions{}, link.Options{})
	for _, want := range []error{
		hsm.ErrAuthentication, hsm.ErrMismatch, hsm.ErrToken, hsm.ErrUnsupported, hsm.ErrDomain, hsm.ErrDeadline, hsm.ErrBusy,
		hsm.ErrUnavailable, hsm.ErrShort, hsm.ErrInput, hsm.ErrMaterial, hsm.ErrImportToken, hsm.ErrExpired, hsm.ErrPeer,
		hsm.ErrOutOfService,
	} {
		for _, next = range []error{want, fmt.Errorf("wrapped: %w", want)} {
			call := fastCall("x")
			call.Secret = make([]byte, 0, 64)
			if err := c.Do(call); err != want {
				t.Errorf("error %v, want %v itself", err, want)
			}
			if len(call.Secret) != 0 || !bytes.Equal(call.Secret[:64], make([]byte, 64)) {
				t.Errorf("results with %v", want)
			}
		}
	}
	next = errors.New("something else")
	refuse(t, hsm.ErrUnavailable, c, fastCall("x"))
	huge := fastCall("x")
	huge.In = make([]byte, link.MaxCall)
	refuse(t, hsm.ErrInput, c, huge)
}

// TestDeadline: a caller whose time is over is gone, and the answer that comes later touches nothing of its call; the
// module learns how much time there was.
func TestDeadline(t *testing.T) {
	t.Parallel()
	for _, company := range []int{0, 3} { // alone, the caller waits at the connection itself
		t.Run(fmt.Sprint(company), func(t *testing.T) {
			t.Parallel()
			m := newStall(t)
			inner, left := m.do, make(chan time.Duration, 16)
			m.do = func(c *hsm.Call) error {
				if !c.Deadline.IsZero() {
					left <- time.Until(c.Deadline)
				}
				return inner(c)
			}
			c := connect(t, m, link.ServerOptions{}, link.Options{Connections: 1})
			var others []<-chan error
			for range company {
				others = append(others, later(c, slowCall("patient")))
				await(t, m.began)
			}
			for range 3 {
				lateCall(t, c, m, left)
			}
			m.release()
			for _, o := range others {
				if err := await(t, o); err != nil {
					t.Error(err)
				}
			}
			check(t, c, slowCall("again"))
		})
	}
}

// hurry is long enough for a call to reach a worker on a busy machine.
const hurry = 250 * time.Millisecond

func lateCall(t *testing.T, c hsm.Module, m *stall, left <-chan time.Duration) {
	call := slowCall("in a hurry")
	call.Deadline = time.Now().Add(hurry)
	out := call.Out[:cap(call.Out)]
	refuse(t, hsm.ErrDeadline, c, call)
	if time.Now().Before(call.Deadline) {
		t.Error("too early")
	}
	await(t, m.began)
	if d := await(t, left); d > hurry {
		t.Errorf("the module thinks that it has %v", d)
	}
	// From here on the call is the caller's: the race detector sees who else writes to it.
	for i := range out {
		out[i] = 0xa5
	}
	*call = hsm.Call{}
	t.Cleanup(func() {
		if !bytes.Equal(out, bytes.Repeat([]byte{0xa5}, len(out))) {
			t.Error("the answer that came later was written into a call that had ended")
		}
	})
}

// TestPast: what is over before it begins is not sent.
func TestPast(t *testing.T) {
	t.Parallel()
	c := connect(t, &fake{do: func(*hsm.Call) error { t.Error("called"); return nil }}, link.ServerOptions{}, link.Options{})
	call := fastCall("x")
	call.Deadline = time.Now().Add(-time.Second)
	refuse(t, hsm.ErrDeadline, c, call)
}

// TestTableFull: who finds no room waits until the deadline, and has not started.
func TestTableFull(t *testing.T) {
	t.Parallel()
	m, forgetting := newStall(t), make(chan struct{}, 1)
	m.forget = func(context.Context, hsm.MaterialID) error {
		forgetting <- struct{}{}
		<-m.let
		return nil
	}
	c := connect(t, m, link.ServerOptions{}, link.Options{Connections: 1, InFlight: 4})
	for _, done := range []<-chan error{later(c, slowCall("1")), later(c, slowCall("2"))} {
		await(t, m.began)
		defer func() {
			if err := await(t, done); err != nil {
				t.Error(err)
			}
		}()
	}
	first := later(c, slowCall("3"))
	await(t, m.began)
	// The slow ones have what they may have.
	more := slowCall("4")
	more.Deadline = time.Now().Add(30 * time.Millisecond)
	refuse(t, hsm.ErrBusy, c, more)
	check(t, c, fastCall("5"))
	second := make(chan error, 1)
	go func() { second <- c.Forget(t.Context(), hsm.MaterialID{1}) }()
	await(t, forgetting)
	for _, call := range []*hsm.Call{slowCall("3"), fastCall("3")} {
		call.Deadline = time.Now().Add(30 * time.Millisecond)
		refuse(t, hsm.ErrBusy, c, call)
	}
	third := later(c, fastCall("4"))
	m.release()
	for _, done := range []<-chan error{first, second, third} {
		if err := await(t, done); err != nil {
			t.Error(err)
		}
	}
}

// TestInFlightLimit: more than a connection may have in flight is refused, not started.
func TestInFlightLimit(t *testing.T) {
	t.Parallel()
	m := newStall(t)
	c := connect(t, m, link.ServerOptions{InFlight: 2, Slow: 1}, link.Options{Connections: 1})
	first := later(c, slowCall("1"))
	await(t, m.began)
	second := later(c, slowCall("2"))
	until(t, "two in flight", func() bool { return c.server.Status().InFlight == 2 })
	refuse(t, hsm.ErrBusy, c, slowCall("3"))
	check(t, c, fastCall("4"))
	m.release()
	for _, done := range []<-chan error{first, second} {
		if err := await(t, done); err != nil {
			t.Error(err)
		}
	}
}

// TestFairness: a host with many calls that take long does not hold up those of another.
func TestFairness(t *testing.T) {
	t.Parallel()
	began, next := make(chan string, 100), make(chan struct{})
	m := &fake{do: func(c *hsm.Call) error {
		began <- string(c.In)
		<-next
		return echo(c)
	}}
	a := connect(t, m, link.ServerOptions{Slow: 1}, link.Options{Connections: 1})
	var calls []<-chan error
	for range 20 {
		calls = append(calls, later(a, slowCall("many")))
	}
	await(t, began)
	until(t, "many in flight", func() bool { return a.server.Status().InFlight == 20 })
	b := linktest.Connect(t, link.Options{Address: a.address, Host: a.link, Connections: 1})
	calls = append(calls, later(b, slowCall("one")))
	until(t, "one more", func() bool { return a.server.Status().InFlight == 21 })
	for i := range 3 {
		next <- struct{}{}
		if in := await(t, began); in == "one" {
			break
		} else if i == 2 {
			t.Error("it has to wait for the many")
		}
	}
	close(next)
	for _, done := range calls {
		if err := await(t, done); err != nil {
			t.Error(err)
		}
	}
}

// TestQueuedTooLong: a call whose time is over before a worker is free does not run.
func TestQueuedTooLong(t *testing.T) {
	t.Parallel()
	m := newStall(t)
	c := connect(t, m, link.ServerOptions{Slow: 1}, link.Options{Connections: 1})
	first := later(c, slowCall("1"))
	await(t, m.began)
	call := slowCall("2")
	call.Deadline = time.Now().Add(20 * time.Millisecond)
	refuse(t, hsm.ErrDeadline, c, call)
	until(t, "the call is queued", func() bool { return c.server.Status().InFlight == 2 })
	time.Sleep(20 * time.Millisecond) // as much as it had left when it came
	m.release()
	if err := await(t, first); err != nil {
		t.Error(err)
	}
	until(t, "nothing in flight", func() bool { return c.server.Status().InFlight == 0 })
	select {
	case <-m.began:
		t.Error("the call ran")
	default:
	}
}

// TestAdministration: everything but calls goes over the link, too, and can be given up.
func TestAdministration(t *testing.T) {
	t.Parallel()
	forgotten, cancelled := make(chan hsm.MaterialID, 1), make(chan struct{})
	m := &fake{do: echo, forget: func(ctx context.Context, id hsm.MaterialID) error {
		forgotten <- id
		if id[0] == 0 {
			return nil
		}
		<-ctx.Done()
		close(cancelled)
		return ctx.Err()
	}}
	c := connect(t, m, link.ServerOptions{}, link.Options{Connections: 1})
	ctx := t.Context()
	if err := c.Forget(ctx, hsm.MaterialID{0, 1}); err != nil || <-forgotten != (hsm.MaterialID{0, 1}) {
		t.Error(err)
	}
	short, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- c.Forget(short, hsm.MaterialID{1}) }()
	await(t, forgotten)
	cancel()
	if err := await(t, done); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	await(t, cancelled)
	if s, err := c.Status(ctx); err != nil || s.Domain != "fake" || s.DomainVersion != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	id, err := c.Identity(ctx)
	if err != nil || !id.InService || !bytes.Equal(id.HSM.Signing, c.member.Identity()) || id.Number != 1 {
		t.Errorf("%+v, %v", id, err)
	}
	command := bytes.Repeat([]byte("command"), 50000)
	if token, err := c.Execute(ctx, command); err != nil || !bytes.Equal(token, command) {
		t.Errorf("%d bytes, %v", len(token), err)
	}
	if _, err := c.Execute(ctx, nil); !errors.Is(err, hsm.ErrCommand) {
		t.Error(err)
	}
	if err := c.Install(ctx, command); err != nil {
		t.Error(err)
	}
	if err := c.Install(ctx, nil); !errors.Is(err, hsm.ErrDomain) {
		t.Error(err)
	}
	if err := c.Install(ctx, make([]byte, link.MaxToken+1)); !errors.Is(err, hsm.ErrDomain) {
		t.Error(err)
	}
}

// TestOptions: what makes no sense is refused at once.
func TestOptions(t *testing.T) {
	t.Parallel()
	h := linktest.LinkHost(t, linktest.NewDomain(t).NewHost(t))
	for _, o := range []link.Options{
		{}, {Host: h}, {Address: "unix:", Host: h}, {Address: "tcp:host", Host: h}, {Address: "/tmp/x", Host: h},
		{Address: "unix:/x"}, {Address: "unix:/x", Host: h, Connections: 1000}, {Address: "unix:/x", Host: h, InFlight: -1},
	} {
		if c, err := link.New(o); err == nil {
			t.Errorf("%+v", o)
			c.Close()
		}
	}
}
