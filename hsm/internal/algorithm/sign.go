package algorithm

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"io"
)

// signer is what a family with signatures implements. digest has the length of alg's hash.
type signer interface {
	Private
	sign(alg Alg, digest, dst []byte, rand io.Reader) ([]byte, error)
	verify(alg Alg, digest, sig []byte) error
}

// Sign appends p's signature of msg by alg to dst: of the modulus's size for RSA, DER (RFC 3279 §2.2.3) for
// ECDSA. With digest, msg is the hash already (the API's MessageType DIGEST). rand blinds and salts; the
// standard library may use its own source instead. Errors: ErrUnsupported, ErrDigestLength, or the library's.
func Sign(p Private, alg Alg, digest bool, msg, dst []byte, rand io.Reader) ([]byte, error) {
	s, ok := p.(signer)
	if !ok || !Compatible(p.Spec(), SignVerify, alg) {
		return dst, ErrUnsupported
	}
	var buf [sha512.Size]byte
	d, err := hashed(alg, digest, msg, &buf)
	if err != nil {
		return dst, err
	}
	return s.sign(alg, d, dst, rand)
}

// Verify checks that sig is p's signature of msg by alg; digest as for Sign. Errors: ErrMismatch whatever is
// wrong with sig, ErrUnsupported, ErrDigestLength.
func Verify(p Private, alg Alg, digest bool, msg, sig []byte) error {
	s, ok := p.(signer)
	if !ok || !Compatible(p.Spec(), SignVerify, alg) {
		return ErrUnsupported
	}
	var buf [sha512.Size]byte
	d, err := hashed(alg, digest, msg, &buf)
	if err != nil {
		return err
	}
	return s.verify(alg, d, sig)
}

// hashed returns msg's hash for alg, made in buf, or msg itself where it is one.
func hashed(alg Alg, digest bool, msg []byte, buf *[sha512.Size]byte) ([]byte, error) {
	h := signatureHash(alg)
	if digest {
		if len(msg) != h.Size() {
			return nil, ErrDigestLength
		}
		return msg, nil
	}
	switch h {
	case crypto.SHA256:
		sum := sha256.Sum256(msg)
		return append(buf[:0], sum[:]...), nil
	case crypto.SHA384:
		sum := sha512.Sum384(msg)
		return append(buf[:0], sum[:]...), nil
	default:
		sum := sha512.Sum512(msg)
		return append(buf[:0], sum[:]...), nil
	}
}

// signatureHash is the hash of a signing algorithm.
func signatureHash(alg Alg) crypto.Hash {
	switch alg {
	case PKCS1SHA256, PSSSHA256, ECDSASHA256:
		return crypto.SHA256
	case PKCS1SHA384, PSSSHA384, ECDSASHA384:
		return crypto.SHA384
	default:
		return crypto.SHA512
	}
}
