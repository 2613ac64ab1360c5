package frontend

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"time"
)

// CertSource gives certificates for TLS handshakes.
type CertSource interface {
	Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
}

// PQ says what becomes of hybrid post-quantum key exchanges.
type PQ uint8

// The ways.
const (
	PQPrefer  PQ = iota // hybrid ones with whoever offers one, classical ones with others
	PQRequire           // hybrid ones only, and so TLS 1.3 only
	PQOff               // classical ones only
)

var pqNames = [...]string{"prefer", "require", "off"}

// String is the way as settings name it.
func (p PQ) String() string { return pqNames[p] }

// Set reads the way as settings name it.
func (p *PQ) Set(text string) error {
	i := slices.Index(pqNames[:], text)
	if i < 0 {
		return fmt.Errorf("%q is none of prefer, require, off", text)
	}
	*p = PQ(i)
	return nil
}

// Type is what flags call a value.
func (*PQ) Type() string { return "prefer|require|off" }

// UnmarshalText is Set, for config files.
func (p *PQ) UnmarshalText(text []byte) error { return p.Set(string(text)) }

// TLSOptions are what can be chosen of the TLS policy.
type TLSOptions struct {
	PQ        PQ
	ClientCAs *x509.CertPool // clients must show a certificate that leads to one of these; nil: none is asked for
	// TicketRotation is how often sessions get a new ticket key. The key before it opens tickets for as long again.
	// 0: DefaultTicketRotation; negative: no session resumes.
	TicketRotation time.Duration
	Clock          func() time.Time // nil: time.Now
}

// DefaultTicketRotation keeps a ticket good for one to two hours [chosen].
const DefaultTicketRotation = time.Hour

var (
	hybridGroups    = []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024}
	classicalGroups = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
)

// ServerTLS is the endpoint's TLS policy: NewTLS without options.
func ServerTLS(certs CertSource) *tls.Config { return NewTLS(certs, TLSOptions{}) }

// NewTLS is the endpoint's TLS policy: 1.2 and 1.3, ephemeral key exchange only, hybrid post-quantum
// exchanges offered, HTTP/1.1 (KMS Developer Guide, "Infrastructure security" and "Using hybrid
// post-quantum TLS"). Of TLS 1.2's suites only those with AEAD ciphers are on [chosen]. In a process in FIPS 140-3
// mode crypto/tls leaves of these what is approved.
//
// Sessions resume in TLS 1.3, where each has a key exchange of its own, and not in 1.2, where one ticket key
// would open all of them. Ticket keys live in memory only.
func NewTLS(certs CertSource, o TLSOptions) *tls.Config {
	config := &tls.Config{
		GetCertificate: certs.Certificate,
		MinVersion:     tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		CurvePreferences: slices.Concat(hybridGroups, classicalGroups),
		NextProtos:       []string{"http/1.1"},
		Time:             o.Clock,
		// One record for an answer: splitting it for a fresh connection costs a system call a piece.
		DynamicRecordSizingDisabled: true,
	}
	switch o.PQ {
	case PQRequire:
		config.MinVersion, config.CurvePreferences = tls.VersionTLS13, slices.Clone(hybridGroups)
	case PQOff:
		config.CurvePreferences = slices.Clone(classicalGroups)
	}
	if o.ClientCAs != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, o.ClientCAs
	}
	// Version 1.3 stays on for clients that do not offer it, so that the server's random tells them (RFC 8446, 4.1.3).
	old := config.Clone()
	old.SessionTicketsDisabled = true
	keys := newTicketKeys(o)
	if keys == nil {
		config.SessionTicketsDisabled = true
	}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
			return old, nil
		}
		keys.renew(config)
		return nil, nil
	}
	return config
}

// ticketKeys are the keys of session tickets, the newest first: at most two. Time since the first handshake is cut into
// periods, each with a key of its own, which opens tickets in the next one too.
type ticketKeys struct {
	every time.Duration
	now   func() time.Time

	mu     sync.Mutex
	keys   [][32]byte
	first  time.Time
	period time.Duration // number of the present one
}

func newTicketKeys(o TLSOptions) *ticketKeys {
	k := &ticketKeys{every: o.TicketRotation, now: o.Clock}
	if k.every < 0 {
		return nil
	}
	if k.every == 0 {
		k.every = DefaultTicketRotation
	}
	if k.now == nil {
		k.now = time.Now
	}
	return k
}

// renew gives config the keys of this time.
func (k *ticketKeys) renew(config *tls.Config) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.keys == nil {
		k.first = now
	}
	period := now.Sub(k.first) / k.every
	if k.keys != nil && period == k.period {
		return
	}
	keys := make([][32]byte, 1, 2)
	_, _ = rand.Read(keys[0][:]) // never fails (crypto/rand)
	if k.keys != nil && period == k.period+1 {
		keys = append(keys, k.keys[0])
	}
	for i := range k.keys {
		clear(k.keys[i][:])
	}
	k.keys, k.period = keys, period
	config.SetSessionTicketKeys(keys)
}
