package link_test

import (
	"bytes"
	"sync/atomic"
	"testing"

	"trent/hsm"
	"trent/hsm/link"
	"trent/hsm/link/linktest"
)

// TestReplayedConnection: whoever has recorded all that a host sent, and sends it again over a connection of its own, has
// no call run again, also at another module of the domain.
func TestReplayedConnection(t *testing.T) {
	t.Parallel()
	var runs atomic.Int64
	m := &fake{do: func(c *hsm.Call) error {
		runs.Add(1)
		return echo(c)
	}}
	target := connect(t, m, link.ServerOptions{}, link.Options{})
	var recorded [][]byte
	p := newProxy(t, target.address, func(_, direction, _ int, f []byte) [][]byte {
		if direction == toModule {
			recorded = append(recorded, bytes.Clone(f))
		}
		return [][]byte{f}
	})
	c, err := link.New(link.Options{Address: p.address, Host: freshHost(t, target), Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ready(t, c)
	for range 3 {
		check(t, c, fastCall("once"))
	}
	p.mu.Lock()
	frames := recorded
	p.mu.Unlock()
	if len(frames) < 5 || frames[0][5] != wireHello || frames[1][5] != wireOpen {
		t.Fatalf("%d frames recorded", len(frames))
	}
	other := connect(t, m, link.ServerOptions{}, link.Options{}) // of another domain
	for _, address := range []string{target.address, other.address, second(t, target, m)} {
		r := dialRaw(t, address)
		for _, f := range frames[1:] {
			r.Write(f)
		}
		r.drain(t)
		r = dialRaw(t, address)
		for _, f := range frames {
			r.Write(f)
		}
		r.drain(t)
	}
	if n := runs.Load(); n != 3 {
		t.Errorf("3 calls ran %d times", n)
	}
	check(t, c, fastCall("the host goes on"))
}

// TestNothingInClear: what goes over the wire under a session shows neither plaintexts, nor tokens, nor results.
func TestNothingInClear(t *testing.T) {
	t.Parallel()
	needle := []byte("what nobody in between may read")
	target := connect(t, &fake{do: func(c *hsm.Call) error {
		c.Secret = append(c.Secret, c.In...)
		return echo(c)
	}}, link.ServerOptions{}, link.Options{})
	var wire []byte
	p := newProxy(t, target.address, func(_, _, _ int, f []byte) [][]byte {
		wire = append(wire, f...)
		return [][]byte{f}
	})
	c := linktest.Connect(t, link.Options{Address: p.address, Host: target.link})
	call := fastCall(string(needle))
	call.Key = &hsm.Key{Token: needle, Identity: needle, Spec: hsm.SymmetricDefault}
	call.AAD, call.Secret = needle, make([]byte, 0, 100)
	check(t, c, call)
	if token, err := c.Execute(t.Context(), needle); err != nil || !bytes.Equal(token, needle) {
		t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !bytes.Contains(wire, target.member.Identity()[30:]) {
		t.Error("the search does not find what is there")
	}
	if bytes.Contains(wire, needle[:12]) {
		t.Error("found")
	}
}

// freshHost is another host of a pair's domain.
func freshHost(t testing.TB, p *pair) *link.Host {
	t.Helper()
	return linktest.LinkHost(t, p.domain.NewHost(t))
}

// second serves a module as another member of a pair's domain, and gives its address.
func second(t testing.TB, p *pair, m hsm.Module) string {
	t.Helper()
	address, member := linktest.Socket(t), p.domain.NewMember(t, true)
	linktest.Start(t, address, link.ServerOptions{Module: m, Authority: member})
	return address
}
