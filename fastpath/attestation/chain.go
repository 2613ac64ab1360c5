package attestation

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Of COSE: the header parameter alg (RFC 9052 §3.1), ES384 (RFC 9053 §2.1), whose signature is two numbers of 48
// bytes.
const (
	headerAlgorithm = 1
	algorithmES384  = -35
	signatureSize   = 2 * 48
)

// verifyChain checks that the certificate leads to a trusted root, and returns it. Errors: ErrMalformed for what is
// no certificate, ErrExpired, ErrUntrusted.
func (v *Verifier) verifyChain(p *payload, now time.Time) (*x509.Certificate, error) {
	leaf, err := parseCertificate(p.Certificate, now)
	if err != nil {
		return nil, err
	}
	issuers := x509.NewCertPool()
	for _, der := range p.CABundle {
		c, err := parseCertificate(der, now)
		if err != nil {
			return nil, err
		}
		issuers.AddCert(c)
	}
	if leaf.IsCA || leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, fmt.Errorf("%w: the certificate is not one for signatures", ErrUntrusted)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: v.roots, Intermediates: issuers, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	return leaf, nil
}

func parseCertificate(der cbor.ByteString, now time.Time) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate([]byte(der))
	if err != nil {
		return nil, malformed("certificate: %v", err)
	}
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return nil, fmt.Errorf("%w: %s is valid from %s to %s", ErrExpired, c.Subject, c.NotBefore, c.NotAfter)
	}
	return c, nil
}

// verify checks the signature (RFC 9052 §4.4). The error is ErrSignature.
func (s *sign1) verify(by *x509.Certificate) error {
	key, ok := by.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P384() {
		return fmt.Errorf("%w: the certificate's key is not of P-384", ErrSignature)
	}
	signed, err := cbor.Marshal([]any{"Signature1", s.Protected, cbor.ByteString(""), s.Payload})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	digest := sha512.Sum384(signed)
	r := new(big.Int).SetBytes([]byte(s.Signature[:signatureSize/2]))
	t := new(big.Int).SetBytes([]byte(s.Signature[signatureSize/2:]))
	if !ecdsa.Verify(key, digest[:], r, t) {
		return ErrSignature
	}
	return nil
}
