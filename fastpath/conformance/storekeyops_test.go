package conformance_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/operation"
	"trent/fastpath/servertest"
)

// storeKeyRow is what an operation answers for a key in a custom key store, connected and not: "ok", or the exception and
// its text; what is in braces belongs to the key.
type storeKeyRow struct {
	operation               string
	members                 string
	connected, disconnected string
}

const (
	wrongOrigin   = "UnsupportedOperationException {arn} origin is {origin} which is not valid for this operation."
	notPending    = "KMSInvalidStateException {arn} is not pending deletion."
	notAvailable  = "KMSInvalidStateException {unavailable}"
	importMembers = `"KeyId":"{id}","ImportToken":"eA==","EncryptedKeyMaterial":"eA==","ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE"`
)

func wrongUse(op string) string {
	return "InvalidKeyUsageException {arn} key usage is ENCRYPT_DECRYPT which is not valid for " + op + "."
}

// storeKeyRows are in an order in which each finds the key enabled.
var storeKeyRows = []storeKeyRow{
	{"DescribeKey", `"KeyId":"{id}"`, "ok", "ok"},
	{"GetKeyPolicy", `"KeyId":"{id}"`, "ok", "ok"},
	{"ListKeyPolicies", `"KeyId":"{id}"`, "ok", "ok"},
	{"PutKeyPolicy", `"KeyId":"{id}","Policy":"{policy}"`, "ok", "ok"},
	{"GetKeyLastUsage", `"KeyId":"{id}"`, "ok", "ok"},
	{"CreateAlias", `"AliasName":"alias/{name}","TargetKeyId":"{id}"`, "ok", "ok"},
	{"UpdateAlias", `"AliasName":"alias/{name}","TargetKeyId":"{id}"`, "ok", "ok"},
	{"ListAliases", `"KeyId":"{id}"`, "ok", "ok"},
	{"Encrypt", `"KeyId":"alias/{name}","Plaintext":"eA=="`, "ok", notAvailable},
	{"DeleteAlias", `"AliasName":"alias/{name}"`, "ok", "ok"},
	{"Decrypt", `"CiphertextBlob":"{sealed}"`, "ok", notAvailable},
	{"Decrypt", `"CiphertextBlob":"{sealed}","DryRun":true`, "DryRunOperationException The request would have succeeded, but the DryRun option is set.", notAvailable},
	{"ReEncrypt", `"CiphertextBlob":"{sealed}","DestinationKeyId":"{id}"`, "ok", notAvailable},
	{"ReEncrypt", `"CiphertextBlob":"{plain}","DestinationKeyId":"{id}"`, "ok", notAvailable},
	{"GenerateDataKey", `"KeyId":"{id}","KeySpec":"AES_256"`, "ok", notAvailable},
	{"GenerateDataKeyWithoutPlaintext", `"KeyId":"{id}","NumberOfBytes":5`, "ok", notAvailable},
	{"GenerateDataKeyPair", `"KeyId":"{id}","KeyPairSpec":"ECC_NIST_P256"`, wrongOrigin, wrongOrigin},
	{"GenerateDataKeyPairWithoutPlaintext", `"KeyId":"{id}","KeyPairSpec":"ECC_NIST_P256"`, wrongOrigin, wrongOrigin},
	{"Sign", `"KeyId":"{id}","Message":"eA==","SigningAlgorithm":"ECDSA_SHA_256"`, wrongUse("Sign"), wrongUse("Sign")},
	{"Verify", `"KeyId":"{id}","Message":"eA==","Signature":"eA==","SigningAlgorithm":"ECDSA_SHA_256"`, wrongUse("Verify"), wrongUse("Verify")},
	{"GenerateMac", `"KeyId":"{id}","Message":"eA==","MacAlgorithm":"HMAC_SHA_256"`, wrongUse("GenerateMac"), wrongUse("GenerateMac")},
	{"VerifyMac", `"KeyId":"{id}","Message":"eA==","Mac":"eA==","MacAlgorithm":"HMAC_SHA_256"`, wrongUse("VerifyMac"), wrongUse("VerifyMac")},
	{"DeriveSharedSecret", `"KeyId":"{id}","KeyAgreementAlgorithm":"ECDH","PublicKey":"eA=="`, wrongUse("DeriveSharedSecret"), wrongUse("DeriveSharedSecret")},
	{"Encapsulate", `"KeyId":"{id}","EncapsulationAlgorithm":"ML_KEM"`, wrongUse("Encapsulate"), wrongUse("Encapsulate")},
	{"Decapsulate", `"KeyId":"{id}","EncapsulationAlgorithm":"ML_KEM","SharedSecretCiphertextBlob":"eA=="`, wrongUse("Decapsulate"), wrongUse("Decapsulate")},
	{"GetPublicKey", `"KeyId":"{id}"`, "UnsupportedOperationException ", "UnsupportedOperationException "},
	{"EnableKeyRotation", `"KeyId":"{id}"`, wrongOrigin, wrongOrigin},
	{"DisableKeyRotation", `"KeyId":"{id}"`, wrongOrigin, wrongOrigin},
	{"GetKeyRotationStatus", `"KeyId":"{id}"`, wrongOrigin, wrongOrigin},
	{"ListKeyRotations", `"KeyId":"{id}"`, wrongOrigin, wrongOrigin},
	{"RotateKeyOnDemand", `"KeyId":"{id}"`, wrongOrigin, wrongOrigin},
	{"GetParametersForImport", `"KeyId":"{id}","WrappingAlgorithm":"RSAES_OAEP_SHA_256","WrappingKeySpec":"RSA_2048"`, wrongOrigin, wrongOrigin},
	{"ImportKeyMaterial", importMembers, wrongOrigin, wrongOrigin},
	{"DeleteImportedKeyMaterial", `"KeyId":"{id}"`, wrongOrigin, wrongOrigin},
	{"ReplicateKey", `"KeyId":"{id}","ReplicaRegion":"eu-west-1"`, "UnsupportedOperationException {arn} is not a multi-region primary key.", "UnsupportedOperationException {arn} is not a multi-region primary key."},
	{"UpdatePrimaryRegion", `"KeyId":"{id}","PrimaryRegion":"eu-west-1"`, "UnsupportedOperationException {arn} is not a multi-region primary key.", "UnsupportedOperationException {arn} is not a multi-region primary key."},
	{"CreateGrant", `"KeyId":"{id}","GranteePrincipal":"arn:aws:iam::000000000000:root","Operations":["Decrypt"],"Name":"new"`, "ok", "ok"},
	{"ListGrants", `"KeyId":"{id}"`, "ok", "ok"},
	{"RevokeGrant", `"KeyId":"{id}","GrantId":"{grant}","DryRun":true`, "DryRunOperationException The request would have succeeded, but the DryRun option is set.", "DryRunOperationException The request would have succeeded, but the DryRun option is set."},
	{"RetireGrant", `"GrantToken":"{token}"`, "ok", "ok"},
	{"TagResource", `"KeyId":"{id}","Tags":[{"TagKey":"a","TagValue":"b"}]`, "ok", "ok"},
	{"ListResourceTags", `"KeyId":"{id}"`, "ok", "ok"},
	{"UntagResource", `"KeyId":"{id}","TagKeys":["a"]`, "ok", "ok"},
	{"UpdateKeyDescription", `"KeyId":"{id}","Description":"x"`, "ok", "ok"},
	{"DisableKey", `"KeyId":"{id}"`, "ok", "ok"},
	{"EnableKey", `"KeyId":"{id}"`, "ok", "ok"},
	{"CancelKeyDeletion", `"KeyId":"{id}"`, notPending, notPending},
	{"ScheduleKeyDeletion", `"KeyId":"{id}","PendingWindowInDays":7`, "ok", "ok"},
}

// TestOperationsOnStoreKeys: every operation on a key in a custom key store, while that is connected and while it is not.
func TestOperationsOnStoreKeys(t *testing.T) {
	t.Parallel()
	s := startStores(t, servertest.Options{KeyStores: twoKinds()})
	for _, in := range []*kms.CreateCustomKeyStoreInput{hsmStore("hsm"), xksStore("xks")} {
		store, origin, unavailable, external := s.create(t, in), "AWS_CLOUDHSM", "ARN is unavailable.", []string{"", ""}
		if in.CustomKeyStoreType == types.CustomKeyStoreTypeExternalKeyStore {
			origin, external = "EXTERNAL_KEY_STORE", []string{"good", "other"}
			unavailable = "This KMS key is in a custom key store that is not connected to its external key store proxy. Connect the external key store and try the request again."
		}
		for i, name := range external {
			s.connect(t, store)
			names := s.storeKey(t, store, name)
			if i == 1 {
				s.disconnect(t, store)
			}
			names["{unavailable}"], names["{origin}"], names["{name}"] = strings.ReplaceAll(unavailable, "ARN", names["{arn}"]), origin, origin+itoa(i)
			names["{policy}"] = strings.ReplaceAll(accountPolicy(), `"`, `\"`)
			var pairs []string
			for name, value := range names {
				pairs = append(pairs, name, value)
			}
			fill := strings.NewReplacer(pairs...)
			for _, row := range storeKeyRows {
				want, members := fill.Replace([]string{row.connected, row.disconnected}[i]), fill.Replace(row.members)
				a := s.Call(t, row.operation, "{"+members+"}")
				got := "ok"
				if a.Status != 200 {
					code, text := refusalOf(t, a)
					got = code + " " + text
				}
				if got != want {
					t.Errorf("%s, key %d: %s %s\n got %s\nwant %s", origin, i, row.operation, members, got, want)
				}
			}
			if a := s.Call(t, "DescribeKey", `{"KeyId":"`+names["{id}"]+`"}`); !strings.Contains(a.Body, `"KeyState":"PendingDeletion"`) {
				t.Error(a.Body)
			}
		}
	}
	tried := map[string]bool{}
	for _, row := range storeKeyRows {
		tried[row.operation] = true
	}
	for _, row := range operation.Rows() {
		if row.States != nil && !tried[row.Name] {
			t.Errorf("%s is not tried", row.Name)
		}
	}
}

// storeKey makes a key in a custom key store, with a ciphertext and a grant.
func (s *stores) storeKey(t *testing.T, store, external string) map[string]string {
	t.Helper()
	ctx := t.Context()
	m := s.newKey(t, store, external)
	grant, err := s.client.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: m.KeyId, GranteePrincipal: aws.String("arn:aws:iam::000000000000:root"), Operations: []types.GrantOperation{"Encrypt"}})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := s.client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	seal := func(id string) string {
		_, sealed, _ := strings.Cut(s.Call(t, "Encrypt", `{"KeyId":"`+id+`","Plaintext":"eA=="}`).Body, `"CiphertextBlob":"`)
		sealed, _, _ = strings.Cut(sealed, `"`)
		return sealed
	}
	return map[string]string{"{id}": *m.KeyId, "{arn}": *m.Arn, "{sealed}": seal(*m.KeyId), "{plain}": seal(*plain.KeyMetadata.KeyId), "{grant}": *grant.GrantId, "{token}": *grant.GrantToken}
}
