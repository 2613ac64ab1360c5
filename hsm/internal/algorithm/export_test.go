package algorithm

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rsa"
	"crypto/x509"

	"filippo.io/mldsa"
	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/emmansun/gmsm/sm2"
)

// PublicOnly is a key of which only the public half is known, as the signature vectors give it.
func PublicOnly(spec Spec, spki []byte) (Private, error) {
	switch {
	case spec == Secp256k1:
		return publicSecp256k1(spki)
	case spec >= MLDSA44 && spec <= MLDSA87:
		return publicMLDSA(spec, spki)
	case spec >= MLKEM512 && spec <= MLKEM1024:
		return publicMLKEM(spec, spki)
	case spec == SM2:
		return publicSM2(spki)
	}
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		return newRSA(spec, &rsa.PrivateKey{PublicKey: *key})
	case *ecdsa.PublicKey:
		return newECDSA(spec, &ecdsa.PrivateKey{PublicKey: *key})
	case ed25519.PublicKey:
		return newEd25519(nil, key)
	}
	return nil, ErrMaterial
}

func publicSecp256k1(spki []byte) (Private, error) {
	point, ok := secp256k1Type.parseSPKI(spki)
	if !ok {
		return nil, ErrMaterial
	}
	public, err := secp256k1.ParsePubKey(point)
	if err != nil {
		return nil, err
	}
	return newSecp256k1(nil, public), nil
}

func publicMLDSA(spec Spec, spki []byte) (Private, error) {
	set := &mldsaSets[spec-MLDSA44]
	encoded, ok := set.keyType.parseSPKI(spki)
	if !ok {
		return nil, ErrMaterial
	}
	public, err := mldsa.NewPublicKey(set.parameters, encoded)
	if err != nil {
		return nil, err
	}
	return &mldsaKey{spec: spec, public: public, spki: spki}, nil
}

func publicMLKEM(spec Spec, spki []byte) (Private, error) {
	encoded, ok := mlkemSets[spec-MLKEM512].keyType.parseSPKI(spki)
	if !ok {
		return nil, ErrMaterial
	}
	var err error
	switch spec {
	case MLKEM512:
		_, err = mlkem512.Scheme().UnmarshalBinaryPublicKey(encoded)
	case MLKEM768:
		_, err = mlkem.NewEncapsulationKey768(encoded)
	default:
		_, err = mlkem.NewEncapsulationKey1024(encoded)
	}
	return &mlkemKey{spec: spec, spki: spki}, err
}

func publicSM2(spki []byte) (Private, error) {
	point, ok := sm2Type.parseSPKI(spki)
	if !ok {
		return nil, ErrMaterial
	}
	public, err := sm2.NewPublicKey(point)
	if err != nil {
		return nil, err
	}
	return newSM2(&sm2.PrivateKey{PrivateKey: ecdsa.PrivateKey{PublicKey: *public}})
}

// VerifyMu is the verification of message representatives, by an encoded public key.
func VerifyMu(spec Spec, public, mu, sig []byte) bool {
	return mldsaSets[spec-MLDSA44].verifying.verify(public, mu, sig)
}

// MaterialOfSeed encodes a private key of ML-DSA or ML-KEM as vectors give it.
func MaterialOfSeed(spec Spec, seed []byte) []byte {
	if spec >= MLKEM512 {
		return mlkemSets[spec-MLKEM512].keyType.pkcs8Seed(seed)
	}
	return mldsaSets[spec-MLDSA44].keyType.pkcs8Seed(seed)
}

// SPKIOf encodes a public key of secp256k1, SM2, ML-DSA or ML-KEM as vectors give it.
func SPKIOf(spec Spec, key []byte) []byte {
	switch {
	case spec == Secp256k1:
		return secp256k1Type.spki(key)
	case spec == SM2:
		return sm2Type.spki(key)
	case spec >= MLKEM512 && spec <= MLKEM1024:
		return mlkemSets[spec-MLKEM512].keyType.spki(key)
	}
	return mldsaSets[spec-MLDSA44].keyType.spki(key)
}

// SM2Material encodes a private key and its point.
func SM2Material(scalar, point []byte) []byte { return sm2Type.pkcs8EC(scalar, point) }

// Secp256k1Material is SM2Material for secp256k1.
func Secp256k1Material(scalar, point []byte) []byte { return secp256k1Type.pkcs8EC(scalar, point) }

// UnwrapPadded is unwrapPadded.
var UnwrapPadded = unwrapPadded
