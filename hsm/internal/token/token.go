// Package token is the form in which keys leave the module: key material, sealed under a domain key.
//
// # Layout
//
// All integers are big-endian. m is the length of the material in bytes, 1 to MaxMaterial.
//
//	offset  size  what
//	0       1     01, the version of this format
//	1       1     purpose
//	2       1     key spec
//	3       1     key usage
//	4       16    domain
//	20      4     version of the domain key
//	24      32    identifier of the material; zeros where the purpose has none
//	56      16    derivation nonce
//	72      12    AES-256-GCM nonce
//	84      m     ciphertext of the material
//	84+m    16    tag
//
// The wrapping key is SP 800-108(domain key, label of the purpose, derivation nonce): one for each token, so
// that the number of tokens under a domain key does not matter. The additional data is offsets 0 to 71 ‖
// identity; the identity itself is not in the token.
//
// The purpose stands in the additional data and in the KDF label: a token of one purpose is nothing at all
// for another. Adding a purpose, a spec or a usage does not change what is written here already.
//
// What this package is not: it does not know which domain keys exist (the domain package) or what the
// material means. No goroutines; functions are safe for concurrent use with a Scratch each.
package token

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"trent/hsm/internal/gcm"
	"trent/hsm/internal/kdf"
)

// Purpose is what a token is good for.
type Purpose uint8

// Purposes. Values are part of tokens.
const (
	Key            Purpose = iota + 1 // a key with an identity
	Pool                              // key material made ahead, without an identity yet
	ImportWrapping                    // the private key under which material is imported
	Session                           // a session key between a host and the modules of a domain
	Import                            // no key: what an import of material into a key is held to
)

// labels are the KDF labels by purpose.
var labels = [...]string{
	Key:            "token key",
	Pool:           "token pool",
	ImportWrapping: "token import-wrapping",
	Session:        "token session",
	Import:         "token import",
}

// Valid reports whether p is a purpose that exists.
func (p Purpose) Valid() bool { return p >= Key && p <= Import }

// Sizes in bytes.
const (
	DomainSize     = 16
	MaterialIDSize = 32
	MaxMaterial    = 4096
	MaxIdentity    = 512
	Overhead       = sealedAt + gcm.TagSize

	derivationSize = 16
	aadSize        = 72 // offsets 0 to 71
	sealedAt       = aadSize + gcm.NonceSize
	formatVersion  = 1
)

// ErrInvalid is the one answer to a token that is malformed, altered, or bound to something else.
var ErrInvalid = errors.New("token: not valid")

// Header is the public part of a token.
type Header struct {
	Purpose  Purpose
	Spec     uint8
	Usage    uint8
	Domain   [DomainSize]byte
	Version  uint32 // of the domain key
	Material [MaterialIDSize]byte
}

// Scratch is where a wrapping key and what is made of it live while they are needed. It has no pointers, so that it may lie in an arena.
type Scratch struct {
	key        [gcm.KeySize]byte
	cipher     gcm.State
	derivation [derivationSize]byte
	nonce      [gcm.NonceSize]byte
	aad        [aadSize + MaxIdentity]byte
}

// Size is the length of the token of m bytes of material.
func Size(m int) int { return Overhead + m }

// MaterialSize is the length of the material in a token, negative if it is none.
func MaterialSize(token []byte) int { return len(token) - Overhead }

// Parse reads the public part. Nothing is authenticated. The error is ErrInvalid.
func Parse(token []byte) (Header, error) {
	m := MaterialSize(token)
	if m < 1 || m > MaxMaterial || token[0] != formatVersion || !Purpose(token[1]).Valid() {
		return Header{}, ErrInvalid
	}
	return Header{
		Purpose:  Purpose(token[1]),
		Spec:     token[2],
		Usage:    token[3],
		Domain:   [DomainSize]byte(token[4:20]),
		Version:  binary.BigEndian.Uint32(token[20:24]),
		Material: [MaterialIDSize]byte(token[24:56]),
	}, nil
}

// Append seals material under the domain key dk for the header and identity, and appends the token to dst.
// Errors: ErrInvalid for a header, identity or material that no token can have, and random's.
func Append(dst []byte, kernel gcm.Kernel, dk *kdf.Midstate, s *Scratch, h *Header, identity, material []byte, random io.Reader) ([]byte, error) {
	if !h.Purpose.Valid() || len(identity) > MaxIdentity || len(material) < 1 || len(material) > MaxMaterial {
		return dst, ErrInvalid
	}
	for _, nonce := range [...][]byte{s.derivation[:], s.nonce[:]} {
		if _, err := io.ReadFull(random, nonce); err != nil {
			return dst, fmt.Errorf("drawing a token's nonces: %w", err)
		}
	}
	aad := appendHeader(s.aad[:0], h, s.derivation[:])
	out := append(dst, aad...)
	nonceAt := len(out)
	out = append(out, s.nonce[:]...)
	aad = append(aad, identity...)
	dk.Derive(&s.key, labels[h.Purpose], s.derivation[:])
	out = kernel.Seal(&s.cipher, out, &s.key, &s.nonce, material, aad)
	copy(out[nonceAt:], s.nonce[:]) // the kernel may have drawn its own
	clear(s.key[:])
	return out, nil
}

// Open appends the material of a token to dst. The caller found dk by the domain and version that Parse gave
// and has compared purpose, spec, usage and material with what it expects; all of it is authenticated here.
// The error is ErrInvalid; dst is then as it was, and nothing of the plaintext lies behind it.
func Open(dst []byte, kernel gcm.Kernel, dk *kdf.Midstate, s *Scratch, identity, token []byte) ([]byte, error) {
	h, err := Parse(token)
	if err != nil || len(identity) > MaxIdentity {
		return dst, ErrInvalid
	}
	aad := append(append(s.aad[:0], token[:aadSize]...), identity...)
	copy(s.nonce[:], token[aadSize:sealedAt])
	dk.Derive(&s.key, labels[h.Purpose], token[aadSize-derivationSize:aadSize])
	out, ok := kernel.Open(&s.cipher, dst, &s.key, &s.nonce, token[sealedAt:], aad)
	clear(s.key[:])
	if !ok {
		return dst, ErrInvalid
	}
	return out, nil
}

func appendHeader(dst []byte, h *Header, derivation []byte) []byte {
	dst = append(dst, formatVersion, byte(h.Purpose), h.Spec, h.Usage)
	dst = append(dst, h.Domain[:]...)
	dst = binary.BigEndian.AppendUint32(dst, h.Version)
	dst = append(dst, h.Material[:]...)
	return append(dst, derivation...)
}
