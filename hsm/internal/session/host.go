package session

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"fmt"
	"io"
	"sync"
	"time"
)

// Host is a service host's end: it makes sessions. Safe for concurrent use.
type Host struct {
	Peers  Peers
	Pool   *Pool
	Hybrid bool // offer ML-KEM-1024 beside P-384; it is used if the module offers it too
}

// Handshake is a hello that waits for its answer. It is for one goroutine, and ends with Finish or Abandon.
type Handshake struct {
	host  *Host
	slot  *slot
	hello []byte
}

// Hello appends the first message of a handshake to dst. Errors: ErrFull, and those of signing and of randomness.
func (h *Host) Hello(dst []byte) ([]byte, *Handshake, error) {
	s, err := h.Pool.take()
	if err != nil {
		return dst, nil, err
	}
	out, err := h.appendHello(dst, s)
	if err != nil {
		h.Pool.release(s)
		return dst, nil, fmt.Errorf("starting a session: %w", err)
	}
	return out, &Handshake{host: h, slot: s, hello: append([]byte(nil), out[len(dst):]...)}, nil
}

func (h *Host) appendHello(dst []byte, s *slot) ([]byte, error) {
	identity := h.Peers.Identity()
	if !validIdentity(identity) {
		return dst, errIdentity
	}
	m := hello{offers: classical, host: fingerprint(identity)}
	m.domain, m.number = h.Peers.Domain()
	if h.Hybrid {
		m.offers |= hybrid
	}
	var err error
	secretly(func() { err = h.ephemeral(&m, s) })
	if err != nil {
		return dst, err
	}
	out := m.append(dst)
	digest := transcript(helloLabel, out[len(dst):])
	return appendSignature(out, h.Peers.Sign, &digest)
}

// ephemeral draws the host's keys into s. Their working copies are gone when it returns, as far as the build clears
// them; Finish makes them again.
func (h *Host) ephemeral(m *hello, s *slot) error {
	key, err := drawScalar(&s.scalar, h.Pool.random)
	if err != nil {
		return err
	}
	m.point = key.PublicKey().Bytes()
	if !h.Hybrid {
		return nil
	}
	if _, err := io.ReadFull(h.Pool.random, s.seed[:]); err != nil {
		return fmt.Errorf("drawing an ML-KEM key: %w", err)
	}
	dk, err := mlkem.NewDecapsulationKey1024(s.seed[:])
	if err != nil {
		return fmt.Errorf("making an ML-KEM key: %w", err)
	}
	m.kem = dk.EncapsulationKey().Bytes()
	return nil
}

// Abandon ends a handshake that will get no answer. After Finish it does nothing.
func (hs *Handshake) Abandon() {
	if hs.slot != nil {
		hs.host.Pool.release(hs.slot)
		hs.slot = nil
	}
}

// Finish checks the answer and gives the ticket of the session. The handshake is over either way. now is when the hello
// was made, or later by a trustworthy clock: the session ends that long after it as the module says. Errors: ErrRefused,
// ErrStale, ErrClosed.
func (hs *Handshake) Finish(message []byte, now time.Time) (*Ticket, error) {
	s := hs.slot
	if s == nil {
		return nil, ErrClosed
	}
	hs.slot = nil
	t, err := hs.finish(s, message, now)
	if err != nil {
		hs.host.Pool.release(s)
		return nil, err
	}
	return t, nil
}

func (hs *Handshake) finish(s *slot, message []byte, now time.Time) (*Ticket, error) {
	h := hs.host
	m, ok := parseAnswer(message)
	domain, number := h.Peers.Domain()
	sent, _ := parseHello(hs.hello)
	if !ok || m.domain != domain || sent.domain != domain || m.choice != best(sent.offers, m.offers) || !h.Peers.Module(m.identity) {
		return nil, ErrRefused
	}
	digest := transcript(answerLabel, hs.hello, m.signed)
	if !verify(m.identity, &digest, m.signature) {
		return nil, ErrRefused
	}
	if m.number < number {
		return nil, ErrStale
	}
	agreed := transcript(sessionLabel, hs.hello, m.agreed)
	secretly(func() { ok = h.agree(s, &m, &agreed) })
	if !ok {
		return nil, ErrRefused
	}
	copy(s.nonce[:], m.sealed)
	sk, ok := h.Pool.kernel.Open(s.scratch[:0], &s.key, &s.nonce, m.sealed[len(s.nonce):], agreed[:])
	if !ok {
		return nil, ErrRefused
	}
	t := &Ticket{
		host: h, slot: s, domain: domain, token: append([]byte(nil), m.token...),
		transcript: transcript(sessionLabel, hs.hello, message),
		module:     fingerprint(m.identity), fingerprint: sent.host,
		ends: now.Add(time.Duration(m.seconds) * time.Second), hybrid: m.choice == hybrid,
	}
	s.ready.Init(sk)
	s.keepReady()
	return t, nil
}

// agree sets s.key to the negotiated key.
func (h *Host) agree(s *slot, m *answer, agreed *[digestSize]byte) bool {
	key, err := ecdh.P384().NewPrivateKey(s.scalar[:])
	if err != nil || !agree(&s.ecdh, key, m.point) {
		return false
	}
	var kem []byte
	if m.choice == hybrid {
		dk, err := mlkem.NewDecapsulationKey1024(s.seed[:])
		if err != nil {
			return false
		}
		shared, err := dk.Decapsulate(m.kem)
		if err != nil {
			return false
		}
		kem = s.kem[:]
		copy(kem, shared)
		clear(shared)
	}
	combine(&s.key, &s.ecdh, kem, agreed)
	return true
}

// best is the strongest offer that both lists have; all have the first.
func best(a, b byte) byte {
	if a&b&hybrid != 0 {
		return hybrid
	}
	return classical
}

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
	return out, &Opening{ticket: t, slot: s, sent: append([]byte(nil), out[len(dst):]...), random: m.random}, nil
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

// validIdentity reports whether spki has the one form that an identity has.
func validIdentity(spki []byte) bool {
	return len(spki) == identitySize && string(spki[:len(spkiPrefix)]) == spkiPrefix
}
