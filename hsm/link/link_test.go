package link_test

import (
	"testing"

	"trent/hsm"
	"trent/hsm/hsmtest"
	"trent/hsm/link"
	"trent/hsm/link/linktest"
)

// pair is a client and the server that it is connected to.
type pair struct {
	*link.Client
	server  *link.Server
	domain  *linktest.Domain
	member  *linktest.Member
	host    *linktest.Host
	link    *link.Host
	address string
}

// connect makes a pair around a module.
func connect(t testing.TB, m hsm.Module, so link.ServerOptions, co link.Options) *pair {
	t.Helper()
	p := &pair{domain: linktest.NewDomain(t), address: linktest.Socket(t)}
	p.member, p.host = p.domain.NewMember(t, true), p.domain.NewHost(t)
	p.link = linktest.LinkHost(t, p.host)
	so.Module, so.Authority, so.Hybrid = linktest.AsMember(m, p.member), p.member, true
	p.server = linktest.Start(t, p.address, so)
	co.Address, co.Host = p.address, p.link
	p.Client = linktest.Connect(t, co)
	return p
}

// TestModule runs the suite of all modules through a link, over one connection and over several with few entries.
func TestModule(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]link.Options{"default": {}, "tight": {Connections: 3, InFlight: 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := linktest.Local(t)
			hsmtest.Run(t, hsmtest.Options{}, func(t testing.TB) hsm.Module { return connect(t, m, link.ServerOptions{}, o) })
		})
	}
}
