package algorithm

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// keyType is how keys of a kind are named in SubjectPublicKeyInfo (RFC 5280 §4.1) and PKCS #8 (RFC 5958). Public keys
// are encoded by it where crypto/x509 does not; private ones always, since crypto/x509 leaves copies of them behind.
type keyType struct {
	algorithm asn1.ObjectIdentifier
	curve     asn1.ObjectIdentifier // the parameters of an elliptic curve key (RFC 5480 §2.1.1); nil: none
	null      bool                  // the parameters are NULL, as RSA's (RFC 8017, appendix A.1)
}

var (
	oidECPublicKey  = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	tagECParameters = der.Tag(0).ContextSpecific().Constructed()
	tagECPublic     = der.Tag(1).ContextSpecific().Constructed()
	// tagSeed is [0] IMPLICIT OCTET STRING, the seed form of RFC 9881 §6 (ML-DSA) and RFC 9935 §6 (ML-KEM).
	tagSeed = der.Tag(0).ContextSpecific()
)

func (k *keyType) addIdentifier(b *cryptobyte.Builder) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(k.algorithm)
		if k.curve != nil {
			b.AddASN1ObjectIdentifier(k.curve)
		}
		if k.null {
			b.AddASN1NULL()
		}
	})
}

// readIdentifier reads an AlgorithmIdentifier and compares it with k, parameters included.
func (k *keyType) readIdentifier(s *cryptobyte.String) bool {
	var id cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&id, der.SEQUENCE) || !id.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(k.algorithm) {
		return false
	}
	if k.curve != nil && (!id.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(k.curve)) {
		return false
	}
	if k.null && !id.SkipASN1(der.NULL) {
		return false
	}
	return id.Empty()
}

// spki encodes a public key.
func (k *keyType) spki(key []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		k.addIdentifier(b)
		b.AddASN1BitString(key)
	})
	return b.BytesOrPanic()
}

// parseSPKI is the reverse of spki; false: anything is wrong. The result is a view.
func (k *keyType) parseSPKI(spki []byte) ([]byte, bool) {
	s := cryptobyte.String(spki)
	var info cryptobyte.String
	var key []byte
	if !s.ReadASN1(&info, der.SEQUENCE) || !s.Empty() || !k.readIdentifier(&info) || !info.ReadASN1BitStringAsBytes(&key) || !info.Empty() {
		return nil, false
	}
	return key, true
}

// pkcs8 encodes a private key, version 0. It is written in one buffer, so that no copy stays behind: the caller
// wipes the result.
func (k *keyType) pkcs8(private func(b *cryptobyte.Builder)) []byte { return k.pkcs8Of(256, private) }

// pkcs8Of is pkcs8 for results of up to size bytes; 256 is enough for all but RSA.
func (k *keyType) pkcs8Of(size int, private func(b *cryptobyte.Builder)) []byte {
	b := cryptobyte.NewFixedBuilder(make([]byte, 0, size))
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		k.addIdentifier(b)
		b.AddASN1(der.OCTET_STRING, private)
	})
	return b.BytesOrPanic()
}

// parsePKCS8 returns what the OCTET STRING of a PKCS #8 private key holds, as a view. Attributes and the public key
// of version 1 may follow and are not looked at (RFC 5958 §2).
func (k *keyType) parsePKCS8(material []byte) (cryptobyte.String, bool) {
	s := cryptobyte.String(material)
	var info, private cryptobyte.String
	var version int
	if !s.ReadASN1(&info, der.SEQUENCE) || !s.Empty() || !info.ReadASN1Integer(&version) || version < 0 || version > 1 ||
		!k.readIdentifier(&info) || !info.ReadASN1(&private, der.OCTET_STRING) {
		return nil, false
	}
	return private, true
}

// pkcs8EC encodes a scalar and its point, uncompressed, as ECPrivateKey (RFC 5915 §3) in PKCS #8.
func (k *keyType) pkcs8EC(scalar, point []byte) []byte {
	return k.pkcs8(func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddASN1OctetString(scalar)
			b.AddASN1(tagECPublic, func(b *cryptobyte.Builder) { b.AddASN1BitString(point) })
		})
	})
}

// parsePKCS8EC is the reverse of pkcs8EC: scalar and, where it is given, the point, as views. The scalar has the
// length of the curve's order, size; curve parameters may be repeated but not differ.
func (k *keyType) parsePKCS8EC(material []byte, size int) (scalar, point []byte, ok bool) {
	s, ok := k.parsePKCS8(material)
	if !ok {
		return nil, nil, false
	}
	var key, parameters, public cryptobyte.String
	var version int
	var hasParameters, hasPublic bool
	if !s.ReadASN1(&key, der.SEQUENCE) || !s.Empty() || !key.ReadASN1Integer(&version) || version != 1 ||
		!key.ReadASN1Bytes(&scalar, der.OCTET_STRING) || len(scalar) != size ||
		!key.ReadOptionalASN1(&parameters, &hasParameters, tagECParameters) ||
		!key.ReadOptionalASN1(&public, &hasPublic, tagECPublic) || !key.Empty() {
		return nil, nil, false
	}
	var oid asn1.ObjectIdentifier
	if hasParameters && (!parameters.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(k.curve) || !parameters.Empty()) {
		return nil, nil, false
	}
	if hasPublic && (!public.ReadASN1BitStringAsBytes(&point) || !public.Empty()) {
		return nil, nil, false
	}
	return scalar, point, true
}

// pkcs8Seed encodes a seed.
func (k *keyType) pkcs8Seed(seed []byte) []byte {
	return k.pkcs8(func(b *cryptobyte.Builder) {
		b.AddASN1(tagSeed, func(b *cryptobyte.Builder) { b.AddBytes(seed) })
	})
}

// parsePKCS8Seed is the reverse of pkcs8Seed, as a view. Keys without their seed are not taken.
func (k *keyType) parsePKCS8Seed(material []byte, size int) ([]byte, bool) {
	s, ok := k.parsePKCS8(material)
	if !ok {
		return nil, false
	}
	var seed cryptobyte.String
	if !s.ReadASN1(&seed, tagSeed) || !s.Empty() || len(seed) != size {
		return nil, false
	}
	return seed, true
}
