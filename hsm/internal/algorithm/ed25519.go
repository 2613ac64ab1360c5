package algorithm

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// prehashed makes the library sign by Ed25519ph, with an empty context (RFC 8032 §5.1).
var prehashed = ed25519.Options{Hash: crypto.SHA512}

// ed25519Key is a Private of RFC 8032. Pure Ed25519 takes messages alone. Ed25519ph takes digests alone, of the
// length of SHA-512, and hashes them again as the scheme demands of its message (AWS KMS Developer Guide, "Key spec
// reference").
type ed25519Key struct {
	key    ed25519.PrivateKey
	public ed25519.PublicKey
	spki   []byte
}

func newEd25519(key ed25519.PrivateKey, public ed25519.PublicKey) (Private, error) {
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encoding Ed25519 public key: %w", err)
	}
	return &ed25519Key{key: key, public: public, spki: spki}, nil
}

func generateEd25519(_ Spec, rand io.Reader) ([]byte, Private, error) {
	public, key, err := ed25519.GenerateKey(rand)
	if err != nil {
		return nil, nil, fmt.Errorf("generating Ed25519 key: %w", err)
	}
	p, err := newEd25519(key, public)
	if err != nil {
		return nil, nil, err
	}
	return ed25519PKCS8(key), p, nil
}

// ed25519Type is the curve's name (RFC 8410 §3).
var ed25519Type = keyType{algorithm: asn1.ObjectIdentifier{1, 3, 101, 112}}

// ed25519PKCS8 encodes a key as CurvePrivateKey (RFC 8410 §7) in PKCS #8.
func ed25519PKCS8(key ed25519.PrivateKey) []byte {
	return ed25519Type.pkcs8(func(b *cryptobyte.Builder) { b.AddASN1OctetString(key[:ed25519.SeedSize]) })
}

func parseEd25519(_ Spec, material []byte) (Private, error) {
	var seed []byte
	if s, ok := ed25519Type.parsePKCS8(material); ok && s.ReadASN1Bytes(&seed, der.OCTET_STRING) && s.Empty() && len(seed) == ed25519.SeedSize {
		key := ed25519.NewKeyFromSeed(seed)
		return newEd25519(key, key.Public().(ed25519.PublicKey))
	}
	key, ok := parsePKCS8(material).(ed25519.PrivateKey) // in other forms
	if !ok {
		return nil, ErrMaterial
	}
	return newEd25519(key, key.Public().(ed25519.PublicKey))
}

func (k *ed25519Key) Spec() Spec { return Ed25519 }

func (k *ed25519Key) Public() []byte { return k.spki }

// Wipe leaves the copy that the standard library keeps with a key that has signed.
func (k *ed25519Key) Wipe() { clear(k.key) }

// message returns what is signed and how. Errors: ErrUnsupported, ErrDigestLength.
func (k *ed25519Key) message(alg Alg, form Form, msg []byte, buf *digestBuffer) ([]byte, *ed25519.Options, error) {
	switch {
	case alg == ED25519SHA512 && form == Message:
		return msg, &ed25519.Options{}, nil
	case alg == ED25519PHSHA512 && form == Digest:
		if len(msg) != sha512.Size {
			return nil, nil, ErrDigestLength
		}
		*buf = sha512.Sum512(msg)
		return buf[:], &prehashed, nil
	}
	return nil, nil, ErrUnsupported
}

func (k *ed25519Key) sign(alg Alg, form Form, msg, dst []byte, _ io.Reader) ([]byte, error) {
	var buf digestBuffer
	m, options, err := k.message(alg, form, msg, &buf)
	if err != nil {
		return dst, err
	}
	sig, err := k.key.Sign(nil, m, options)
	if err != nil {
		return dst, fmt.Errorf("signing by Ed25519: %w", err)
	}
	return append(dst, sig...), nil
}

func (k *ed25519Key) verify(alg Alg, form Form, msg, sig []byte) error {
	var buf digestBuffer
	m, options, err := k.message(alg, form, msg, &buf)
	if err != nil {
		return err
	}
	if ed25519.VerifyWithOptions(k.public, m, sig, options) != nil {
		return ErrMismatch
	}
	return nil
}
