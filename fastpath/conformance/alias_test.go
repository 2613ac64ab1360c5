package conformance_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func createAlias(t *testing.T, name, target string) {
	t.Helper()
	if _, err := at.KMS().CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &target}); err != nil {
		t.Fatalf("CreateAlias: %v", err)
	}
}

// aliasesOf lists the aliases of a key, or with "" all, in pages of limit.
func aliasesOf(t *testing.T, id string, limit int32) map[string]types.AliasListEntry {
	t.Helper()
	in := &kms.ListAliasesInput{Limit: &limit}
	if id != "" {
		in.KeyId = &id
	}
	all := map[string]types.AliasListEntry{}
	pages := kms.NewListAliasesPaginator(at.KMS(), in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Aliases) > int(limit) || page.Truncated != (page.NextMarker != nil) {
			t.Fatalf("page of %d aliases, truncated %v, marker %v", len(page.Aliases), page.Truncated, page.NextMarker)
		}
		for _, a := range page.Aliases {
			if _, twice := all[*a.AliasName]; twice {
				t.Errorf("alias %q is listed twice", *a.AliasName)
			}
			all[*a.AliasName] = a
		}
	}
	return all
}

func TestAliasLife(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	one, two := newSymmetric(t), newSymmetric(t)
	name := newAlias()
	createAlias(t, name, one.id)
	a := aliasesOf(t, one.id, 50)[name]
	if aws.ToString(a.AliasArn) != aliasARN(name) || aws.ToString(a.TargetKeyId) != one.id || a.CreationDate == nil || !a.CreationDate.Equal(*a.LastUpdatedDate) {
		t.Fatalf("alias %+v", a)
	}
	if got := *describe(t, name).KeyId; got != one.id {
		t.Errorf("alias leads to %s", got)
	}
	blob := encrypt(t, name, "x")
	for time.Since(*a.CreationDate) < 2*time.Millisecond { // dates have milliseconds
		runtime.Gosched()
	}
	if _, err := client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &two.arn}); err != nil {
		t.Fatal(err)
	}
	b := aliasesOf(t, two.id, 50)[name]
	if aws.ToString(b.TargetKeyId) != two.id || !b.CreationDate.Equal(*a.CreationDate) || !b.LastUpdatedDate.After(*a.LastUpdatedDate) {
		t.Errorf("alias %+v", b)
	}
	if _, still := aliasesOf(t, one.id, 50)[name]; still {
		t.Error("the alias is listed at its old key")
	}
	if got := *describe(t, aliasARN(name)).KeyId; got != two.id {
		t.Errorf("alias leads to %s", got)
	}
	_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: &name})
	wantError(t, err, "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	if _, err := client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &name}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{name, aliasARN(name)} {
		_, err = client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &n})
		wantError(t, err, "NotFoundException", "Alias "+aliasARN(name)+" is not found.")
	}
	_, err = client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &name})
	wantError(t, err, "NotFoundException", "Alias "+aliasARN(name)+" is not found.")
	_, err = client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &one.id})
	wantError(t, err, "NotFoundException", "Alias "+aliasARN(name)+" is not found.")
	if describe(t, two.id).KeyState != "Enabled" {
		t.Error("deleting an alias touched its key")
	}
}

func TestCreateAliasRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	name := newAlias()
	createAlias(t, name, k.id)
	for label, c := range map[string]struct{ alias, target, code, message string }{
		"again":     {name, k.id, "AlreadyExistsException", "An alias with the name " + aliasARN(name) + " already exists"},
		"no prefix": {"x", k.id, "ValidationException", `Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`},
		"colon":     {"alias/Service:Test", k.id, "ValidationException", "alias/Service:Test contains invalid characters for an alias"},
		"reserved":  {"alias/aws/mine", k.id, "NotAuthorizedException", ""},
		"space": {"alias/a b", k.id, "ValidationException",
			validation("'alias/a b' ", "aliasName", "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$")},
		"long": {"alias/" + long(251), k.id, "ValidationException",
			validation("'alias/"+long(251)+"' ", "aliasName", "have length less than or equal to 256")},
		"alias as target": {newAlias(), name, "ValidationException", "Aliases must refer to keys. Not aliases"},
		"absent target":   {newAlias(), absentID, "NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
		"odd target":      {newAlias(), "x", "NotFoundException", "Invalid keyId 'x'"},
	} {
		t.Run(label, func(t *testing.T) {
			_, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &c.alias, TargetKeyId: &c.target})
			wantStatus(t, err, 400, c.code, c.message)
		})
	}
	createAlias(t, "alias/"+newAlias()[6:]+strings.Repeat("y", 256-len(newAlias())), k.id) // 256 characters
}

func TestAliasQuota(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k, other := newSymmetric(t), newSymmetric(t)
	var names []string
	for range 50 {
		names = append(names, newAlias())
		createAlias(t, names[len(names)-1], k.id)
	}
	const full = "Aliases per key quota for this account in this region is 50, current usage is 50."
	_, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String(newAlias()), TargetKeyId: &k.id})
	wantError(t, err, "LimitExceededException", full)
	spare := newAlias()
	createAlias(t, spare, other.id)
	_, err = client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &spare, TargetKeyId: &k.id})
	wantError(t, err, "LimitExceededException", full)
	for _, limit := range []int32{7, 50, 100} {
		if got := aliasesOf(t, k.id, limit); len(got) != 50 {
			t.Errorf("%d aliases in pages of %d", len(got), limit)
		}
	}
	if all := aliasesOf(t, "", 20); all[names[0]].AliasName == nil || all[spare].AliasName == nil {
		t.Error("the account's list lacks aliases")
	}
	if _, err := client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &names[0]}); err != nil {
		t.Fatal(err)
	}
	createAlias(t, names[0], k.id)
}

// TestReservedAliases: nobody makes aliases with the service's prefix, and those that are no alias are not there.
func TestReservedAliases(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	for name, there := range map[string]bool{"alias/aws/acm": true, "alias/aws/absent": false} {
		code, message := "NotAuthorizedException", ""
		wantStatus(t, second(client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &k.id})), 400, code, message)
		if !there {
			code, message = "NotFoundException", "Alias "+aliasARN(name)+" is not found."
		}
		wantStatus(t, second(client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &k.id})), 400, code, message)
		wantStatus(t, second(client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &name})), 400, code, message)
	}
}

func TestUpdateAliasKeepsTheKind(t *testing.T) {
	t.Parallel()
	name := newAlias()
	k := newSymmetric(t)
	createAlias(t, name, k.id)
	for _, other := range []key{hmac256(t), p256(t), rsaCrypt(t), theKey(t, "ML_DSA_44", "SIGN_VERIFY", 0), theKey(t, "ML_KEM_512", "ENCAPSULATE_DECAPSULATE", 0)} {
		_, err := at.KMS().UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &other.id})
		wantError(t, err, "ValidationException", "Alias "+aliasARN(name)+" cannot be changed to a KMS key of another type or KeyUsage.")
	}
	// Key specs may differ, usages not: all of these are asymmetric.
	signing, agreeing := newAlias(), newAlias()
	curve, agreement := p256(t), theKey(t, "ECC_NIST_P256", "KEY_AGREEMENT", 0)
	createAlias(t, signing, curve.id)
	createAlias(t, agreeing, agreement.id)
	_, err := at.KMS().UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: &signing, TargetKeyId: &agreement.id})
	wantError(t, err, "ValidationException", "Alias "+aliasARN(signing)+" cannot be changed to a KMS key of another type or KeyUsage.")
	for _, spec := range []types.KeySpec{"ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "ML_DSA_44", "RSA_2048"} {
		other := theKey(t, spec, "SIGN_VERIFY", 0)
		if _, err := at.KMS().UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: &signing, TargetKeyId: &other.id}); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestListAliasesRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	for name, c := range map[string]struct {
		in            kms.ListAliasesInput
		code, message string
	}{
		"alias":  {kms.ListAliasesInput{KeyId: aws.String("alias/x")}, "InvalidArnException", "Key Aliases are not supported for this operation."},
		"absent": {kms.ListAliasesInput{KeyId: aws.String(absentID)}, "NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
		"marker": {kms.ListAliasesInput{Marker: aws.String("x")}, "InvalidMarkerException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.ListAliases(ctx, &c.in)
			wantError(t, err, c.code, c.message)
		})
	}
}
