package algorithm

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
)

// PublicOnly is a key of which only the public half is known, as the signature vectors give it.
func PublicOnly(spec Spec, spki []byte) (Private, error) {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		return newRSA(spec, &rsa.PrivateKey{PublicKey: *key})
	case *ecdsa.PublicKey:
		return newECDSA(spec, &ecdsa.PrivateKey{PublicKey: *key})
	}
	return nil, ErrMaterial
}
