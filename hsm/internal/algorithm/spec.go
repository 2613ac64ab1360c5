// Package algorithm is the module's cryptography other than AES-GCM and key derivation, a file a family: RSA
// (OAEP, PKCS #1 v1.5 and PSS signatures), ECDSA on the NIST curves, HMAC, and the generation of every kind of
// key material.
//
// Material is what a key token encloses: PKCS #8 DER (RFC 5958) for asymmetric keys, the raw bytes for HMAC and
// symmetric keys. Public keys are SubjectPublicKeyInfo DER (RFC 5280 §4.1).
//
// What this package is not: it knows no tokens, identities or states of keys, sets no limits of the API (such
// as 4,096 bytes of message), and bounds no concurrency: whoever calls it gates RSA and key generation. It
// caches nothing; callers keep what Parse returns.
//
// The maths is the standard library's and so are its copies on the Go heap: what of a parsed key can be
// overwritten, Wipe overwrites; the library's own precomputed copies it cannot reach.
//
// No goroutines. Everything is safe for concurrent use, but nothing may use a Private during or after Wipe.
package algorithm

import (
	"errors"
	"slices"
)

// Spec is a kind of key, the API's KeySpec. The values stand in key tokens and never change.
type Spec uint8

// Key specs.
const (
	SpecNone Spec = iota
	SymmetricDefault
	RSA2048
	RSA3072
	RSA4096
	P256
	P384
	P521
	HMAC224
	HMAC256
	HMAC384
	HMAC512
	SM4
	Secp256k1
	Ed25519
	MLDSA44
	MLDSA65
	MLDSA87
	MLKEM512
	MLKEM768
	MLKEM1024
	SM2
)

// Usage is what a key is for, the API's KeyUsage. The values stand in key tokens and never change.
type Usage uint8

// Key usages.
const (
	UsageNone Usage = iota
	EncryptDecrypt
	SignVerify
	GenerateVerifyMAC
	KeyAgreement
	EncapsulateDecapsulate
)

// Alg is one of the API's encryption, signing or MAC algorithms.
type Alg uint8

// Algorithms.
const (
	AlgNone Alg = iota
	AESGCM
	OAEPSHA1
	OAEPSHA256
	PKCS1SHA256
	PKCS1SHA384
	PKCS1SHA512
	PSSSHA256
	PSSSHA384
	PSSSHA512
	ECDSASHA256
	ECDSASHA384
	ECDSASHA512
	HMACSHA224
	HMACSHA256
	HMACSHA384
	HMACSHA512
	SM4GCM
	ED25519SHA512
	ED25519PHSHA512
	MLDSASHAKE256
	SM2DSA
	SM2PKE
	ECDH
	MLKEM
)

// Errors, for errors.Is. None tells why a signature, MAC or ciphertext was refused.
var (
	ErrUnsupported  = errors.New("algorithm: not supported for this key")
	ErrMaterial     = errors.New("algorithm: not key material of this spec")
	ErrDigestLength = errors.New("algorithm: digest has not the length of the algorithm's hash")
	ErrTooLong      = errors.New("algorithm: plaintext too long for the key")
	ErrMismatch     = errors.New("algorithm: signature or MAC does not match")
	ErrDecrypt      = errors.New("algorithm: decryption failed")
)

// Private is a parsed asymmetric key of one Spec.
type Private interface {
	// Spec is the kind of key it was parsed as.
	Spec() Spec
	// Public is its SubjectPublicKeyInfo, not to be changed.
	Public() []byte
	// Wipe overwrites the private numbers as far as the standard library lets it. The key is dead then: no
	// other call may be in progress or follow.
	Wipe()
}

// Combinations of spec and usage, algorithms in the order in which the API lists them (AWS KMS Developer
// Guide, "Key spec reference").
var (
	symmetricAlgorithms     = []Alg{AESGCM}
	rsaEncryptionAlgorithms = []Alg{OAEPSHA1, OAEPSHA256}
	rsaSigningAlgorithms    = []Alg{PKCS1SHA256, PKCS1SHA384, PKCS1SHA512, PSSSHA256, PSSSHA384, PSSSHA512}
)

// Algorithms lists what a key of spec and usage can run, in the API's order; none if the two do not go together
// or the usage has no algorithm in this package. The list is the caller's own.
func Algorithms(spec Spec, usage Usage) []Alg {
	return slices.Clone(algorithms(spec, usage))
}

// Compatible says whether a key of spec and usage can run alg.
func Compatible(spec Spec, usage Usage, alg Alg) bool {
	return slices.Contains(algorithms(spec, usage), alg)
}

func algorithms(spec Spec, usage Usage) []Alg {
	switch usage {
	case EncryptDecrypt:
		switch spec {
		case SymmetricDefault:
			return symmetricAlgorithms
		case RSA2048, RSA3072, RSA4096:
			return rsaEncryptionAlgorithms
		}
	case SignVerify:
		switch spec {
		case RSA2048, RSA3072, RSA4096:
			return rsaSigningAlgorithms
		case P256, P384, P521:
			return curves[spec-P256].algorithms[:]
		}
	case GenerateVerifyMAC:
		switch spec {
		case HMAC224, HMAC256, HMAC384, HMAC512:
			return macs[spec-HMAC224].algorithms[:]
		}
	}
	return nil
}
