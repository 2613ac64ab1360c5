// Package enclavetest plays the attestation side of a Nitro enclave in tests: a root and certificates of its own,
// and documents signed under them, right ones or as wrong as a test wants them.
//
// It is support for tests only and no part of the product. No goroutines.
package enclavetest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"
)

// Authority is a root with one intermediate, as attestation has several, and one signing certificate.
type Authority struct {
	RootPEM []byte
	// Bundle is the cabundle: root first.
	Bundle [][]byte
	// Leaf is the certificate of documents, Key its key.
	Leaf []byte
	Key  *ecdsa.PrivateKey

	issuer    *x509.Certificate
	issuerKey *ecdsa.PrivateKey
}

// NewAuthority makes one whose certificates are valid for an hour on either side of now.
func NewAuthority(t testing.TB, now time.Time) *Authority {
	t.Helper()
	a := &Authority{}
	rootKey := newKey(t, elliptic.P384())
	root := template("test.nitro-enclaves", now, true)
	rootDER := sign(t, root, root, &rootKey.PublicKey, rootKey)
	a.RootPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
	a.issuerKey = newKey(t, elliptic.P384())
	a.issuer = template("region.test.nitro-enclaves", now, true)
	a.Bundle = [][]byte{rootDER, sign(t, a.issuer, root, &a.issuerKey.PublicKey, rootKey)}
	a.Key = newKey(t, elliptic.P384())
	a.Leaf = a.Certify(t, now, &a.Key.PublicKey, nil)
	return a
}

// Certify issues a signing certificate for a key; change alters it before it is signed.
func (a *Authority) Certify(t testing.TB, now time.Time, key *ecdsa.PublicKey, change func(*x509.Certificate)) []byte {
	t.Helper()
	leaf := template("i-0123456789abcdef0-enc0123456789abcdef0.test.nitro-enclaves", now, false)
	if change != nil {
		change(leaf)
	}
	return sign(t, leaf, a.issuer, key, a.issuerKey)
}

func template(name string, now time.Time, ca bool) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), BasicConstraintsValid: true, IsCA: ca,
	}
	c.KeyUsage = x509.KeyUsageDigitalSignature
	if ca {
		c.KeyUsage = x509.KeyUsageCertSign
	}
	return c
}

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, c, parent *x509.Certificate, key *ecdsa.PublicKey, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Payload is the right payload of a document whose answers go to key; nil: without public_key.
func (a *Authority) Payload(t testing.TB, now time.Time, key *rsa.PublicKey) map[string]any {
	t.Helper()
	pcrs := map[int]any{}
	for i := range 5 {
		pcrs[i] = bytes.Repeat([]byte{byte(i)}, 48)
	}
	p := map[string]any{
		"module_id": "i-0123456789abcdef0-enc0123456789abcdef0", "digest": "SHA384", "timestamp": uint64(now.UnixMilli()),
		"pcrs": pcrs, "certificate": a.Leaf, "cabundle": a.Bundle, "public_key": nil, "user_data": nil, "nonce": nil,
	}
	if key != nil {
		spki, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		p["public_key"] = spki
	}
	return p
}

// Sign makes a document of a payload: a map, or bytes as they are. It signs by a COSE library of its own.
func (a *Authority) Sign(t testing.TB, payload any) []byte {
	t.Helper()
	b, isBytes := payload.([]byte)
	if !isBytes {
		var err error
		if b, err = cbor.Marshal(payload); err != nil {
			t.Fatal(err)
		}
	}
	signer, err := cose.NewSigner(cose.AlgorithmES384, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	m := cose.UntaggedSign1Message{Headers: cose.Headers{Protected: cose.ProtectedHeader{cose.HeaderLabelAlgorithm: cose.AlgorithmES384}}, Payload: b}
	if err := m.Sign(rand.Reader, nil, signer); err != nil {
		t.Fatal(err)
	}
	document, err := m.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// Document is a right document whose answers go to key.
func (a *Authority) Document(t testing.TB, now time.Time, key *rsa.PublicKey) []byte {
	t.Helper()
	return a.Sign(t, a.Payload(t, now, key))
}
