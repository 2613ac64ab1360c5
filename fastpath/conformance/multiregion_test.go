package conformance_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"

	"trent/fastpath/servertest"
)

// Regions that copies are made in; none is the endpoint's.
const (
	firstRegion, secondRegion = "eu-west-1", "ap-northeast-1"
)

func arnIn(region, id string) string {
	return "arn:aws:kms:" + region + ":" + at.Account + ":key/" + id
}

func newPrimary(t testing.TB) key {
	t.Helper()
	return newKey(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
}

func newReplica(t testing.TB, k key, region string) *kms.ReplicateKeyOutput {
	t.Helper()
	out, err := at.KMS().ReplicateKey(context.Background(), &kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: &region})
	if err != nil {
		t.Fatalf("ReplicateKey: %v", err)
	}
	created.addIn(region, k.id)
	return out
}

func describeIn(t testing.TB, region, name string) *types.KeyMetadata {
	t.Helper()
	out, err := at.In(region).DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &name})
	if err != nil {
		t.Fatalf("DescribeKey in %s: %v", region, err)
	}
	return out.KeyMetadata
}

// related is a MultiRegionConfiguration: the type of the key it is shown of, the primary's Region, the replicas'.
func related(id, kind, primary string, replicas ...string) *types.MultiRegionConfiguration {
	of := func(region string) types.MultiRegionKey {
		return types.MultiRegionKey{Arn: aws.String(arnIn(region, id)), Region: &region}
	}
	p := of(primary)
	c := &types.MultiRegionConfiguration{MultiRegionKeyType: types.MultiRegionKeyType(kind), PrimaryKey: &p, ReplicaKeys: []types.MultiRegionKey{}}
	for _, region := range replicas {
		c.ReplicaKeys = append(c.ReplicaKeys, of(region))
	}
	slices.SortFunc(c.ReplicaKeys, func(a, b types.MultiRegionKey) int { return strings.Compare(*a.Region, *b.Region) })
	return c
}

func wantRelated(t *testing.T, m *types.KeyMetadata, want *types.MultiRegionConfiguration) {
	t.Helper()
	got := m.MultiRegionConfiguration
	if got != nil {
		slices.SortFunc(got.ReplicaKeys, func(a, b types.MultiRegionKey) int { return strings.Compare(*a.Region, *b.Region) })
	}
	if d := cmp.Diff(want, got, ignoreSDK); d != "" {
		t.Errorf("%s: %s", *m.Arn, d)
	}
}

// TestReplicateKey: the answer as the service gives it, then the key as it is.
func TestReplicateKey(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k := newKey(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true), Description: aws.String("the primary"), Tags: []types.Tag{tag("p", "1")}})
	if len(k.id) != 36 || !strings.HasPrefix(k.id, "mrk-") || strings.Contains(k.id[4:], "-") {
		t.Errorf("id %s", k.id)
	}
	wantRelated(t, describe(t, k.id), related(k.id, "PRIMARY", at.Region))

	out := newReplica(t, k, firstRegion)
	m := out.ReplicaKeyMetadata
	wantRelated(t, m, related(k.id, "REPLICA", at.Region, firstRegion))
	if m.KeyState != "Creating" || m.Enabled || *m.Description != "" || m.CurrentKeyMaterialId != nil || *m.KeyId != k.id || *m.Arn != arnIn(firstRegion, k.id) ||
		m.Origin != "AWS_KMS" || m.KeyManager != "CUSTOMER" || m.KeySpec != "SYMMETRIC_DEFAULT" || m.KeyUsage != "ENCRYPT_DECRYPT" || !*m.MultiRegion ||
		m.CreationDate == nil || m.DeletionDate != nil || m.PendingDeletionWindowInDays != nil {
		t.Errorf("answer %+v", m)
	}
	if *out.ReplicaPolicy != defaultPolicyOf(t, k) || out.ReplicaTags != nil {
		t.Errorf("policy %q, tags %v", *out.ReplicaPolicy, out.ReplicaTags)
	}
	wantRelated(t, describe(t, k.id), related(k.id, "PRIMARY", at.Region, firstRegion))
	m = describeIn(t, firstRegion, k.id)
	wantRelated(t, m, related(k.id, "REPLICA", at.Region, firstRegion))
	if m.KeyState != "Enabled" || !m.Enabled || *m.CurrentKeyMaterialId != *describe(t, k.id).CurrentKeyMaterialId {
		t.Errorf("metadata %+v", m)
	}

	policy := strings.Replace(accountPolicy(), "kms:*", "kms:*", 1)
	second, err := at.KMS().ReplicateKey(ctx, &kms.ReplicateKeyInput{
		KeyId: &k.arn, ReplicaRegion: aws.String(secondRegion), Description: aws.String("a copy"), Policy: &policy,
		BypassPolicyLockoutSafetyCheck: true, Tags: []types.Tag{tag("a", "b"), tag("c", "")},
	})
	if err != nil {
		t.Fatal(err)
	}
	created.addIn(secondRegion, k.id)
	if *second.ReplicaKeyMetadata.Description != "a copy" || *second.ReplicaPolicy != policy || len(second.ReplicaTags) != 2 {
		t.Errorf("answer %+v", second)
	}
	m = describeIn(t, secondRegion, k.id)
	wantRelated(t, m, related(k.id, "REPLICA", at.Region, firstRegion, secondRegion))
	if *m.Description != "a copy" {
		t.Errorf("description %q", *m.Description)
	}
	tags, err := at.In(secondRegion).ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &k.id})
	if err != nil || len(tags.Tags) != 2 {
		t.Errorf("tags %v, %v", tags, err)
	}
	got, err := at.In(secondRegion).GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.id})
	if err != nil || *got.Policy != policy {
		t.Errorf("policy %v, %v", got, err)
	}
}

func defaultPolicyOf(t testing.TB, k key) string {
	t.Helper()
	out, err := at.KMS().GetKeyPolicy(context.Background(), &kms.GetKeyPolicyInput{KeyId: &k.id})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Policy
}

// TestReplicateKeyAnswer has members that the SDK does not tell apart.
func TestReplicateKeyAnswer(t *testing.T) {
	t.Parallel()
	k := newPrimary(t)
	a := call(t, "ReplicateKey", object{"KeyId": k.id, "ReplicaRegion": firstRegion})
	created.addIn(firstRegion, k.id)
	for _, part := range []string{`"Description":""`, `"KeyState":"Creating"`, `"Enabled":false`, `"MultiRegionKeyType":"REPLICA"`} {
		if a.Status != 200 || !strings.Contains(string(a.Body), part) {
			t.Errorf("answer %d %s lacks %s", a.Status, a.Body, part)
		}
	}
	if strings.Contains(string(a.Body), "ReplicaTags") {
		t.Errorf("answer %s has tags of none", a.Body)
	}
}

func TestReplicateKeyRefusals(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k, single := newPrimary(t), symmetric(t)
	newReplica(t, k, firstRegion)
	const unsupported = "UnsupportedOperationException"
	long := strings.Repeat("x", 129)
	for name, c := range map[string]struct {
		region        string // of the call
		in            kms.ReplicateKeyInput
		code, message string
	}{
		"there already": {at.Region, kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(firstRegion)},
			"AlreadyExistsException", "A key with the ARN " + arnIn(firstRegion, k.id) + " already exists"},
		"its own": {at.Region, kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: &at.Region}, "AlreadyExistsException", "A key with the ARN " + k.arn + " already exists"},
		"a replica": {firstRegion, kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(secondRegion)},
			unsupported, arnIn(firstRegion, k.id) + " is not a multi-region primary key."},
		"a replica to its own Region": {firstRegion, kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(firstRegion)},
			unsupported, arnIn(firstRegion, k.id) + " is not a multi-region primary key."},
		"single-Region":   {at.Region, kms.ReplicateKeyInput{KeyId: &single.id, ReplicaRegion: aws.String(secondRegion)}, unsupported, single.arn + " is not a multi-region primary key."},
		"other partition": {at.Region, kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String("cn-north-1")}, "ValidationException", "Region cn-north-1 is not valid for this operation."},
		"no Region":       {at.Region, kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String("xx-nowhere-1")}, "ValidationException", "Region xx-nowhere-1 is not valid for this operation."},
		"alias":           {at.Region, kms.ReplicateKeyInput{KeyId: aws.String("alias/x"), ReplicaRegion: aws.String(secondRegion)}, "InvalidArnException", "Key Aliases are not supported for this operation."},
		"absent": {at.Region, kms.ReplicateKeyInput{KeyId: aws.String("mrk-00000000000000000000000000000000"), ReplicaRegion: aws.String(secondRegion)},
			"NotFoundException", "Key '" + arnOf("mrk-00000000000000000000000000000000") + "' does not exist"},
		"other Region's ARN": {at.Region, kms.ReplicateKeyInput{KeyId: aws.String(arnIn(firstRegion, k.id)), ReplicaRegion: aws.String(secondRegion)},
			"NotFoundException", "Invalid arn " + firstRegion},
		"tags twice": {at.Region, kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(secondRegion), Tags: []types.Tag{tag("a", "1"), tag("a", "2")}},
			"TagException", "Duplicate tag keys"},
		"reserved tag": {at.Region, kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(secondRegion), Tags: []types.Tag{tag("AWS:a", "1")}},
			"TagException", "Tags beginning with aws: are reserved"},
		"long tag": {at.Region, kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(secondRegion), Tags: []types.Tag{tag(long, "1")}},
			"ValidationException", validation("'"+long+"' ", "tags.1.member.tagKey", "have length less than or equal to 128")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := at.In(c.region).ReplicateKey(ctx, &c.in)
			wantError(t, err, c.code, c.message)
		})
	}
	_, err := at.KMS().ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(secondRegion), Policy: aws.String("{")})
	if err == nil || !strings.Contains(err.Error(), "MalformedPolicyDocumentException") {
		t.Errorf("policy: %v", err)
	}
	wantRelated(t, describe(t, k.id), related(k.id, "PRIMARY", at.Region, firstRegion))
}

// TestReplicateStates: what kind of key it is comes before its state, which comes before the Region.
func TestReplicateStates(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for state, want := range map[types.KeyState]struct{ code, message string }{
		"Disabled":        {"DisabledException", " is disabled."},
		"PendingDeletion": {"KMSInvalidStateException", " is pending deletion."},
		"PendingImport":   {"KMSInvalidStateException", " is pending import."},
	} {
		k := inState(t, state, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
		_, err := at.KMS().ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String("xx-nowhere-1")})
		wantError(t, err, want.code, k.arn+want.message)
		_, err = at.KMS().UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &k.id, PrimaryRegion: aws.String("xx-nowhere-1")})
		wantError(t, err, want.code, k.arn+want.message)
		single := inState(t, state, &kms.CreateKeyInput{})
		_, err = at.KMS().ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &single.id, ReplicaRegion: aws.String(firstRegion)})
		wantError(t, err, "UnsupportedOperationException", single.arn+" is not a multi-region primary key.")
	}
}

// TestReplicateAtOnce: of several that replicate to one Region, one does.
func TestReplicateAtOnce(t *testing.T) {
	t.Parallel()
	k := newPrimary(t)
	errs := make([]error, 6)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			_, errs[i] = at.KMS().ReplicateKey(t.Context(), &kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(firstRegion)})
		})
	}
	all.Wait()
	created.addIn(firstRegion, k.id)
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		wantError(t, err, "AlreadyExistsException", "A key with the ARN "+arnIn(firstRegion, k.id)+" already exists")
	}
	if made != 1 {
		t.Errorf("%d copies were made", made)
	}
	wantRelated(t, describe(t, k.id), related(k.id, "PRIMARY", at.Region, firstRegion))
}

// TestMultiRegionCryptography: what one copy made the others use; what a single-Region key made nobody elsewhere.
func TestMultiRegionCryptography(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k := newPrimary(t)
	newReplica(t, k, firstRegion)
	newReplica(t, k, secondRegion)
	there := at.In(firstRegion)
	blob := encrypt(t, k.id, "across")
	for _, name := range []*string{nil, &k.id, aws.String(arnIn(firstRegion, k.id))} {
		out, err := there.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: name})
		if err != nil || string(out.Plaintext) != "across" || *out.KeyId != arnIn(firstRegion, k.id) {
			t.Errorf("Decrypt: %+v, %v", out, err)
		}
	}
	_, err := there.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: &k.arn})
	wantError(t, err, "NotFoundException", "Invalid arn "+at.Region)
	moved, err := there.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &k.id, DestinationEncryptionContext: map[string]string{"a": "b"}})
	if err != nil || *moved.SourceKeyId != arnIn(firstRegion, k.id) || *moved.KeyId != arnIn(firstRegion, k.id) {
		t.Fatalf("ReEncrypt: %+v, %v", moved, err)
	}
	back, err := at.In(secondRegion).Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: moved.CiphertextBlob, EncryptionContext: map[string]string{"a": "b"}})
	if err != nil || string(back.Plaintext) != "across" || *back.KeyId != arnIn(secondRegion, k.id) {
		t.Errorf("Decrypt: %+v, %v", back, err)
	}
	single := symmetric(t)
	_, err = there.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: encrypt(t, single.id, "x")})
	wantError(t, err, "AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	_, err = there.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &single.id})
	wantError(t, err, "NotFoundException", "Key '"+arnIn(firstRegion, single.id)+"' does not exist")
}

// TestMultiRegionSpecs: asymmetric and HMAC keys have copies, too.
func TestMultiRegionSpecs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	sign := newKey(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true), KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY"})
	mac := newKey(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true), KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	newReplica(t, sign, firstRegion)
	newReplica(t, mac, firstRegion)
	there := at.In(firstRegion)
	for spec, algorithm := range map[types.KeySpec]types.SigningAlgorithmSpec{
		"ML_DSA_44": "ML_DSA_SHAKE_256", "ECC_NIST_EDWARDS25519": "ED25519_SHA_512", "ECC_SECG_P256K1": "ECDSA_SHA_256",
	} {
		k := newKey(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true), KeySpec: spec, KeyUsage: "SIGN_VERIFY"})
		newReplica(t, k, firstRegion)
		out, err := there.Sign(ctx, &kms.SignInput{KeyId: &k.id, Message: []byte("m"), SigningAlgorithm: algorithm})
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		if _, err := at.KMS().Verify(ctx, &kms.VerifyInput{KeyId: &k.id, Message: []byte("m"), Signature: out.Signature, SigningAlgorithm: algorithm}); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
	}
	signature, err := there.Sign(ctx, &kms.SignInput{KeyId: &sign.id, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at.KMS().Verify(ctx, &kms.VerifyInput{KeyId: &sign.id, Message: []byte("m"), Signature: signature.Signature, SigningAlgorithm: "ECDSA_SHA_256"}); err != nil {
		t.Errorf("Verify: %v", err)
	}
	here, err := at.KMS().GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &sign.id})
	if err != nil {
		t.Fatal(err)
	}
	other, err := there.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &sign.id})
	if err != nil || string(other.PublicKey) != string(here.PublicKey) || *other.KeyId != arnIn(firstRegion, sign.id) {
		t.Errorf("GetPublicKey: %+v, %v", other, err)
	}
	sum, err := at.KMS().GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &mac.id, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := there.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &mac.id, Message: []byte("m"), Mac: sum.Mac, MacAlgorithm: "HMAC_SHA_256"}); err != nil {
		t.Errorf("VerifyMac: %v", err)
	}
}

// TestCopiesAreIndependent: descriptions, states, aliases, tags and policies are each copy's own.
func TestCopiesAreIndependent(t *testing.T) {
	t.Parallel()
	ctx, there := t.Context(), at.In(firstRegion)
	k := newPrimary(t)
	newReplica(t, k, firstRegion)
	alias := newAlias()
	blob := encrypt(t, k.id, "x")
	for _, err := range []error{
		second(there.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &k.id, Description: aws.String("there")})),
		second(there.TagResource(ctx, &kms.TagResourceInput{KeyId: &k.id, Tags: []types.Tag{tag("a", "b")}})),
		second(there.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &k.id})),
		second(there.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _, _ = there.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &alias}) }()
	if m := describe(t, k.id); *m.Description != "" || m.KeyState != "Enabled" {
		t.Errorf("the primary: %+v", m)
	}
	if _, err := at.KMS().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}); err != nil {
		t.Errorf("the primary: %v", err)
	}
	_, err := there.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	wantError(t, err, "DisabledException", arnIn(firstRegion, k.id)+" is disabled.")
	if tags, err := at.KMS().ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &k.id}); err != nil || len(tags.Tags) != 0 {
		t.Errorf("the primary's tags: %v, %v", tags, err)
	}
	_, err = at.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &alias})
	wantError(t, err, "NotFoundException", "Alias "+aliasARN(alias)+" is not found.")
	if m := describeIn(t, firstRegion, alias); *m.KeyId != k.id || *m.Description != "there" || m.KeyState != "Disabled" {
		t.Errorf("the replica: %+v", m)
	}
}

// TestUnservedRegion: a key has copies only where somebody can ask for them.
func TestUnservedRegion(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{Regions: []string{"us-east-1", firstRegion}})
	made, err := s.KMS().CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	replicate := func(region string) error {
		return second(s.KMS().ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: made.KeyMetadata.KeyId, ReplicaRegion: &region}))
	}
	wantError(t, replicate(secondRegion), "ValidationException", "Region "+secondRegion+" is not valid for this operation.")
	if err := replicate(firstRegion); err != nil {
		t.Error(err)
	}
}
