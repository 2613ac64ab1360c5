package algorithm

import (
	"crypto/mlkem"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
)

// Sizes of ML-KEM in bytes.
const (
	mlkemSeed         = 64 // d ‖ z (FIPS 203, algorithm 16)
	SharedSecretBytes = 32
)

// mlkemSets are the parameter sets of FIPS 203 in the order of their specs; identifiers from RFC 9935 §2. The
// smallest is not in the standard library.
var mlkemSets = [...]struct {
	keyType    keyType
	ciphertext int // bytes (FIPS 203, table 3)
	open       func(seed []byte) (mlkemPair, error)
}{
	{keyType{algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 1}}, mlkem512.CiphertextSize, openMLKEM512},
	{keyType{algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2}}, mlkem.CiphertextSize768, openMLKEM768},
	{keyType{algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 3}}, mlkem.CiphertextSize1024, openMLKEM1024},
}

// mlkemPair is both halves of a key. decapsulate is given ciphertexts of the right length only.
type mlkemPair struct {
	public      []byte
	encapsulate func(rand io.Reader) (secret, ciphertext []byte, err error)
	decapsulate func(ciphertext []byte) (secret []byte, err error)
}

// mlkemKey is a Private of FIPS 203. Material is the seed.
type mlkemKey struct {
	spec Spec
	pair mlkemPair
	spki []byte
}

func newMLKEM(spec Spec, seed []byte) (Private, error) {
	set := &mlkemSets[spec-MLKEM512]
	pair, err := set.open(seed)
	if err != nil {
		return nil, ErrMaterial
	}
	return &mlkemKey{spec: spec, pair: pair, spki: set.keyType.spki(pair.public)}, nil
}

func generateMLKEM(spec Spec, rand io.Reader) ([]byte, Private, error) {
	var seed [mlkemSeed]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, nil, fmt.Errorf("generating ML-KEM key: %w", err)
	}
	key, err := newMLKEM(spec, seed[:])
	if err != nil {
		return nil, nil, err
	}
	return mlkemSets[spec-MLKEM512].keyType.pkcs8Seed(seed[:]), key, nil
}

func parseMLKEM(spec Spec, material []byte) (Private, error) {
	seed, ok := mlkemSets[spec-MLKEM512].keyType.parsePKCS8Seed(material, mlkemSeed)
	if !ok {
		return nil, ErrMaterial
	}
	return newMLKEM(spec, seed)
}

func (k *mlkemKey) Spec() Spec { return k.spec }

func (k *mlkemKey) Public() []byte { return k.spki }

// Wipe lets go of the key, whose numbers the libraries do not let anyone overwrite.
func (k *mlkemKey) Wipe() { k.pair = mlkemPair{} }

// Encapsulate makes a shared secret for p and appends its ciphertext to dst and the secret, of SharedSecretBytes, to
// secret (FIPS 203, algorithm 20). The standard library may use a source of its own instead of rand. Errors:
// ErrUnsupported, or rand's.
func Encapsulate(p Private, dst, secret []byte, rand io.Reader) (ciphertext, shared []byte, err error) {
	k, ok := p.(*mlkemKey)
	if !ok {
		return dst, secret, ErrUnsupported
	}
	s, c, err := k.pair.encapsulate(rand)
	if err != nil {
		return dst, secret, fmt.Errorf("encapsulating by ML-KEM: %w", err)
	}
	defer clear(s)
	return append(dst, c...), append(secret, s...), nil
}

// Decapsulate appends the shared secret in a ciphertext to dst. A ciphertext that Encapsulate did not make for p, of
// the right length, gives 32 bytes that look like any others (implicit rejection, FIPS 203, algorithm 18). Errors:
// ErrUnsupported, and ErrDecrypt for a ciphertext of another length.
func Decapsulate(p Private, ciphertext, dst []byte) ([]byte, error) {
	k, ok := p.(*mlkemKey)
	if !ok {
		return dst, ErrUnsupported
	}
	if len(ciphertext) != mlkemSets[k.spec-MLKEM512].ciphertext {
		return dst, ErrDecrypt
	}
	s, err := k.pair.decapsulate(ciphertext)
	if err != nil {
		return dst, ErrDecrypt
	}
	defer clear(s)
	return append(dst, s...), nil
}

var errSeedLength = errors.New("a seed has 64 bytes")

func openMLKEM512(seed []byte) (mlkemPair, error) {
	if len(seed) != mlkemSeed {
		return mlkemPair{}, errSeedLength
	}
	public, key := mlkem512.NewKeyFromSeed(seed)
	encoded := make([]byte, mlkem512.PublicKeySize)
	public.Pack(encoded)
	return mlkemPair{
		public: encoded,
		encapsulate: func(rand io.Reader) (secret, ciphertext []byte, err error) {
			var m [mlkem512.EncapsulationSeedSize]byte
			defer clear(m[:])
			if _, err := io.ReadFull(rand, m[:]); err != nil {
				return nil, nil, err
			}
			secret, ciphertext = make([]byte, mlkem512.SharedKeySize), make([]byte, mlkem512.CiphertextSize)
			public.EncapsulateTo(ciphertext, secret, m[:])
			return secret, ciphertext, nil
		},
		decapsulate: func(ciphertext []byte) ([]byte, error) {
			secret := make([]byte, mlkem512.SharedKeySize)
			key.DecapsulateTo(secret, ciphertext)
			return secret, nil
		},
	}, nil
}

func openMLKEM768(seed []byte) (mlkemPair, error) {
	key, err := mlkem.NewDecapsulationKey768(seed)
	if err != nil {
		return mlkemPair{}, err
	}
	public := key.EncapsulationKey()
	return mlkemPair{
		public: public.Bytes(),
		encapsulate: func(io.Reader) (secret, ciphertext []byte, err error) {
			secret, ciphertext = public.Encapsulate()
			return secret, ciphertext, nil
		},
		decapsulate: key.Decapsulate,
	}, nil
}

func openMLKEM1024(seed []byte) (mlkemPair, error) {
	key, err := mlkem.NewDecapsulationKey1024(seed)
	if err != nil {
		return mlkemPair{}, err
	}
	public := key.EncapsulationKey()
	return mlkemPair{
		public: public.Bytes(),
		encapsulate: func(io.Reader) (secret, ciphertext []byte, err error) {
			secret, ciphertext = public.Encapsulate()
			return secret, ciphertext, nil
		},
		decapsulate: key.Decapsulate,
	}, nil
}
