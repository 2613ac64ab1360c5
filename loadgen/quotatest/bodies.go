package quotatest

import (
	"strings"

	"trent/loadgen/quota"
)

// Things that do not exist anywhere.
const (
	noKeyStore = "cks-00000000000000000"
	noKey      = "00000000-0000-0000-0000-000000000000"
	noAlias    = "alias/trent-quota-none"
)

var noGrant = strings.Repeat("0", 64)

type members = map[string]any

// members are the parameters of a request that counts in a quota and changes nothing that matters; ok is false where the keys for it
// are missing.
func (k *keySet) members(c quota.Call) (in members, ok bool) {
	if strings.HasPrefix(c.Operation, "GenerateDataKeyPair") {
		return members{"KeyId": k.ids["SYMMETRIC_DEFAULT"], "KeyPairSpec": c.KeySpec}, strings.HasPrefix(c.KeySpec, "RSA_") || strings.HasPrefix(c.KeySpec, "ECC_")
	}
	if in, ok := k.cryptographic(c); ok {
		return in, true
	}
	return k.management(c)
}

// algorithms by family, for the keys of wanted.
var (
	encryption = map[string]string{"SYMMETRIC_DEFAULT": "SYMMETRIC_DEFAULT", "RSA_2048": "RSAES_OAEP_SHA_256"}
	signing    = map[string]string{"RSA_2048": "RSASSA_PSS_SHA_256", "ECC_NIST_P256": "ECDSA_SHA_256", "ML_DSA_44": "ML_DSA_SHAKE_256"}
)

func (k *keySet) cryptographic(c quota.Call) (in members, ok bool) {
	id := k.ids[c.KeySpec]
	switch c.Operation {
	case "GenerateRandom":
		return members{"NumberOfBytes": 16}, c.KeySpec == ""
	case "GenerateDataKey", "GenerateDataKeyWithoutPlaintext":
		return members{"KeyId": id, "KeySpec": "AES_256"}, id != "" && c.KeySpec == "SYMMETRIC_DEFAULT"
	case "Encrypt":
		return members{"KeyId": id, "Plaintext": message, "EncryptionAlgorithm": encryption[c.KeySpec]}, id != "" && encryption[c.KeySpec] != ""
	case "Decrypt", "ReEncrypt":
		return k.decrypting(c)
	case "GenerateMac":
		return members{"KeyId": id, "Message": message, "MacAlgorithm": "HMAC_SHA_256"}, id != "" && c.KeySpec == "HMAC_256"
	case "VerifyMac":
		mac := k.made["GenerateMac HMAC_256"]
		return members{"KeyId": id, "Message": message, "MacAlgorithm": "HMAC_SHA_256", "Mac": mac}, mac != "" && c.KeySpec == "HMAC_256"
	case "Sign", "Verify":
		return k.signatures(c)
	case "DeriveSharedSecret":
		return members{"KeyId": k.ids[agreementKey], "KeyAgreementAlgorithm": "ECDH", "PublicKey": k.peer}, k.peer != "" && c.KeySpec == "ECC_NIST_P256"
	}
	return nil, false
}

func (k *keySet) decrypting(c quota.Call) (in members, ok bool) {
	blob := k.made["Encrypt "+c.KeySpec]
	in = members{"CiphertextBlob": blob}
	switch {
	case c.Operation == "Decrypt":
		in["KeyId"], in["EncryptionAlgorithm"] = k.ids[c.KeySpec], encryption[c.KeySpec]
	default: // to the same key, so that it counts once
		in["SourceKeyId"], in["DestinationKeyId"] = k.ids[c.KeySpec], k.ids[c.KeySpec]
		in["SourceEncryptionAlgorithm"], in["DestinationEncryptionAlgorithm"] = encryption[c.KeySpec], encryption[c.KeySpec]
	}
	return in, blob != ""
}

func (k *keySet) signatures(c quota.Call) (in members, ok bool) {
	id := k.ids[c.KeySpec]
	if c.KeySpec == "RSA_2048" {
		id = k.ids[signingRSA]
	}
	in = members{"KeyId": id, "Message": message, "SigningAlgorithm": signing[c.KeySpec]}
	if c.Operation == "Verify" {
		signature := k.made["Sign "+c.KeySpec]
		in["Signature"] = signature
		return in, signature != ""
	}
	return in, id != "" && signing[c.KeySpec] != ""
}

// management makes requests about the symmetric key, or about things that do not exist.
func (k *keySet) management(c quota.Call) (in members, ok bool) {
	key := k.ids["SYMMETRIC_DEFAULT"]
	root := "arn:aws:iam::" + k.account + ":root"
	all := map[string]members{
		"CancelKeyDeletion": {"KeyId": key}, "CreateAlias": {"AliasName": k.aliasName(), "TargetKeyId": key}, "UpdateAlias": {"AliasName": k.aliasName(), "TargetKeyId": key},
		"DeleteAlias": {"AliasName": noAlias}, "CreateKey": {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": noKeyStore},
		"ConnectCustomKeyStore": {"CustomKeyStoreId": noKeyStore}, "DisconnectCustomKeyStore": {"CustomKeyStoreId": noKeyStore},
		"DeleteCustomKeyStore": {"CustomKeyStoreId": noKeyStore}, "UpdateCustomKeyStore": {"CustomKeyStoreId": noKeyStore, "NewCustomKeyStoreName": "none"},
		"CreateCustomKeyStore": {"CustomKeyStoreName": "trent-quota", "CloudHsmClusterId": "cluster-zzzzzzzzzzz", "KeyStorePassword": "not-a-password",
			"TrustAnchorCertificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
		"DescribeCustomKeyStores": {}, "DisableKey": {"KeyId": k.ids[spareKey]}, "EnableKey": {"KeyId": k.ids[spareKey]},
		"EnableKeyRotation": {"KeyId": key}, "DisableKeyRotation": {"KeyId": key}, "GetKeyRotationStatus": {"KeyId": key}, "GetKeyLastUsage": {"KeyId": key},
		"ReplicateKey": {"KeyId": key, "ReplicaRegion": "eu-north-1"}, "UpdatePrimaryRegion": {"KeyId": key, "PrimaryRegion": "eu-north-1"},
		"RotateKeyOnDemand": {"KeyId": k.ids["HMAC_256"]}, "TagResource": {"KeyId": key, "Tags": []members{{"TagKey": "created-by", "TagValue": "trent-load"}}},
		"UntagResource": {"KeyId": key, "TagKeys": []string{"none"}}, "UpdateKeyDescription": {"KeyId": key, "Description": "quota verification"},
		"GetParametersForImport":    {"KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
		"ImportKeyMaterial":         {"KeyId": key, "ImportToken": message, "EncryptedKeyMaterial": message, "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"},
		"DeleteImportedKeyMaterial": {"KeyId": key}, "PutKeyPolicy": {"KeyId": key, "PolicyName": "default", "Policy": k.policy},
		"ScheduleKeyDeletion": {"KeyId": noKey, "PendingWindowInDays": 7},
		"CreateGrant":         {"KeyId": key, "GranteePrincipal": root, "Operations": []string{"Decrypt"}, "Name": "trent-quota"},
		"RetireGrant":         {"KeyId": key, "GrantId": noGrant}, "RevokeGrant": {"KeyId": key, "GrantId": noGrant},
		"ListGrants": {"KeyId": key}, "ListKeyPolicies": {"KeyId": key}, "ListKeyRotations": {"KeyId": key}, "ListRetirableGrants": {"RetiringPrincipal": root},
		"ListAliases": {"KeyId": key}, "ListKeys": {"Limit": 1}, "GetKeyPolicy": {"KeyId": key, "PolicyName": "default"}, "DescribeKey": {"KeyId": key},
		"GetPublicKey": {"KeyId": k.ids["ECC_NIST_P256"]}, "ListResourceTags": {"KeyId": key},
	}
	if !k.own && changing[c.Operation] {
		return nil, false // these keys are somebody's
	}
	in, ok = all[c.Operation]
	for _, name := range []string{"KeyId", "Policy"} {
		if v, has := in[name]; has && v == "" {
			return nil, false
		}
	}
	return in, ok
}

// changing are the operations whose requests here would change a key, an alias or a grant.
var changing = map[string]bool{"CancelKeyDeletion": true, "CreateAlias": true, "UpdateAlias": true, "DisableKey": true, "EnableKey": true,
	"EnableKeyRotation": true, "DisableKeyRotation": true, "RotateKeyOnDemand": true, "ReplicateKey": true, "UpdatePrimaryRegion": true, "TagResource": true,
	"UntagResource": true, "UpdateKeyDescription": true, "ImportKeyMaterial": true, "DeleteImportedKeyMaterial": true, "PutKeyPolicy": true, "CreateGrant": true}
