package algorithm

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"io"
	"sync"
)

// curves are the NIST curves (FIPS 186-5, SP 800-186), in the order of their specs.
var curves = [...]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}

// curveTypes are their names, in the same order (RFC 5480 §2.1.1.1).
var curveTypes = [...]keyType{
	{algorithm: oidECPublicKey, curve: asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}},
	{algorithm: oidECPublicKey, curve: asn1.ObjectIdentifier{1, 3, 132, 0, 34}},
	{algorithm: oidECPublicKey, curve: asn1.ObjectIdentifier{1, 3, 132, 0, 35}},
}

// scalarSize is the length in bytes of a curve's order.
func scalarSize(c elliptic.Curve) int { return (c.Params().N.BitLen() + 7) / 8 }

// ecdsaKey is a Private on one of curves.
type ecdsaKey struct {
	spec Spec
	key  *ecdsa.PrivateKey
	spki []byte
	// agreement is the key in the form that agrees, made by the first who needs it.
	agreement func() (*ecdh.PrivateKey, error)
}

func newECDSA(spec Spec, key *ecdsa.PrivateKey) (Private, error) {
	if key.Curve != curves[spec-P256] {
		return nil, ErrMaterial
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding ECDSA public key: %w", err)
	}
	return &ecdsaKey{spec: spec, key: key, spki: spki, agreement: sync.OnceValues(key.ECDH)}, nil
}

func generateECDSA(spec Spec, rand io.Reader) ([]byte, Private, error) {
	key, err := ecdsa.GenerateKey(curves[spec-P256], rand)
	if err != nil {
		return nil, nil, fmt.Errorf("generating ECDSA key: %w", err)
	}
	p, err := newECDSA(spec, key)
	if err != nil {
		return nil, nil, err
	}
	material, err := ecdsaPKCS8(spec, key)
	return material, p, err
}

// ecdsaPKCS8 encodes a key as crypto/x509 does.
func ecdsaPKCS8(spec Spec, key *ecdsa.PrivateKey) ([]byte, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding ECDSA key: %w", err)
	}
	var buf [66]byte // of P-521
	defer clear(buf[:])
	//lint:ignore SA1019 the other way to the scalar makes copies that stay
	scalar := key.D.FillBytes(buf[:scalarSize(key.Curve)])
	return curveTypes[spec-P256].pkcs8EC(scalar, point), nil
}

func parseECDSA(spec Spec, material []byte) (Private, error) {
	curve := curves[spec-P256]
	if scalar, _, ok := curveTypes[spec-P256].parsePKCS8EC(material, scalarSize(curve)); ok {
		key, err := ecdsa.ParseRawPrivateKey(curve, scalar)
		if err != nil {
			return nil, ErrMaterial
		}
		return newECDSA(spec, key)
	}
	key, ok := parsePKCS8(material).(*ecdsa.PrivateKey) // in other forms
	if !ok {
		return nil, ErrMaterial
	}
	return newECDSA(spec, key)
}

func (k *ecdsaKey) Spec() Spec { return k.spec }

func (k *ecdsaKey) Public() []byte { return k.spki }

// Wipe leaves the copy that the standard library keeps with a key that has agreed.
func (k *ecdsaKey) Wipe() {
	if signing, err := k.key.Bytes(); err == nil {
		clear(signing) // the one that it signs with
	}
	//lint:ignore SA1019 only through this field can the number be overwritten
	wipeInt(k.key.D)
}

func (k *ecdsaKey) sign(alg Alg, form Form, msg, dst []byte, rand io.Reader) ([]byte, error) {
	var buf digestBuffer
	digest, err := hashed(alg, form, msg, &buf)
	if err != nil {
		return dst, err
	}
	sig, err := ecdsa.SignASN1(rand, k.key, digest)
	if err != nil {
		return dst, fmt.Errorf("signing by ECDSA: %w", err)
	}
	return append(dst, sig...), nil
}

func (k *ecdsaKey) verify(alg Alg, form Form, msg, sig []byte) error {
	var buf digestBuffer
	digest, err := hashed(alg, form, msg, &buf)
	if err != nil {
		return err
	}
	if !ecdsa.VerifyASN1(&k.key.PublicKey, digest, sig) {
		return ErrMismatch
	}
	return nil
}
