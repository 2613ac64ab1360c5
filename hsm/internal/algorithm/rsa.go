package algorithm

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"hash"
	"io"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// pssOptions: the salt is as long as the digest, in signatures made and in those accepted (AWS KMS Developer
// Guide, "Key spec reference").
var pssOptions = rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

// rsaKey is a Private of 2,048, 3,072 or 4,096 bits.
type rsaKey struct {
	spec Spec
	key  *rsa.PrivateKey
	spki []byte
}

// rsaBits is the modulus's length of an RSA spec.
func rsaBits(spec Spec) int { return 2048 + 1024*int(spec-RSA2048) }

func newRSA(spec Spec, key *rsa.PrivateKey) (Private, error) {
	if key.N.BitLen() != rsaBits(spec) {
		return nil, ErrMaterial
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding RSA public key: %w", err)
	}
	return &rsaKey{spec: spec, key: key, spki: spki}, nil
}

// exponentsAgree says whether d is what dP and dQ are made of. Version 1.0.0 of Go's FIPS 140-3 module, which never uses
// d, does not look; newer ones, to which the key may come later, refuse such a key.
func exponentsAgree(key *rsa.PrivateKey) bool {
	agree := true
	for i, want := range [...]*big.Int{key.Precomputed.Dp, key.Precomputed.Dq} {
		less := new(big.Int).Sub(key.Primes[i], big.NewInt(1))
		rest := new(big.Int).Mod(key.D, less)
		agree = agree && rest.Cmp(want) == 0
		wipeInt(less)
		wipeInt(rest)
	}
	return agree
}

func generateRSA(spec Spec, rand io.Reader) ([]byte, Private, error) {
	key, err := rsa.GenerateKey(rand, rsaBits(spec))
	if err != nil {
		return nil, nil, fmt.Errorf("generating RSA key: %w", err)
	}
	p, err := newRSA(spec, key)
	if err != nil {
		return nil, nil, err
	}
	return rsaPKCS8(key), p, nil
}

// rsaType is RSA's name (RFC 8017, appendix A.1).
var rsaType = keyType{algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, null: true}

// rsaPKCS8 encodes a key of two primes as RSAPrivateKey (RFC 8017, appendix A.1.2) in PKCS #8.
func rsaPKCS8(key *rsa.PrivateKey) []byte {
	size := key.Size()
	scratch := make([]byte, size+1)
	defer clear(scratch)
	return rsaType.pkcs8Of(5*size+256, func(b *cryptobyte.Builder) {
		add := func(n *big.Int) {
			number := n.FillBytes(scratch[:n.BitLen()/8+1]) // a positive number has a first bit of 0
			b.AddASN1(der.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(number) })
		}
		b.AddASN1(der.SEQUENCE, func(inner *cryptobyte.Builder) {
			b = inner
			b.AddASN1Int64(0)
			for _, n := range []*big.Int{
				key.N, big.NewInt(int64(key.E)), key.D, key.Primes[0], key.Primes[1],
				key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv,
			} {
				add(n)
			}
		})
	})
}

func parseRSA(spec Spec, material []byte) (Private, error) {
	if inner, ok := rsaType.parsePKCS8(material); ok {
		key, err := x509.ParsePKCS1PrivateKey(inner)
		if err != nil {
			return nil, ErrMaterial
		}
		return newRSA(spec, key)
	}
	key, ok := parsePKCS8(material).(*rsa.PrivateKey) // in other forms
	if !ok {
		return nil, ErrMaterial
	}
	return newRSA(spec, key)
}

func (k *rsaKey) Spec() Spec { return k.spec }

func (k *rsaKey) Public() []byte { return k.spki }

// Wipe leaves the standard library's own precomputed form of the key.
func (k *rsaKey) Wipe() {
	wipeInt(k.key.D)
	for _, p := range k.key.Primes {
		wipeInt(p)
	}
	wipeInt(k.key.Precomputed.Dp)
	wipeInt(k.key.Precomputed.Dq)
	wipeInt(k.key.Precomputed.Qinv)
}

// wipeInt overwrites the words of x, those behind its length too.
func wipeInt(x *big.Int) {
	if x == nil {
		return
	}
	words := x.Bits()
	clear(words[:cap(words)])
}

func (k *rsaKey) sign(alg Alg, form Form, msg, dst []byte, rand io.Reader) ([]byte, error) {
	var buf digestBuffer
	digest, err := hashed(alg, form, msg, &buf)
	if err != nil {
		return dst, err
	}
	var sig []byte
	if h := signatureHash(alg); isPSS(alg) {
		sig, err = rsa.SignPSS(rand, k.key, h, digest, &pssOptions)
	} else {
		sig, err = rsa.SignPKCS1v15(nil, k.key, h, digest)
	}
	if err != nil {
		return dst, fmt.Errorf("signing by RSA: %w", err)
	}
	return append(dst, sig...), nil
}

func (k *rsaKey) verify(alg Alg, form Form, msg, sig []byte) error {
	var buf digestBuffer
	digest, err := hashed(alg, form, msg, &buf)
	if err != nil {
		return err
	}
	if h := signatureHash(alg); isPSS(alg) {
		err = rsa.VerifyPSS(&k.key.PublicKey, h, digest, sig, &pssOptions)
	} else {
		err = rsa.VerifyPKCS1v15(&k.key.PublicKey, h, digest, sig)
	}
	if err != nil {
		return ErrMismatch
	}
	return nil
}

func isPSS(alg Alg) bool { return alg == PSSSHA256 || alg == PSSSHA384 || alg == PSSSHA512 }

// encrypt is RSAES-OAEP (RFC 8017 §7.1), MGF1 with the same hash, empty label.
func (k *rsaKey) encrypt(alg Alg, plaintext, dst []byte, rand io.Reader) ([]byte, error) {
	h := oaepHash(alg)
	if len(plaintext) > k.key.Size()-2*h.Size()-2 {
		return dst, ErrTooLong
	}
	c, err := rsa.EncryptOAEP(h, rand, &k.key.PublicKey, plaintext, nil)
	if err != nil {
		return dst, fmt.Errorf("encrypting by RSA-OAEP: %w", err)
	}
	return append(dst, c...), nil
}

// decrypt takes ciphertexts of the modulus's length alone (RFC 8017 §7.1.2); the standard library also takes them
// without their leading zeros.
func (k *rsaKey) decrypt(alg Alg, ciphertext, dst []byte) ([]byte, error) {
	if len(ciphertext) != k.key.Size() {
		return dst, ErrDecrypt
	}
	plaintext, err := rsa.DecryptOAEP(oaepHash(alg), nil, k.key, ciphertext, nil)
	if err != nil {
		return dst, ErrDecrypt
	}
	dst = append(dst, plaintext...)
	clear(plaintext[:cap(plaintext)])
	return dst, nil
}

// oaepHash is a new hash for an OAEP algorithm, nil for others.
func oaepHash(alg Alg) hash.Hash {
	switch alg {
	case OAEPSHA1:
		return sha1.New()
	case OAEPSHA256:
		return sha256.New()
	}
	return nil
}
