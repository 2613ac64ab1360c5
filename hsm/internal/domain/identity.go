package domain

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"

	"trent/hsm/internal/gcm"
	"trent/hsm/internal/reveal"
)

// IdentityFileName is the name of the sealed file in a member's state directory.
const IdentityFileName = "identity.sealed"

// private is a module's own keys, in the arena.
type private struct {
	signing   [scalarSize]byte
	agreement [scalarSize]byte
	kem       [mlkem.SeedSize]byte
}

// memory is what a module remembers of its domain while it is not running.
type memory struct {
	domain  [idSize]byte // zeros: in none
	number  uint64       // of the last state
	hash    [32]byte     // of that state
	audit   [32]byte     // its audit head's hash
	members [][]byte     // their signing keys then
}

// Sizes of the content of the identity file.
const (
	privateSize   = 2*scalarSize + mlkem.SeedSize
	identityFixed = privateSize + idSize + 8 + 32 + 32 + 1
	identityRoom  = identityFixed + MaxMembers*keySize + gcm.TagSize
)

// identityPlain is room for the content of the file.
type identityPlain [identityRoom]byte

func identityLength(_ uint16, n int) bool {
	n -= identityFixed + gcm.TagSize
	return n >= 0 && n%keySize == 0 && n/keySize <= MaxMembers
}

// draw makes new keys.
func (p *private) draw(random io.Reader) error {
	for _, scalar := range [...][]byte{p.signing[:], p.agreement[:]} {
		if err := drawScalar(scalar, random); err != nil {
			return err
		}
	}
	if _, err := io.ReadFull(random, p.kem[:]); err != nil {
		return fmt.Errorf("drawing its keys: %w", err)
	}
	return nil
}

// drawScalar draws a private key of P-384 by rejection (FIPS 186-5 A.2.2).
func drawScalar(scalar []byte, random io.Reader) error {
	for range 64 { // a random one is out of range once in 2^194
		if _, err := io.ReadFull(random, scalar); err != nil {
			return fmt.Errorf("drawing its keys: %w", err)
		}
		var err error
		secretly(func() { _, err = ecdh.P384().NewPrivateKey(scalar) })
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("drawing its keys: the source of randomness is broken")
}

// public is what the module is known by. Error: keys that no draw made.
func (p *private) public(name string) (h HSM, err error) {
	h.Name = name
	reveal.Secret("signing key", p.signing[:])
	reveal.Secret("agreement key", p.agreement[:])
	reveal.Secret("ML-KEM key", p.kem[:])
	secretly(func() {
		var signing, agreement *ecdh.PrivateKey
		if signing, err = ecdh.P384().NewPrivateKey(p.signing[:]); err != nil {
			return
		}
		if agreement, err = ecdh.P384().NewPrivateKey(p.agreement[:]); err != nil {
			return
		}
		var kem *mlkem.DecapsulationKey1024
		if kem, err = mlkem.NewDecapsulationKey1024(p.kem[:]); err != nil {
			return
		}
		h.Signing, h.Agreement = encodeKey(signing.PublicKey()), encodeKey(agreement.PublicKey())
		h.KEM = kem.EncapsulationKey().Bytes()
	})
	return h, err
}

// sign signs a SHA-384 digest.
func (p *private) sign(digest []byte) (signature []byte, err error) {
	secretly(func() {
		var key *ecdsa.PrivateKey
		if key, err = ecdsa.ParseRawPrivateKey(elliptic.P384(), p.signing[:]); err != nil {
			return
		}
		defer wipeSigning(key)
		signature, err = ecdsa.SignASN1(rand.Reader, key, digest)
	})
	return signature, err
}

// wipeSigning overwrites what can be reached of a signing key.
func wipeSigning(key *ecdsa.PrivateKey) {
	//lint:ignore SA1019 only through this field can the number be overwritten
	words := key.D.Bits()
	clear(words[:cap(words)])
}

// scalarAgreement is an Agreement whose private key lies in the arena.
type scalarAgreement []byte

// Agree implements Agreement.
func (s scalarAgreement) Agree(peer []byte) ([]byte, error) {
	point, err := ecdh.P384().NewPublicKey(peer)
	if err != nil {
		return nil, err
	}
	key, err := ecdh.P384().NewPrivateKey(s)
	if err != nil {
		return nil, err
	}
	return key.ECDH(point)
}

// appendIdentity writes the content of the file.
func appendIdentity(dst []byte, p *private, m *memory) []byte {
	dst = append(append(append(dst, p.signing[:]...), p.agreement[:]...), p.kem[:]...)
	dst = append(dst, m.domain[:]...)
	dst = binary.BigEndian.AppendUint64(dst, m.number)
	dst = append(append(dst, m.hash[:]...), m.audit[:]...)
	dst = append(dst, byte(len(m.members)))
	for _, spki := range m.members {
		dst = append(dst, spki...)
	}
	return dst
}

// loadIdentity reads it; false: it is not what appendIdentity writes.
func loadIdentity(plain []byte, p *private, m *memory) bool {
	r := &reader{b: plain}
	copy(p.signing[:], r.take(scalarSize))
	copy(p.agreement[:], r.take(scalarSize))
	copy(p.kem[:], r.take(mlkem.SeedSize))
	m.domain, m.number, m.hash, m.audit = r.id(), r.u64(), r.hash(), r.hash()
	for range r.count(int(r.u8()), MaxMembers) {
		spki := append([]byte(nil), r.take(keySize)...)
		r.require(ValidKey(spki))
		m.members = append(m.members, spki)
	}
	inNone := m.domain == [idSize]byte{}
	r.require(len(r.b) == 0 && inNone == (m.number == 0) && inNone == (len(m.members) == 0))
	return !r.bad
}

// knows reports whether a module was a member when last a state was held.
func (m *memory) knows(f Fingerprint) bool {
	for _, spki := range m.members {
		if FingerprintOf(spki) == f {
			return true
		}
	}
	return false
}
