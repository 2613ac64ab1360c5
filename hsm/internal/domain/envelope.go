package domain

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/mlkem"
	"crypto/sha512"
	"fmt"
	"io"

	"trent/hsm/internal/gcm"
)

// An envelope is a short secret, encrypted to a static agreement key: one-pass ECDH on P-384, C(1e, 1s) of SP 800-56A,
// and ML-KEM-1024 with it where the recipient has such a key. Both then are needed to open it, and whether the second
// is there follows from the recipient alone: there is nothing to negotiate and nothing to strip.

// recipient is to whom an envelope goes.
type recipient struct {
	agreement []byte // SubjectPublicKeyInfo
	kem       []byte // empty: none
}

// Agreement is the private half of a static P-384 agreement key, wherever it lies.
type Agreement interface {
	// Agree is the x coordinate (48 bytes) of the point that the key shares with a peer's uncompressed point. The caller
	// wipes it.
	Agree(peer []byte) ([]byte, error)
}

// opener is the private half of a recipient.
type opener struct {
	recipient
	private Agreement
	seed    []byte // of the decapsulation key, 64 bytes; empty: none
}

// envelopeSize is the length of n bytes in an envelope.
func envelopeSize(hybrid bool, n int) int {
	size := pointSize + gcm.NonceSize + n + gcm.TagSize
	if hybrid {
		size += mlkem.CiphertextSize1024
	}
	return size
}

// wrapKey is where a key lies while something is sealed or opened by it.
type wrapKey struct {
	key    [gcm.KeySize]byte
	cipher gcm.State
}

// seal appends the envelope of a secret to dst; context says what it is and for whom, and has to be the same when it is
// opened.
func (to recipient) seal(dst []byte, kernel gcm.Kernel, wrap *wrapKey, context, secret []byte, random io.Reader) (out []byte, err error) {
	static, ok := publicKey(to.agreement)
	if !ok {
		return nil, ErrToken
	}
	secretly(func() { out, err = to.sealSecretly(dst, kernel, wrap, static, context, secret, random) })
	*wrap = wrapKey{}
	return out, err
}

func (to recipient) sealSecretly(dst []byte, kernel gcm.Kernel, wrap *wrapKey, static *ecdh.PublicKey, context, secret []byte, random io.Reader) ([]byte, error) {
	ephemeral, err := ecdh.P384().GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("making an ephemeral key: %w", err)
	}
	z, err := ephemeral.ECDH(static)
	if err != nil {
		return nil, fmt.Errorf("agreeing with a recipient: %w", err)
	}
	defer func() { clear(z) }()
	at := len(dst)
	dst = append(dst, ephemeral.PublicKey().Bytes()...)
	if len(to.kem) > 0 {
		key, err := mlkem.NewEncapsulationKey1024(to.kem)
		if err != nil {
			return nil, ErrToken
		}
		shared, ciphertext := key.Encapsulate()
		z = join(z, shared)
		dst = append(dst, ciphertext...)
	}
	transcript, err := to.derive(wrap, z, context, dst[at:])
	if err != nil {
		return nil, err
	}
	return sealInto(dst, kernel, wrap, secret, transcript, random)
}

// open appends the secret in an envelope of exactly the right length to dst. Error: ErrToken.
func (o *opener) open(dst []byte, kernel gcm.Kernel, wrap *wrapKey, context, envelope []byte) (out []byte, err error) {
	out, err = dst, ErrToken
	secretly(func() {
		shares := pointSize
		if len(o.kem) > 0 {
			shares += mlkem.CiphertextSize1024
		}
		if len(envelope) < shares+gcm.NonceSize+gcm.TagSize {
			return
		}
		z, agreeErr := o.private.Agree(envelope[:pointSize])
		if agreeErr != nil {
			return
		}
		defer func() { clear(z) }()
		if len(o.kem) > 0 {
			key, keyErr := mlkem.NewDecapsulationKey1024(o.seed)
			if keyErr != nil {
				return
			}
			shared, keyErr := key.Decapsulate(envelope[pointSize:shares])
			if keyErr != nil {
				return
			}
			z = join(z, shared)
		}
		transcript, keyErr := o.derive(wrap, z, context, envelope[:shares])
		if keyErr != nil {
			return
		}
		if opened, ok := openFrom(dst, kernel, wrap, envelope[shares:], transcript); ok {
			out, err = opened, nil
		}
	})
	*wrap = wrapKey{}
	return out, err
}

// join appends a second secret to the first, in new memory, and wipes both.
func join(a, b []byte) []byte {
	both := append(append(make([]byte, 0, len(a)+len(b)), a...), b...)
	clear(a)
	clear(b)
	return both
}

const envelopeInfo = "trent envelope"

// derive sets wrap to HKDF-SHA384 of the shared secrets, with the hash of all that is public as info, and returns that
// hash, which is the additional data too.
func (to recipient) derive(wrap *wrapKey, z, context, shares []byte) ([]byte, error) {
	h := sha512.New384()
	for _, part := range [...][]byte{context, to.agreement, to.kem, shares} {
		h.Write(appendShort(nil, part))
	}
	transcript := h.Sum(nil)
	key, err := hkdf.Key(sha512.New384, z, nil, envelopeInfo+string(transcript), len(wrap.key))
	if err != nil {
		return nil, fmt.Errorf("deriving the key of an envelope: %w", err)
	}
	copy(wrap.key[:], key)
	clear(key)
	return transcript, nil
}

// sealInto appends nonce ‖ ciphertext ‖ tag to dst.
func sealInto(dst []byte, kernel gcm.Kernel, key *wrapKey, secret, aad []byte, random io.Reader) ([]byte, error) {
	var nonce [gcm.NonceSize]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	at := len(dst)
	dst = append(dst, nonce[:]...)
	dst = kernel.Seal(&key.cipher, dst, &key.key, &nonce, secret, aad)
	copy(dst[at:], nonce[:]) // the kernel may have drawn its own
	return dst, nil
}

// openFrom is its inverse.
func openFrom(dst []byte, kernel gcm.Kernel, key *wrapKey, sealed, aad []byte) ([]byte, bool) {
	if len(sealed) < gcm.NonceSize+gcm.TagSize {
		return dst, false
	}
	nonce := [gcm.NonceSize]byte(sealed)
	return kernel.Open(&key.cipher, dst, &key.key, &nonce, sealed[gcm.NonceSize:], aad)
}
