package operation

import (
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// specInfo is what the API says of a key spec.
type specInfo struct {
	spec   wire.KeySpec
	legacy wire.CustomerMasterKeySpec // the deprecated twin; 0: none
	// oaep are the largest plaintexts in bytes under RSAES_OAEP_SHA_1 and _SHA_256 (RFC 8017, 7.1.1).
	oaepSHA1, oaepSHA256 int
}

// specs is indexed by the module's key spec.
var specs = [...]specInfo{
	hsm.SymmetricDefault: {spec: wire.KeySpecSymmetricDefault, legacy: wire.CustomerMasterKeySpecSymmetricDefault},
	hsm.RSA2048:          {wire.KeySpecRsa2048, wire.CustomerMasterKeySpecRsa2048, 214, 190},
	hsm.RSA3072:          {wire.KeySpecRsa3072, wire.CustomerMasterKeySpecRsa3072, 342, 318},
	hsm.RSA4096:          {wire.KeySpecRsa4096, wire.CustomerMasterKeySpecRsa4096, 470, 446},
	hsm.P256:             {spec: wire.KeySpecEccNistP256, legacy: wire.CustomerMasterKeySpecEccNistP256},
	hsm.P384:             {spec: wire.KeySpecEccNistP384, legacy: wire.CustomerMasterKeySpecEccNistP384},
	hsm.P521:             {spec: wire.KeySpecEccNistP521, legacy: wire.CustomerMasterKeySpecEccNistP521},
	hsm.HMAC224:          {spec: wire.KeySpecHmac224, legacy: wire.CustomerMasterKeySpecHmac224},
	hsm.HMAC256:          {spec: wire.KeySpecHmac256, legacy: wire.CustomerMasterKeySpecHmac256},
	hsm.HMAC384:          {spec: wire.KeySpecHmac384, legacy: wire.CustomerMasterKeySpecHmac384},
	hsm.HMAC512:          {spec: wire.KeySpecHmac512, legacy: wire.CustomerMasterKeySpecHmac512},
}

// moduleSpec finds the module's key spec, SpecNone if the module cannot make such keys.
func moduleSpec(spec wire.KeySpec) hsm.KeySpec {
	for i := range specs {
		if specs[i].spec == spec && spec != 0 {
			return hsm.KeySpec(i)
		}
	}
	return hsm.SpecNone
}

func isRSA(s hsm.KeySpec) bool  { return s >= hsm.RSA2048 && s <= hsm.RSA4096 }
func isECC(s hsm.KeySpec) bool  { return s >= hsm.P256 && s <= hsm.P521 }
func isHMAC(s hsm.KeySpec) bool { return s >= hsm.HMAC224 && s <= hsm.HMAC512 }

// usages is indexed by the module's key usage.
var usages = [...]wire.KeyUsageType{
	hsm.EncryptDecrypt:    wire.KeyUsageTypeEncryptDecrypt,
	hsm.SignVerify:        wire.KeyUsageTypeSignVerify,
	hsm.GenerateVerifyMAC: wire.KeyUsageTypeGenerateVerifyMac,
	hsm.KeyAgreement:      wire.KeyUsageTypeKeyAgreement,
}

// The keyring's enumerations in the API's terms.
var (
	keyStates = [...]wire.KeyState{
		keyring.Creating: wire.KeyStateCreating, keyring.Enabled: wire.KeyStateEnabled, keyring.Disabled: wire.KeyStateDisabled,
		keyring.PendingDeletion: wire.KeyStatePendingDeletion, keyring.PendingImport: wire.KeyStatePendingImport,
		keyring.PendingReplicaDeletion: wire.KeyStatePendingReplicaDeletion, keyring.Unavailable: wire.KeyStateUnavailable,
		keyring.Updating: wire.KeyStateUpdating,
	}
	origins = [...]wire.OriginType{
		keyring.AWSKMS: wire.OriginTypeAwsKms, keyring.External: wire.OriginTypeExternal,
		keyring.AWSCloudHSM: wire.OriginTypeAwsCloudhsm, keyring.ExternalKeyStore: wire.OriginTypeExternalKeyStore,
	}
	managers = [...]wire.KeyManagerType{keyring.Customer: wire.KeyManagerTypeCustomer, keyring.AWS: wire.KeyManagerTypeAws}
)

// currentSpec is the KeySpec of a value of its deprecated twin, whose texts are the same.
func currentSpec(legacy wire.CustomerMasterKeySpec) wire.KeySpec {
	for spec := wire.KeySpec(1); spec.String() != ""; spec++ {
		if spec.String() == legacy.String() {
			return spec
		}
	}
	return 0
}

// moduleUsage finds the module's key usage, UsageNone if it has none of that name.
func moduleUsage(u wire.KeyUsageType) hsm.Usage {
	for i := range usages {
		if usages[i] == u && u != 0 {
			return hsm.Usage(i)
		}
	}
	return hsm.UsageNone
}

// compatibleUsage tells whether a key of this spec may be made for this usage.
func compatibleUsage(s hsm.KeySpec, u hsm.Usage) bool {
	switch u {
	case hsm.EncryptDecrypt:
		return s == hsm.SymmetricDefault || isRSA(s)
	case hsm.SignVerify:
		return isRSA(s) || isECC(s)
	case hsm.GenerateVerifyMAC:
		return isHMAC(s)
	case hsm.KeyAgreement:
		return isECC(s)
	}
	return false
}

// encryptionAlgorithm finds the module's algorithm for a key spec, AlgorithmNone where they do not go together.
func encryptionAlgorithm(s hsm.KeySpec, a wire.EncryptionAlgorithmSpec) hsm.Algorithm {
	switch {
	case a == wire.EncryptionAlgorithmSpecSymmetricDefault && s == hsm.SymmetricDefault:
		return hsm.AESGCM
	case a == wire.EncryptionAlgorithmSpecRsaesOaepSha1 && isRSA(s):
		return hsm.OAEPSHA1
	case a == wire.EncryptionAlgorithmSpecRsaesOaepSha256 && isRSA(s):
		return hsm.OAEPSHA256
	}
	return hsm.AlgorithmNone
}

// signing lists the signing algorithms in the order in which the service shows them.
var signing = [...]struct {
	api    wire.SigningAlgorithmSpec
	module hsm.Algorithm
	curve  hsm.KeySpec // the only spec that has it; SpecNone: all RSA specs
	digest int         // bytes
}{
	{wire.SigningAlgorithmSpecRsassaPkcs1V15Sha256, hsm.PKCS1SHA256, hsm.SpecNone, 32},
	{wire.SigningAlgorithmSpecRsassaPkcs1V15Sha384, hsm.PKCS1SHA384, hsm.SpecNone, 48},
	{wire.SigningAlgorithmSpecRsassaPkcs1V15Sha512, hsm.PKCS1SHA512, hsm.SpecNone, 64},
	{wire.SigningAlgorithmSpecRsassaPssSha256, hsm.PSSSHA256, hsm.SpecNone, 32},
	{wire.SigningAlgorithmSpecRsassaPssSha384, hsm.PSSSHA384, hsm.SpecNone, 48},
	{wire.SigningAlgorithmSpecRsassaPssSha512, hsm.PSSSHA512, hsm.SpecNone, 64},
	{wire.SigningAlgorithmSpecEcdsaSha256, hsm.ECDSASHA256, hsm.P256, 32},
	{wire.SigningAlgorithmSpecEcdsaSha384, hsm.ECDSASHA384, hsm.P384, 48},
	{wire.SigningAlgorithmSpecEcdsaSha512, hsm.ECDSASHA512, hsm.P521, 64},
}

// signingAlgorithm finds the module's algorithm and its digest's length in bytes for a key spec,
// AlgorithmNone where they do not go together.
func signingAlgorithm(s hsm.KeySpec, a wire.SigningAlgorithmSpec) (hsm.Algorithm, int) {
	for i := range signing {
		if r := &signing[i]; r.api == a && (r.curve == s || r.curve == hsm.SpecNone && isRSA(s)) {
			return r.module, r.digest
		}
	}
	return hsm.AlgorithmNone, 0
}

// macs is indexed by key spec, from HMAC224: each has one algorithm.
var macs = [...]struct {
	api    wire.MacAlgorithmSpec
	module hsm.Algorithm
}{
	{wire.MacAlgorithmSpecHmacSha224, hsm.HMACSHA224},
	{wire.MacAlgorithmSpecHmacSha256, hsm.HMACSHA256},
	{wire.MacAlgorithmSpecHmacSha384, hsm.HMACSHA384},
	{wire.MacAlgorithmSpecHmacSha512, hsm.HMACSHA512},
}

// macAlgorithm finds the module's algorithm for a key spec, AlgorithmNone where they do not go together.
func macAlgorithm(s hsm.KeySpec, a wire.MacAlgorithmSpec) hsm.Algorithm {
	if isHMAC(s) && macs[s-hsm.HMAC224].api == a {
		return macs[s-hsm.HMAC224].module
	}
	return hsm.AlgorithmNone
}

// algorithmLists are the algorithm members of KeyMetadata and GetPublicKey; the usage decides which is set.
type algorithmLists struct {
	encryption []wire.EncryptionAlgorithmSpec
	signing    []wire.SigningAlgorithmSpec
	mac        []wire.MacAlgorithmSpec
	agreement  []wire.KeyAgreementAlgorithmSpec
}

func algorithmsOf(s hsm.KeySpec, u hsm.Usage) (l algorithmLists) {
	switch u {
	case hsm.EncryptDecrypt:
		if isRSA(s) {
			l.encryption = []wire.EncryptionAlgorithmSpec{wire.EncryptionAlgorithmSpecRsaesOaepSha1, wire.EncryptionAlgorithmSpecRsaesOaepSha256}
		} else {
			l.encryption = []wire.EncryptionAlgorithmSpec{wire.EncryptionAlgorithmSpecSymmetricDefault}
		}
	case hsm.SignVerify:
		for i := range signing {
			if module, _ := signingAlgorithm(s, signing[i].api); module != hsm.AlgorithmNone {
				l.signing = append(l.signing, signing[i].api)
			}
		}
	case hsm.GenerateVerifyMAC:
		if isHMAC(s) {
			l.mac = []wire.MacAlgorithmSpec{macs[s-hsm.HMAC224].api}
		}
	case hsm.KeyAgreement:
		l.agreement = []wire.KeyAgreementAlgorithmSpec{wire.KeyAgreementAlgorithmSpecEcdh}
	}
	return l
}
