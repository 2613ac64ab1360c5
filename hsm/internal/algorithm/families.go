package algorithm

import (
	"crypto/fips140"
	"io"
	"slices"
)

// uses are a spec's algorithms by usage.
type uses [EncapsulateDecapsulate + 1][]Alg

func (u *uses) of(usage Usage) []Alg {
	if int(usage) >= len(u) {
		return nil
	}
	return u[usage]
}

// family is what is known of a spec.
type family struct {
	size     int  // of the material in bytes; 0: it has no fixed length
	uses     uses // algorithms in the order in which the API lists them
	generate func(spec Spec, rand io.Reader) (material []byte, p Private, err error)
	parse    func(spec Spec, material []byte) (Private, error)
	approved bool // Go's FIPS 140-3 module has it
	slow     bool // its private key takes most of a millisecond or more
}

// Algorithms in the API's order (AWS KMS Developer Guide, "Key spec reference").
var (
	rsaUses = uses{
		EncryptDecrypt: {OAEPSHA1, OAEPSHA256},
		SignVerify:     {PKCS1SHA256, PKCS1SHA384, PKCS1SHA512, PSSSHA256, PSSSHA384, PSSSHA512},
	}
	mldsaUses = uses{SignVerify: {MLDSASHAKE256}}
	mlkemUses = uses{EncapsulateDecapsulate: {MLKEM}}
)

// families is the table of specs. SYMMETRIC_DEFAULT is AES-256, in China Regions SM4. ML-DSA's library is a copy of
// the FIPS module's own code, which is in that module only from Go 1.27 on.
var families = [...]family{
	SymmetricDefault: {size: 32, uses: uses{EncryptDecrypt: {AESGCM}}, approved: true},
	RSA2048:          {uses: rsaUses, generate: generateRSA, parse: parseRSA, approved: true, slow: true},
	RSA3072:          {uses: rsaUses, generate: generateRSA, parse: parseRSA, approved: true, slow: true},
	RSA4096:          {uses: rsaUses, generate: generateRSA, parse: parseRSA, approved: true, slow: true},
	P256:             {uses: curveUses(ECDSASHA256), generate: generateECDSA, parse: parseECDSA, approved: true},
	P384:             {uses: curveUses(ECDSASHA384), generate: generateECDSA, parse: parseECDSA, approved: true},
	P521:             {uses: curveUses(ECDSASHA512), generate: generateECDSA, parse: parseECDSA, approved: true},
	HMAC224:          {size: 28, uses: uses{GenerateVerifyMAC: {HMACSHA224}}, approved: true},
	HMAC256:          {size: 32, uses: uses{GenerateVerifyMAC: {HMACSHA256}}, approved: true},
	HMAC384:          {size: 48, uses: uses{GenerateVerifyMAC: {HMACSHA384}}, approved: true},
	HMAC512:          {size: 64, uses: uses{GenerateVerifyMAC: {HMACSHA512}}, approved: true},
	SM4:              {size: 16, uses: uses{EncryptDecrypt: {SM4GCM}}},
	Secp256k1:        {uses: uses{SignVerify: {ECDSASHA256}}, generate: generateSecp256k1, parse: parseSecp256k1},
	Ed25519: {uses: uses{SignVerify: {ED25519SHA512, ED25519PHSHA512}},
		generate: generateEd25519, parse: parseEd25519, approved: true},
	MLDSA44:   {uses: mldsaUses, generate: generateMLDSA, parse: parseMLDSA, slow: true},
	MLDSA65:   {uses: mldsaUses, generate: generateMLDSA, parse: parseMLDSA, slow: true},
	MLDSA87:   {uses: mldsaUses, generate: generateMLDSA, parse: parseMLDSA, slow: true},
	MLKEM512:  {uses: mlkemUses, generate: generateMLKEM, parse: parseMLKEM},
	MLKEM768:  {uses: mlkemUses, generate: generateMLKEM, parse: parseMLKEM, approved: true},
	MLKEM1024: {uses: mlkemUses, generate: generateMLKEM, parse: parseMLKEM, approved: true},
	SM2: {uses: uses{EncryptDecrypt: {SM2PKE}, SignVerify: {SM2DSA}, KeyAgreement: {ECDH}},
		generate: generateSM2, parse: parseSM2},
}

// curveUses: a NIST curve has the one signing algorithm whose hash is as strong as it.
func curveUses(signing Alg) uses {
	return uses{SignVerify: {signing}, KeyAgreement: {ECDH}}
}

var noFamily family

func familyOf(spec Spec) *family {
	if int(spec) >= len(families) {
		return &noFamily
	}
	return &families[spec]
}

// Algorithms lists what a key of spec and usage can run, in the API's order; none if the two do not go together
// or the usage has no algorithm in this package. The list is the caller's own.
func Algorithms(spec Spec, usage Usage) []Alg {
	return slices.DeleteFunc(slices.Clone(familyOf(spec).uses.of(usage)), func(a Alg) bool { return !Permitted(a) })
}

// Only is the one algorithm of a key of spec and usage; AlgNone if it has none or several.
func Only(spec Spec, usage Usage) Alg {
	if all := familyOf(spec).uses.of(usage); len(all) == 1 {
		return all[0]
	}
	return AlgNone
}

// Compatible says whether a key of spec and usage can run alg.
func Compatible(spec Spec, usage Usage, alg Alg) bool {
	return slices.Contains(familyOf(spec).uses.of(usage), alg) && Permitted(alg)
}

// Permitted says whether the process may run alg: where FIPS 140-3 is enforced (GODEBUG=fips140=only), the standard
// library refuses OAEP by SHA-1.
func Permitted(alg Alg) bool { return alg != OAEPSHA1 || !fips140.Enforced() }

// MaterialSize is the length in bytes of the material of a symmetric or HMAC spec, 0 for others, whose
// material has no fixed length.
func MaterialSize(spec Spec) int { return familyOf(spec).size }

// Asymmetric says whether spec is a kind of key pair.
func Asymmetric(spec Spec) bool { return familyOf(spec).parse != nil }

// Slow says whether using a private key of spec takes so long that the caller should bound how many do it at a time.
func Slow(spec Spec) bool { return familyOf(spec).slow }

// Approved says whether Go's FIPS 140-3 module has the cryptography of spec.
func Approved(spec Spec) bool { return familyOf(spec).approved }
