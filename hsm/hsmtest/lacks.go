package hsmtest

import (
	"slices"
	"testing"

	"trent/hsm"
)

// Lacks is what a module on a device does not have. Run names each in a skipped test; what is lacking must be refused.
type Lacks struct {
	Specs      []hsm.KeySpec   // refused by ErrUnsupported
	Algorithms []hsm.Algorithm // of specs that it has; refused likewise
	Wrappings  []hsm.Wrapping  // of material to import; refused likewise
	Imports    []hsm.KeySpec   // specs that it has, but whose material it cannot import
	Pairs      bool            // keys made ahead cannot leave it as data key pairs: their tokens are refused by ErrToken
	Strictness bool            // of the private keys it imports, it may take some that are not in their one encoding
	Speed      bool            // what is done very often is done less often
}

// names says in words what is lacking.
func (l *Lacks) names() []string {
	var all []string
	for _, s := range l.Specs {
		all = append(all, "keys of "+specNames[s])
	}
	for _, a := range l.Algorithms {
		all = append(all, "algorithm "+algorithmNames[a])
	}
	for _, w := range l.Wrappings {
		all = append(all, "import by "+wrappingNames[w])
	}
	for _, s := range l.Imports {
		all = append(all, "import of "+specNames[s])
	}
	for what, lacking := range map[string]bool{
		"data key pairs of keys made ahead": l.Pairs, "strict reading of private keys": l.Strictness, "many rounds": l.Speed,
	} {
		if lacking {
			all = append(all, what)
		}
	}
	return all
}

// nameLacking shows in the test's output what is not tested.
func nameLacking(t *testing.T, l *Lacks) {
	for _, name := range l.names() {
		t.Run("Lacks "+name, func(t *testing.T) { t.Skip("this module does not have it") })
	}
}

// use is a key spec with a usage.
type use struct {
	spec  hsm.KeySpec
	usage hsm.Usage
}

// existing leaves out the specs that the module does not have.
func (s *suite) existing(all ...use) []use {
	return slices.DeleteFunc(all, func(u use) bool { return !s.has(u.spec) })
}

// wraps tells whether material can be imported by a wrapping.
func (s *suite) wraps(w hsm.Wrapping) bool { return !slices.Contains(s.lacks.Wrappings, w) }

// wrappingOr is the wrapping with SHA-256, or where the module does not have it the one with SHA-1.
func (s *suite) wrappingOr(t *testing.T, first, second hsm.Wrapping) hsm.Wrapping {
	t.Helper()
	switch {
	case s.wraps(first):
		return first
	case s.wraps(second):
		return second
	}
	t.Skip("this module does not have such a wrapping")
	return hsm.WrappingNone
}

func (s *suite) hybrid(t *testing.T) hsm.Wrapping {
	return s.wrappingOr(t, hsm.WrapRSAAESKeyWrapSHA256, hsm.WrapRSAAESKeyWrapSHA1)
}

func (s *suite) plain(t *testing.T) hsm.Wrapping {
	return s.wrappingOr(t, hsm.WrapOAEPSHA256, hsm.WrapOAEPSHA1)
}

// The API's names.
var (
	specNames = [...]string{
		hsm.SymmetricDefault: "SYMMETRIC_DEFAULT", hsm.RSA2048: "RSA_2048", hsm.RSA3072: "RSA_3072", hsm.RSA4096: "RSA_4096",
		hsm.P256: "ECC_NIST_P256", hsm.P384: "ECC_NIST_P384", hsm.P521: "ECC_NIST_P521", hsm.HMAC224: "HMAC_224", hsm.HMAC256: "HMAC_256",
		hsm.HMAC384: "HMAC_384", hsm.HMAC512: "HMAC_512", hsm.SM4: "SYMMETRIC_DEFAULT in China", hsm.Secp256k1: "ECC_SECG_P256K1",
		hsm.Ed25519: "ECC_NIST_EDWARDS25519", hsm.MLDSA44: "ML_DSA_44", hsm.MLDSA65: "ML_DSA_65", hsm.MLDSA87: "ML_DSA_87",
		hsm.MLKEM512: "ML_KEM_512", hsm.MLKEM768: "ML_KEM_768", hsm.MLKEM1024: "ML_KEM_1024", hsm.SM2: "SM2",
	}
	algorithmNames = map[hsm.Algorithm]string{
		hsm.OAEPSHA1: "RSAES_OAEP_SHA_1", hsm.OAEPSHA256: "RSAES_OAEP_SHA_256", hsm.ED25519SHA512: "ED25519_SHA_512", hsm.ED25519PHSHA512: "ED25519_PH_SHA_512",
		hsm.PSSSHA256: "RSASSA_PSS_SHA_256", hsm.PSSSHA384: "RSASSA_PSS_SHA_384", hsm.PSSSHA512: "RSASSA_PSS_SHA_512",
	}
	wrappingNames = [...]string{
		hsm.WrapOAEPSHA1: "RSAES_OAEP_SHA_1", hsm.WrapOAEPSHA256: "RSAES_OAEP_SHA_256", hsm.WrapRSAAESKeyWrapSHA1: "RSA_AES_KEY_WRAP_SHA_1",
		hsm.WrapRSAAESKeyWrapSHA256: "RSA_AES_KEY_WRAP_SHA_256", hsm.WrapSM2PKE: "SM2PKE",
	}
)
