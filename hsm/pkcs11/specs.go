//go:build pkcs11

package pkcs11

import (
	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
)

// kind is what objects of a spec are in a device.
type kind uint8

const (
	noKey kind = iota
	aesKey
	hmacKey
	rsaKey
	curveKey
	edwardsKey
)

func kindOf(spec hsm.KeySpec) kind {
	switch spec {
	case hsm.SymmetricDefault:
		return aesKey
	case hsm.HMAC224, hsm.HMAC256, hsm.HMAC384, hsm.HMAC512:
		return hmacKey
	case hsm.RSA2048, hsm.RSA3072, hsm.RSA4096:
		return rsaKey
	case hsm.P256, hsm.P384, hsm.P521, hsm.Secp256k1:
		return curveKey
	case hsm.Ed25519:
		return edwardsKey
	}
	return noKey
}

func asymmetric(spec hsm.KeySpec) bool {
	return kindOf(spec) >= rsaKey
}

func rsaBits(spec hsm.KeySpec) int { return 2048 + 1024*int(spec-hsm.RSA2048) }

// hmacs are the mechanisms of the HMAC specs, hmacOf of the algorithms, macSizes the lengths in bytes of key and MAC.
var (
	hmacs = map[hsm.KeySpec]uint{
		hsm.HMAC224: p11.CKM_SHA224_HMAC, hsm.HMAC256: p11.CKM_SHA256_HMAC, hsm.HMAC384: p11.CKM_SHA384_HMAC, hsm.HMAC512: p11.CKM_SHA512_HMAC,
	}
	hmacOf = map[hsm.Algorithm]uint{
		hsm.HMACSHA224: p11.CKM_SHA224_HMAC, hsm.HMACSHA256: p11.CKM_SHA256_HMAC, hsm.HMACSHA384: p11.CKM_SHA384_HMAC, hsm.HMACSHA512: p11.CKM_SHA512_HMAC,
	}
	secretSizes = map[hsm.KeySpec]int{hsm.SymmetricDefault: 32, hsm.HMAC224: 28, hsm.HMAC256: 32, hsm.HMAC384: 48, hsm.HMAC512: 64}
)

// spkiSize is the length in bytes of a spec's SubjectPublicKeyInfo, which is always the same.
var spkiSize = map[hsm.KeySpec]int{
	hsm.RSA2048: 294, hsm.RSA3072: 422, hsm.RSA4096: 550, hsm.P256: 91, hsm.P384: 120, hsm.P521: 158, hsm.Secp256k1: 88, hsm.Ed25519: 44,
}

// fits reports whether n more bytes fit b's capacity.
func fits(b []byte, n int) bool { return cap(b)-len(b) >= n }
