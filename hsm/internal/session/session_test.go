package session_test

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

	"trent/hsm/internal/session"
)

// start is when tests take place.
var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

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

func (s *signer) Identity() []byte { return s.spki }

func (s *signer) Sign(digest *[48]byte) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, s.key, digest[:])
}

func (s *signer) fingerprint() session.Fingerprint { return sha256.Sum256(s.spki) }

// domain is a domain of one key, as far as sessions are concerned. Its methods may run beside each other.
type domain struct {
	mu      sync.Mutex
	id      [16]byte
	number  uint64
	hosts   map[session.Fingerprint][]byte
	modules map[session.Fingerprint]bool
	key     [32]byte
}

func newDomain(id byte) *domain {
	d := &domain{id: [16]byte{id}, number: 7, hosts: map[session.Fingerprint][]byte{}, modules: map[session.Fingerprint]bool{}}
	rand.Read(d.key[:])
	return d
}

// module is an Authority.
type module struct {
	*domain
	*signer
	out    bool   // of service
	behind uint64 // states behind the domain's
}

func (m *module) Domain() ([16]byte, uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.id, m.number - m.behind, !m.out
}

func (m *module) Host(f session.Fingerprint) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	spki, ok := m.hosts[f]
	return spki, ok
}

// A token of these tests is host (32) ‖ end (8) ‖ session key ⊕ MAC of those (32) ‖ MAC of all (32).
func (m *module) SealSession(dst []byte, sk *[32]byte, host session.Fingerprint, ends time.Time) ([]byte, error) {
	token := binary.BigEndian.AppendUint64(append([]byte(nil), host[:]...), uint64(ends.Unix()))
	for i, b := range m.mac("mask", token) {
		token = append(token, b^sk[i])
	}
	return append(append(dst, token...), m.mac("tag", token)...), nil
}

func (m *module) OpenSession(sk *[32]byte, token []byte) (host session.Fingerprint, ends time.Time, ok bool) {
	if len(token) != 104 || !hmac.Equal(m.mac("tag", token[:72]), token[72:]) {
		return host, ends, false
	}
	for i, b := range m.mac("mask", token[:40]) {
		sk[i] = token[40+i] ^ b
	}
	return session.Fingerprint(token[:32]), time.Unix(int64(binary.BigEndian.Uint64(token[32:])), 0), true
}

func (m *module) mac(label string, b []byte) []byte {
	h := hmac.New(sha256.New, m.domain.key[:])
	h.Write([]byte(label))
	h.Write(b)
	return h.Sum(nil)
}

// host is Peers.
type host struct {
	*domain
	*signer
}

func (h *host) Domain() ([16]byte, uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.id, h.number
}

func (h *host) Module(spki []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.modules[sha256.Sum256(spki)]
}

func newPool(t testing.TB, o session.PoolOptions) *session.Pool {
	t.Helper()
	p, err := session.OpenPool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// join makes a module of d.
func (d *domain) join(t testing.TB, pool *session.Pool, hybrid bool) (*session.Responder, *module) {
	m := &module{domain: d, signer: newSigner(t)}
	d.mu.Lock()
	d.modules[m.fingerprint()] = true
	d.mu.Unlock()
	return &session.Responder{Authority: m, Pool: pool, Hybrid: hybrid}, m
}

// admit makes a host of d.
func (d *domain) admit(t testing.TB, pool *session.Pool, hybrid bool) (*session.Host, *host) {
	h := &host{domain: d, signer: newSigner(t)}
	d.mu.Lock()
	d.hosts[h.fingerprint()] = h.spki
	d.mu.Unlock()
	return &session.Host{Peers: h, Pool: pool, Hybrid: hybrid}, h
}

// handshake makes a ticket.
func handshake(t testing.TB, h *session.Host, r *session.Responder) *session.Ticket {
	t.Helper()
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.Answer(nil, hello, start)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := hs.Finish(answer, start)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// connect makes a connection: the host's end and the module's.
func connect(t testing.TB, ticket *session.Ticket, r *session.Responder) (h, m *session.Conn) {
	t.Helper()
	open, o, err := ticket.Open(nil, start)
	if err != nil {
		t.Fatal(err)
	}
	accept, m, err := r.Accept(nil, open, start)
	if err != nil {
		t.Fatal(err)
	}
	if h, err = o.Finish(accept); err != nil {
		t.Fatal(err)
	}
	return h, m
}

// carry sends a text from one end to the other.
func carry(t testing.TB, from, to *session.Conn, text string) {
	t.Helper()
	envelope, err := from.Seal(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := to.Open(nil, envelope)
	if err != nil || string(got) != text {
		t.Fatalf("opened %q, %v; want %q", got, err, text)
	}
}

// TestSession: a session with one module carries over to another of the domain, classical and hybrid as both offer.
func TestSession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, module, want bool }{
		{false, false, false}, {true, false, false}, {false, true, false}, {true, true, true},
	} {
		pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
		h, _ := d.admit(t, pool, c.host)
		r, m := d.join(t, pool, c.module)
		other, om := d.join(t, pool, false)
		ticket := handshake(t, h, r)
		if ticket.Hybrid() != c.want || ticket.Module() != m.fingerprint() || !ticket.Ends().Equal(start.Add(session.DefaultLifetime)) {
			t.Errorf("hybrid offered by host %v, by module %v: hybrid %v, ends %v", c.host, c.module, ticket.Hybrid(), ticket.Ends())
		}
		for _, at := range []struct {
			*session.Responder
			*module
		}{{r, m}, {other, om}} {
			hc, mc := connect(t, ticket, at.Responder)
			if hc.Module() != at.fingerprint() || mc.Host() != hc.Host() || hc.Number() != 7 || !mc.Ends().Equal(hc.Ends()) {
				t.Error("the ends disagree on who they are")
			}
			for range 3 {
				carry(t, hc, mc, "request")
				carry(t, mc, hc, "")
				carry(t, mc, hc, "answer")
			}
			hc.Close()
			mc.Close()
		}
		ticket.Wipe()
		if _, used := pool.Slots(); used != 0 {
			t.Errorf("%d slots still in use", used)
		}
	}
}
