package algorithm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/subtle"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"sync"

	"github.com/emmansun/gmsm/ecdh"
	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// sm2Type is the curve of GB/T 32918.5, as GM/T 0006 and RFC 8998 name it.
var sm2Type = keyType{algorithm: oidECPublicKey, curve: asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301}}

// Sizes of SM2 in bytes.
const (
	sm2Scalar = 32
	// sm2PlaintextLimit is the API's (AWS KMS Developer Guide, "Key spec reference"); the scheme has none.
	sm2PlaintextLimit = 1024
)

// sm2UserID is the default distinguishing identifier (GM/T 0009 §10).
var sm2UserID = []byte("1234567812345678")

// sm2Key is a Private of GB/T 32918: signatures, public key encryption with ASN.1 ciphertexts (GM/T 0009 §7.2), and
// agreement by plain ECDH.
type sm2Key struct {
	key       *sm2.PrivateKey
	za        []byte // hash of user id, curve and public key, which is signed in front of a message
	spki      []byte
	agreement func() (*ecdh.PrivateKey, error) // made by the first who needs it
}

func newSM2(key *sm2.PrivateKey) (*sm2Key, error) {
	za, err := sm2.CalculateZA(&key.PublicKey, sm2UserID)
	if err != nil {
		return nil, fmt.Errorf("hashing SM2 public key: %w", err)
	}
	return &sm2Key{key: key, za: za, spki: sm2Type.spki(sm2Point(&key.PublicKey)), agreement: sync.OnceValues(key.ECDH)}, nil
}

// sm2Point is a public key as an uncompressed point.
func sm2Point(k *ecdsa.PublicKey) []byte {
	point := make([]byte, 1+2*sm2Scalar)
	point[0] = 4
	//lint:ignore SA1019 the library's keys have no other way to their coordinates
	x, y := k.X, k.Y
	x.FillBytes(point[1 : 1+sm2Scalar])
	y.FillBytes(point[1+sm2Scalar:])
	return point
}

func generateSM2(_ Spec, rand io.Reader) ([]byte, Private, error) {
	key, err := sm2.GenerateKey(rand)
	if err != nil {
		return nil, nil, fmt.Errorf("generating SM2 key: %w", err)
	}
	p, err := newSM2(key)
	if err != nil {
		return nil, nil, err
	}
	var scalar [sm2Scalar]byte
	defer clear(scalar[:])
	//lint:ignore SA1019 the library's keys have no other way to the number
	key.D.FillBytes(scalar[:])
	return sm2Type.pkcs8EC(scalar[:], sm2Point(&key.PublicKey)), p, nil
}

func parseSM2(_ Spec, material []byte) (Private, error) {
	scalar, point, ok := sm2Type.parsePKCS8EC(material, sm2Scalar)
	if !ok {
		return nil, ErrMaterial
	}
	key, err := sm2.NewPrivateKey(scalar)
	if err != nil || point != nil && !bytes.Equal(point, sm2Point(&key.PublicKey)) {
		return nil, ErrMaterial
	}
	p, err := newSM2(key)
	if err != nil {
		return nil, ErrMaterial
	}
	return p, nil
}

func (k *sm2Key) Spec() Spec { return SM2 }

func (k *sm2Key) Public() []byte { return k.spki }

// Wipe leaves what the library derives of a key that has signed or agreed.
func (k *sm2Key) Wipe() {
	//lint:ignore SA1019 only through this field can the number be overwritten
	wipeInt(k.key.D)
}

// digest is what is signed: SM3 of ZA and the message (GB/T 32918.2 §6.1), or what is given as that.
func (k *sm2Key) digest(form Form, msg []byte) ([]byte, error) {
	switch form {
	case Message:
		h := sm3.New()
		h.Write(k.za)
		h.Write(msg)
		return h.Sum(nil), nil
	case Digest:
		if len(msg) != sm3.Size {
			return nil, ErrDigestLength
		}
		return msg, nil
	}
	return nil, ErrUnsupported
}

func (k *sm2Key) sign(_ Alg, form Form, msg, dst []byte, rand io.Reader) ([]byte, error) {
	e, err := k.digest(form, msg)
	if err != nil {
		return dst, err
	}
	sig, err := sm2.SignASN1(rand, k.key, e, nil)
	if err != nil {
		return dst, fmt.Errorf("signing by SM2: %w", err)
	}
	return append(dst, sig...), nil
}

func (k *sm2Key) verify(_ Alg, form Form, msg, sig []byte) error {
	e, err := k.digest(form, msg)
	if err != nil {
		return err
	}
	if !sm2.VerifyASN1(&k.key.PublicKey, e, sig) {
		return ErrMismatch
	}
	return nil
}

func (k *sm2Key) encrypt(_ Alg, plaintext, dst []byte, rand io.Reader) ([]byte, error) {
	if len(plaintext) > sm2PlaintextLimit {
		return dst, ErrTooLong
	}
	c, err := sm2.EncryptASN1(rand, &k.key.PublicKey, plaintext)
	if err != nil {
		return dst, fmt.Errorf("encrypting by SM2: %w", err)
	}
	return append(dst, c...), nil
}

// decrypt is GB/T 32918.4 §7.1. The library's own refuses, by chance, one in 256 of the ciphertexts of a single byte:
// it looks for zeros in the ciphertext where the standard (step B4) looks for them in the key stream.
func (k *sm2Key) decrypt(_ Alg, ciphertext, dst []byte) ([]byte, error) {
	point, hash, body, ok := parseSM2Ciphertext(ciphertext)
	if !ok {
		return dst, ErrDecrypt
	}
	peer, err := sm2.NewPublicKey(point)
	if err != nil {
		return dst, ErrDecrypt
	}
	var scalar [sm2Scalar]byte
	var shared [2 * sm2Scalar]byte
	defer clear(scalar[:])
	defer clear(shared[:])
	//lint:ignore SA1019 the library has no other way to both coordinates
	x, y := k.key.Curve.ScalarMult(peer.X, peer.Y, k.key.D.FillBytes(scalar[:]))
	x.FillBytes(shared[:sm2Scalar])
	y.FillBytes(shared[sm2Scalar:])
	wipeInt(x)
	wipeInt(y)
	plaintext := sm3.Kdf(shared[:], len(body))
	defer clear(plaintext)
	if subtle.ConstantTimeCompare(plaintext, make([]byte, len(plaintext))) == 1 {
		return dst, ErrDecrypt
	}
	subtle.XORBytes(plaintext, plaintext, body)
	h := sm3.New()
	h.Write(shared[:sm2Scalar])
	h.Write(plaintext)
	h.Write(shared[sm2Scalar:])
	if subtle.ConstantTimeCompare(h.Sum(nil), hash) != 1 {
		return dst, ErrDecrypt
	}
	return append(dst, plaintext...), nil
}

// parseSM2Ciphertext reads SM2Cipher (GM/T 0009 §7.2): the point, uncompressed, the hash and the encrypted bytes.
func parseSM2Ciphertext(ciphertext []byte) (point, hash, body []byte, ok bool) {
	var x, y big.Int
	var inner cryptobyte.String
	s := cryptobyte.String(ciphertext)
	if !s.ReadASN1(&inner, der.SEQUENCE) || !s.Empty() || !inner.ReadASN1Integer(&x) || !inner.ReadASN1Integer(&y) ||
		!inner.ReadASN1Bytes(&hash, der.OCTET_STRING) || !inner.ReadASN1Bytes(&body, der.OCTET_STRING) || !inner.Empty() {
		return nil, nil, nil, false
	}
	if x.Sign() < 0 || y.Sign() < 0 || x.BitLen() > 8*sm2Scalar || y.BitLen() > 8*sm2Scalar ||
		len(hash) != sm3.Size || len(body) < 1 || len(body) > sm2PlaintextLimit {
		return nil, nil, nil, false
	}
	point = make([]byte, 1+2*sm2Scalar)
	point[0] = 4
	x.FillBytes(point[1 : 1+sm2Scalar])
	y.FillBytes(point[1+sm2Scalar:])
	return point, hash, body, true
}

func (k *sm2Key) agree(peer, dst []byte) ([]byte, error) {
	point, ok := sm2Type.parseSPKI(peer)
	if !ok {
		return dst, ErrPeer
	}
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return dst, ErrPeer
	}
	key, err := k.agreement()
	if err != nil {
		return dst, ErrMaterial
	}
	shared, err := key.ECDH(public)
	if err != nil {
		return dst, ErrPeer
	}
	defer clear(shared)
	return append(dst, shared...), nil
}
