package operation

import (
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// specInfo is what the API says of a key spec.
type specInfo struct {
	spec   wire.KeySpec
	legacy wire.CustomerMasterKeySpec // the deprecated twin, of the same text
	kind   kind
	// algorithms, each list in the order in which the service shows it; an empty one is a usage that the spec has not.
	encryption    []encryptionInfo
	signing       []signingInfo
	mac           []macInfo
	agreement     []wire.KeyAgreementAlgorithmSpec
	encapsulation []wire.EncapsulationAlgorithmSpec
}

// kind is what UpdateAlias may not change.
type kind uint8

const (
	symmetric kind = iota
	asymmetric
	mac
)

// encryptionInfo is one encryption algorithm of a spec.
type encryptionInfo struct {
	api    wire.EncryptionAlgorithmSpec
	module hsm.Algorithm
	limit  int // of the plaintext in bytes; 0: the model's, 4,096
}

// signingInfo is one signing algorithm of a spec, with the message types that it takes.
type signingInfo struct {
	api    wire.SigningAlgorithmSpec
	module hsm.Algorithm
	digest int  // length of a DIGEST in bytes; 0: none is taken
	raw    bool // RAW is taken
	mu     bool // EXTERNAL_MU is taken, of muBytes
}

// muBytes is the length of an ML-DSA message representative (FIPS 204, 6.2).
const muBytes = 64

// macInfo is the MAC algorithm of a spec.
type macInfo struct {
	api    wire.MacAlgorithmSpec
	module hsm.Algorithm
}

// Algorithms that several specs share.
var (
	rsaSigning = []signingInfo{
		{wire.SigningAlgorithmSpecRsassaPkcs1V15Sha256, hsm.PKCS1SHA256, 32, true, false},
		{wire.SigningAlgorithmSpecRsassaPkcs1V15Sha384, hsm.PKCS1SHA384, 48, true, false},
		{wire.SigningAlgorithmSpecRsassaPkcs1V15Sha512, hsm.PKCS1SHA512, 64, true, false},
		{wire.SigningAlgorithmSpecRsassaPssSha256, hsm.PSSSHA256, 32, true, false},
		{wire.SigningAlgorithmSpecRsassaPssSha384, hsm.PSSSHA384, 48, true, false},
		{wire.SigningAlgorithmSpecRsassaPssSha512, hsm.PSSSHA512, 64, true, false},
	}
	ecdsa256     = []signingInfo{{wire.SigningAlgorithmSpecEcdsaSha256, hsm.ECDSASHA256, 32, true, false}}
	ecdsa384     = []signingInfo{{wire.SigningAlgorithmSpecEcdsaSha384, hsm.ECDSASHA384, 48, true, false}}
	ecdsa512     = []signingInfo{{wire.SigningAlgorithmSpecEcdsaSha512, hsm.ECDSASHA512, 64, true, false}}
	mldsaSigning = []signingInfo{{wire.SigningAlgorithmSpecMlDsaShake256, hsm.MLDSASHAKE256, 0, true, true}}
	ecdh         = []wire.KeyAgreementAlgorithmSpec{wire.KeyAgreementAlgorithmSpecEcdh}
	mlkem        = []wire.EncapsulationAlgorithmSpec{wire.EncapsulationAlgorithmSpecMlKem}
)

// oaep is RSA's encryption with its largest plaintexts (RFC 8017, 7.1.1).
func oaep(sha1, sha256 int) []encryptionInfo {
	return []encryptionInfo{
		{wire.EncryptionAlgorithmSpecRsaesOaepSha1, hsm.OAEPSHA1, sha1},
		{wire.EncryptionAlgorithmSpecRsaesOaepSha256, hsm.OAEPSHA256, sha256},
	}
}

// symmetricDefault is the encryption of symmetric keys, by a cipher that the partition decides.
func symmetricDefault(a hsm.Algorithm) []encryptionInfo {
	return []encryptionInfo{{wire.EncryptionAlgorithmSpecSymmetricDefault, a, 0}}
}

// specs is indexed by the module's key spec. SM4 comes after SYMMETRIC_DEFAULT, so that moduleSpec finds that.
var specs = [...]specInfo{
	hsm.SymmetricDefault: {spec: wire.KeySpecSymmetricDefault, legacy: wire.CustomerMasterKeySpecSymmetricDefault, encryption: symmetricDefault(hsm.AESGCM)},
	hsm.SM4:              {spec: wire.KeySpecSymmetricDefault, legacy: wire.CustomerMasterKeySpecSymmetricDefault, encryption: symmetricDefault(hsm.SM4GCM)},
	hsm.RSA2048:          {spec: wire.KeySpecRsa2048, legacy: wire.CustomerMasterKeySpecRsa2048, kind: asymmetric, encryption: oaep(214, 190), signing: rsaSigning},
	hsm.RSA3072:          {spec: wire.KeySpecRsa3072, legacy: wire.CustomerMasterKeySpecRsa3072, kind: asymmetric, encryption: oaep(342, 318), signing: rsaSigning},
	hsm.RSA4096:          {spec: wire.KeySpecRsa4096, legacy: wire.CustomerMasterKeySpecRsa4096, kind: asymmetric, encryption: oaep(470, 446), signing: rsaSigning},
	hsm.P256:             {spec: wire.KeySpecEccNistP256, legacy: wire.CustomerMasterKeySpecEccNistP256, kind: asymmetric, signing: ecdsa256, agreement: ecdh},
	hsm.P384:             {spec: wire.KeySpecEccNistP384, legacy: wire.CustomerMasterKeySpecEccNistP384, kind: asymmetric, signing: ecdsa384, agreement: ecdh},
	hsm.P521:             {spec: wire.KeySpecEccNistP521, legacy: wire.CustomerMasterKeySpecEccNistP521, kind: asymmetric, signing: ecdsa512, agreement: ecdh},
	hsm.Secp256k1:        {spec: wire.KeySpecEccSecgP256k1, legacy: wire.CustomerMasterKeySpecEccSecgP256k1, kind: asymmetric, signing: ecdsa256},
	hsm.Ed25519: {spec: wire.KeySpecEccNistEdwards25519, legacy: wire.CustomerMasterKeySpecEccNistEdwards25519, kind: asymmetric, signing: []signingInfo{
		{wire.SigningAlgorithmSpecEd25519Sha512, hsm.ED25519SHA512, 0, true, false},
		{wire.SigningAlgorithmSpecEd25519PhSha512, hsm.ED25519PHSHA512, 64, false, false},
	}},
	hsm.HMAC224:   {spec: wire.KeySpecHmac224, legacy: wire.CustomerMasterKeySpecHmac224, kind: mac, mac: []macInfo{{wire.MacAlgorithmSpecHmacSha224, hsm.HMACSHA224}}},
	hsm.HMAC256:   {spec: wire.KeySpecHmac256, legacy: wire.CustomerMasterKeySpecHmac256, kind: mac, mac: []macInfo{{wire.MacAlgorithmSpecHmacSha256, hsm.HMACSHA256}}},
	hsm.HMAC384:   {spec: wire.KeySpecHmac384, legacy: wire.CustomerMasterKeySpecHmac384, kind: mac, mac: []macInfo{{wire.MacAlgorithmSpecHmacSha384, hsm.HMACSHA384}}},
	hsm.HMAC512:   {spec: wire.KeySpecHmac512, legacy: wire.CustomerMasterKeySpecHmac512, kind: mac, mac: []macInfo{{wire.MacAlgorithmSpecHmacSha512, hsm.HMACSHA512}}},
	hsm.MLDSA44:   {spec: wire.KeySpecMlDsa44, legacy: wire.CustomerMasterKeySpecMlDsa44, kind: asymmetric, signing: mldsaSigning},
	hsm.MLDSA65:   {spec: wire.KeySpecMlDsa65, legacy: wire.CustomerMasterKeySpecMlDsa65, kind: asymmetric, signing: mldsaSigning},
	hsm.MLDSA87:   {spec: wire.KeySpecMlDsa87, legacy: wire.CustomerMasterKeySpecMlDsa87, kind: asymmetric, signing: mldsaSigning},
	hsm.MLKEM512:  {spec: wire.KeySpecMlKem512, legacy: wire.CustomerMasterKeySpecMlKem512, kind: asymmetric, encapsulation: mlkem},
	hsm.MLKEM768:  {spec: wire.KeySpecMlKem768, legacy: wire.CustomerMasterKeySpecMlKem768, kind: asymmetric, encapsulation: mlkem},
	hsm.MLKEM1024: {spec: wire.KeySpecMlKem1024, legacy: wire.CustomerMasterKeySpecMlKem1024, kind: asymmetric, encapsulation: mlkem},
	hsm.SM2: {spec: wire.KeySpecSm2, legacy: wire.CustomerMasterKeySpecSm2, kind: asymmetric, agreement: ecdh,
		encryption: []encryptionInfo{{wire.EncryptionAlgorithmSpecSm2pke, hsm.SM2PKE, 1024}},
		signing:    []signingInfo{{wire.SigningAlgorithmSpecSm2dsa, hsm.SM2DSA, 32, true, false}}},
}

// partitionSpec is the module's key spec of an API's spec in a partition: SYMMETRIC_DEFAULT is SM4 in China Regions.
// False: the Regions of the partition do not have it.
func partitionSpec(spec wire.KeySpec, partition string) (hsm.KeySpec, bool) {
	module := moduleSpec(spec)
	china := partition == chinaPartition
	switch {
	case module == hsm.SymmetricDefault && china:
		return hsm.SM4, true
	case module == hsm.SM2:
		return module, china
	case len(specs[module].encapsulation) > 0:
		return module, !china
	}
	return module, true
}

const chinaPartition = "aws-cn"

// isSymmetric tells whether keys of a spec are symmetric encryption keys.
func isSymmetric(s hsm.KeySpec) bool { return s == hsm.SymmetricDefault || s == hsm.SM4 }

// moduleSpec finds the module's key spec, SpecNone if the module cannot make such keys.
func moduleSpec(spec wire.KeySpec) hsm.KeySpec {
	for i := range specs {
		if specs[i].spec == spec && spec != 0 {
			return hsm.KeySpec(i)
		}
	}
	return hsm.SpecNone
}

// usages is indexed by the module's key usage.
var usages = [...]wire.KeyUsageType{
	hsm.EncryptDecrypt:    wire.KeyUsageTypeEncryptDecrypt,
	hsm.SignVerify:        wire.KeyUsageTypeSignVerify,
	hsm.GenerateVerifyMAC: wire.KeyUsageTypeGenerateVerifyMac,
	hsm.KeyAgreement:      wire.KeyUsageTypeKeyAgreement,

	hsm.EncapsulateDecapsulate: wire.KeyUsageTypeEncapsulateDecapsulate,
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
