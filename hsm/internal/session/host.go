package session

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"fmt"
	"io"
	"time"

	"trent/hsm/internal/reveal"
)

// Host is a service host's end: it makes sessions. Safe for concurrent use.
type Host struct {
	Peers  Peers
	Pool   *Pool
	Hybrid bool // offer ML-KEM-1024 beside P-384; it is used if the module offers it too
}

// Handshake is a hello that waits for its answer. It is for one goroutine, and ends with Finish or Abandon.
type Handshake struct {
	host    *Host
	slot    *slot // nil: over
	message []byte
	sent    hello
}

// Hello appends the first message of a handshake to dst. Errors: ErrFull, and those of signing and of randomness.
func (h *Host) Hello(dst []byte) ([]byte, *Handshake, error) {
	s, err := h.Pool.take()
	if err != nil {
		return dst, nil, err
	}
	hs := &Handshake{host: h, slot: s}
	out, err := h.appendHello(dst, s, &hs.sent)
	if err != nil {
		h.Pool.release(s)
		return dst, nil, fmt.Errorf("starting a session: %w", err)
	}
	hs.message = bytes.Clone(out[len(dst):])
	return out, hs, nil
}

func (h *Host) appendHello(dst []byte, s *slot, m *hello) ([]byte, error) {
	identity := h.Peers.Identity()
	if !validIdentity(identity) {
		return dst, errIdentity
	}
	m.offers, m.host = classical, fingerprint(identity)
	m.domain, m.number = h.Peers.Domain()
	if h.Hybrid {
		m.offers |= hybrid
	}
	var err error
	secretly(func() { err = h.ephemeral(m, s) })
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
	sent := &hs.sent
	if !ok || m.domain != domain || sent.domain != domain || m.choice != best(sent.offers, m.offers) || !h.Peers.Module(m.identity) {
		return nil, ErrRefused
	}
	digest := transcript(answerLabel, hs.message, m.signed)
	if !verify(m.identity, &digest, m.signature) {
		return nil, ErrRefused
	}
	if m.number < number {
		return nil, ErrStale
	}
	agreed := transcript(sessionLabel, hs.message, m.agreed)
	secretly(func() { ok = h.agree(s, &m, &agreed) })
	if !ok {
		return nil, ErrRefused
	}
	copy(s.nonce[:], m.sealed)
	sk, ok := h.Pool.kernel.Open(&s.state, s.scratch[:0], &s.key, &s.nonce, m.sealed[len(s.nonce):], agreed[:])
	if !ok {
		return nil, ErrRefused
	}
	reveal.Secret("agreed key", s.key[:])
	reveal.Secret("session key", sk)
	t := &Ticket{
		host: h, slot: s, domain: domain, token: bytes.Clone(m.token),
		transcript: transcript(sessionLabel, hs.message, message),
		module:     fingerprint(m.identity), fingerprint: sent.host,
		ends: now.Add(time.Duration(m.seconds) * time.Second), hybrid: m.choice == hybrid,
	}
	s.ready.Init(sk)
	s.forget()
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
