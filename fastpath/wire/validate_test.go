package wire_test

import (
	"strings"
	"testing"

	"trent/fastpath/wire"
)

// TestValidate has the service's whole texts; one is the prefix of a single violation.
func TestValidate(t *testing.T) {
	t.Parallel()
	const one = "1 validation error detected: "
	const failed = " failed to satisfy constraint: Member must "
	long := strings.Repeat("x", 2049)
	const keySpecs = "RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, ECC_NIST_EDWARDS25519, SYMMETRIC_DEFAULT, HMAC_224, HMAC_256, HMAC_384, HMAC_512, SM2, ML_DSA_44, ML_DSA_65, ML_DSA_87"
	const signing = "[RSASSA_PSS_SHA_256, RSASSA_PSS_SHA_384, RSASSA_PSS_SHA_512, RSASSA_PKCS1_V1_5_SHA_256, RSASSA_PKCS1_V1_5_SHA_384, RSASSA_PKCS1_V1_5_SHA_512, ECDSA_SHA_256, ECDSA_SHA_384, ECDSA_SHA_512, ED25519_SHA_512, ED25519_PH_SHA_512, SM2DSA, ML_DSA_SHAKE_256]"
	for _, row := range []struct{ name, operation, body, want string }{
		{"valid", "Encrypt", `{"KeyId":"k","Plaintext":"YQ=="}`, ""},
		{"missing, empty body", "DescribeKey", ``, one + "Value null at 'keyId'" + failed + "not be null"},
		{"missing by null", "DescribeKey", `{"KeyId":null}`, one + "Value null at 'keyId'" + failed + "not be null"},
		{"missing sensitive", "Encrypt", `{"KeyId":"k"}`, one + "Value at 'plaintext'" + failed + "not be null"},
		{"missing message", "GenerateMac", `{"KeyId":"k","MacAlgorithm":"HMAC_SHA_256"}`, one + "Value at 'message'" + failed + "not be null"},
		{"missing blob that is not sensitive", "VerifyMac", `{"Message":"YQ==","KeyId":"k","MacAlgorithm":"HMAC_SHA_256"}`, one + "Value null at 'mac'" + failed + "not be null"},
		{"missing enum", "GenerateMac", `{"Message":"YQ==","KeyId":"k"}`, one + "Value null at 'macAlgorithm'" + failed + "not be null"},
		{"missing list", "TagResource", `{"KeyId":"k"}`, one + "Value null at 'tags'" + failed + "not be null"},
		{"missing list of enums", "CreateGrant", `{"KeyId":"k"}`, one + "Value null at 'operations'" + failed + "not be null"},
		{"two missing", "Encrypt", `{}`, "2 validation errors detected: Value null at 'keyId'" + failed + "not be null; Value at 'plaintext'" + failed + "not be null"},
		{"empty key id", "DescribeKey", `{"KeyId":""}`, "2 validation errors detected: Value '' at 'keyId'" + failed + "have length greater than or equal to 1; Value '' at 'keyId'" + failed + `satisfy regular expression pattern: ^\p{ASCII}+$`},
		{"key id not ASCII", "DescribeKey", `{"KeyId":"キー"}`, one + "Value 'キー' at 'keyId'" + failed + `satisfy regular expression pattern: ^\p{ASCII}+$`},
		{"key id too long", "DescribeKey", `{"KeyId":"` + long + `"}`, one + "Value '" + long + "' at 'keyId'" + failed + "have length less than or equal to 2048"},
		{"plaintext empty", "Encrypt", `{"KeyId":"k","Plaintext":""}`, one + "Value at 'plaintext'" + failed + "have length greater than or equal to 1"},
		{"plaintext of 4097 bytes", "Encrypt", `{"KeyId":"k","Plaintext":"` + strings.Repeat("AAAA", 1365) + `AAA="}`, one + "Value at 'plaintext'" + failed + "have length less than or equal to 4096"},
		{"plaintext of 4096 bytes", "Encrypt", `{"KeyId":"k","Plaintext":"` + strings.Repeat("AAAA", 1365) + `AA=="}`, ""},
		{"signature too long", "Verify", `{"KeyId":"k","Message":"YQ==","Signature":"` + strings.Repeat("AAAA", 2049) + `","SigningAlgorithm":"ECDSA_SHA_256"}`, one + "Value at 'signature'" + failed + "have length less than or equal to 6144"},
		{"number too small", "GenerateRandom", `{"NumberOfBytes":0}`, one + "Value '0' at 'numberOfBytes'" + failed + "have value greater than or equal to 1"},
		{"number too large", "GenerateRandom", `{"NumberOfBytes":1025}`, one + "Value '1025' at 'numberOfBytes'" + failed + "have value less than or equal to 1024"},
		{"pending window", "ScheduleKeyDeletion", `{"KeyId":"k","PendingWindowInDays":366}`, one + "Value '366' at 'pendingWindowInDays'" + failed + "have value less than or equal to 365"},
		{"rotation period", "EnableKeyRotation", `{"KeyId":"k","RotationPeriodInDays":89}`, one + "Value '89' at 'rotationPeriodInDays'" + failed + "have value greater than or equal to 90"},
		{"data key spec prints key specs", "GenerateDataKey", `{"KeyId":"k","KeySpec":"FOO"}`, one + "Value 'FOO' at 'keySpec'" + failed + "satisfy enum value set: [" + keySpecs + "]"},
		{"data key spec that is a key spec", "GenerateDataKeyWithoutPlaintext", `{"KeyId":"k","KeySpec":"RSA_2048"}`, one + "Value 'RSA_2048' at 'keySpec'" + failed + "satisfy enum value set: [" + keySpecs + "]"},
		{"key spec", "CreateKey", `{"KeySpec":"FOO"}`, one + "Value 'FOO' at 'keySpec'" + failed + "satisfy enum value set: [" + keySpecs + ", ML_KEM_512, ML_KEM_768, ML_KEM_1024]"},
		{"enum is case-sensitive", "GenerateMac", `{"Message":"YQ==","KeyId":"k","MacAlgorithm":"hmac_sha_256"}`, one + "Value 'hmac_sha_256' at 'macAlgorithm'" + failed + "satisfy enum value set: [HMAC_SHA_384, HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]"},
		{"empty enum", "Sign", `{"KeyId":"k","Message":"YQ==","SigningAlgorithm":""}`, one + "Value '' at 'signingAlgorithm'" + failed + "satisfy enum value set: " + signing},
		{"encryption algorithm for signing", "Sign", `{"KeyId":"k","Message":"YQ==","SigningAlgorithm":"RSAES_OAEP_SHA_256"}`, one + "Value 'RSAES_OAEP_SHA_256' at 'signingAlgorithm'" + failed + "satisfy enum value set: " + signing},
		{"SYMMETRIC_DEFAULT for signing is refused later", "Sign", `{"KeyId":"k","Message":"YQ==","SigningAlgorithm":"SYMMETRIC_DEFAULT"}`, ""},
		{"message type", "Sign", `{"KeyId":"k","Message":"YQ==","SigningAlgorithm":"ECDSA_SHA_256","MessageType":"HASH"}`, one + "Value 'HASH' at 'messageType'" + failed + "satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]"},
		{"encryption algorithm", "Decrypt", `{"CiphertextBlob":"YQ==","EncryptionAlgorithm":"AES"}`, one + "Value 'AES' at 'encryptionAlgorithm'" + failed + "satisfy enum value set: [RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE, SYMMETRIC_DEFAULT]"},
		{"pattern", "CreateAlias", `{"AliasName":"alias/a b","TargetKeyId":"k"}`, one + "Value 'alias/a b' at 'aliasName'" + failed + "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
		{"tag key too long", "CreateKey", `{"Tags":[{"TagKey":"` + long[:129] + `","TagValue":""}]}`, one + "Value '" + long[:129] + "' at 'tags.1.member.tagKey'" + failed + "have length less than or equal to 128"},
		{"second tag's value too long", "TagResource", `{"KeyId":"k","Tags":[{"TagKey":"a","TagValue":""},{"TagKey":"b","TagValue":"` + long[:257] + `"}]}`, one + "Value '" + long[:257] + "' at 'tags.2.member.tagValue'" + failed + "have length less than or equal to 256"},
		{"length counts code points", "CreateKey", `{"Tags":[{"TagKey":"` + strings.Repeat("😀", 128) + `","TagValue":""}]}`, ""},
		{"one code point too many", "CreateKey", `{"Tags":[{"TagKey":"` + strings.Repeat("é", 129) + `","TagValue":""}]}`, one + "Value '" + strings.Repeat("é", 129) + "' at 'tags.1.member.tagKey'" + failed + "have length less than or equal to 128"},
		{"minimum counts code points", "CreateCustomKeyStore", `{"CustomKeyStoreName":"n","KeyStorePassword":"éééé"}`, one + "Value at 'keyStorePassword'" + failed + "have length greater than or equal to 7"},
		{"null tag", "TagResource", `{"KeyId":"k","Tags":[{"TagKey":"a","TagValue":""},null]}`, one + "Value null at 'tags.2.member'" + failed + "not be null"},
		{"tag without members", "TagResource", `{"KeyId":"k","Tags":[{}]}`, "2 validation errors detected: Value null at 'tags.1.member.tagKey'" + failed + "not be null; Value null at 'tags.1.member.tagValue'" + failed + "not be null"},
		{"null in a map", "Encrypt", `{"KeyId":"k","Plaintext":"YQ==","EncryptionContext":{"a":"b","c":null}}`, one + "Value '{a=b, c=null}' at 'encryptionContext' failed to satisfy constraint: Map value must satisfy constraint: [Member must not be null]"},
		{"null in a list", "Encrypt", `{"KeyId":"k","Plaintext":"YQ==","GrantTokens":["a",null]}`, one + "Value '[a, null]' at 'grantTokens'" + failed + "satisfy constraint: [Member must have length less than or equal to 8192, Member must have length greater than or equal to 1, Member must not be null]"},
		{"eleven grant tokens", "DescribeKey", `{"KeyId":"k","GrantTokens":["a","a","a","a","a","a","a","a","a","a","a"]}`, one + "Value '[a, a, a, a, a, a, a, a, a, a, a]' at 'grantTokens'" + failed + "have length less than or equal to 10"},
		{"ten grant tokens", "DescribeKey", `{"KeyId":"k","GrantTokens":["a","a","a","a","a","a","a","a","a","a"]}`, ""},
		{"no ciphertext", "Decrypt", `{"DryRun":true}`, one + "Value null at 'ciphertextBlob'" + failed + "not be null"},
		{"no ciphertext and no destination", "ReEncrypt", `{"DryRunModifiers":["IGNORE_CIPHERTEXT"]}`, "2 validation errors detected: Value null at 'ciphertextBlob'" + failed + "not be null; Value null at 'destinationKeyId'" + failed + "not be null"},
		{"ciphertext that a dry run ignores", "Decrypt", `{"DryRun":true,"DryRunModifiers":["IGNORE_CIPHERTEXT"]}`, ""},
		{"empty ciphertext that a dry run ignores", "ReEncrypt", `{"CiphertextBlob":"","DestinationKeyId":"k","DryRun":true,"DryRunModifiers":["IGNORE_CIPHERTEXT"]}`, one + "Value at 'ciphertextBlob'" + failed + "have length greater than or equal to 1"},
		{"enum in a list", "Decrypt", `{"CiphertextBlob":"YQ==","DryRunModifiers":["IGNORE_CIPHERTEXT","X"]}`, one + "Value '[IGNORE_CIPHERTEXT, X]' at 'dryRunModifiers'" + failed + "satisfy constraint: [Member must satisfy enum value set: [IGNORE_CIPHERTEXT], Member must not be null]"},
		{"inside a structure", "Decrypt", `{"CiphertextBlob":"YQ==","Recipient":{"KeyEncryptionAlgorithm":"X","AttestationDocument":""}}`, "2 validation errors detected: Value 'X' at 'recipient.keyEncryptionAlgorithm'" + failed + "satisfy enum value set: [RSAES_OAEP_SHA_256]; Value at 'recipient.attestationDocument'" + failed + "have length greater than or equal to 1"},
		{"sensitive strings are not shown", "CreateCustomKeyStore", `{"CustomKeyStoreName":"n","XksProxyAuthenticationCredential":{"AccessKeyId":"lower","RawSecretAccessKey":"s"}}`,
			"3 validation errors detected: Value at 'xksProxyAuthenticationCredential.accessKeyId'" + failed + "have length greater than or equal to 20; Value at 'xksProxyAuthenticationCredential.accessKeyId'" + failed + "satisfy regular expression pattern: ^[A-Z2-7]+$; Value at 'xksProxyAuthenticationCredential.rawSecretAccessKey'" + failed + "have length greater than or equal to 43"},
		{"policy with a character beyond Latin-1", "PutKeyPolicy", `{"KeyId":"k","Policy":"é\n\u0100"}`, one + "Value 'é\nĀ' at 'policy'" + failed + `satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+`},
		{"policy in Latin-1", "PutKeyPolicy", `{"KeyId":"k","Policy":"é\n\u00ff"}`, ""},
		{"model's order, not the body's", "ReplicateKey", `{"ReplicaRegion":"X","KeyId":"é"}`, "2 validation errors detected: Value 'é' at 'keyId'" + failed + `satisfy regular expression pattern: ^\p{ASCII}+$; Value 'X' at 'replicaRegion'` + failed + `satisfy regular expression pattern: ^([a-z]+-){2,3}\d+$`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRequest(t, row.operation)
			if err := r.Decode([]byte(row.body)); err != nil {
				t.Fatal(err)
			}
			err := r.Validate()
			if row.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Code != wire.CodeValidationException || err.NoMessage || err.Message != row.want {
				t.Errorf("got  %s: %s\nwant %s", err.Code, err.Message, row.want)
			}
		})
	}
}

// TestValidateManyViolations bounds the text for a body with very many bad entries, but not the count.
func TestValidateManyViolations(t *testing.T) {
	t.Parallel()
	r := new(wire.TagResourceRequest)
	if err := r.Decode([]byte(`{"KeyId":"k","Tags":[{}` + strings.Repeat(",{}", 49999) + `]}`)); err != nil {
		t.Fatal(err)
	}
	err := r.Validate()
	if err == nil || !strings.HasPrefix(err.Message, "100000 validation errors detected: ") || len(err.Message) > 20000 {
		t.Fatalf("got %d bytes: %.100s", len(err.Message), err.Message)
	}
}
