package algorithm

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"io"
)

// Form is how a message to sign or verify is given, the API's MessageType.
type Form uint8

// Forms.
const (
	Message    Form = iota // the message itself
	Digest                 // its hash
	ExternalMu             // its ML-DSA message representative (FIPS 204 §6.2)
)

// signer is what a family with signatures implements; alg is one of the key's.
type signer interface {
	Private
	sign(alg Alg, form Form, msg, dst []byte, rand io.Reader) ([]byte, error)
	verify(alg Alg, form Form, msg, sig []byte) error
}

// Sign appends p's signature of msg by alg to dst: of the modulus's size for RSA, DER (RFC 3279 §2.2.3) for the
// curves, the scheme's own encoding for Ed25519 and ML-DSA. rand blinds and salts; the libraries may use their own
// source instead. Errors: ErrUnsupported, also for a form that the algorithm does not take; ErrDigestLength; or the
// library's.
func Sign(p Private, alg Alg, form Form, msg, dst []byte, rand io.Reader) ([]byte, error) {
	s, ok := p.(signer)
	if !ok || !Compatible(p.Spec(), SignVerify, alg) {
		return dst, ErrUnsupported
	}
	return s.sign(alg, form, msg, dst, rand)
}

// Verify checks that sig is p's signature of msg by alg; form as for Sign. Errors: ErrMismatch whatever is wrong with
// sig, ErrUnsupported, ErrDigestLength.
func Verify(p Private, alg Alg, form Form, msg, sig []byte) error {
	s, ok := p.(signer)
	if !ok || !Compatible(p.Spec(), SignVerify, alg) {
		return ErrUnsupported
	}
	return s.verify(alg, form, msg, sig)
}

// digestBuffer is room for any hash, on the stack.
type digestBuffer = [sha512.Size]byte

// hashed returns msg's hash for alg, made in buf, or msg itself where it is one. For the families that sign hashes of
// the SHA-2 family. Errors: ErrDigestLength, ErrUnsupported.
func hashed(alg Alg, form Form, msg []byte, buf *digestBuffer) ([]byte, error) {
	h := signatureHash(alg)
	switch form {
	case Message:
	case Digest:
		if len(msg) != h.Size() {
			return nil, ErrDigestLength
		}
		return msg, nil
	default:
		return nil, ErrUnsupported
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

// signatureHash is the hash of a signing algorithm of RSA or ECDSA.
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

var (
	_ signer = (*rsaKey)(nil)
	_ signer = (*ecdsaKey)(nil)
	_ signer = (*secp256k1Key)(nil)
	_ signer = (*ed25519Key)(nil)
	_ signer = (*mldsaKey)(nil)
	_ signer = (*sm2Key)(nil)
)
