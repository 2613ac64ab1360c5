//go:build pkcs11

package pkcs11

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/blob"
	"trent/hsm/internal/token"
)

// dataKeyPair makes a pair in the device and seals its private key under c.Key. That private key is a result of the
// call: it is the one kind of key that may be read, lives for the call alone, and has no token.
func (m *Module) dataKeyPair(c *hsm.Call) error {
	if !isSymmetric(c.Key, c.Algorithm) || !asymmetric(c.Spec) || !m.anyUsage(c.Spec) {
		return hsm.ErrUnsupported
	}
	return m.with(c, func(s p11.SessionHandle) error {
		if _, err := m.open(s, c.Key, token.Key); err != nil {
			return err // before the slow part
		}
		if c.Target != nil {
			return fmt.Errorf("%w: what is made ahead in a device cannot leave it", hsm.ErrToken)
		}
		private, spki, err := m.newPair(s, c.Spec)
		defer func() { clear(private) }()
		if err != nil {
			return err
		}
		if len(private) > blob.MaxPlaintext {
			return hsm.ErrInput
		}
		if !fits(c.Out, blob.Size(len(private))) || !fits(c.Public, len(spki)) || cap(c.Secret) > 0 && !fits(c.Secret, len(private)) {
			return hsm.ErrShort
		}
		if err := m.seal(s, c, c.Key, c.AAD, private); err != nil {
			return err
		}
		c.Public = append(c.Public, spki...)
		if cap(c.Secret) > 0 {
			c.Secret = append(c.Secret, private...)
		}
		return nil
	})
}

// newPair is the private key (PKCS #8 DER), for the caller to wipe, and the public one of a new pair. A device that
// gives no private key away at all has no data key pairs: ErrUnsupported.
func (m *Module) newPair(s p11.SessionHandle, spec hsm.KeySpec) (private, spki []byte, err error) {
	var id [token.ObjectSize]byte
	if err := m.fill(s, id[:]); err != nil {
		return nil, nil, err
	}
	name := label(id[:])
	template := append(anyUse(spec).attributes(),
		attr(p11.CKA_TOKEN, false), attr(p11.CKA_PRIVATE, true), attr(p11.CKA_SENSITIVE, false), attr(p11.CKA_EXTRACTABLE, true),
		attr(p11.CKA_ID, id[:]), attr(p11.CKA_LABEL, name))
	public, secret, err := m.makePair(s, spec, template, id[:], name, false)
	if err != nil {
		return nil, nil, err
	}
	defer m.destroy(s, public, secret)
	if spki, err = m.spkiOf(s, spec, public); err != nil {
		return nil, nil, err
	}
	if kindOf(spec) == rsaKey {
		private, err = m.rsaPKCS8(s, secret)
	} else {
		private, err = m.curvePKCS8(s, spec, secret, spki)
	}
	return private, spki, lacking(err)
}

func (m *Module) rsaPKCS8(s p11.SessionHandle, secret p11.ObjectHandle) ([]byte, error) {
	public, err := m.readRSA(s, secret)
	if err != nil {
		return nil, err
	}
	var numbers [3]*big.Int
	for i, kind := range [...]uint{p11.CKA_PRIVATE_EXPONENT, p11.CKA_PRIME_1, p11.CKA_PRIME_2} {
		value, err := m.attribute(s, secret, kind)
		if err != nil {
			return nil, err
		}
		numbers[i] = new(big.Int).SetBytes(value)
		clear(value)
	}
	k := &rsa.PrivateKey{PublicKey: *public, D: numbers[0], Primes: numbers[1:]}
	defer func() {
		for _, n := range numbers {
			clear(n.Bits())
		}
	}()
	if err := k.Validate(); err != nil {
		return nil, fmt.Errorf("%w: the device gave no RSA key: %w", hsm.ErrUnavailable, err)
	}
	k.Precompute()
	return x509.MarshalPKCS8PrivateKey(k)
}

func (m *Module) curvePKCS8(s p11.SessionHandle, spec hsm.KeySpec, secret p11.ObjectHandle, spki []byte) ([]byte, error) {
	value, err := m.attribute(s, secret, p11.CKA_VALUE)
	if err != nil {
		return nil, err
	}
	defer clear(value)
	if spec == hsm.Ed25519 {
		if len(value) != ed25519.SeedSize {
			return nil, fmt.Errorf("%w: a seed of %d bytes", hsm.ErrUnavailable, len(value))
		}
		k := ed25519.NewKeyFromSeed(value)
		defer clear(k)
		return x509.MarshalPKCS8PrivateKey(k)
	}
	c := curveOf(spec)
	if len(value) > c.size {
		return nil, fmt.Errorf("%w: a private number of %d bytes", hsm.ErrUnavailable, len(value))
	}
	scalar := make([]byte, c.size)
	defer clear(scalar)
	copy(scalar[c.size-len(value):], value)
	if spec == hsm.Secp256k1 {
		return c.pkcs8(scalar, spki[len(spki)-(1+2*c.size):])
	}
	k, err := ecdsa.ParseRawPrivateKey(nistCurve(spec), scalar)
	if err != nil {
		return nil, fmt.Errorf("%w: the device gave no key of the curve: %w", hsm.ErrUnavailable, err)
	}
	return x509.MarshalPKCS8PrivateKey(k)
}

// pkcs8 is PKCS #8 (RFC 5958) of a key that crypto/x509 does not know, with SEC 1's structure (RFC 5915) inside.
func (c *curve) pkcs8(scalar, point []byte) ([]byte, error) {
	inner, err := asn1.Marshal(struct {
		Version int
		Key     []byte
		Public  asn1.BitString `asn1:"explicit,tag:1"`
	}{1, scalar, asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	if err != nil {
		return nil, err
	}
	defer clear(inner)
	type identifier struct{ Algorithm, Curve asn1.ObjectIdentifier }
	return asn1.Marshal(struct {
		Version   int
		Algorithm identifier
		Key       []byte
	}{0, identifier{oidECPublicKey, c.oid}, inner})
}

// nistCurve is the curve of a spec in the standard library; nil: it has none.
func nistCurve(spec hsm.KeySpec) elliptic.Curve {
	switch spec {
	case hsm.P256:
		return elliptic.P256()
	case hsm.P384:
		return elliptic.P384()
	case hsm.P521:
		return elliptic.P521()
	}
	return nil
}
