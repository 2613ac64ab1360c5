//go:build pkcs11

package pkcs11

import "trent/hsm"

// Lacking names, as the API does, what other modules have and this device has not: key specs, then signing and encryption
// algorithms of the specs that it has, then what cannot be imported and how not.
func (m *Module) Lacking() []string {
	var all []string
	for _, s := range specNames {
		has := false
		for usage := hsm.EncryptDecrypt; usage <= hsm.EncapsulateDecapsulate; usage++ {
			has = has || m.Supports(s.spec, usage)
		}
		switch {
		case !has:
			all = append(all, s.name)
		case hsm.Importable(s.spec) && !m.Imports(s.spec):
			all = append(all, "import of "+s.name)
		}
	}
	for _, a := range algorithmNames {
		if !m.Runs(a.algorithm) {
			all = append(all, a.name)
		}
	}
	for _, w := range wrappingNames {
		if !m.Wraps(w.wrapping) {
			all = append(all, "import by "+w.name)
		}
	}
	return all
}

// The API's names, but for what is of China Regions alone.
var (
	specNames = []struct {
		spec hsm.KeySpec
		name string
	}{
		{hsm.SymmetricDefault, "SYMMETRIC_DEFAULT"}, {hsm.RSA2048, "RSA_2048"}, {hsm.RSA3072, "RSA_3072"}, {hsm.RSA4096, "RSA_4096"},
		{hsm.P256, "ECC_NIST_P256"}, {hsm.P384, "ECC_NIST_P384"}, {hsm.P521, "ECC_NIST_P521"}, {hsm.Secp256k1, "ECC_SECG_P256K1"},
		{hsm.Ed25519, "ECC_NIST_EDWARDS25519"}, {hsm.HMAC224, "HMAC_224"}, {hsm.HMAC256, "HMAC_256"}, {hsm.HMAC384, "HMAC_384"},
		{hsm.HMAC512, "HMAC_512"}, {hsm.MLDSA44, "ML_DSA_44"}, {hsm.MLDSA65, "ML_DSA_65"}, {hsm.MLDSA87, "ML_DSA_87"},
		{hsm.MLKEM512, "ML_KEM_512"}, {hsm.MLKEM768, "ML_KEM_768"}, {hsm.MLKEM1024, "ML_KEM_1024"},
	}
	algorithmNames = []struct {
		algorithm hsm.Algorithm
		name      string
	}{
		{hsm.OAEPSHA1, "RSAES_OAEP_SHA_1"}, {hsm.OAEPSHA256, "RSAES_OAEP_SHA_256"}, {hsm.PKCS1SHA256, "RSASSA_PKCS1_V1_5"}, {hsm.PSSSHA256, "RSASSA_PSS"},
		{hsm.ECDSASHA256, "ECDSA"}, {hsm.ED25519PHSHA512, "ED25519_PH_SHA_512"}, {hsm.ECDH, "ECDH"},
	}
	wrappingNames = []struct {
		wrapping hsm.Wrapping
		name     string
	}{
		{hsm.WrapOAEPSHA1, "RSAES_OAEP_SHA_1"}, {hsm.WrapOAEPSHA256, "RSAES_OAEP_SHA_256"},
		{hsm.WrapRSAAESKeyWrapSHA1, "RSA_AES_KEY_WRAP_SHA_1"}, {hsm.WrapRSAAESKeyWrapSHA256, "RSA_AES_KEY_WRAP_SHA_256"},
	}
)
