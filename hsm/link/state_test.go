package link_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/link"
	"trent/hsm/link/linktest"
)

// TestOutOfService: a module without a state serves nobody, says who it is, and takes a domain token from anybody.
func TestOutOfService(t *testing.T) {
	t.Parallel()
	d, address := linktest.NewDomain(t), linktest.Socket(t)
	member := d.NewMember(t, false)
	host := linktest.LinkHost(t, d.NewHost(t))
	linktest.Start(t, address, link.ServerOptions{Module: linktest.AsMember(&fake{do: echo}, member), Authority: member})
	c, err := link.New(link.Options{Address: address, Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	until(t, "out of service", func() bool { return errors.Is(c.Do(fastCall("x")), hsm.ErrOutOfService) })
	refuse(t, hsm.ErrBusy, c, fastCall("x")) // nothing was started
	if _, ok := c.Module(); ok || !errors.Is(c.Err(), hsm.ErrOutOfService) {
		t.Errorf("connected: %v", c.Err())
	}
	if id, err := c.Identity(t.Context()); err != nil || id.InService || !bytes.Equal(id.HSM.Signing, member.Identity()) {
		t.Errorf("%+v, %v", id, err)
	}
	if _, err := c.Execute(t.Context(), []byte("x")); !errors.Is(err, hsm.ErrOutOfService) {
		t.Error(err)
	}
	if err := c.Install(t.Context(), nil); !errors.Is(err, hsm.ErrDomain) {
		t.Error(err)
	}
	if err := c.Install(t.Context(), make([]byte, link.MaxToken)); err != nil {
		t.Fatal(err)
	}
	ready(t, c)
	check(t, c, fastCall("in service"))
	if f, ok := c.Module(); !ok || f != hsm.Fingerprint(member.Fingerprint()) || c.Err() != nil {
		t.Errorf("connected to %v, %v", f, c.Err())
	}
}

// ready waits for a connection.
func ready(t testing.TB, c *link.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), linktest.Patience)
	defer cancel()
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestStaleModule: a host that knows a newer state does not use a module that does not hold it, until it brings it.
func TestStaleModule(t *testing.T) {
	t.Parallel()
	d, address := linktest.NewDomain(t), linktest.Socket(t)
	member := d.NewMember(t, true)
	host := linktest.LinkHost(t, d.NewHost(t))
	d.Advance()
	linktest.Start(t, address, link.ServerOptions{Module: linktest.AsMember(&fake{do: echo}, member), Authority: member})
	c, err := link.New(link.Options{Address: address, Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	until(t, "stale", func() bool { return errors.Is(c.Do(fastCall("x")), hsm.ErrOutOfService) })
	if err := c.Install(t.Context(), []byte("the newest")); err != nil {
		t.Fatal(err)
	}
	ready(t, c)
	check(t, c, fastCall("in service"))
}

// TestStaleHost: a host that the domain's state lists no more loses its connections, and gets no others: its session is
// good for nothing, and it can make no new one. One whose state is older than the module's is still listed, and served.
func TestStaleHost(t *testing.T) {
	t.Parallel()
	c := connect(t, &fake{do: echo}, link.ServerOptions{}, link.Options{Backoff: 10 * time.Millisecond})
	check(t, c, fastCall("listed"))
	other := c.domain.NewHost(t)
	c.domain.Dismiss(c.host)
	if err := c.Install(t.Context(), []byte("the state without that host")); err != nil {
		t.Fatal(err)
	}
	until(t, "dismissed", func() bool {
		err := c.Do(fastCall("x"))
		return errors.Is(err, hsm.ErrBusy) && strings.Contains(err.Error(), "refuses this host")
	})
	if c.Err() == nil {
		t.Error("still connected")
	}
	check(t, linktest.Connect(t, link.Options{Address: c.address, Host: linktest.LinkHost(t, other)}), fastCall("x"))

	behind := connect(t, &fake{do: echo}, link.ServerOptions{}, link.Options{})
	behind.member.Ahead(3)
	check(t, linktest.Connect(t, link.Options{Address: behind.address, Host: behind.link}), fastCall("x"))
}

// TestStrangers: a host that is not listed, and a module that is not the domain's, get nowhere.
func TestStrangers(t *testing.T) {
	t.Parallel()
	c := connect(t, &fake{do: echo}, link.ServerOptions{}, link.Options{})
	stranger, err := link.New(link.Options{Address: c.address, Host: linktest.LinkHost(t, linktest.NewDomain(t).NewHost(t))})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	until(t, "refused", func() bool {
		return stranger.Do(fastCall("x")).Error() != "link: no connection: link: not connected yet"
	})
	refuse(t, hsm.ErrBusy, stranger, fastCall("x"))
	check(t, c, fastCall("x"))

	other := connect(t, &fake{do: echo}, link.ServerOptions{}, link.Options{})
	other.domain.Expel(other.member)
	late, err := link.New(link.Options{Address: other.address, Host: other.link})
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	for range 20 {
		refuse(t, hsm.ErrBusy, late, fastCall("x"))
		time.Sleep(time.Millisecond)
	}
}
