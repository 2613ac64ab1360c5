package algorithm

import (
	"encoding/asn1"
	"fmt"
	"io"

	"filippo.io/mldsa"
	"filippo.io/mldsa/mldsacrypto"
)

// Sizes of ML-DSA in bytes.
const (
	mldsaSeed       = mldsa.PrivateKeySize
	externalMuBytes = 64 // FIPS 204, algorithm 7, line 6
)

// mldsaSets are the parameter sets of FIPS 204 in the order of their specs; identifiers from RFC 9881 §2.
var mldsaSets = [...]struct {
	parameters mldsa.Parameters
	keyType    keyType
	verifying  mldsaSet
}{
	{mldsa.MLDSA44(), keyType{algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 17}}, mldsa44},
	{mldsa.MLDSA65(), keyType{algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 18}}, mldsa65},
	{mldsa.MLDSA87(), keyType{algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 19}}, mldsa87},
}

// mldsaKey is a Private of FIPS 204. Material is the seed. Signatures are hedged, over the message with an empty
// context, or over its representative μ.
type mldsaKey struct {
	spec   Spec
	key    *mldsa.PrivateKey
	public *mldsa.PublicKey
	spki   []byte
}

func newMLDSA(spec Spec, seed []byte) (*mldsaKey, error) {
	set := &mldsaSets[spec-MLDSA44]
	key, err := mldsa.NewPrivateKey(set.parameters, seed)
	if err != nil {
		return nil, ErrMaterial
	}
	public := key.PublicKey()
	return &mldsaKey{spec: spec, key: key, public: public, spki: set.keyType.spki(public.Bytes())}, nil
}

func generateMLDSA(spec Spec, rand io.Reader) ([]byte, Private, error) {
	var seed [mldsaSeed]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, nil, fmt.Errorf("generating ML-DSA key: %w", err)
	}
	key, err := newMLDSA(spec, seed[:])
	if err != nil {
		return nil, nil, err
	}
	return mldsaSets[spec-MLDSA44].keyType.pkcs8Seed(seed[:]), key, nil
}

func parseMLDSA(spec Spec, material []byte) (Private, error) {
	seed, ok := mldsaSets[spec-MLDSA44].keyType.parsePKCS8Seed(material, mldsaSeed)
	if !ok {
		return nil, ErrMaterial
	}
	key, err := newMLDSA(spec, seed)
	if err != nil {
		return nil, err
	}
	return key, nil
}

func (k *mldsaKey) Spec() Spec { return k.spec }

func (k *mldsaKey) Public() []byte { return k.spki }

// Wipe lets go of the key, whose numbers the library does not let anyone overwrite.
func (k *mldsaKey) Wipe() { k.key = nil }

func (k *mldsaKey) sign(_ Alg, form Form, msg, dst []byte, _ io.Reader) ([]byte, error) {
	var sig []byte
	var err error
	switch form {
	case Message:
		sig, err = k.key.Sign(nil, msg, nil)
	case ExternalMu:
		if len(msg) != externalMuBytes {
			return dst, ErrDigestLength
		}
		sig, err = k.key.Sign(nil, msg, mldsacrypto.MLDSAMu)
	default:
		return dst, ErrUnsupported
	}
	if err != nil {
		return dst, fmt.Errorf("signing by ML-DSA: %w", err)
	}
	return append(dst, sig...), nil
}

func (k *mldsaKey) verify(_ Alg, form Form, msg, sig []byte) error {
	switch form {
	case Message:
		if mldsa.Verify(k.public, msg, sig, nil) != nil {
			return ErrMismatch
		}
		return nil
	case ExternalMu:
		if len(msg) != externalMuBytes {
			return ErrDigestLength
		}
		if !mldsaSets[k.spec-MLDSA44].verifying.verify(k.public.Bytes(), msg, sig) {
			return ErrMismatch
		}
		return nil
	}
	return ErrUnsupported
}
