package hsm

import (
	"encoding/binary"
	"time"

	"trent/hsm/internal/domain"
	"trent/hsm/internal/session"
	"trent/hsm/internal/token"
)

// A session token is a token of its own purpose, without spec, usage and identity; its material identifier is the
// fingerprint of the host. What it encloses:
//
//	offset  size  what
//	0       32    session key
//	32      8     when it ends, milliseconds since the epoch, big-endian
const sessionContent = 40

// authority is a member's end of sessions.
type authority struct{ l *Local }

// SessionAuthority is what sessions with l's hosts need of it; nil for a module of its own domain, which has none.
func (l *Local) SessionAuthority() session.Authority {
	if l.member == nil {
		return nil
	}
	return authority{l}
}

// Domain implements session.Authority.
func (a authority) Domain() (id [16]byte, number uint64, ok bool) {
	s, _ := a.l.member.State()
	if s == nil {
		return id, 0, false
	}
	return s.Domain, s.Number, true
}

// Identity implements session.Authority.
func (a authority) Identity() []byte {
	self, err := a.l.member.Self()
	if err != nil {
		return nil
	}
	return self.Signing
}

// Sign implements session.Authority.
func (a authority) Sign(digest *[48]byte) ([]byte, error) {
	signature, err := a.l.member.Sign(digest[:])
	return signature, outOf(err)
}

// Host implements session.Authority.
func (a authority) Host(f session.Fingerprint) (spki []byte, ok bool) {
	s, _ := a.l.member.State()
	if s == nil {
		return nil, false
	}
	return s.Host(domain.Fingerprint(f))
}

// SealSession implements session.Authority. Errors: ErrOutOfService, ErrBusy, ErrUnavailable.
func (a authority) SealSession(dst []byte, sk *[32]byte, host session.Fingerprint, ends time.Time) ([]byte, error) {
	var c Call
	w, err := a.l.claim(&c)
	if err != nil {
		return dst, err
	}
	defer a.l.release(w)
	content := w.scratch.material[:sessionContent]
	defer clear(content)
	copy(content, sk[:])
	binary.BigEndian.PutUint64(content[len(sk):], uint64(ends.UnixMilli()))
	h := token.Header{Purpose: token.Session, Material: host}
	c.Out = dst
	if err := a.l.wrap(w, &c, &h, nil, nil, content); err != nil {
		return dst, err
	}
	return c.Out, nil
}

// OpenSession implements session.Authority.
func (a authority) OpenSession(sk *[32]byte, t []byte) (host session.Fingerprint, ends time.Time, ok bool) {
	if token.MaterialSize(t) != sessionContent {
		return host, ends, false
	}
	h, err := token.Parse(t)
	if err != nil {
		return host, ends, false
	}
	w, err := a.l.claim(&Call{})
	if err != nil {
		return host, ends, false
	}
	defer a.l.release(w)
	k := Key{Token: t, Material: h.Material}
	dk, err := a.l.domainKeyOf(&k, token.Session)
	if err != nil {
		return host, ends, false
	}
	content, err := token.Open(w.scratch.material[:0], a.l.kernel, dk, &w.scratch.token, nil, t)
	if err != nil {
		return host, ends, false
	}
	defer clear(content)
	copy(sk[:], content)
	return h.Material, time.UnixMilli(int64(binary.BigEndian.Uint64(content[len(sk):]))), true
}
