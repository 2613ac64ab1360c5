// Package attestation reads and verifies attestation documents of AWS Nitro Enclaves and NitroTPM instances: the
// Recipient of Decrypt, GenerateDataKey and others, whose plaintext then goes to the public key in the document.
//
// A document is a COSE_Sign1 (RFC 9052 §4.2, with or without its tag) by ES384 over a CBOR map:
//
//	member         CBOR type            limits
//	module_id      text                 not empty
//	digest         text                 SHA384
//	timestamp      unsigned integer     milliseconds since 1970, not 0
//	pcrs           map to byte strings  1 to 32 entries, indexes 0 to 31, values of 32, 48 or 64 bytes; NitroTPM
//	                                    documents have nitrotpm_pcrs instead
//	certificate    byte string          1 to 1,024 bytes, X.509 DER: who signed the document
//	cabundle       array of them        1 and more: root first, then each issued by the one before
//	public_key     byte string          1 to 1,024 bytes
//	user_data      byte string          up to 512 bytes
//	nonce          byte string          up to 512 bytes
//
// The last three may be absent, or null as the Nitro Security Module writes it; no other members exist. (AWS Nitro
// Enclaves User Guide, "Verifying the root of trust"; aws-nitro-enclaves-nsm-api, docs/attestation_process.md.)
//
// What this package is not: it does not decide who may use a key, keeps nothing of a document, and knows no
// private key. A Verifier is immutable and safe for concurrent use; there are no goroutines.
package attestation

import (
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"time"
)

// Errors of Verify, found again through any wrapping by errors.Is.
var (
	// ErrMalformed: not an attestation document by form.
	ErrMalformed = errors.New("attestation: document is malformed")
	// ErrUntrusted: its certificate does not lead to a root that is trusted here.
	ErrUntrusted = errors.New("attestation: certificate chain is not trusted")
	// ErrExpired: one of its certificates is not valid at this time.
	ErrExpired = errors.New("attestation: certificate is not valid at this time")
	// ErrSignature: it was altered, or another key signed it.
	ErrSignature = errors.New("attestation: signature does not match")
	// ErrPublicKey: it has no public key that a plaintext can be encrypted to.
	ErrPublicKey = errors.New("attestation: no usable RSA public key")
)

// Document is what a verified document says.
type Document struct {
	ModuleID  string
	Timestamp time.Time
	NitroTPM  bool           // PCRs are those of a NitroTPM, not of an enclave
	PCRs      map[int][]byte // by index
	PublicKey []byte         // SubjectPublicKeyInfo (DER) of an RSA key of MinKeyBits or more
	UserData  []byte
	Nonce     []byte
}

// MinKeyBits is the shortest modulus of a public key that is taken.
const MinKeyBits = 2048

// NitroRoot is the root certificate of AWS Nitro attestation in the commercial partitions, G1, in PEM. The SHA-256
// fingerprint that AWS publishes for it ("Verifying the root of trust") is 64:1A:03:21:A3:E2:44:EF:E4:56:46:31:95:
// D6:06:31:7E:D7:CD:CC:3C:17:56:E0:98:93:F3:C6:8F:79:BB:5B.
//
//go:embed nitro_root_g1.pem
var NitroRoot []byte

// Verifier trusts certain roots.
type Verifier struct{ roots *x509.CertPool }

// New makes a verifier that trusts the certificates in rootPEM and no others.
func New(rootPEM []byte) (*Verifier, error) {
	v := &Verifier{roots: x509.NewCertPool()}
	if !v.roots.AppendCertsFromPEM(rootPEM) {
		return nil, errors.New("attestation: there is no PEM certificate in the roots")
	}
	return v, nil
}

// Verify reads a document and checks everything about it: form, certificates at the time now, signature, public key.
// Errors: those of this package.
func (v *Verifier) Verify(document []byte, now time.Time) (*Document, error) {
	signed, err := parseSign1(document)
	if err != nil {
		return nil, err
	}
	p, err := parsePayload(signed.Payload)
	if err != nil {
		return nil, err
	}
	leaf, err := v.verifyChain(p, now)
	if err != nil {
		return nil, err
	}
	if err := signed.verify(leaf); err != nil {
		return nil, err
	}
	d := p.document()
	return d, checkPublicKey(d.PublicKey)
}

// checkPublicKey tells whether a plaintext can be encrypted to the key. The error is ErrPublicKey.
func checkPublicKey(spki []byte) error {
	if spki == nil {
		return fmt.Errorf("%w: it has none", ErrPublicKey)
	}
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return fmt.Errorf("%w: not a SubjectPublicKeyInfo", ErrPublicKey)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: not of RSA", ErrPublicKey)
	}
	if bits := key.N.BitLen(); bits < MinKeyBits {
		return fmt.Errorf("%w: %d bits are too few", ErrPublicKey, bits)
	}
	if key.N.Bit(0) == 0 || key.E < 3 || key.E%2 == 0 || key.E > math.MaxInt32 {
		return fmt.Errorf("%w: no RSA key has that modulus or exponent", ErrPublicKey)
	}
	return nil
}
