package domain

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"errors"

	"trent/hsm/internal/gcm"
)

// ErrToken is the one answer to a domain token that is malformed, altered or not for this module.
var ErrToken = errors.New("domain: not a valid domain token")

// Sizes of a token.
const (
	// MaxToken is the longest a domain token can be, in bytes: a record of a store, with room for what goes with it.
	MaxToken = 248 << 10

	tokenMagic   = "trentdtk"
	tokenVersion = 1
	maxState     = 1 << 18
	maxSignature = 104 // ECDSA on P-384 in DER: 2 × (2 + 49) + 2
)

// token is a domain token taken apart; byte slices are views.
type token struct {
	state    *State
	hash     [32]byte // of the state
	sealed   []byte   // the key that encrypts the domain keys, an envelope to each member
	recovery []byte   // the same to the recovery key
	shares   []share
	keys     []byte   // domain keys: nonce ‖ ciphertext ‖ tag
	trail    [][]byte // of the audit log: the entries before this state's, see trail.go
	entry    []byte   // of the audit log, for this state
	exporter Fingerprint
}

// share is an operator's of the recovery key.
type share struct {
	operator Fingerprint
	envelope []byte
}

// shareSize is the length of a share: its number and a scalar.
const shareSize = 1 + scalarSize

// ParseToken reads the public part of a domain token and checks that its exporter, one of its members, signed it.
// Error: ErrToken.
func ParseToken(b []byte) (*State, Fingerprint, error) {
	t, err := parseToken(b)
	if err != nil {
		return nil, Fingerprint{}, err
	}
	return t.state, t.exporter, nil
}

func parseToken(b []byte) (*token, error) {
	t := &token{}
	r := &reader{b: b}
	r.require(len(b) <= MaxToken)
	r.expect(tokenMagic)
	r.require(r.u16() == tokenVersion)
	encoded := r.take(r.count(int(r.u32()), maxState))
	if r.bad {
		return nil, ErrToken
	}
	var err error
	if t.state, err = DecodeState(encoded); err != nil {
		return nil, err
	}
	t.hash = t.state.Hash()
	size := 0
	for i := range t.state.Members {
		size += envelopeSize(len(t.state.Members[i].KEM) > 0, gcm.KeySize)
	}
	t.sealed = r.take(size)
	if len(t.state.Recovery.Key) > 0 {
		t.recovery = r.take(envelopeSize(false, gcm.KeySize))
		var last Fingerprint
		for i := range r.count(int(r.u8()), MaxSigners) {
			one := share{operator: r.hash(), envelope: r.take(envelopeSize(false, shareSize))}
			r.require(i == 0 || bytes.Compare(last[:], one.operator[:]) < 0)
			last = one.operator
			t.shares = append(t.shares, one)
		}
	}
	t.keys = r.take(gcm.NonceSize + gcm.KeySize*len(t.state.Keys) + gcm.TagSize)
	t.readTrail(r)
	t.exporter = r.hash()
	signed := b[:len(b)-len(r.b)]
	signature := r.take(r.count(int(r.u8()), maxSignature))
	exporter := t.state.member(t.exporter)
	if r.bad || len(r.b) > 0 || exporter == nil || !verify(exporter.Signing, signed, signature) {
		return nil, ErrToken
	}
	return t, nil
}

// appendBody appends everything of a token that is signed.
func (t *token) appendBody(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, tokenMagic...), tokenVersion)
	encoded := t.state.AppendState(nil)
	dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(encoded))), encoded...)
	dst = append(dst, t.sealed...)
	if len(t.state.Recovery.Key) > 0 {
		dst = append(dst, t.recovery...)
		dst = append(dst, byte(len(t.shares)))
		for _, s := range t.shares {
			dst = append(append(dst, s.operator[:]...), s.envelope...)
		}
	}
	dst = append(dst, t.keys...)
	dst = append(dst, byte(len(t.trail)+1))
	for _, e := range t.trail {
		dst = appendRecord(dst, e)
	}
	dst = appendRecord(dst, t.entry)
	return append(dst, t.exporter[:]...)
}

// envelopeOf is the envelope to the member at index i.
func (t *token) envelopeOf(i int) []byte {
	at := 0
	for j := range i {
		at += envelopeSize(len(t.state.Members[j].KEM) > 0, gcm.KeySize)
	}
	return t.sealed[at:][:envelopeSize(len(t.state.Members[i].KEM) > 0, gcm.KeySize)]
}

// member is the member of a fingerprint; nil: there is none.
func (s *State) member(f Fingerprint) *HSM {
	if i := s.memberIndex(f); i >= 0 {
		return &s.Members[i]
	}
	return nil
}

func (s *State) memberIndex(f Fingerprint) int {
	for i := range s.Members {
		if FingerprintOf(s.Members[i].Signing) == f {
			return i
		}
	}
	return -1
}

// Host is the signing key of a service host; false: s lists none such.
func (s *State) Host(f Fingerprint) (spki []byte, ok bool) {
	for i := range s.Signers {
		if p := &s.Signers[i]; p.Role == ServiceHost && FingerprintOf(p.Signing) == f {
			return p.Signing, true
		}
	}
	return nil, false
}

// verify checks an ECDSA signature of SHA-384 by the key of a SubjectPublicKeyInfo, in its one DER encoding.
func verify(spki, message, signature []byte) bool {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return false
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	digest := sha512.Sum384(message)
	return ok && ecdsa.VerifyASN1(key, digest[:], signature)
}

// Contexts of envelopes and of the domain keys.
func (t *token) keyContext(to Fingerprint) []byte {
	return append(append([]byte("trent domain token key "), t.hash[:]...), to[:]...)
}

func (t *token) keysAAD() []byte { return append([]byte("trent domain keys "), t.hash[:]...) }

func shareContext(s *State, operator Fingerprint) []byte {
	return bytes.Join([][]byte{[]byte("trent recovery share "), s.Domain[:], s.Recovery.Key, operator[:]}, nil)
}

func transferContext(s *State, to Fingerprint) []byte {
	return bytes.Join([][]byte{[]byte("trent recovery transfer "), s.Domain[:], s.Recovery.Key, to[:]}, nil)
}
