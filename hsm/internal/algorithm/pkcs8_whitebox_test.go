package algorithm

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"testing"
)

// TestPKCS8 holds the encodings of private keys to the standard library's, byte by byte.
func TestPKCS8(t *testing.T) {
	t.Parallel()
	for _, spec := range []Spec{RSA2048, P256, P384, P521, Ed25519} {
		for range 4 {
			material, spki, err := Generate(spec, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			key, err := x509.ParsePKCS8PrivateKey(material)
			if err != nil {
				t.Fatalf("spec %d: %v", spec, err)
			}
			want, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil || !bytes.Equal(material, want) {
				t.Errorf("spec %d: encoded otherwise, %v", spec, err)
			}
			p, err := Parse(spec, material)
			if err != nil || !bytes.Equal(p.Public(), spki) {
				t.Errorf("spec %d: parsed to another key, %v", spec, err)
			}
		}
	}
}
