// Package algorithm is the module's cryptography other than GCM and key derivation, a file a family: RSA (OAEP,
// PKCS #1 v1.5 and PSS signatures), ECDSA and ECDH on the NIST curves, secp256k1, Ed25519, ML-DSA, ML-KEM, SM2, HMAC,
// and the generation of every kind of key material. families.go is the table of specs, and all that is known of each.
//
// Material is what a key token encloses: PKCS #8 DER (RFC 5958) for asymmetric keys (with the seed for ML-DSA and
// ML-KEM), the raw bytes for HMAC and symmetric keys. Public keys are SubjectPublicKeyInfo DER (RFC 5280 §4.1).
//
// What this package is not: it knows no tokens, identities or states of keys, sets no limits of the API (such
// as 4,096 bytes of message), and bounds no concurrency: whoever calls it gates RSA and key generation. It
// caches nothing; callers keep what Parse returns.
//
// The maths is the standard library's where it has it, else decred's (secp256k1), filippo.io's (ML-DSA), circl's
// (ML-KEM-512) and gmsm's (SM2). So are their copies on the Go heap, those of HMAC keys too: what of a parsed key can be overwritten, Wipe
// overwrites; the libraries' own precomputed copies it cannot reach, and of ML-DSA and ML-KEM keys nothing. secp256k1
// is not constant in time where it makes signatures.
//
// No goroutines. Everything is safe for concurrent use, but nothing may use a Private during or after Wipe.
package algorithm

import (
	"errors"
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

// Alg is one of the API's encryption, signing, MAC, agreement or encapsulation algorithms.
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
	ErrDigestLength = errors.New("algorithm: digest or message representative has not the algorithm's length")
	ErrTooLong      = errors.New("algorithm: plaintext too long for the key")
	ErrMismatch     = errors.New("algorithm: signature or MAC does not match")
	ErrDecrypt      = errors.New("algorithm: decryption failed")
	ErrPeer         = errors.New("algorithm: not a public key of this curve")
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
