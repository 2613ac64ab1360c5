package session_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"trent/hsm/internal/gcm"
	"trent/hsm/internal/session"
)

// TestFull: a pool that is full says so, and a release makes room.
func TestFull(t *testing.T) {
	t.Parallel()
	pool, modules, d := newPool(t, session.PoolOptions{Slots: 2}), newPool(t, session.PoolOptions{Slots: 1}), newDomain(1)
	h, _ := d.admit(t, pool, false)
	r, _ := d.join(t, modules, false)
	ticket := handshake(t, h, r)
	host, module := connect(t, ticket, r)

	if _, _, err := ticket.Open(nil, start); !errors.Is(err, session.ErrFull) {
		t.Errorf("a second connection: %v", err)
	}
	if _, _, err := h.Hello(nil); !errors.Is(err, session.ErrFull) {
		t.Errorf("a handshake: %v", err)
	}
	host.Close()
	open, o, err := ticket.Open(nil, start)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Accept(nil, open, start); !errors.Is(err, session.ErrFull) {
		t.Errorf("a connection to a full module: %v", err)
	}
	o.Abandon()
	o.Abandon()
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Answer(nil, hello, start); !errors.Is(err, session.ErrFull) {
		t.Errorf("a handshake with a full module: %v", err)
	}
	hs.Abandon()
	hs.Abandon()
	module.Close()
	host, module = connect(t, ticket, r)
	host.Close()
	module.Close()
	ticket.Wipe()
	ticket.Wipe()
	if all, used := pool.Slots(); all != 2 || used != 0 {
		t.Errorf("%d of %d slots in use", used, all)
	}
}

// TestClosedPool: connections run on, and new ones are refused.
func TestClosedPool(t *testing.T) {
	t.Parallel()
	pool, err := session.OpenPool(session.PoolOptions{Slots: 3})
	if err != nil {
		t.Fatal(err)
	}
	host, module := session.PairOf(pool, [32]byte{1}, [32]byte{2})
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	carry(t, host, module, "still")
	if _, _, err := (&session.Host{Pool: pool}).Hello(nil); !errors.Is(err, session.ErrClosed) {
		t.Errorf("a handshake: %v", err)
	}
	host.Close()
	module.Close()
	if err := pool.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestPoolOptions(t *testing.T) {
	t.Parallel()
	if _, err := session.OpenPool(session.PoolOptions{Kernel: "rot13"}); !errors.Is(err, gcm.ErrUnknown) {
		t.Errorf("an unknown kernel: %v", err)
	}
	pool := newPool(t, session.PoolOptions{})
	if all, used := pool.Slots(); all != session.DefaultSlots || used != 0 || pool.Kind() == "" {
		t.Errorf("%d slots, %d in use, of %q", all, used, pool.Kind())
	}
}

// TestFailures: what fails on the way leaves no slot behind and appends nothing.
func TestFailures(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{Slots: 2}), newDomain(1)
	h, _ := d.admit(t, pool, true)
	r, m := d.join(t, pool, true)
	broken := errors.New("broken")
	dry := newPool(t, session.PoolOptions{Slots: 2, Random: iotest.ErrReader(broken)})

	for name, bad := range map[string]*session.Host{
		"no randomness":    {Peers: h.Peers, Pool: dry, Hybrid: true},
		"no signature":     {Peers: &muteHost{host{d, newSigner(t)}, broken}, Pool: pool},
		"another identity": {Peers: &oddHost{host{d, newSigner(t)}}, Pool: pool},
	} {
		if out, _, err := bad.Hello([]byte("x")); err == nil || string(out) != "x" {
			t.Errorf("hello with %s: %q, %v", name, out, err)
		}
	}
	for name, bad := range map[string]*session.Responder{
		"no randomness": {Authority: m, Pool: dry},
		"no signature":  {Authority: &brokenModule{module: m, err: broken}, Pool: pool},
		"a long token":  {Authority: &brokenModule{module: m, token: session.MaxToken + 1}, Pool: pool},
	} {
		hello, hs, err := h.Hello(nil)
		if err != nil {
			t.Fatal(err)
		}
		hs.Abandon()
		if out, err := bad.Answer([]byte("x"), hello, start); err == nil || errors.Is(err, session.ErrRefused) || string(out) != "x" {
			t.Errorf("answer with %s: %q, %v", name, out, err)
		}
	}
	ticket := handshake(t, h, r)
	for name, bad := range map[string]*session.Responder{
		"no randomness": {Authority: m, Pool: dry},
		"no signature":  {Authority: &brokenModule{module: m, err: broken}, Pool: pool},
	} {
		open, o, err := ticket.Open(nil, start)
		if err != nil {
			t.Fatal(err)
		}
		o.Abandon()
		if out, _, err := bad.Accept([]byte("x"), open, start); !errors.Is(err, broken) || string(out) != "x" {
			t.Errorf("accept with %s: %q, %v", name, out, err)
		}
	}
	ticket.Wipe()
	for _, p := range []*session.Pool{pool, dry} {
		if _, used := p.Slots(); used != 0 {
			t.Errorf("%d slots still in use", used)
		}
	}
}

// brokenModule signs nothing, or makes tokens of a given length.
type brokenModule struct {
	*module
	err   error
	token int
}

func (m *brokenModule) Sign(digest *[48]byte) ([]byte, error) {
	if m.err != nil {
		return nil, m.err
	}
	return m.module.Sign(digest)
}

func (m *brokenModule) SealSession(dst []byte, sk *[32]byte, host session.Fingerprint, ends time.Time) ([]byte, error) {
	if m.token > 0 {
		return append(dst, bytes.Repeat([]byte{1}, m.token)...), nil
	}
	return m.module.SealSession(dst, sk, host, ends)
}

// muteHost signs nothing.
type muteHost struct {
	host
	err error
}

func (h *muteHost) Sign(*[48]byte) ([]byte, error) { return nil, h.err }

// oddHost has an identity in another form.
type oddHost struct{ host }

func (h *oddHost) Identity() []byte { return h.host.Identity()[1:] }
