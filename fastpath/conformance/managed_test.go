package conformance_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/servertest"
)

func allAliases(t *testing.T, client *kms.Client, limit int32) []types.AliasListEntry {
	t.Helper()
	var all []types.AliasListEntry
	pages := kms.NewListAliasesPaginator(client, &kms.ListAliasesInput{Limit: &limit})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Aliases) > int(limit) {
			t.Fatalf("a page of %d with a limit of %d", len(page.Aliases), limit)
		}
		all = append(all, page.Aliases...)
	}
	return all
}

func aliasNamed(all []types.AliasListEntry, name string) *types.AliasListEntry {
	for i := range all {
		if *all[i].AliasName == name {
			return &all[i]
		}
	}
	return nil
}

// TestManagedKey: a predefined alias has no key until somebody asks for it.
func TestManagedKey(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{})
	client := s.KMS()
	const s3 = "alias/aws/s3"
	unused := aliasNamed(allAliases(t, client, 100), s3)
	if unused == nil || unused.TargetKeyId != nil || unused.CreationDate != nil || unused.LastUpdatedDate != nil ||
		*unused.AliasArn != "arn:aws:kms:us-east-1:"+s.Account+":"+s3 {
		t.Fatalf("unused: %+v", unused)
	}
	if keys, err := client.ListKeys(ctx, &kms.ListKeysInput{}); err != nil || len(keys.Keys) != 0 {
		t.Fatalf("%+v, %v", keys, err)
	}

	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(s3)})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = *out.KeyMetadata.KeyId
		})
	}
	all.Wait()
	if slices.ContainsFunc(ids, func(id string) bool { return id != ids[0] }) {
		t.Errorf("several keys: %v", ids)
	}
	keys, err := client.ListKeys(ctx, &kms.ListKeysInput{})
	if err != nil || len(keys.Keys) != 1 || *keys.Keys[0].KeyId != ids[0] {
		t.Errorf("%+v, %v", keys, err)
	}
	for range 2 {
		m := metadataOf(t, client, []string{s3})[0]
		if *m.KeyId != ids[0] || m.KeyManager != "AWS" || *m.Description != "Default key that protects my S3 objects when no other key is defined" ||
			m.KeyState != "Enabled" || !m.Enabled || m.Origin != "AWS_KMS" || m.KeySpec != "SYMMETRIC_DEFAULT" || m.KeyUsage != "ENCRYPT_DECRYPT" ||
			*m.MultiRegion || m.CurrentKeyMaterialId == nil {
			t.Errorf("metadata %+v", m)
		}
		used := aliasNamed(allAliases(t, client, 100), s3)
		if used == nil || *used.TargetKeyId != ids[0] || used.CreationDate == nil || time.Since(*used.CreationDate) > time.Minute || used.LastUpdatedDate == nil {
			t.Errorf("used: %+v", used)
		}
		of, err := client.ListAliases(ctx, &kms.ListAliasesInput{KeyId: &ids[0]})
		if err != nil || len(of.Aliases) != 1 || *of.Aliases[0].AliasName != s3 {
			t.Errorf("%+v, %v", of, err)
		}
		s.Restart(t)
		client = s.KMS()
	}
	there, err := s.In(firstRegion).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("arn:aws:kms:" + firstRegion + ":" + s.Account + ":" + s3)})
	if err != nil || *there.KeyMetadata.KeyId == ids[0] {
		t.Errorf("another Region: %+v, %v", there, err)
	}
}

// TestManagedPolicy is the document as GetKeyPolicy of the service shows it.
func TestManagedPolicy(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	m := describe(t, "alias/aws/ebs")
	if m.KeyManager != "AWS" {
		t.Fatalf("manager %s", m.KeyManager)
	}
	policy, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: m.KeyId})
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "Version" : "2012-10-17",
  "Id" : "auto-ebs-2",
  "Statement" : [ {
    "Sid" : "Allow access through EBS for all principals in the account that are authorized to use EBS",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "*"
    },
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {
      "StringEquals" : {
        "kms:CallerAccount" : "` + at.Account + `",
        "kms:ViaService" : "ec2.` + at.Region + `.amazonaws.com"
      }
    }
  }, {
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::` + at.Account + `:root"
    },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant" ],
    "Resource" : "*"
  } ]
}`
	if *policy.Policy != want || *policy.PolicyName != "default" {
		t.Errorf("policy %s\nwant %s", *policy.Policy, want)
	}
}

// TestManagedKeys: every predefined alias gives a key with a policy that is one.
func TestManagedKeys(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{})
	client := s.KMS()
	predefined := allAliases(t, client, 100)
	if len(predefined) < 20 {
		t.Errorf("only %d", len(predefined))
	}
	for _, a := range predefined {
		m := metadataOf(t, client, []string{*a.AliasName})[0]
		if !strings.HasPrefix(*m.Description, "Default key that protects my ") || m.KeyManager != "AWS" {
			t.Errorf("%s: %+v", *a.AliasName, m)
		}
		out, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: m.KeyId})
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Statement []struct{ Sid, Effect string }
		}
		if err := json.Unmarshal([]byte(*out.Policy), &doc); err != nil || len(doc.Statement) < 2 {
			t.Errorf("%s: %v in %s", *a.AliasName, err, *out.Policy)
		}
		// A customer managed key takes it as well, so that it keeps to the grammar.
		if _, err := client.CreateKey(ctx, &kms.CreateKeyInput{Policy: out.Policy, BypassPolicyLockoutSafetyCheck: true}); err != nil {
			t.Errorf("%s: %v", *a.AliasName, err)
		}
	}
	for _, a := range allAliases(t, client, 7) {
		if a.TargetKeyId == nil {
			t.Errorf("%s has no key", *a.AliasName)
		}
	}
}

// TestManagedFirstUse: what uses a predefined alias makes its key, and what does not leaves it.
func TestManagedFirstUse(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{})
	client := s.KMS()
	absent := func(name string) string {
		return "Alias arn:aws:kms:us-east-1:" + s.Account + ":" + name + " is not found."
	}
	_, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String("alias/aws/rds"), Plaintext: []byte("x"), DryRun: aws.Bool(true)})
	wantError(t, err, "NotFoundException", absent("alias/aws/rds"))
	_, err = client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: aws.String("alias/aws/rds")})
	wantError(t, err, "NotFoundException", absent("alias/aws/rds"))
	_, err = client.Sign(ctx, &kms.SignInput{KeyId: aws.String("alias/aws/rds"), Message: []byte("x"), SigningAlgorithm: "ECDSA_SHA_256"})
	wantError(t, err, "NotFoundException", absent("alias/aws/rds"))
	_, err = client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/aws/none")})
	wantError(t, err, "NotFoundException", absent("alias/aws/none"))
	if a := aliasNamed(allAliases(t, client, 100), "alias/aws/rds"); a == nil || a.TargetKeyId != nil {
		t.Errorf("made without use: %+v", a)
	}
	// Nobody may use it directly, so that no such use makes it.
	_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String("alias/aws/rds"), Plaintext: []byte("x")})
	wantError(t, err, "NotFoundException", absent("alias/aws/rds"))
	_, err = client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: aws.String("alias/aws/rds"), KeySpec: "AES_256"})
	wantError(t, err, "NotFoundException", absent("alias/aws/rds"))
	if a := aliasNamed(allAliases(t, client, 100), "alias/aws/rds"); a == nil || a.TargetKeyId != nil {
		t.Errorf("made without use: %+v", a)
	}
	m := metadataOf(t, client, []string{"alias/aws/rds"})[0]
	denied := func(action string) string {
		return "User: arn:aws:iam::" + s.Account + ":root is not authorized to perform: kms:" + action + " on resource: " + *m.Arn +
			" because no resource-based policy allows the kms:" + action + " action"
	}
	_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String("alias/aws/rds"), Plaintext: []byte("x")})
	wantError(t, err, "AccessDeniedException", denied("Encrypt"))
	_, err = client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: m.KeyId, KeySpec: "AES_256"})
	wantError(t, err, "AccessDeniedException", denied("GenerateDataKey"))
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: made.KeyMetadata.KeyId, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: aws.String("alias/aws/rds")})
	wantError(t, err, "AccessDeniedException", denied("ReEncryptTo"))
	_, err = client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: aws.String("alias/aws/sqs")})
	wantError(t, err, "NotFoundException", absent("alias/aws/sqs"))
}

// TestManagedKeyInChina: the same there, with the cipher and the names of that partition.
func TestManagedKeyInChina(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	client := at.As(chinaKeyID, otherSecret)
	there := func(o *kms.Options) { o.Region = "cn-north-1" }
	out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/aws/s3")}, there)
	if err != nil {
		t.Fatal(err)
	}
	m := out.KeyMetadata
	if m.KeySpec != "SYMMETRIC_DEFAULT" || m.KeyManager != "AWS" || !strings.HasPrefix(*m.Arn, "arn:aws-cn:kms:cn-north-1:"+otherAccount+":key/") {
		t.Errorf("metadata %+v", m)
	}
	policy, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: m.KeyId}, there)
	if err != nil || !strings.Contains(*policy.Policy, `"s3.cn-north-1.amazonaws.com.cn"`) || !strings.Contains(*policy.Policy, `"arn:aws-cn:iam::`+otherAccount+`:root"`) {
		t.Errorf("policy %v, %v", policy, err)
	}
}

// TestManagedRefusals: AWS managed keys are not the customer's to change.
func TestManagedRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	m := describe(t, "alias/aws/secretsmanager")
	id, alias, mine := m.KeyId, newAlias(), symmetric(t)
	if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &mine.id}); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &alias}) }()
	for action, err := range map[string]error{
		"ScheduleKeyDeletion":  second(client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id})),
		"CancelKeyDeletion":    second(client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: id})),
		"DisableKey":           second(client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id})),
		"EnableKey":            second(client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id})),
		"TagResource":          second(client.TagResource(ctx, &kms.TagResourceInput{KeyId: id, Tags: []types.Tag{tag("a", "b")}})),
		"UntagResource":        second(client.UntagResource(ctx, &kms.UntagResourceInput{KeyId: id, TagKeys: []string{"a"}})),
		"PutKeyPolicy":         second(client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: id, Policy: aws.String(accountPolicy())})),
		"UpdateKeyDescription": second(client.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: id, Description: aws.String("mine")})),
		"CreateAlias":          second(client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String(newAlias()), TargetKeyId: id})),
		"UpdateAlias":          second(client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &alias, TargetKeyId: id})),
		"EnableKeyRotation":    second(client.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: id})),
		"DisableKeyRotation":   second(client.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: id})),
		"RotateKeyOnDemand":    second(client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: id})),
		"ReplicateKey":         second(client.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: aws.String(firstRegion)})),
	} {
		wantError(t, err, "AccessDeniedException", "User: "+callerARN()+" is not authorized to perform: kms:"+action+" on resource: "+*m.Arn+
			" because no resource-based policy allows the kms:"+action+" action")
	}
	for name, err := range map[string]error{
		"CreateAlias": second(client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/aws/s3"), TargetKeyId: &mine.id})),
		"UpdateAlias": second(client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: aws.String("alias/aws/s3"), TargetKeyId: &mine.id})),
		"DeleteAlias": second(client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: aws.String("alias/aws/s3")})),
	} {
		t.Log(name)
		wantStatus(t, err, 400, "NotAuthorizedException", "")
	}
	if after := describe(t, *id); after.KeyState != "Enabled" || *after.Description != *m.Description {
		t.Errorf("changed: %+v", after)
	}
	if tags, err := client.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: id}); err != nil || len(tags.Tags) != 0 {
		t.Errorf("%+v, %v", tags, err)
	}
	rotation, err := client.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: id})
	if err != nil || !rotation.KeyRotationEnabled || *rotation.RotationPeriodInDays != 365 || !rotation.NextRotationDate.Equal(m.CreationDate.AddDate(0, 0, 365)) {
		t.Errorf("%+v, %v", rotation, err)
	}
	if out, err := client.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: id}); err != nil || len(out.PolicyNames) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

func callerARN() string { return "arn:aws:iam::" + at.Account + ":root" }

// TestManagedPaging: predefined aliases and others make one list, whatever the size of a page.
func TestManagedPaging(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{})
	client := s.KMS()
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alias/a", "alias/aws", "alias/awt", "alias/z", "alias/aws-x", "alias/AWS/s3"} {
		if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: made.KeyMetadata.KeyId}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"alias/aws/acm", "alias/aws/lambda", "alias/aws/xray"} {
		if _, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name}); err != nil {
			t.Fatal(err)
		}
	}
	names := func(limit int32) (all []string) {
		for _, a := range allAliases(t, client, limit) {
			all = append(all, *a.AliasName)
		}
		return all
	}
	whole := names(100)
	if !slices.IsSorted(whole) || len(slices.Compact(slices.Clone(whole))) != len(whole) {
		t.Errorf("not in order: %q", whole)
	}
	for limit := int32(1); limit < 40; limit++ {
		if got := names(limit); !slices.Equal(got, whole) {
			t.Errorf("by %d: %q\nwant %q", limit, got, whole)
		}
	}
}

// TestUpdateAliasKinds: an alias keeps to keys of one kind and one usage.
func TestUpdateAliasKinds(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	keys := []key{symmetric(t), rsaCrypt(t), rsaSign(t), p256(t), hmac256(t)}
	group := []int{0, 1, 2, 2, 3} // of the same kind and usage
	for i, from := range keys {
		alias := newAlias()
		if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &from.id}); err != nil {
			t.Fatal(err)
		}
		for j, to := range keys {
			_, err := client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &alias, TargetKeyId: &to.arn})
			if group[i] == group[j] {
				if err != nil {
					t.Errorf("%d to %d: %v", i, j, err)
				}
				continue
			}
			wantError(t, err, "ValidationException", "Alias "+aliasARN(alias)+" cannot be changed to a KMS key of another type or KeyUsage.")
		}
		if _, err := client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &alias}); err != nil {
			t.Error(err)
		}
	}
}
