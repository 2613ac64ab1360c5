package session

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// Sizes in bytes.
const (
	identitySize    = len(spkiPrefix) + pointSize
	signatureSize   = 2 * coordinateSize
	fingerprintSize = sha256.Size
	digestSize      = sha512.Size384

	coordinateSize = 48
	pointSize      = 1 + 2*coordinateSize // uncompressed, SEC 1 §2.3.3
)

// spkiPrefix is a SubjectPublicKeyInfo (RFC 5480 §2) of P-384 up to the uncompressed point: its one DER encoding.
const spkiPrefix = "\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00"

// Purposes of signatures, each with a zero behind it in what is signed.
const (
	helloLabel   = "trent session hello"
	answerLabel  = "trent session answer"
	acceptLabel  = "trent session accept"
	sessionLabel = "trent session transcript"
)

var errIdentity = errors.New("session: the signing key is not a P-384 key in the one form of SubjectPublicKeyInfo")

// halfOrder is half the order of P-384: of s and its negative, which both verify, only the lower one is a signature here.
var halfOrder = new(big.Int).Rsh(elliptic.P384().Params().N, 1)

// validIdentity reports whether spki has the one form that an identity has.
func validIdentity(spki []byte) bool {
	return len(spki) == identitySize && string(spki[:len(spkiPrefix)]) == spkiPrefix
}

func fingerprint(spki []byte) Fingerprint { return sha256.Sum256(spki) }

// transcript is SHA-384 of a label, a zero and the parts.
func transcript(label string, parts ...[]byte) (digest [digestSize]byte) {
	h := sha512.New384()
	h.Write([]byte(label))
	h.Write([]byte{0})
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(digest[:0])
	return digest
}

// appendSignature signs and appends r ‖ s, 48 bytes each, s in its lower form.
func appendSignature(dst []byte, sign func(*[digestSize]byte) ([]byte, error), digest *[digestSize]byte) ([]byte, error) {
	der, err := sign(digest)
	if err != nil {
		return dst, fmt.Errorf("signing a transcript: %w", err)
	}
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 || !inOrder(sig.R) || !inOrder(sig.S) {
		return dst, errors.New("signing a transcript: not an ECDSA signature of a P-384 key")
	}
	if sig.S.Cmp(halfOrder) > 0 {
		sig.S.Sub(elliptic.P384().Params().N, sig.S)
	}
	out := append(dst, make([]byte, signatureSize)...)
	sig.R.FillBytes(out[len(dst):][:coordinateSize])
	sig.S.FillBytes(out[len(dst)+coordinateSize:])
	return out, nil
}

func inOrder(n *big.Int) bool { return n.Sign() > 0 && n.Cmp(elliptic.P384().Params().N) < 0 }

// verify checks a signature of appendSignature by the key of spki.
func verify(spki []byte, digest *[digestSize]byte, signature []byte) bool {
	if !validIdentity(spki) || len(signature) != signatureSize {
		return false
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), spki[len(spkiPrefix):])
	if err != nil {
		return false
	}
	r := new(big.Int).SetBytes(signature[:coordinateSize])
	s := new(big.Int).SetBytes(signature[coordinateSize:])
	return s.Cmp(halfOrder) <= 0 && ecdsa.Verify(key, digest[:], r, s)
}
