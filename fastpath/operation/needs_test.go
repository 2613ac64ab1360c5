package operation_test

import (
	"slices"
	"strings"
	"testing"

	"trent/fastpath/authz"
	"trent/fastpath/operation"
)

// Lists of the AWS KMS Developer Guide, "AWS KMS permissions".
var (
	byIdentityPolicies = strings.Fields(`CreateKey ListKeys ListAliases ListRetirableGrants GenerateRandom CreateCustomKeyStore
		ConnectCustomKeyStore DisconnectCustomKeyStore DescribeCustomKeyStores UpdateCustomKeyStore DeleteCustomKeyStore`)
	acrossAccounts = strings.Fields(`Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair
		GenerateDataKeyPairWithoutPlaintext GenerateMac VerifyMac Sign Verify DeriveSharedSecret Encapsulate Decapsulate CreateGrant
		ListGrants RetireGrant RevokeGrant DescribeKey GetPublicKey GetKeyRotationStatus`)
	several = map[string][]string{
		"CreateKey":           {"kms:CreateKey on * (IAM)", "kms:TagResource on new key (IAM)"},
		"CreateAlias":         {"kms:CreateAlias on alias (IAM)", "kms:CreateAlias on key"},
		"DeleteAlias":         {"kms:DeleteAlias on alias (IAM)", "kms:DeleteAlias on key"},
		"UpdateAlias":         {"kms:UpdateAlias on alias (IAM)", "kms:UpdateAlias on other key", "kms:UpdateAlias on key"},
		"ReEncrypt":           {"kms:ReEncryptFrom on key", "kms:ReEncryptTo on destination key"},
		"ReplicateKey":        {"kms:ReplicateKey on key", "kms:CreateKey on * in the replica's Region (IAM)", "kms:TagResource on new replica (IAM)"},
		"UpdatePrimaryRegion": {"kms:UpdatePrimaryRegion on key", "kms:UpdatePrimaryRegion on other key"},
		"RetireGrant":         {"kms:RetireGrant on grant"},
	}
)

// TestPermissionsOfRows: each operation needs what the guide says, and works across accounts if it says so.
func TestPermissionsOfRows(t *testing.T) {
	t.Parallel()
	used := map[authz.Action]bool{}
	for _, row := range operation.Rows() {
		want := several[row.Name]
		switch {
		case want != nil:
		case slices.Contains(byIdentityPolicies, row.Name):
			want = []string{"kms:" + row.Name + " on * (IAM)"}
		default:
			want = []string{"kms:" + row.Name + " on key"}
		}
		var got []string
		for _, p := range row.Permissions {
			got = append(got, p.Action+" on "+p.On)
			used[authz.ActionNamed(p.Action)] = true
			if tags := p.Action == "kms:TagResource" && row.Name != "TagResource"; tags != p.Conditional {
				t.Errorf("%s: %s depends on the request: %v", row.Name, p.Action, p.Conditional)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s needs %q, want %q", row.Name, got, want)
		}
		if row.CrossAccount != slices.Contains(acrossAccounts, row.Name) {
			t.Errorf("%s works across accounts: %v", row.Name, row.CrossAccount)
		}
	}
	for a := authz.ActionNone + 1; a < authz.NumActions; a++ {
		// The service alone does SynchronizeMultiRegionKey; STS is not of this API.
		if strings.HasPrefix(a.String(), "kms:") && !used[a] && a != authz.ActionSynchronizeMultiRegionKey {
			t.Errorf("no operation needs %s", a)
		}
	}
}
