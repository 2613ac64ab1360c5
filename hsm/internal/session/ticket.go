package session

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// Ticket is a session: the key, and the token by which every module of the domain knows it. Safe for concurrent use.
type Ticket struct {
	host        *Host
	domain      [16]byte
	token       []byte
	transcript  [digestSize]byte
	module      Fingerprint
	fingerprint Fingerprint // the host's
	ends        time.Time
	hybrid      bool

	mu   sync.Mutex
	slot *slot // nil: wiped
}

// Module is the module that the session was made with.
func (t *Ticket) Module() Fingerprint { return t.module }

// Ends is when the session is over, by the clock that Finish was given.
func (t *Ticket) Ends() time.Time { return t.ends }

// Hybrid reports whether ML-KEM-1024 took part in the agreement.
func (t *Ticket) Hybrid() bool { return t.hybrid }

// Wipe forgets the session. Connections run on.
func (t *Ticket) Wipe() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.slot != nil {
		t.host.Pool.release(t.slot)
		t.slot = nil
	}
}

// String says nothing of keys.
func (t *Ticket) String() string { return "session.Ticket" }

// GoString is String.
func (t *Ticket) GoString() string { return t.String() }

// Opening is an open message that waits for its answer. It is for one goroutine, and ends with Finish or Abandon.
type Opening struct {
	ticket *Ticket
	slot   *slot
	sent   []byte
	random [randomSize]byte
}

// Open appends the message that starts a connection, with the module of the ticket or any other of the domain. Errors:
// ErrExpired and ErrClosed, after which another ticket is needed; ErrFull, and those of randomness.
func (t *Ticket) Open(dst []byte, now time.Time) ([]byte, *Opening, error) {
	if !now.Before(t.ends) {
		return dst, nil, ErrExpired
	}
	s, err := t.copy()
	if err != nil {
		return dst, nil, err
	}
	m := open{domain: t.domain, transcript: t.transcript, token: t.token}
	if _, err := io.ReadFull(t.host.Pool.random, m.random[:]); err != nil {
		t.host.Pool.release(s)
		return dst, nil, fmt.Errorf("opening a connection: %w", err)
	}
	out := m.append(dst)
	m.proved = out[len(dst):]
	openProof(s, &m, &t.fingerprint)
	out = append(out, s.proof[:]...)
	return out, &Opening{ticket: t, slot: s, sent: bytes.Clone(out[len(dst):]), random: m.random}, nil
}

// copy gives a slot with the session key ready.
func (t *Ticket) copy() (*slot, error) {
	s, err := t.host.Pool.take()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.slot == nil {
		t.host.Pool.release(s)
		return nil, ErrClosed
	}
	s.ready = t.slot.ready
	return s, nil
}

// Abandon ends an opening that will get no answer. After Finish it does nothing.
func (o *Opening) Abandon() {
	if o.slot != nil {
		o.ticket.host.Pool.release(o.slot)
		o.slot = nil
	}
}

// Finish checks the module's answer and gives the connection. The opening is over either way. Errors: ErrRefused,
// ErrStale, ErrClosed.
func (o *Opening) Finish(message []byte) (*Conn, error) {
	s := o.slot
	if s == nil {
		return nil, ErrClosed
	}
	o.slot = nil
	c, err := o.finish(s, message)
	if err != nil {
		o.ticket.host.Pool.release(s)
		return nil, err
	}
	return c, nil
}

func (o *Opening) finish(s *slot, message []byte) (*Conn, error) {
	t := o.ticket
	m, ok := parseAccept(message)
	domain, number := t.host.Peers.Domain()
	if !ok || domain != t.domain || !t.host.Peers.Module(m.identity) {
		return nil, ErrRefused
	}
	e := ends{host: t.fingerprint, module: fingerprint(m.identity), hostRandom: o.random, moduleRandom: m.random, domain: domain}
	e.acceptProof(s, o.sent, m.proved)
	if !proves(s, m.proof) {
		return nil, ErrRefused
	}
	digest := transcript(acceptLabel, o.sent, m.signed)
	if !verify(m.identity, &digest, m.signature) {
		return nil, ErrRefused
	}
	if m.number < number {
		return nil, ErrStale
	}
	e.lanes(s, toModule, toHost)
	c := connect(t.host.Pool, s, toModule)
	c.host, c.module, c.number, c.ends = e.host, e.module, m.number, t.ends
	return c, nil
}
