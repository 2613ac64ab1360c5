//go:build pkcs11

package pkcs11

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
)

var oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112} // RFC 8410 §3

// spkiOf is the SubjectPublicKeyInfo of a public object.
func (m *Module) spkiOf(s p11.SessionHandle, spec hsm.KeySpec, public p11.ObjectHandle) ([]byte, error) {
	switch kindOf(spec) {
	case rsaKey:
		k, err := m.readRSA(s, public)
		if err != nil {
			return nil, err
		}
		if k.N.BitLen() != rsaBits(spec) {
			return nil, fmt.Errorf("%w: a modulus of %d bits", hsm.ErrUnavailable, k.N.BitLen())
		}
		return encodeRSA(k)
	case curveKey:
		c := curveOf(spec)
		point, err := m.pointOf(s, public, 1+2*c.size)
		if err != nil {
			return nil, err
		}
		return c.spki(point)
	}
	point, err := m.pointOf(s, public, 32)
	if err != nil {
		return nil, err
	}
	return encodeSPKI(pkix.AlgorithmIdentifier{Algorithm: oidEd25519}, point)
}

func (m *Module) pointOf(s p11.SessionHandle, public p11.ObjectHandle, size int) ([]byte, error) {
	value, err := m.attribute(s, public, p11.CKA_EC_POINT)
	if err != nil {
		return nil, err
	}
	return unwrapPoint(value, size)
}

// readRSA reads the public numbers of an RSA key of either class.
func (m *Module) readRSA(s p11.SessionHandle, object p11.ObjectHandle) (*rsa.PublicKey, error) {
	n, err := m.attribute(s, object, p11.CKA_MODULUS)
	if err != nil {
		return nil, err
	}
	e, err := m.attribute(s, object, p11.CKA_PUBLIC_EXPONENT)
	if err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.BitLen() > 31 || exponent.Bit(0) == 0 {
		return nil, fmt.Errorf("%w: a public exponent of %d bits", hsm.ErrUnavailable, exponent.BitLen())
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}

// rsaPublic is the public half of a key. Error: ErrToken where it is not in the device.
func (m *Module) rsaPublic(s p11.SessionHandle, k *key) (*rsa.PublicKey, error) {
	object, err := m.private(s, k)
	if err != nil {
		return nil, err
	}
	return m.readRSA(s, object)
}

func encodeRSA(k *rsa.PublicKey) ([]byte, error) { return x509.MarshalPKIXPublicKey(k) }

// exponent is a public exponent as devices take it.
func exponent(e int) []byte { return big.NewInt(int64(e)).Bytes() }

// wrapPoint is CKA_EC_POINT of a point: an OCTET STRING in DER.
func wrapPoint(point []byte) []byte {
	der, err := asn1.Marshal(point)
	if err != nil {
		panic("pkcs11: encoding a point: " + err.Error())
	}
	return der
}
