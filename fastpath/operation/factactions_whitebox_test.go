package operation

import (
	"slices"
	"strings"
	"testing"

	"trent/fastpath/authz"
)

// documented are the operations of each of the service's condition keys (AWS KMS Developer Guide, "Condition keys for AWS
// KMS"). "key" stands for all that are authorized on a key, "store" for those of custom key stores, "sealing" for those
// that take an encryption algorithm or context.
var documented = map[string]string{
	"kms:BypassPolicyLockoutSafetyCheck":         "CreateKey PutKeyPolicy",
	"kms:CallerAccount":                          "key store CreateKey",
	"kms:CustomerMasterKeySpec":                  "key CreateKey",
	"kms:CustomerMasterKeyUsage":                 "key CreateKey",
	"kms:DataKeyPairSpec":                        "GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext",
	"kms:EncryptionAlgorithm":                    "sealing",
	"kms:EncryptionContext":                      "sealing CreateGrant RetireGrant",
	"kms:EncryptionContextKeys":                  "sealing CreateGrant RetireGrant",
	"kms:ExpirationModel":                        "ImportKeyMaterial",
	"kms:GrantConstraintSourceArn":               "CreateGrant",
	"kms:GrantConstraintType":                    "CreateGrant RetireGrant",
	"kms:GrantIsForAWSResource":                  "CreateGrant ListGrants RevokeGrant",
	"kms:GrantOperations":                        "CreateGrant",
	"kms:GranteePrincipal":                       "CreateGrant",
	"kms:GranteeServicePrincipal":                "CreateGrant",
	"kms:KeyAgreementAlgorithm":                  "DeriveSharedSecret",
	"kms:KeyOrigin":                              "key CreateKey",
	"kms:KeySpec":                                "key CreateKey",
	"kms:KeyUsage":                               "key CreateKey",
	"kms:MacAlgorithm":                           "GenerateMac VerifyMac",
	"kms:MessageType":                            "Sign Verify",
	"kms:MultiRegion":                            "key CreateKey",
	"kms:MultiRegionKeyType":                     "key CreateKey",
	"kms:PrimaryRegion":                          "UpdatePrimaryRegion",
	"kms:ReEncryptOnSameKey":                     "ReEncryptFrom ReEncryptTo",
	"kms:RecipientAttestation":                   "Decrypt DeriveSharedSecret GenerateDataKey GenerateDataKeyPair GenerateRandom",
	"kms:ReplicaRegion":                          "ReplicateKey",
	"kms:RequestAlias":                           "sealing Sign Verify GenerateMac VerifyMac DeriveSharedSecret Encapsulate Decapsulate DescribeKey GetPublicKey",
	"kms:ResourceAliases":                        "key",
	"kms:RetiringPrincipal":                      "CreateGrant",
	"kms:RetiringServicePrincipal":               "CreateGrant",
	"kms:RotationPeriodInDays":                   "EnableKeyRotation",
	"kms:ScheduleKeyDeletionPendingWindowInDays": "ScheduleKeyDeletion",
	"kms:SigningAlgorithm":                       "Sign Verify",
	"kms:TrailingDaysWithoutKeyUsage":            "DisableKey ScheduleKeyDeletion",
	"kms:ValidTo":                                "ImportKeyMaterial",
	"kms:ViaService":                             "key CreateKey",
	"kms:WrappingAlgorithm":                      "GetParametersForImport",
	"kms:WrappingKeySpec":                        "GetParametersForImport",
}

// TestFactActions: each of the service's condition keys exists for the documented operations and no others.
func TestFactActions(t *testing.T) {
	t.Parallel()
	groups := map[string]string{
		"store": "CreateCustomKeyStore ConnectCustomKeyStore DisconnectCustomKeyStore DescribeCustomKeyStores UpdateCustomKeyStore DeleteCustomKeyStore",
		"sealing": "Encrypt Decrypt ReEncryptFrom ReEncryptTo GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair " +
			"GenerateDataKeyPairWithoutPlaintext",
	}
	var ofKeys []string
	for _, row := range newTable() {
		for _, n := range row.needs {
			if n.on.ofKey() || n.on == onGrant {
				ofKeys = append(ofKeys, strings.TrimPrefix(n.action.String(), "kms:"))
			}
		}
	}
	groups["key"] = strings.Join(append(ofKeys, "SynchronizeMultiRegionKey", "TagResource"), " ")
	for key := authz.KeyNone + 1; key < authz.KeyOther; key++ {
		name := key.Row().Name
		if !strings.HasPrefix(name, "kms:") {
			continue
		}
		list, ok := documented[name]
		if !ok || factActions[key] == nil {
			t.Errorf("%s: documented %v, limited %v", name, ok, factActions[key] != nil)
			continue
		}
		for group, members := range groups {
			words := strings.Fields(list)
			if i := slices.Index(words, group); i >= 0 {
				words[i] = members
			}
			list = strings.Join(words, " ")
		}
		want := strings.Fields(list)
		for a := authz.ActionNone + 1; a < authz.NumActions; a++ {
			action, ours := strings.CutPrefix(a.String(), "kms:")
			if has := factActions[key].has(a); has != (ours && slices.Contains(want, action)) {
				t.Errorf("%s exists for %s: %v", name, a, has)
			}
		}
	}
}
