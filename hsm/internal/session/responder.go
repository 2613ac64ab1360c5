package session

import (
	"crypto/mlkem"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// DefaultLifetime is how long a session key is good for unless told otherwise.
const DefaultLifetime = time.Hour

// MaxLifetime is the longest that a session key can be good for.
const MaxLifetime = maxSeconds * time.Second

// Responder is a module's end. Safe for concurrent use; not to be copied after its first.
type Responder struct {
	Authority Authority
	Pool      *Pool
	Hybrid    bool          // offer ML-KEM-1024 beside P-384; it is used if the host offers it too
	Lifetime  time.Duration // of session keys, whole seconds up to MaxLifetime; 0: DefaultLifetime

	hellos, opens seen
}

// Answer checks a hello and appends the module's message of the handshake to dst; nothing of it is kept. A host that is
// not listed is refused before any asymmetric work, and so is a hello that was answered lately; for others the signature
// is checked before anything else is done. Errors: ErrRefused, ErrStale, ErrOutOfService, ErrFull, and those of signing,
// sealing and randomness.
func (r *Responder) Answer(dst, message []byte, now time.Time) ([]byte, error) {
	domain, number, ok := r.Authority.Domain()
	if !ok {
		return dst, ErrOutOfService
	}
	m, ok := parseHello(message)
	if !ok || m.domain != domain {
		return dst, ErrRefused
	}
	host, ok := r.Authority.Host(m.host)
	id := sha256.Sum256(message)
	if !ok || r.hellos.has(&id) {
		return dst, ErrRefused
	}
	digest := transcript(helloLabel, m.signed)
	if fingerprint(host) != m.host || !verify(host, &digest, m.signature) {
		return dst, ErrRefused
	}
	if m.number > number {
		return dst, ErrStale
	}
	if !r.hellos.add(&id) {
		return dst, ErrRefused
	}
	s, err := r.Pool.take()
	if err != nil {
		return dst, err
	}
	defer r.Pool.release(s)
	a := answer{offers: r.offers(), domain: domain, number: number, identity: r.Authority.Identity(), seconds: r.seconds()}
	a.choice = best(a.offers, m.offers)
	return r.appendAnswer(dst, message, s, &m, &a, now)
}

func (r *Responder) appendAnswer(dst, message []byte, s *slot, m *hello, a *answer, now time.Time) ([]byte, error) {
	if !validIdentity(a.identity) {
		return dst, errIdentity
	}
	out, err := dst, error(nil)
	var agreed [digestSize]byte
	secretly(func() {
		if err = r.agree(s, m, a); err != nil {
			return
		}
		out = a.append(dst)
		agreed = transcript(sessionLabel, message, out[len(dst):])
		var kem []byte
		if a.choice == hybrid {
			kem = s.kem[:]
		}
		combine(&s.key, &s.ecdh, kem, &agreed)
	})
	if err != nil {
		return dst, err
	}
	if out, err = r.appendSessionKey(out, s, m.host, &agreed, now.Add(time.Duration(a.seconds)*time.Second)); err != nil {
		return dst, err
	}
	digest := transcript(answerLabel, message, out[len(dst):])
	out, err = appendSignature(out, r.Authority.Sign, &digest)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// appendSessionKey draws a session key and appends it under the agreed key, and its token.
func (r *Responder) appendSessionKey(dst []byte, s *slot, host Fingerprint, agreed *[digestSize]byte, ends time.Time) ([]byte, error) {
	sk := (*[32]byte)(s.scratch[:])
	if _, err := io.ReadFull(r.Pool.random, sk[:]); err != nil {
		return dst, fmt.Errorf("drawing a session key: %w", err)
	}
	token, err := r.Authority.SealSession(nil, sk, host, ends)
	if err != nil {
		return dst, fmt.Errorf("sealing a session key: %w", err)
	}
	if len(token) < minTokenSize || len(token) > MaxToken {
		return dst, fmt.Errorf("sealing a session key: a token of %d bytes", len(token))
	}
	out := append(dst, s.nonce[:]...)
	out = r.Pool.kernel.Seal(&s.state, out, &s.key, &s.nonce, sk[:], agreed[:])
	copy(out[len(dst):], s.nonce[:]) // the kernel may have drawn its own
	out = binary.BigEndian.AppendUint16(out, uint16(len(token)))
	return append(out, token...), nil
}

// agree makes the module's ephemeral keys and both secrets.
func (r *Responder) agree(s *slot, m *hello, a *answer) error {
	key, err := drawScalar(&s.scalar, r.Pool.random)
	if err != nil {
		return err
	}
	if !agree(&s.ecdh, key, m.point) {
		return ErrRefused
	}
	a.point = key.PublicKey().Bytes()
	if a.choice == classical {
		return nil
	}
	ek, err := mlkem.NewEncapsulationKey1024(m.kem)
	if err != nil {
		return ErrRefused
	}
	shared, ciphertext := ek.Encapsulate()
	copy(s.kem[:], shared)
	clear(shared)
	a.kem = ciphertext
	return nil
}

func (r *Responder) offers() byte {
	if r.Hybrid {
		return classical | hybrid
	}
	return classical
}

func (r *Responder) seconds() uint32 {
	life := r.Lifetime
	if life <= 0 {
		life = DefaultLifetime
	}
	return uint32(max(1, min(life, MaxLifetime)/time.Second))
}
