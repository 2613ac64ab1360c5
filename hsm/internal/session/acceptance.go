package session

import (
	"crypto/sha256"
	"fmt"
	"io"
	"time"

	"trent/hsm/internal/reveal"
)

// clockSlack is how far the clocks of a domain's modules may be apart.
const clockSlack = 5 * time.Minute

// Accept checks an open message, appends the module's answer to dst and gives the connection, which must get its first
// envelope soon, or be closed: whoever repeats another's open message gets here, but no further. Errors: ErrRefused,
// ErrExpired, ErrOutOfService, ErrFull, and those of signing and of randomness.
func (r *Responder) Accept(dst, message []byte, now time.Time) ([]byte, *Conn, error) {
	domain, number, ok := r.Authority.Domain()
	if !ok {
		return dst, nil, ErrOutOfService
	}
	m, ok := parseOpen(message)
	id := sha256.Sum256(message)
	if !ok || m.domain != domain || r.opens.has(&id) {
		return dst, nil, ErrRefused
	}
	s, err := r.Pool.take()
	if err != nil {
		return dst, nil, err
	}
	out, c, err := r.accept(dst, message, s, &m, &id, number, now)
	if err != nil {
		r.Pool.release(s)
		return dst, nil, err
	}
	return out, c, nil
}

func (r *Responder) accept(dst, message []byte, s *slot, m *open, id *[32]byte, number uint64, now time.Time) ([]byte, *Conn, error) {
	host, over, ok := r.Authority.OpenSession(&s.key, m.token)
	if !ok {
		return dst, nil, ErrRefused
	}
	reveal.Secret("session key", s.key[:])
	s.ready.Init(s.key[:])
	openProof(s, m, &host)
	if !proves(s, m.proof) {
		return dst, nil, ErrRefused
	}
	if _, listed := r.Authority.Host(host); !listed || !r.opens.add(id) {
		return dst, nil, ErrRefused
	}
	// One that ends too late is of a clock that has been set back since: it must not live longer for that.
	left := over.Sub(now.Round(0))
	if left <= 0 || left > MaxLifetime+clockSlack {
		return dst, nil, ErrExpired
	}
	a := accept{number: number, identity: r.Authority.Identity()}
	if !validIdentity(a.identity) {
		return dst, nil, errIdentity
	}
	if _, err := io.ReadFull(r.Pool.random, a.random[:]); err != nil {
		return dst, nil, fmt.Errorf("accepting a connection: %w", err)
	}
	e := ends{host: host, module: fingerprint(a.identity), hostRandom: m.random, moduleRandom: a.random, domain: m.domain}
	out := a.append(dst)
	digest := transcript(acceptLabel, message, out[len(dst):])
	out, err := appendSignature(out, r.Authority.Sign, &digest)
	if err != nil {
		return dst, nil, err
	}
	e.acceptProof(s, message, out[len(dst):])
	out = append(out, s.proof[:]...)
	e.lanes(s, toHost, toModule)
	c := connect(r.Pool, s, toHost)
	c.host, c.module, c.number, c.ends = host, e.module, number, now.Add(left)
	return out, c, nil
}
