package conformance_test

import (
	"encoding/base64"
	"strings"

	"trent/fastpath/keyring"
	"trent/fastpath/model"
	"trent/fastpath/quota"
	"trent/fastpath/servertest"
)

// provocations are the requests by which an operation answers an error, where the general ones do not fit.
func provocations() map[string]provocation {
	all := map[string]provocation{
		"CancelKeyDeletion/KMSInvalidState": enabled(nil),

		"CreateAlias/AlreadyExists":         twice(nil),
		"CreateAlias/LimitExceeded":         limitedTo(quota.AliasesPerKey, 1, twice(func(_ *cell, in object, _ int) { in["AliasName"] = newAlias() })),
		"UpdateAlias/LimitExceeded":         limitedTo(quota.AliasesPerKey, 1, secondAlias),
		"DeleteAlias/NotFound":              just(object{"AliasName": "alias/absent"}),
		"ListAliases/NotFound":              just(object{"KeyId": absentID}),
		"CreateKey/LimitExceeded":           limitedTo(quota.Keys, 1, secondKey),
		"CreateKey/Tag":                     just(object{"Tags": []object{{"TagKey": "aws:a", "TagValue": ""}}}),
		"CreateKey/MalformedPolicyDocument": just(object{"Policy": "{"}),
		"CreateKey/UnsupportedOperation":    just(object{"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"}),
		"CreateKey/CustomKeyStoreNotFound":  just(object{"CustomKeyStoreId": "cks-absent", "Origin": "AWS_CLOUDHSM"}),
		"PutKeyPolicy/LimitExceeded":        with(object{"Policy": strings.Repeat(" ", 32<<10) + "{}"}),
		"PutKeyPolicy/UnsupportedOperation": nil,

		"Decrypt/InvalidCiphertext":   with(object{"CiphertextBlob": "eA=="}),
		"ReEncrypt/InvalidCiphertext": with(object{"CiphertextBlob": "eA=="}),
		"Decrypt/IncorrectKey":        enabled(func(c *cell, in object) { in["KeyId"] = c.other }),
		"ReEncrypt/IncorrectKey":      enabled(func(c *cell, in object) { in["SourceKeyId"] = c.id }),
		"Decrypt/InvalidKeyUsage":     enabled(func(c *cell, in object) { in["KeyId"], in["EncryptionAlgorithm"] = c.id, "RSAES_OAEP_SHA_256" }),
		"Decrypt/NotFound":            enabled(func(_ *cell, in object) { in["KeyId"] = "alias/absent" }),

		"Decapsulate/InvalidCiphertext": with(object{"SharedSecretCiphertextBlob": "eA=="}),
		"Verify/KMSInvalidSignature":    with(object{"Signature": "eA=="}),
		"VerifyMac/KMSInvalidMac":       with(object{"Mac": "eA=="}),

		"GenerateRandom/CustomKeyStoreNotFound": just(object{"NumberOfBytes": 1, "CustomKeyStoreId": "cks-absent"}),

		"GetPublicKey/InvalidKeyUsage":      nil,
		"GetPublicKey/UnsupportedOperation": another("HMAC_256", "GENERATE_VERIFY_MAC"),

		"EnableKeyRotation/UnsupportedOperation":         another("HMAC_256", "GENERATE_VERIFY_MAC"),
		"DisableKeyRotation/UnsupportedOperation":        importedKey,
		"GetKeyRotationStatus/UnsupportedOperation":      importedKey,
		"GetKeyRotationStatus/KMSInvalidState":           nil,
		"ListKeyRotations/UnsupportedOperation":          nil,
		"ListKeyRotations/KMSInvalidState":               nil,
		"RotateKeyOnDemand/UnsupportedOperation":         another("HMAC_256", "GENERATE_VERIFY_MAC"),
		"RotateKeyOnDemand/LimitExceeded":                limitedTo(quota.OnDemandRotations, 1, twice(nil)),
		"GetParametersForImport/UnsupportedOperation":    otherKey,
		"ImportKeyMaterial/UnsupportedOperation":         otherKey,
		"DeleteImportedKeyMaterial/UnsupportedOperation": otherKey,
		"DeleteImportedKeyMaterial/KMSInvalidState": func(p *provoker) servertest.Answer {
			return p.on(keyring.Creating, nil)
		},
		"ImportKeyMaterial/InvalidImportToken": with(object{"ImportToken": "eA=="}),
		"ImportKeyMaterial/InvalidCiphertext":  with(object{"EncryptedKeyMaterial": base64.StdEncoding.EncodeToString(make([]byte, 256))}),

		"GenerateDataKeyPair/UnsupportedOperation":                 with(object{"KeyPairSpec": "SM2"}),
		"GenerateDataKeyPairWithoutPlaintext/UnsupportedOperation": with(object{"KeyPairSpec": "SM2"}),

		"CreateGrant/LimitExceeded": limitedTo(quota.GrantsPerKey, 1, twice(func(_ *cell, in object, n int) {
			in["GranteePrincipal"] = "arn:aws:iam::000000000000:role/" + strings.Repeat("r", n+1)
		})),
		"RevokeGrant/NotFound":          with(object{"GrantId": strings.Repeat("0", 64)}),
		"RetireGrant/NotFound":          with(object{"KeyId": "arn:aws:kms:us-east-1:000000000000:key/" + absentID}),
		"RetireGrant/InvalidGrantToken": just(object{"GrantToken": "x"}),
		"UntagResource/Tag":             with(object{"TagKeys": []string{"aws:a"}}),
		"TagResource/LimitExceeded":     nil,

		"ListKeys/InvalidMarker":                just(object{"Marker": "x"}),
		"ListRetirableGrants/InvalidMarker":     just(object{"RetiringPrincipal": "arn:aws:iam::000000000000:root", "Marker": "x"}),
		"ListAliases/InvalidMarker":             just(object{"Marker": "x"}),
		"DescribeCustomKeyStores/InvalidMarker": just(object{"Marker": "x"}),

		"ReplicateKey/UnsupportedOperation":        single,
		"ReplicateKey/AlreadyExists":               twice(nil),
		"UpdatePrimaryRegion/UnsupportedOperation": single,
		"ReplicateKey/LimitExceeded":               with(object{"Policy": strings.Repeat(" ", 32<<10) + "{}"}),
	}
	for name, how := range all {
		if how == nil {
			delete(all, name)
		}
	}
	return all
}

// notProvoked are the modeled errors that no plain request provokes: by what else they are, or why not at all.
func notProvoked() map[string]string {
	const (
		byRule   = "by a fault rule: TestEveryModeledErrorByRule"
		byStores = "by a scripted backend: the tests of custom key stores"
		never    = "the service is not known to answer it here: "
	)
	all := map[string]string{
		"*/DependencyTimeout": byRule,
		"*/KMSInternal":       byRule,
		"*/KeyUnavailable":    byRule,

		"CreateAlias/InvalidAliasName":           never + "names that it does not allow are ValidationException",
		"Decapsulate/IncorrectKey":               never + "a ciphertext does not tell its key; that of another one gives other bytes",
		"DeleteAlias/KMSInvalidState":            never + "it runs in every state",
		"GetPublicKey/Disabled":                  never + "public keys of disabled keys are given",
		"GetPublicKey/InvalidKeyUsage":           never + "every usage has a public key, or UnsupportedOperationException",
		"CreateKey/InvalidArn":                   never + "ARNs in a policy that are none are MalformedPolicyDocumentException",
		"EnableKey/LimitExceeded":                never + "enabled keys have no quota any more",
		"TagResource/LimitExceeded":              never + "too many tags are TagException",
		"PutKeyPolicy/UnsupportedOperation":      never + "it takes any customer managed key",
		"GenerateRandom/UnsupportedOperation":    never + "external key stores make no random bytes: TestStates of stores",
		"ListKeyRotations/UnsupportedOperation":  byStores,
		"RotateKeyOnDemand/Conflict":             "by a moved clock: the tests of rotation",
		"ImportKeyMaterial/ExpiredImportToken":   "by a moved clock: the tests of import",
		"ImportKeyMaterial/IncorrectKeyMaterial": "by other material: the tests of import",
		"RetireGrant/InvalidGrantId":             never + "an unknown grant is NotFoundException",
		"RevokeGrant/InvalidGrantId":             never + "an unknown grant is NotFoundException",
		"ListGrants/InvalidGrantId":              never + "an unknown grant is in no list",

		"CreateKey/CustomKeyStoreInvalidState":          byStores,
		"CreateKey/CloudHsmClusterInvalidConfiguration": byStores,
		"CreateKey/XksKeyInvalidConfiguration":          byStores,
		"CreateKey/XksKeyAlreadyInUse":                  byStores,
		"CreateKey/XksKeyNotFound":                      byStores,
		"GenerateRandom/CustomKeyStoreInvalidState":     byStores,
	}
	for _, op := range []string{"DescribeKey", "GetKeyPolicy", "PutKeyPolicy", "ListAliases", "ListGrants", "ListKeyPolicies", "ListResourceTags", "RetireGrant", "RevokeGrant", "GetKeyRotationStatus", "ListKeyRotations"} {
		all[op+"/KMSInvalidState"] = never + "it runs in every state"
	}
	for _, op := range model.Operations() {
		if strings.HasSuffix(op.Name, "CustomKeyStore") || strings.HasSuffix(op.Name, "CustomKeyStores") {
			for _, code := range op.Errors {
				if name := op.Name + "/" + strings.TrimSuffix(code, "Exception"); !strings.HasSuffix(name, "/InvalidMarker") && !strings.HasSuffix(name, "/KMSInternal") {
					all[name] = byStores
				}
			}
		}
	}
	all["ListRetirableGrants/NotFound"] = never + "it names a principal, not a key"
	all["ListRetirableGrants/InvalidArn"] = never + "what is no ARN is a ValidationException"
	return all
}

func secondKey(p *provoker) servertest.Answer {
	p.send(object{})
	return p.send(object{})
}

// secondAlias moves one more alias to a key that has all it may have.
func secondAlias(p *provoker) servertest.Answer {
	return p.on(keyring.Enabled, func(c *cell, _ object) {
		c.call("CreateAlias", object{"AliasName": newAlias(), "TargetKeyId": c.id})
	})
}

// importedKey puts a key of imported material in the place of the row's.
func importedKey(p *provoker) servertest.Answer {
	return p.on(keyring.Enabled, func(c *cell, in object) { in["KeyId"] = keyIDOf(c.call("CreateKey", object{"Origin": "EXTERNAL"})) })
}

// otherKey names a key whose material was made here; single one that has no copies.
func otherKey(p *provoker) servertest.Answer {
	return p.on(keyring.Enabled, func(c *cell, in object) { in["KeyId"] = c.other })
}

func single(p *provoker) servertest.Answer {
	return p.on(keyring.Enabled, func(c *cell, in object) { in["KeyId"] = keyIDOf(c.call("CreateKey", object{})) })
}
