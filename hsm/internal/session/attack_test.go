package session_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"trent/hsm/internal/session"
)

// sizes that the tests cut messages by
const (
	signatureSize = 96
	pointEnd      = 156 // of hello: where the encapsulation key begins
)

// sign is a signature over label ‖ 00 ‖ parts in the form of the messages, with s in its lower or upper half.
func sign(t *testing.T, s *signer, upper bool, label string, parts ...[]byte) []byte {
	t.Helper()
	digest := sha512.Sum384(append([]byte(label+"\x00"), bytes.Join(parts, nil)...))
	der, err := s.Sign(&digest)
	if err != nil {
		t.Fatal(err)
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		t.Fatal(err)
	}
	n := elliptic.P384().Params().N
	if isUpper := new(big.Int).Lsh(sig.S, 1).Cmp(n) > 0; isUpper != upper {
		sig.S.Sub(n, sig.S)
	}
	out := make([]byte, signatureSize)
	sig.R.FillBytes(out[:48])
	sig.S.FillBytes(out[48:])
	return out
}

// TestDowngrade: whoever takes an offer away needs a signing key of one end.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, hk := d.admit(t, pool, true)
	r, _ := d.join(t, pool, true)
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	stripped := bytes.Clone(hello[:pointEnd])
	stripped[2] = 1
	if _, err := r.Answer(nil, append(stripped, hello[len(hello)-signatureSize:]...), start); !errors.Is(err, session.ErrRefused) {
		t.Errorf("a hello without its better offer: %v", err)
	}

	// Even an attacker with the host's signing key gets no weaker session with the host: the answer is for another hello.
	stripped = append(stripped[:pointEnd:pointEnd], sign(t, hk.signer, false, "trent session hello", stripped)...)
	answer, err := r.Answer(nil, stripped, start)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hs.Again().Finish(answer, start); !errors.Is(err, session.ErrRefused) {
		t.Errorf("the answer to another hello: %v", err)
	}

	// Nor does a module: the host sees from both lists that a better choice was there.
	for _, c := range []struct {
		offers, choice byte
		ok             bool
	}{{1, 1, true}, {3, 2, true}, {3, 1, false}, {1, 2, false}} {
		if answer, err = r.AnswerOffering(hello, c.offers, c.choice, start); err != nil {
			t.Fatal(err)
		}
		ticket, err := hs.Again().Finish(answer, start)
		if c.ok && (err != nil || ticket.Hybrid() != (c.choice == 2)) || !c.ok && !errors.Is(err, session.ErrRefused) {
			t.Errorf("offers %d, choice %d: %v", c.offers, c.choice, err)
		}
	}
	hs.Abandon()
}

// TestOneSignature: the other s that ECDSA would take is refused, so that a message has one form.
func TestOneSignature(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, hk := d.admit(t, pool, false)
	r, _ := d.join(t, pool, false)
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer hs.Abandon()
	body := hello[:pointEnd:pointEnd]
	if _, err := r.Answer(nil, append(body, sign(t, hk.signer, false, "trent session hello", body)...), start); err != nil {
		t.Errorf("the lower s: %v", err)
	}
	if _, err := r.Answer(nil, append(body, sign(t, hk.signer, true, "trent session hello", body)...), start); !errors.Is(err, session.ErrRefused) {
		t.Errorf("the upper s: %v", err)
	}
}

// TestReplayedHello: a repeated hello is refused, and where it is forgotten, brings a key to its author only.
func TestReplayedHello(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, _ := d.admit(t, pool, true)
	r, _ := d.join(t, pool, true)
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.Answer(nil, hello, start)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Answer(nil, hello, start); !errors.Is(err, session.ErrRefused) {
		t.Errorf("repeated: %v", err)
	}
	r.ForgetSeen()
	again, err := r.Answer(nil, hello, start)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing but the domain and its public parts is the same: ephemeral, ciphertext, session key, token, signature.
	if bytes.Equal(answer[148:245], again[148:245]) || bytes.Equal(answer[len(answer)-signatureSize:], again[len(again)-signatureSize:]) {
		t.Error("the same answer twice")
	}
	if _, err := hs.Finish(answer, start); err != nil {
		t.Fatal(err)
	}
	// The handshake is over: a later answer makes no second session of it.
	if _, err := hs.Finish(again, start); !errors.Is(err, session.ErrClosed) {
		t.Errorf("a second answer: %v", err)
	}
	// To another handshake of the host, it is nothing.
	_, other, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Finish(again, start); !errors.Is(err, session.ErrRefused) {
		t.Errorf("the answer to another hello: %v", err)
	}
}

// TestReplayedOpen: a repeated open message is refused, and at another module makes other keys, which who repeats it
// does not have.
func TestReplayedOpen(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, _ := d.admit(t, pool, false)
	r, _ := d.join(t, pool, false)
	other, _ := d.join(t, pool, false)
	ticket := handshake(t, h, r)
	open, o, err := ticket.Open(nil, start)
	if err != nil {
		t.Fatal(err)
	}
	accept, first, err := r.Accept(nil, open, start)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Accept(nil, open, start); !errors.Is(err, session.ErrRefused) {
		t.Errorf("repeated: %v", err)
	}
	r.ForgetSeen()
	_, second, err := r.Accept(nil, open, start)
	if err != nil {
		t.Fatal(err)
	}
	_, third, err := other.Accept(nil, open, start)
	if err != nil {
		t.Fatal(err)
	}
	host, err := o.Finish(accept)
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := host.Seal(nil, []byte("pay"))
	if err != nil {
		t.Fatal(err)
	}
	distinct := map[[32]byte]bool{}
	for _, c := range []*session.Conn{first, second, third} {
		a, b := c.Keys()
		distinct[a], distinct[b] = true, true
	}
	if len(distinct) != 6 {
		t.Errorf("%d keys, want 6 different ones", len(distinct))
	}
	for name, c := range map[string]*session.Conn{"the same module": second, "another": third} {
		if _, err := c.Open(nil, recorded); !errors.Is(err, session.ErrRefused) {
			t.Errorf("a recorded connection played to %s: %v", name, err)
		}
	}
	if _, err := first.Open(nil, recorded); err != nil {
		t.Errorf("the true connection: %v", err)
	}
}

// TestForeignModule: the host refuses a module that its domain does not list, at the handshake and at a connection.
func TestForeignModule(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, hk := d.admit(t, pool, false)
	r, m := d.join(t, pool, false)
	other, _ := d.join(t, pool, false)
	ticket := handshake(t, h, r)

	d.mu.Lock()
	delete(d.modules, m.fingerprint()) // removed, and comes back with all it has: the domain's keys too
	d.mu.Unlock()
	if _, err := finishWith(t, h, r); !errors.Is(err, session.ErrRefused) {
		t.Errorf("a handshake with a module removed: %v", err)
	}
	if _, err := openWith(t, ticket, r); !errors.Is(err, session.ErrRefused) {
		t.Errorf("a connection to a module removed: %v", err)
	}
	// It says that it is the other one, but cannot sign for it.
	om := other.Authority.(*module)
	liar := &session.Responder{Authority: &module{domain: d, signer: &signer{m.signer.key, om.spki}}, Pool: pool}
	if _, err := finishWith(t, h, liar); !errors.Is(err, session.ErrRefused) {
		t.Errorf("a handshake under another's name: %v", err)
	}
	if _, err := openWith(t, ticket, liar); !errors.Is(err, session.ErrRefused) {
		t.Errorf("a connection under another's name: %v", err)
	}
	if _, err := openWith(t, ticket, other); err != nil {
		t.Errorf("the module that stayed: %v", err)
	}

	// A module of another domain, which even lists the host.
	foreign := newDomain(2)
	foreign.hosts[hk.fingerprint()] = hk.spki
	fr, _ := foreign.join(t, pool, false)
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	hs.Abandon()
	if _, err := fr.Answer(nil, hello, start); !errors.Is(err, session.ErrRefused) {
		t.Errorf("a module of another domain: %v", err)
	}
	if _, err := openWith(t, ticket, fr); !errors.Is(err, session.ErrRefused) {
		t.Errorf("a session of another domain: %v", err)
	}
	// One with the identifier of this domain, but without its keys and not listed.
	forged := newDomain(1)
	forged.hosts[hk.fingerprint()] = hk.spki
	fr, _ = forged.join(t, pool, false)
	if _, err := finishWith(t, h, fr); !errors.Is(err, session.ErrRefused) {
		t.Errorf("a module that claims the domain: %v", err)
	}
}

// finishWith is a handshake of h with r; the first error of the host's end or the module's.
func finishWith(t *testing.T, h *session.Host, r *session.Responder) (*session.Ticket, error) {
	t.Helper()
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer hs.Abandon()
	answer, err := r.Answer(nil, hello, start)
	if err != nil {
		return nil, err
	}
	return hs.Finish(answer, start)
}

// openWith is a connection with r.
func openWith(t *testing.T, ticket *session.Ticket, r *session.Responder) (*session.Conn, error) {
	t.Helper()
	open, o, err := ticket.Open(nil, start)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abandon()
	accept, c, err := r.Accept(nil, open, start)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return o.Finish(accept)
}

// TestRemovedHost: what a host had before its removal opens nothing.
func TestRemovedHost(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, hk := d.admit(t, pool, false)
	r, _ := d.join(t, pool, false)
	ticket := handshake(t, h, r)
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer hs.Abandon()
	d.mu.Lock()
	delete(d.hosts, hk.fingerprint())
	d.mu.Unlock()
	if _, err := r.Answer(nil, hello, start); !errors.Is(err, session.ErrRefused) {
		t.Errorf("a handshake: %v", err)
	}
	if _, err := openWith(t, ticket, r); !errors.Is(err, session.ErrRefused) {
		t.Errorf("a connection: %v", err)
	}
	// Nor does a listing under a key that is not of its fingerprint help, whoever signs.
	other := newSigner(t)
	d.mu.Lock()
	d.hosts[hk.fingerprint()] = other.spki
	d.mu.Unlock()
	if _, err := r.Answer(nil, hello, start); !errors.Is(err, session.ErrRefused) {
		t.Errorf("listed with another key: %v", err)
	}
	body := hello[:pointEnd:pointEnd]
	if _, err := r.Answer(nil, append(body, sign(t, other, false, "trent session hello", body)...), start); !errors.Is(err, session.ErrRefused) {
		t.Errorf("listed with another key, which signs: %v", err)
	}
}

// TestStaleModule: a host has no session with a module that has missed a state of the domain.
func TestStaleModule(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, _ := d.admit(t, pool, false)
	r, m := d.join(t, pool, false)
	ticket := handshake(t, h, r)

	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.Answer(nil, hello, start)
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.number++ // the host has a newer state, the module not yet
	m.behind = 1
	d.mu.Unlock()
	if _, err := hs.Finish(answer, start); !errors.Is(err, session.ErrStale) {
		t.Errorf("an answer of the state before: %v", err)
	}
	if _, err := finishWith(t, h, r); !errors.Is(err, session.ErrStale) {
		t.Errorf("a handshake: %v", err)
	}
	if hello, hs, err = h.Hello(nil); err != nil {
		t.Fatal(err)
	}
	hs.Abandon()
	if _, err := r.Answer(nil, hello, start); !errors.Is(err, session.ErrStale) {
		t.Errorf("the module itself: %v", err)
	}
	if _, err := openWith(t, ticket, r); !errors.Is(err, session.ErrStale) {
		t.Errorf("a connection: %v", err)
	}
	d.mu.Lock()
	m.behind = 0
	d.mu.Unlock()
	if _, err := openWith(t, ticket, r); err != nil {
		t.Errorf("after it has caught up: %v", err)
	}

	d.mu.Lock()
	m.out = true
	d.mu.Unlock()
	if _, err := finishWith(t, h, r); !errors.Is(err, session.ErrOutOfService) {
		t.Errorf("a handshake out of service: %v", err)
	}
	if _, err := openWith(t, ticket, r); !errors.Is(err, session.ErrOutOfService) {
		t.Errorf("a connection out of service: %v", err)
	}
}

// TestExpiry: a session ends by either clock, whatever they do; its connections run on.
func TestExpiry(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, _ := d.admit(t, pool, false)
	r, _ := d.join(t, pool, false)
	r.Lifetime = 10 * time.Minute
	ticket := handshake(t, h, r)
	hc, mc := connect(t, ticket, r)
	if want := start.Add(10 * time.Minute); !ticket.Ends().Equal(want) || !hc.Ends().Equal(want) || !mc.Ends().Equal(want) {
		t.Errorf("ends %v, %v, %v, want %v", ticket.Ends(), hc.Ends(), mc.Ends(), want)
	}
	for _, c := range []struct {
		name         string
		host, module time.Duration // clocks since the handshake
		openErr      error
		acceptErr    error
	}{
		{"in time", time.Minute, time.Minute, nil, nil},
		{"the last second", 599 * time.Second, 599 * time.Second, nil, nil},
		{"over by the host's clock", 10 * time.Minute, 0, session.ErrExpired, nil},
		{"the host's clock jumps on by a year", 365 * 24 * time.Hour, time.Minute, session.ErrExpired, nil},
		{"the host's clock is set back", -365 * 24 * time.Hour, time.Minute, nil, nil},
		{"over by the module's clock", -365 * 24 * time.Hour, 10 * time.Minute, nil, session.ErrExpired},
		{"clocks a little apart", time.Minute, -time.Minute, nil, nil},
		{"the module's clock is set back by days", time.Minute, -48 * time.Hour, nil, session.ErrExpired},
	} {
		open, o, err := ticket.Open(nil, start.Add(c.host))
		if !errors.Is(err, c.openErr) {
			t.Errorf("%s: open: %v, want %v", c.name, err, c.openErr)
		}
		if err != nil {
			continue
		}
		accept, m, err := r.Accept(nil, open, start.Add(c.module))
		if !errors.Is(err, c.acceptErr) {
			t.Errorf("%s: accept: %v, want %v", c.name, err, c.acceptErr)
		}
		if err == nil {
			if _, err := o.Again().Finish(accept); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			m.Close()
		}
		o.Abandon()
		carry(t, hc, mc, "the connection from before")
	}
	ticket.Wipe()
	if _, _, err := ticket.Open(nil, start); !errors.Is(err, session.ErrClosed) {
		t.Errorf("a wiped ticket: %v", err)
	}
	carry(t, mc, hc, "still")
}

// TestLifetime: what a module may be set to.
func TestLifetime(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
	h, _ := d.admit(t, pool, false)
	r, _ := d.join(t, pool, false)
	for _, c := range []struct{ set, want time.Duration }{
		{0, session.DefaultLifetime}, {time.Millisecond, time.Second}, {90 * time.Second, 90 * time.Second},
		{100 * time.Hour, session.MaxLifetime},
	} {
		r.Lifetime = c.set
		if got := handshake(t, h, r).Ends().Sub(start); got != c.want {
			t.Errorf("lifetime set to %v: %v, want %v", c.set, got, c.want)
		}
	}
}

// TestRememberedMessages: a memory of messages keeps the newest.
func TestRememberedMessages(t *testing.T) {
	t.Parallel()
	var s session.Seen
	id := func(i int) [32]byte { return [32]byte{byte(i), byte(i >> 8)} }
	for i := range session.Remembered + 10 {
		if s.Has(id(i)) || !s.Add(id(i)) || s.Add(id(i)) || !s.Has(id(i)) {
			t.Fatalf("message %d is not remembered once", i)
		}
	}
	for i := range session.Remembered + 10 {
		if got, want := s.Has(id(i)), i >= 10; got != want {
			t.Errorf("message %d: %v, want %v", i, got, want)
		}
	}
}
