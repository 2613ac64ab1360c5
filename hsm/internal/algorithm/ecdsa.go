package algorithm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"io"
)

// curves are the NIST curves (FIPS 186-5, SP 800-186), in the order of their specs. Each has the one signing
// algorithm whose hash is as strong as the curve.
var curves = [...]struct {
	curve      elliptic.Curve
	algorithms [1]Alg
}{
	{elliptic.P256(), [1]Alg{ECDSASHA256}},
	{elliptic.P384(), [1]Alg{ECDSASHA384}},
	{elliptic.P521(), [1]Alg{ECDSASHA512}},
}

// ecdsaKey is a Private on one of curves.
type ecdsaKey struct {
	spec Spec
	key  *ecdsa.PrivateKey
	spki []byte
}

func newECDSA(spec Spec, key *ecdsa.PrivateKey) (Private, error) {
	if key.Curve != curves[spec-P256].curve {
		return nil, ErrMaterial
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding ECDSA public key: %w", err)
	}
	return &ecdsaKey{spec: spec, key: key, spki: spki}, nil
}

func (k *ecdsaKey) Spec() Spec { return k.spec }

func (k *ecdsaKey) Public() []byte { return k.spki }

// Wipe leaves the copy that the standard library keeps with a key that has signed.
func (k *ecdsaKey) Wipe() {
	//lint:ignore SA1019 only through this field can the number be overwritten
	wipeInt(k.key.D)
}

func (k *ecdsaKey) sign(_ Alg, digest, dst []byte, rand io.Reader) ([]byte, error) {
	sig, err := ecdsa.SignASN1(rand, k.key, digest)
	if err != nil {
		return dst, fmt.Errorf("signing by ECDSA: %w", err)
	}
	return append(dst, sig...), nil
}

func (k *ecdsaKey) verify(_ Alg, digest, sig []byte) error {
	if !ecdsa.VerifyASN1(&k.key.PublicKey, digest, sig) {
		return ErrMismatch
	}
	return nil
}
