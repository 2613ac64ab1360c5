// Package linktest is a domain without cryptography of its own domain keys, for tests of what speaks hsm/link: hosts and
// modules with real identities, real sessions, and servers on Unix sockets.
//
// What this package is not: nothing in it protects anything. Its servers and clients end with their test.
package linktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/internal/session"
)

// Domain is a domain as far as sessions are concerned.
type Domain struct {
	mu      sync.Mutex
	id      [16]byte
	number  uint64
	hosts   map[session.Fingerprint][]byte
	modules map[session.Fingerprint]bool
	key     [32]byte
}

// NewDomain makes a domain of nobody.
func NewDomain(t testing.TB) *Domain {
	t.Helper()
	d := &Domain{number: 1, hosts: map[session.Fingerprint][]byte{}, modules: map[session.Fingerprint]bool{}}
	rand.Read(d.id[:])
	rand.Read(d.key[:])
	return d
}

// signer is an identity.
type signer struct {
	key  *ecdsa.PrivateKey
	spki []byte
}

func newSigner(t testing.TB) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{key, spki}
}

// Identity is the public key.
func (s *signer) Identity() []byte { return s.spki }

// Sign signs a digest.
func (s *signer) Sign(digest *[48]byte) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, s.key, digest[:])
}

// Fingerprint names the key.
func (s *signer) Fingerprint() session.Fingerprint { return fingerprint(s.spki) }

func fingerprint(spki []byte) session.Fingerprint { return sha256.Sum256(spki) }

// Member is a module of a domain: a session.Authority.
type Member struct {
	*signer
	domain   *Domain
	mu       sync.Mutex
	number   uint64 // of the state held; 0: out of service
	sessions int
}

// Sessions counts the sessions that the member has made.
func (m *Member) Sessions() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions
}

// NewMember makes a member that holds the newest state, or none.
func (d *Domain) NewMember(t testing.TB, inService bool) *Member {
	t.Helper()
	m := &Member{domain: d, signer: newSigner(t)}
	d.mu.Lock()
	d.modules[m.Fingerprint()] = true
	d.mu.Unlock()
	if inService {
		m.Update()
	}
	return m
}

// Update brings the member to the newest state.
func (m *Member) Update() {
	m.domain.mu.Lock()
	number := m.domain.number
	m.domain.mu.Unlock()
	m.mu.Lock()
	m.number = number
	m.mu.Unlock()
}

// Ahead makes the member hold a state of so many numbers beyond the newest that hosts know.
func (m *Member) Ahead(n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.number += n
}

// Advance makes a successor of the domain's state, which members hold once they are updated.
func (d *Domain) Advance() {
	d.mu.Lock()
	d.number++
	d.mu.Unlock()
}

// Dismiss takes a host out of the domain.
func (d *Domain) Dismiss(h *Host) {
	d.mu.Lock()
	delete(d.hosts, h.Fingerprint())
	d.mu.Unlock()
}

// Expel takes a member out of the domain.
func (d *Domain) Expel(m *Member) {
	d.mu.Lock()
	delete(d.modules, m.Fingerprint())
	d.mu.Unlock()
}

// Domain implements session.Authority.
func (m *Member) Domain() ([16]byte, uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.domain.id, m.number, m.number > 0
}

// Host implements session.Authority.
func (m *Member) Host(f session.Fingerprint) ([]byte, bool) {
	m.domain.mu.Lock()
	defer m.domain.mu.Unlock()
	spki, ok := m.domain.hosts[f]
	return spki, ok
}

// SealSession implements session.Authority. The token is host (32) ‖ end (8) ‖ session key ⊕ MAC of those (32) ‖ MAC of
// all (32).
func (m *Member) SealSession(dst []byte, sk *[32]byte, host session.Fingerprint, ends time.Time) ([]byte, error) {
	m.mu.Lock()
	m.sessions++
	m.mu.Unlock()
	token := binary.BigEndian.AppendUint64(append([]byte(nil), host[:]...), uint64(ends.Unix()))
	for i, b := range m.domain.mac("mask", token) {
		token = append(token, b^sk[i])
	}
	return append(append(dst, token...), m.domain.mac("tag", token)...), nil
}

// OpenSession implements session.Authority.
func (m *Member) OpenSession(sk *[32]byte, token []byte) (host session.Fingerprint, ends time.Time, ok bool) {
	if len(token) != 104 || !hmac.Equal(m.domain.mac("tag", token[:72]), token[72:]) {
		return host, ends, false
	}
	for i, b := range m.domain.mac("mask", token[:40]) {
		sk[i] = token[40+i] ^ b
	}
	return session.Fingerprint(token[:32]), time.Unix(int64(binary.BigEndian.Uint64(token[32:])), 0), true
}

func (d *Domain) mac(label string, b []byte) []byte {
	h := hmac.New(sha256.New, d.key[:])
	h.Write([]byte(label))
	h.Write(b)
	return h.Sum(nil)
}

// Host is a service host of a domain: session.Peers.
type Host struct {
	*signer
	domain *Domain
}

// NewHost makes a host that the domain lists.
func (d *Domain) NewHost(t testing.TB) *Host {
	t.Helper()
	h := &Host{domain: d, signer: newSigner(t)}
	d.mu.Lock()
	d.hosts[h.Fingerprint()] = h.spki
	d.mu.Unlock()
	return h
}

// Domain implements session.Peers.
func (h *Host) Domain() ([16]byte, uint64) {
	h.domain.mu.Lock()
	defer h.domain.mu.Unlock()
	return h.domain.id, h.domain.number
}

// Module implements session.Peers.
func (h *Host) Module(spki []byte) bool {
	h.domain.mu.Lock()
	defer h.domain.mu.Unlock()
	return h.domain.modules[sha256.Sum256(spki)]
}

// AsMember makes an hsm.Member of a module and the identity of a member: Install of anything makes it hold the newest
// state of the domain.
func AsMember(m hsm.Module, as *Member) hsm.Member { return &member{m, as} }
