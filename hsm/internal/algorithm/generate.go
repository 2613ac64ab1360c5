package algorithm

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
)

// Generate makes a key of spec. Material is PKCS #8 DER with spki its public key for asymmetric specs, random
// bytes with spki nil for others; the caller owns it and wipes it. rand is crypto/rand.Reader but in tests; the
// standard library may use its own source for asymmetric keys. Errors: ErrUnsupported for no known spec, and
// those of rand.
//
// RSA takes long and varies: tens of milliseconds for 2,048 bits, several hundred for 4,096.
func Generate(spec Spec, rand io.Reader) (material, spki []byte, err error) {
	var p Private
	switch {
	case MaterialSize(spec) > 0:
		material = make([]byte, MaterialSize(spec))
		if _, err := io.ReadFull(rand, material); err != nil {
			return nil, nil, fmt.Errorf("generating key material: %w", err)
		}
		return material, nil, nil
	case spec >= RSA2048 && spec <= RSA4096:
		key, err := rsa.GenerateKey(rand, rsaBits(spec))
		if err != nil {
			return nil, nil, fmt.Errorf("generating RSA key: %w", err)
		}
		material, err = x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, nil, fmt.Errorf("encoding RSA key: %w", err)
		}
		p, err = newRSA(spec, key)
		if err != nil {
			return nil, nil, err
		}
	case spec >= P256 && spec <= P521:
		key, err := ecdsa.GenerateKey(curves[spec-P256].curve, rand)
		if err != nil {
			return nil, nil, fmt.Errorf("generating ECDSA key: %w", err)
		}
		material, err = x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, nil, fmt.Errorf("encoding ECDSA key: %w", err)
		}
		p, err = newECDSA(spec, key)
		if err != nil {
			return nil, nil, err
		}
	default:
		return nil, nil, ErrUnsupported
	}
	p.Wipe()
	return material, p.Public(), nil
}

// Parse makes the material of an asymmetric spec ready for use; the result shares no memory with it. Errors:
// ErrMaterial if it is not a key of that spec, ErrUnsupported if the spec has nothing to parse.
func Parse(spec Spec, material []byte) (Private, error) {
	if spec < RSA2048 || spec > P521 {
		return nil, ErrUnsupported
	}
	key, err := x509.ParsePKCS8PrivateKey(material)
	if err != nil {
		return nil, ErrMaterial // the parser's text could quote the key
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if spec <= RSA4096 {
			return newRSA(spec, key)
		}
	case *ecdsa.PrivateKey:
		if spec >= P256 {
			return newECDSA(spec, key)
		}
	}
	return nil, ErrMaterial
}
