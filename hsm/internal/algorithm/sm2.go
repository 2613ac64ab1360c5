package algorithm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/subtle"
	"encoding/asn1"
	"errors"
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

// encrypt is GB/T 32918.4 §6.1. The library's own, when it has to try again, does so with another public key than k's.
// Key streams of zeros are thrown away as the standard demands (step A5), and so are bodies of zeros, which some
// programs refuse to decrypt: one and one in 256 of those of a single byte.
func (k *sm2Key) encrypt(_ Alg, plaintext, dst []byte, rand io.Reader) ([]byte, error) {
	if len(plaintext) > sm2PlaintextLimit {
		return dst, ErrTooLong
	}
	zeros := make([]byte, len(plaintext))
	for range sm2Tries {
		ephemeral, err := sm2.GenerateKey(rand)
		if err != nil {
			return dst, fmt.Errorf("encrypting by SM2: %w", err)
		}
		body, hash := sm2Mask(ephemeral, &k.key.PublicKey, plaintext, true)
		wipeInt(ephemeral.D)
		if subtle.ConstantTimeCompare(body, plaintext) == 1 || subtle.ConstantTimeCompare(body, zeros) == 1 {
			continue
		}
		return appendSM2Ciphertext(dst, &ephemeral.PublicKey, hash, body), nil
	}
	return dst, errSM2Tries
}

// sm2Tries bounds the encryptions of one plaintext.
const sm2Tries = 64

var errSM2Tries = errors.New("algorithm: SM2 made no usable ciphertext")

// sm2Mask adds the key stream of two keys to data, and returns with it the hash of the plaintext, which data is when
// encrypting and the result otherwise.
func sm2Mask(private *sm2.PrivateKey, public *ecdsa.PublicKey, data []byte, encrypting bool) (masked, hash []byte) {
	var scalar [sm2Scalar]byte
	var shared [2 * sm2Scalar]byte
	defer clear(scalar[:])
	defer clear(shared[:])
	//lint:ignore SA1019 the library has no other way to both coordinates
	x, y := private.Curve.ScalarMult(public.X, public.Y, private.D.FillBytes(scalar[:]))
	x.FillBytes(shared[:sm2Scalar])
	y.FillBytes(shared[sm2Scalar:])
	wipeInt(x)
	wipeInt(y)
	masked = sm3.Kdf(shared[:], len(data))
	subtle.XORBytes(masked, masked, data)
	plaintext := masked
	if encrypting {
		plaintext = data
	}
	h := sm3.New()
	h.Write(shared[:sm2Scalar])
	h.Write(plaintext)
	h.Write(shared[sm2Scalar:])
	return masked, h.Sum(nil)
}

// decrypt is GB/T 32918.4 §7.1 but for step B4, which refuses key streams of zeros: what the hash authenticates is
// taken, since some programs make such ciphertexts. The library's own refuses bodies of zeros instead.
func (k *sm2Key) decrypt(_ Alg, ciphertext, dst []byte) ([]byte, error) {
	return k.decryptUpTo(sm2PlaintextLimit, ciphertext, dst)
}

// decryptUpTo is decrypt for plaintexts of up to limit bytes.
func (k *sm2Key) decryptUpTo(limit int, ciphertext, dst []byte) ([]byte, error) {
	point, hash, body, ok := parseSM2Ciphertext(limit, ciphertext)
	if !ok {
		return dst, ErrDecrypt
	}
	peer, err := sm2.NewPublicKey(point)
	if err != nil {
		return dst, ErrDecrypt
	}
	plaintext, want := sm2Mask(k.key, peer, body, false)
	defer clear(plaintext)
	if subtle.ConstantTimeCompare(want, hash) != 1 {
		return dst, ErrDecrypt
	}
	return append(dst, plaintext...), nil
}

// appendSM2Ciphertext is the reverse of parseSM2Ciphertext.
func appendSM2Ciphertext(dst []byte, c1 *ecdsa.PublicKey, hash, body []byte) []byte {
	b := cryptobyte.NewBuilder(dst)
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		//lint:ignore SA1019 the library's keys have no other way to their coordinates
		b.AddASN1BigInt(c1.X)
		//lint:ignore SA1019 the library's keys have no other way to their coordinates
		b.AddASN1BigInt(c1.Y)
		b.AddASN1OctetString(hash)
		b.AddASN1OctetString(body)
	})
	return b.BytesOrPanic()
}

// parseSM2Ciphertext reads SM2Cipher (GM/T 0009 §7.2): the point, uncompressed, the hash and the encrypted bytes.
func parseSM2Ciphertext(limit int, ciphertext []byte) (point, hash, body []byte, ok bool) {
	var x, y big.Int
	var inner cryptobyte.String
	s := cryptobyte.String(ciphertext)
	if !s.ReadASN1(&inner, der.SEQUENCE) || !s.Empty() || !inner.ReadASN1Integer(&x) || !inner.ReadASN1Integer(&y) ||
		!inner.ReadASN1Bytes(&hash, der.OCTET_STRING) || !inner.ReadASN1Bytes(&body, der.OCTET_STRING) || !inner.Empty() {
		return nil, nil, nil, false
	}
	if x.Sign() < 0 || y.Sign() < 0 || x.BitLen() > 8*sm2Scalar || y.BitLen() > 8*sm2Scalar ||
		len(hash) != sm3.Size || len(body) < 1 || len(body) > limit {
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
