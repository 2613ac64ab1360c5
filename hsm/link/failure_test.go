package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/link"
	"trent/hsm/link/linktest"
)

// TestKilledModule: kill -9 of the module in the middle: no wrong answer, no call that hangs, and what may have run says
// so; what was never sent may be tried again, and was not started.
func TestKilledModule(t *testing.T) {
	t.Parallel()
	c := startChild(t, link.Options{Connections: 2})
	k := &hsm.Key{Token: nil}
	gen := hsm.Call{Op: hsm.OpGenerate, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt, Key: &hsm.Key{Identity: hsm.AppendIdentity(nil, "aws", "000000000000", "k", "")}, Out: make([]byte, 0, 512)}
	if err := c.Do(&gen); err != nil {
		t.Fatal(err)
	}
	*k = hsm.Key{Token: gen.Out, Identity: gen.Key.Identity, Material: gen.Material, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt}
	var wg sync.WaitGroup
	var good, lost, unsent atomic.Int64
	for range 32 {
		wg.Go(func() {
			call, out := hsm.Call{Op: hsm.OpRandom, N: 32}, make([]byte, 0, 32)
			sealed := hsm.Call{Op: hsm.OpEncrypt, Key: k, In: make([]byte, 32), Out: make([]byte, 0, 512)}
			for unsent.Load() == 0 {
				call.Secret, sealed.Out = out, sealed.Out[:0]
				for _, c := range []error{c.Do(&call), c.Do(&sealed)} {
					switch {
					case c == nil:
						good.Add(1)
					case errors.Is(c, hsm.ErrUnavailable):
						lost.Add(1)
					case errors.Is(c, hsm.ErrBusy):
						unsent.Add(1)
					default:
						t.Errorf("error %v", c)
					}
				}
			}
		})
	}
	until(t, "calls", func() bool { return good.Load() > 1000 })
	if err := c.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if lost.Load() > 64 {
		t.Errorf("%d calls lost of at most 64 in flight", lost.Load())
	}
}

// TestClosedServer: calls in flight when a server is closed may have run; the next ones were not started, until another
// server comes up.
func TestClosedServer(t *testing.T) {
	t.Parallel()
	m := newStall(t)
	c := connect(t, m, link.ServerOptions{}, link.Options{Connections: 1, Backoff: 20 * time.Millisecond})
	flying := later(c, slowCall("x"))
	await(t, m.began)
	closed := make(chan error, 1)
	go func() { closed <- c.server.Close() }()
	if err := await(t, flying); !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrBusy) {
		t.Errorf("in flight: %v", err)
	}
	refuse(t, hsm.ErrBusy, c, fastCall("x"))
	m.release()
	if err := await(t, closed); err != nil {
		t.Error(err)
	}
	linktest.Start(t, c.address, link.ServerOptions{Module: &fake{do: echo}, Authority: c.member})
	ready(t, c.Client)
	check(t, c, fastCall("y"))
}

// TestClose: a client that is closed ends its calls, whoever reads for them.
func TestClose(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		m := newStall(t)
		c := connect(t, m, link.ServerOptions{}, link.Options{Connections: 1})
		var calls []<-chan error
		for range n {
			calls = append(calls, later(c, slowCall("x")))
			await(t, m.began)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		for _, done := range calls {
			if err := await(t, done); !errors.Is(err, hsm.ErrUnavailable) {
				t.Error(err)
			}
		}
		refuse(t, hsm.ErrBusy, c, fastCall("y"))
		if _, err := c.Status(t.Context()); !errors.Is(err, hsm.ErrBusy) {
			t.Error(err)
		}
		m.release()
	}
}

// TestApprovedKernel: the link works the same where nonces are random.
func TestApprovedKernel(t *testing.T) {
	t.Parallel()
	d, address := linktest.NewDomain(t), linktest.Socket(t)
	member := d.NewMember(t, true)
	host, err := link.NewHost(link.HostOptions{Peers: d.NewHost(t), Kernel: "std-fips", Hybrid: true})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	linktest.Start(t, address, link.ServerOptions{Module: &fake{do: echo}, Authority: member, Kernel: "std-fips", Hybrid: true})
	c, err := link.New(link.Options{Address: address, Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ready(t, c)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { check(t, c, fastCall("x")) })
	}
	wg.Wait()
}

// TestUnsent: what a connection never took was not started, also if it is in the middle of a frame.
func TestUnsent(t *testing.T) {
	t.Parallel()
	deaf := make(chan struct{})
	c := rawModule(t, link.Options{Connections: 1, WriteTimeout: time.Minute, Backoff: time.Hour}, func(r *raw) { <-deaf })
	big := func() *hsm.Call {
		call := fastCall("x")
		call.In = make([]byte, 60<<10)
		return call
	}
	// The first fit into the socket's buffer, the last do not.
	var calls []<-chan error
	for range 60 {
		calls = append(calls, later(c, big()))
	}
	time.Sleep(50 * time.Millisecond) // for the first to be written; later is right too
	close(deaf)
	var lost, unsent int
	for _, done := range calls {
		switch err := await(t, done); {
		case errors.Is(err, hsm.ErrBusy):
			unsent++
		case errors.Is(err, hsm.ErrUnavailable):
			lost++
		default:
			t.Errorf("error %v", err)
		}
	}
	if unsent == 0 {
		t.Errorf("%d calls of 60 kB may have run, at a module that read nothing", lost)
	}
}

// TestRollingRestart: a server that shuts down loses no call: hosts are told, and wait for the next.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	m := &fake{do: func(c *hsm.Call) error {
		if c.Op == hsm.OpSign {
			time.Sleep(3 * time.Millisecond)
		}
		return echo(c)
	}}
	c := connect(t, m, link.ServerOptions{}, link.Options{Connections: 2, Wait: linktest.Patience, Backoff: 10 * time.Millisecond})
	var wg sync.WaitGroup
	var stop atomic.Bool
	var calls atomic.Int64
	for g := range 16 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				call := fastCall(fmt.Sprint(g, i))
				if (g+i)%8 == 0 {
					call = slowCall(fmt.Sprint(g, i))
				}
				check(t, c, call)
				calls.Add(1)
			}
		})
	}
	server := c.server
	for range 3 {
		n := calls.Load()
		until(t, "calls", func() bool { return calls.Load() > n+200 })
		ctx, cancel := context.WithTimeout(t.Context(), linktest.Patience)
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		server = linktest.Start(t, c.address, link.ServerOptions{Module: m, Authority: c.member})
	}
	n := calls.Load()
	until(t, "calls", func() bool { return calls.Load() > n+200 })
	stop.Store(true)
	wg.Wait()
}

// TestShutdownOfTheIdle: hosts that are connected, and do nothing, do not hold up a shutdown; those who never say goodbye
// do, until its context ends.
func TestShutdownOfTheIdle(t *testing.T) {
	t.Parallel()
	c := connect(t, &fake{do: echo}, link.ServerOptions{}, link.Options{Connections: 3, Probe: time.Hour})
	check(t, c, fastCall("x"))
	ctx, cancel := context.WithTimeout(t.Context(), linktest.Patience)
	defer cancel()
	if err := c.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}

	stubborn := connect(t, &fake{do: echo}, link.ServerOptions{}, link.Options{})
	r := rawHost(t, stubborn)
	r.envelope(t, wireMessage(0, wirePing, nil))
	r.next(t)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := stubborn.server.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if b, ok := r.next(t); !ok || !bytes.Equal(b, wireMessage(0, wireGoingAway, nil)) {
		t.Errorf("%x", b)
	}
	r.expectEnd(t)
}

// TestRenewal: sessions end and are made anew without a failed call, also over a single connection.
func TestRenewal(t *testing.T) {
	t.Parallel()
	c := connect(t, &fake{do: echo}, link.ServerOptions{Lifetime: time.Second}, link.Options{Connections: 1})
	until(t, "four sessions", func() bool {
		check(t, c, fastCall("x"))
		return c.member.Sessions() >= 4
	})
}

// TestOneSessionForAll: the modules of a domain open the session that any of them made.
func TestOneSessionForAll(t *testing.T) {
	t.Parallel()
	a := connect(t, &fake{do: echo}, link.ServerOptions{}, link.Options{})
	address, b := linktest.Socket(t), a.domain.NewMember(t, true)
	linktest.Start(t, address, link.ServerOptions{Module: &fake{do: echo}, Authority: b})
	c := linktest.Connect(t, link.Options{Address: address, Host: a.link, Connections: 3})
	check(t, a, fastCall("x"))
	check(t, c, fastCall("x"))
	if n := a.member.Sessions() + b.Sessions(); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// TestSilentModule: a module that answers nothing, not even a ping, is given up.
func TestSilentModule(t *testing.T) {
	t.Parallel()
	deaf := make(chan struct{})
	defer close(deaf)
	c := rawModule(t, link.Options{Connections: 1, Probe: 20 * time.Millisecond}, func(r *raw) { <-deaf })
	if err := c.Do(fastCall("x")); !errors.Is(err, hsm.ErrUnavailable) {
		t.Error(err)
	}
}

// TestNoModule: without anybody at the address calls fail at once, or wait as long as the options say; TCP works.
func TestNoModule(t *testing.T) {
	t.Parallel()
	d := linktest.NewDomain(t)
	host, member := linktest.LinkHost(t, d.NewHost(t)), d.NewMember(t, true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "tcp:" + l.Addr().String()
	l.Close()
	c, err := link.New(link.Options{Address: address, Host: host, Backoff: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	refuse(t, hsm.ErrBusy, c, fastCall("x"))
	patient, err := link.New(link.Options{Address: address, Host: host, Wait: linktest.Patience, Backoff: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer patient.Close()
	hurried := fastCall("x")
	hurried.Deadline = time.Now().Add(20 * time.Millisecond)
	refuse(t, hsm.ErrDeadline, patient, hurried)
	waiting := later(patient, fastCall("y"))
	if _, err := c.Identity(t.Context()); !errors.Is(err, hsm.ErrBusy) {
		t.Error(err)
	}
	s, err := link.NewServer(link.ServerOptions{Module: linktest.AsMember(&fake{do: echo}, member), Authority: member})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if l, err = net.Listen("tcp", l.Addr().String()); err != nil {
		t.Skip("the port was taken meanwhile: ", err)
	}
	go s.Serve(l)
	if err := await(t, waiting); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	refuse(t, hsm.ErrBusy, c, fastCall("closed"))
}
