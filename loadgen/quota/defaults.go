package quota

import (
	"slices"
	"strings"
)

// symmetricRate is the default of the symmetric quota, which alone differs by Region outside China.
func symmetricRate(region string) float64 {
	switch {
	case slices.Contains([]string{"us-east-1", "us-west-2", "eu-west-1"}, region):
		return 100_000
	case slices.Contains([]string{"us-east-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "eu-central-1", "eu-west-2"}, region):
		return 20_000
	}
	return 10_000
}

// pairRates are the defaults of GenerateDataKeyPair and its variant without plaintext, by the pair's spec.
func pairRates(region string) map[string]float64 {
	rates := map[string]float64{"ECC_NIST_P256": 100, "ECC_NIST_P384": 100, "ECC_NIST_P521": 100, "ECC_SECG_P256K1": 100, "ECC_NIST_EDWARDS25519": 100,
		"RSA_2048": 20, "RSA_3072": 4, "RSA_4096": 1}
	if strings.HasPrefix(region, "cn-") {
		rates["RSA_2048"], rates["RSA_3072"], rates["RSA_4096"], rates["SM2"] = 1, 0.5, 0.1, 25
	}
	return rates
}

// cryptographic operations share quotas by the spec of their key.
var cryptographic = map[string]bool{"Decrypt": true, "Encrypt": true, "GenerateDataKey": true, "GenerateDataKeyWithoutPlaintext": true, "GenerateMac": true,
	"GenerateRandom": true, "ReEncrypt": true, "VerifyMac": true, "Sign": true, "Verify": true, "DeriveSharedSecret": true,
	"Encapsulate": true, "Decapsulate": true}

// management operations have a quota each, in requests a second.
var management = map[float64][]string{
	1: {"GetParametersForImport"},
	5: {"CancelKeyDeletion", "ConnectCustomKeyStore", "CreateAlias", "CreateCustomKeyStore", "CreateKey", "DeleteCustomKeyStore", "DescribeCustomKeyStores",
		"DisableKey", "DisableKeyRotation", "DisconnectCustomKeyStore", "EnableKey", "GetKeyLastUsage", "ReplicateKey", "RotateKeyOnDemand", "UntagResource",
		"UpdateAlias", "UpdateCustomKeyStore", "UpdateKeyDescription", "UpdatePrimaryRegion"},
	10:   {"TagResource"},
	15:   {"DeleteAlias", "DeleteImportedKeyMaterial", "EnableKeyRotation", "ImportKeyMaterial", "PutKeyPolicy", "ScheduleKeyDeletion"},
	50:   {"CreateGrant", "RetireGrant", "RevokeGrant"},
	100:  {"ListGrants", "ListKeyPolicies", "ListKeyRotations", "ListRetirableGrants"},
	500:  {"ListAliases", "ListKeys"},
	1000: {"GetKeyPolicy", "GetKeyRotationStatus"},
	2000: {"DescribeKey", "GetPublicKey", "ListResourceTags"},
}
