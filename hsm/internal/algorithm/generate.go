package algorithm

import (
	"crypto/x509"
	"fmt"
	"io"
)

// Generate makes a key of spec. Material is PKCS #8 DER with spki its public key for asymmetric specs, random
// bytes with spki nil for others; the caller owns it and wipes it. rand is crypto/rand.Reader but in tests; the
// libraries may use their own source for asymmetric keys. Errors: ErrUnsupported for no known spec, and those of rand.
//
// RSA takes long and varies: tens of milliseconds for 2,048 bits, several hundred for 4,096.
func Generate(spec Spec, rand io.Reader) (material, spki []byte, err error) {
	f := familyOf(spec)
	switch {
	case f.generate != nil:
		material, p, err := f.generate(spec, rand)
		if err != nil {
			clear(material)
			return nil, nil, err
		}
		p.Wipe()
		return material, p.Public(), nil
	case f.size > 0:
		material = make([]byte, f.size)
		if _, err := io.ReadFull(rand, material); err != nil {
			return nil, nil, fmt.Errorf("generating key material: %w", err)
		}
		return material, nil, nil
	}
	return nil, nil, ErrUnsupported
}

// Parse makes the material of an asymmetric spec ready for use; the result shares no memory with it. Errors:
// ErrMaterial if it is not a key of that spec, ErrUnsupported if the spec has nothing to parse.
func Parse(spec Spec, material []byte) (Private, error) {
	f := familyOf(spec)
	if f.parse == nil {
		return nil, ErrUnsupported
	}
	return f.parse(spec, material)
}

// parsePKCS8 is the standard library's parser; nil for what it refuses, since its text could quote the key.
func parsePKCS8(material []byte) any {
	key, err := x509.ParsePKCS8PrivateKey(material)
	if err != nil {
		return nil
	}
	return key
}
