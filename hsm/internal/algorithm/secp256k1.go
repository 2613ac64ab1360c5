package algorithm

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"io"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// secp256k1Type is SEC 2's curve, which crypto/x509 does not know.
var secp256k1Type = keyType{algorithm: oidECPublicKey, curve: asn1.ObjectIdentifier{1, 3, 132, 0, 10}}

const secp256k1Scalar = 32 // bytes of the curve's order

// secp256k1Key is a Private on it. Signatures are deterministic (RFC 6979) and have the lower of the two possible s;
// both are accepted.
type secp256k1Key struct {
	key    *secp256k1.PrivateKey
	public *secp256k1.PublicKey
	spki   []byte
}

func newSecp256k1(key *secp256k1.PrivateKey, public *secp256k1.PublicKey) *secp256k1Key {
	return &secp256k1Key{key: key, public: public, spki: secp256k1Type.spki(public.SerializeUncompressed())}
}

func generateSecp256k1(_ Spec, rand io.Reader) ([]byte, Private, error) {
	key, err := secp256k1.GeneratePrivateKeyFromRand(rand)
	if err != nil {
		return nil, nil, fmt.Errorf("generating secp256k1 key: %w", err)
	}
	public := key.PubKey()
	scalar := key.Serialize()
	defer clear(scalar)
	return secp256k1Type.pkcs8EC(scalar, public.SerializeUncompressed()), newSecp256k1(key, public), nil
}

func parseSecp256k1(_ Spec, material []byte) (Private, error) {
	d, point, ok := secp256k1Type.parsePKCS8EC(material, secp256k1Scalar)
	if !ok {
		return nil, ErrMaterial
	}
	var scalar secp256k1.ModNScalar
	defer scalar.Zero()
	if overflow := scalar.SetByteSlice(d); overflow || scalar.IsZero() {
		return nil, ErrMaterial
	}
	key := secp256k1.NewPrivateKey(&scalar)
	public := key.PubKey()
	if point != nil && !bytes.Equal(point, public.SerializeUncompressed()) && !bytes.Equal(point, public.SerializeCompressed()) {
		key.Zero()
		return nil, ErrMaterial
	}
	return newSecp256k1(key, public), nil
}

func (k *secp256k1Key) Spec() Spec { return Secp256k1 }

func (k *secp256k1Key) Public() []byte { return k.spki }

func (k *secp256k1Key) Wipe() { k.key.Zero() }

func (k *secp256k1Key) sign(alg Alg, form Form, msg, dst []byte, _ io.Reader) ([]byte, error) {
	var buf digestBuffer
	digest, err := hashed(alg, form, msg, &buf)
	if err != nil {
		return dst, err
	}
	return append(dst, ecdsa.Sign(k.key, digest).Serialize()...), nil
}

func (k *secp256k1Key) verify(alg Alg, form Form, msg, sig []byte) error {
	var buf digestBuffer
	digest, err := hashed(alg, form, msg, &buf)
	if err != nil {
		return err
	}
	s, err := ecdsa.ParseDERSignature(sig)
	if err != nil || !s.Verify(digest, k.public) {
		return ErrMismatch
	}
	return nil
}
