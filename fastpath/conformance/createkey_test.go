//lint:file-ignore SA1019 the deprecated twin of KeySpec is part of the API still

package conformance_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	uuidPattern     = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	mrkPattern      = regexp.MustCompile(`^mrk-[0-9a-f]{32}$`)
	materialPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

var (
	rsaSigning = []types.SigningAlgorithmSpec{
		"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
		"RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
	}
	rsaEncryption = []types.EncryptionAlgorithmSpec{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"}
)

// specTable is the kinds of keys that these tests make, with what KeyMetadata says of each.
var specTable = []struct {
	spec  types.KeySpec
	usage types.KeyUsageType
	enc   []types.EncryptionAlgorithmSpec
	sign  []types.SigningAlgorithmSpec
	mac   []types.MacAlgorithmSpec
	agree []types.KeyAgreementAlgorithmSpec
	kem   []types.EncapsulationAlgorithmSpec
}{
	{spec: "SYMMETRIC_DEFAULT", usage: "ENCRYPT_DECRYPT", enc: []types.EncryptionAlgorithmSpec{"SYMMETRIC_DEFAULT"}},
	{spec: "RSA_2048", usage: "ENCRYPT_DECRYPT", enc: rsaEncryption},
	{spec: "RSA_2048", usage: "SIGN_VERIFY", sign: rsaSigning},
	{spec: "RSA_3072", usage: "SIGN_VERIFY", sign: rsaSigning},
	{spec: "ECC_NIST_P256", usage: "SIGN_VERIFY", sign: []types.SigningAlgorithmSpec{"ECDSA_SHA_256"}},
	{spec: "ECC_NIST_P384", usage: "SIGN_VERIFY", sign: []types.SigningAlgorithmSpec{"ECDSA_SHA_384"}},
	{spec: "ECC_NIST_P521", usage: "SIGN_VERIFY", sign: []types.SigningAlgorithmSpec{"ECDSA_SHA_512"}},
	{spec: "ECC_NIST_P256", usage: "KEY_AGREEMENT", agree: []types.KeyAgreementAlgorithmSpec{"ECDH"}},
	{spec: "ECC_NIST_P384", usage: "KEY_AGREEMENT", agree: []types.KeyAgreementAlgorithmSpec{"ECDH"}},
	{spec: "ECC_NIST_P521", usage: "KEY_AGREEMENT", agree: []types.KeyAgreementAlgorithmSpec{"ECDH"}},
	{spec: "ECC_SECG_P256K1", usage: "SIGN_VERIFY", sign: []types.SigningAlgorithmSpec{"ECDSA_SHA_256"}},
	{spec: "ECC_NIST_EDWARDS25519", usage: "SIGN_VERIFY", sign: []types.SigningAlgorithmSpec{"ED25519_SHA_512", "ED25519_PH_SHA_512"}},
	{spec: "ML_DSA_44", usage: "SIGN_VERIFY", sign: []types.SigningAlgorithmSpec{"ML_DSA_SHAKE_256"}},
	{spec: "ML_DSA_65", usage: "SIGN_VERIFY", sign: []types.SigningAlgorithmSpec{"ML_DSA_SHAKE_256"}},
	{spec: "ML_DSA_87", usage: "SIGN_VERIFY", sign: []types.SigningAlgorithmSpec{"ML_DSA_SHAKE_256"}},
	{spec: "ML_KEM_512", usage: "ENCAPSULATE_DECAPSULATE", kem: []types.EncapsulationAlgorithmSpec{"ML_KEM"}},
	{spec: "ML_KEM_768", usage: "ENCAPSULATE_DECAPSULATE", kem: []types.EncapsulationAlgorithmSpec{"ML_KEM"}},
	{spec: "ML_KEM_1024", usage: "ENCAPSULATE_DECAPSULATE", kem: []types.EncapsulationAlgorithmSpec{"ML_KEM"}},
	{spec: "HMAC_224", usage: "GENERATE_VERIFY_MAC", mac: []types.MacAlgorithmSpec{"HMAC_SHA_224"}},
	{spec: "HMAC_256", usage: "GENERATE_VERIFY_MAC", mac: []types.MacAlgorithmSpec{"HMAC_SHA_256"}},
	{spec: "HMAC_384", usage: "GENERATE_VERIFY_MAC", mac: []types.MacAlgorithmSpec{"HMAC_SHA_384"}},
	{spec: "HMAC_512", usage: "GENERATE_VERIFY_MAC", mac: []types.MacAlgorithmSpec{"HMAC_SHA_512"}},
}

// ignoreSDK leaves out what the SDK adds to every structure.
var ignoreSDK = cmp.Options{
	cmpopts.IgnoreUnexported(types.KeyMetadata{}, types.MultiRegionConfiguration{}, types.MultiRegionKey{}, types.Tag{}),
	cmpopts.EquateEmpty(),
}

// TestKeyMetadata checks which members KeyMetadata has for each kind of key, and that DescribeKey says the same.
func TestKeyMetadata(t *testing.T) {
	t.Parallel()
	for _, c := range specTable {
		t.Run(string(c.spec)+"/"+string(c.usage), func(t *testing.T) {
			t.Parallel()
			k := theKey(t, c.spec, c.usage, 0)
			got := describe(t, k.id)
			want := &types.KeyMetadata{
				AWSAccountId: &at.Account, KeyId: &k.id, Arn: aws.String(arnOf(k.id)), CreationDate: got.CreationDate,
				CustomerMasterKeySpec: types.CustomerMasterKeySpec(c.spec), KeySpec: c.spec, KeyUsage: c.usage,
				Description: aws.String(""), Enabled: true, KeyManager: "CUSTOMER", KeyState: "Enabled",
				MultiRegion: aws.Bool(false), Origin: "AWS_KMS",
				EncryptionAlgorithms: c.enc, SigningAlgorithms: c.sign, MacAlgorithms: c.mac,
				KeyAgreementAlgorithms: c.agree, EncapsulationAlgorithms: c.kem,
			}
			if c.spec == "SYMMETRIC_DEFAULT" {
				want.CurrentKeyMaterialId = got.CurrentKeyMaterialId
				if !materialPattern.MatchString(aws.ToString(got.CurrentKeyMaterialId)) {
					t.Errorf("CurrentKeyMaterialId is %q", aws.ToString(got.CurrentKeyMaterialId))
				}
			}
			if d := cmp.Diff(want, got, ignoreSDK); d != "" {
				t.Error(d)
			}
			if !uuidPattern.MatchString(k.id) || k.arn != arnOf(k.id) {
				t.Errorf("id %q, ARN %q", k.id, k.arn)
			}
			if age := time.Since(*got.CreationDate); age < -time.Minute || age > time.Hour {
				t.Errorf("CreationDate is %v", got.CreationDate)
			}
		})
	}
}

// TestKeyMetadataMembers checks presence on the wire, which the SDK's zero values hide.
func TestKeyMetadataMembers(t *testing.T) {
	t.Parallel()
	always := []string{
		"AWSAccountId", "Arn", "CreationDate", "CustomerMasterKeySpec", "KeySpec", "Description", "Enabled", "KeyId",
		"KeyManager", "KeyState", "KeyUsage", "MultiRegion", "Origin",
	}
	for name, c := range map[string]struct {
		key  key
		more []string
	}{
		"symmetric":        {newSymmetric(t), []string{"EncryptionAlgorithms", "CurrentKeyMaterialId"}},
		"multi-Region":     {newKey(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)}), []string{"EncryptionAlgorithms", "CurrentKeyMaterialId", "MultiRegionConfiguration"}},
		"pending import":   {inState(t, "PendingImport", &kms.CreateKeyInput{}), []string{"EncryptionAlgorithms"}},
		"pending deletion": {inState(t, "PendingDeletion", &kms.CreateKeyInput{}), []string{"EncryptionAlgorithms", "CurrentKeyMaterialId", "DeletionDate"}},
		"disabled":         {inState(t, "Disabled", &kms.CreateKeyInput{}), []string{"EncryptionAlgorithms", "CurrentKeyMaterialId"}},
		"signing":          {p256(t), []string{"SigningAlgorithms"}},
		"mac":              {hmac256(t), []string{"MacAlgorithms"}},
		"agreement":        {theKey(t, "ECC_NIST_P256", "KEY_AGREEMENT", 0), []string{"KeyAgreementAlgorithms"}},
		"post-quantum":     {theKey(t, "ML_DSA_44", "SIGN_VERIFY", 0), []string{"SigningAlgorithms"}},
		"encapsulation":    {theKey(t, "ML_KEM_512", "ENCAPSULATE_DECAPSULATE", 0), []string{"EncapsulationAlgorithms"}},
	} {
		want := map[string]bool{}
		for _, m := range append(c.more, always...) {
			want[m] = true
		}
		got := map[string]bool{}
		for m := range decode[struct{ KeyMetadata map[string]any }](t, call(t, "DescribeKey", object{"KeyId": c.key.id})).KeyMetadata {
			got[m] = true
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestCreateKeyWithEverything(t *testing.T) {
	t.Parallel()
	client := at.KMS()
	description := strings.Repeat("ä", 8192)
	policy := accountPolicy()
	out, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{
		Description: &description, KeyUsage: "ENCRYPT_DECRYPT", KeySpec: "SYMMETRIC_DEFAULT", Origin: "AWS_KMS",
		MultiRegion: aws.Bool(true), Policy: &policy, BypassPolicyLockoutSafetyCheck: true,
		Tags: []types.Tag{{TagKey: aws.String("b"), TagValue: aws.String("2")}, {TagKey: aws.String("a"), TagValue: aws.String("")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := out.KeyMetadata
	created.add(*m.KeyId)
	if !mrkPattern.MatchString(*m.KeyId) || *m.Description != description || !*m.MultiRegion {
		t.Errorf("metadata %+v", m)
	}
	want := &types.MultiRegionConfiguration{
		MultiRegionKeyType: "PRIMARY", PrimaryKey: &types.MultiRegionKey{Arn: m.Arn, Region: &at.Region},
		ReplicaKeys: []types.MultiRegionKey{},
	}
	if d := cmp.Diff(want, m.MultiRegionConfiguration, ignoreSDK); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(m, describe(t, *m.KeyId), ignoreSDK); d != "" {
		t.Errorf("DescribeKey says otherwise: %s", d)
	}
	tags, err := client.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: m.KeyId})
	if err != nil || len(tags.Tags) != 2 {
		t.Errorf("tags %v, %v", tags, err)
	}
	got, err := client.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: m.KeyId})
	if err != nil || *got.Policy != policy {
		t.Errorf("policy %v, %v", got, err)
	}
}

func TestCreateKeyDeprecatedSpec(t *testing.T) {
	t.Parallel()
	k := newKey(t, &kms.CreateKeyInput{CustomerMasterKeySpec: "ECC_NIST_P384", KeyUsage: "SIGN_VERIFY"})
	if m := describe(t, k.id); m.KeySpec != "ECC_NIST_P384" || m.CustomerMasterKeySpec != "ECC_NIST_P384" {
		t.Errorf("KeySpec %q, CustomerMasterKeySpec %q", m.KeySpec, m.CustomerMasterKeySpec)
	}
}

func TestCreateKeyRefusals(t *testing.T) {
	t.Parallel()
	tags := func(n int) (all []types.Tag) {
		for i := range n {
			all = append(all, types.Tag{TagKey: aws.String("k" + string(rune('A'+i/26)) + string(rune('a'+i%26))), TagValue: aws.String("v")})
		}
		return all
	}
	for name, c := range map[string]struct {
		in            kms.CreateKeyInput
		code, message string
	}{
		"usage left out": {kms.CreateKeyInput{KeySpec: "RSA_2048"}, "ValidationException",
			"You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."},
		"usage left out, HMAC": {kms.CreateKeyInput{KeySpec: "HMAC_256"}, "ValidationException",
			"You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."},
		"usage of another spec": {kms.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "KEY_AGREEMENT"}, "ValidationException",
			"KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"},
		"symmetric to sign": {kms.CreateKeyInput{KeyUsage: "SIGN_VERIFY"}, "ValidationException",
			"KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT"},
		"HMAC to encrypt": {kms.CreateKeyInput{KeySpec: "HMAC_512", KeyUsage: "ENCRYPT_DECRYPT"}, "ValidationException",
			"KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec HMAC_512"},
		"SM2": {kms.CreateKeyInput{KeySpec: "SM2", KeyUsage: "SIGN_VERIFY"}, "UnsupportedOperationException",
			"KeySpec SM2 is not supported in this Region"},
		"51 tags":        {kms.CreateKeyInput{Tags: tags(51)}, "TagException", "Too many tags"},
		"reserved tag":   {kms.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String("AwS:x"), TagValue: aws.String("")}}}, "TagException", "Tags beginning with aws: are reserved"},
		"duplicate tags": {kms.CreateKeyInput{Tags: append(tags(1), tags(1)...)}, "TagException", "Duplicate tag keys"},
		"long tag key": {kms.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String(long(129)), TagValue: aws.String("")}}}, "ValidationException",
			validation("'"+long(129)+"' ", "tags.1.member.tagKey", "have length less than or equal to 128")},
		"long tag value": {kms.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String(long(257))}}}, "ValidationException",
			validation("'"+long(257)+"' ", "tags.1.member.tagValue", "have length less than or equal to 256")},
		"long description": {kms.CreateKeyInput{Description: aws.String(long(8193))}, "ValidationException",
			validation("'"+long(8193)+"' ", "description", "have length less than or equal to 8192")},
		"unknown key store": {kms.CreateKeyInput{Origin: "AWS_CLOUDHSM", CustomKeyStoreId: aws.String("cks-0123456789abcdef0")}, "CustomKeyStoreNotFoundException",
			"Custom key store cks-0123456789abcdef0 does not exist."},
		"origin without its store": {kms.CreateKeyInput{Origin: "AWS_CLOUDHSM"}, "ValidationException",
			"CustomKeyStoreId is required for keys of Origin AWS_CLOUDHSM."},
		"policy over the quota": {kms.CreateKeyInput{Policy: aws.String(accountPolicy() + strings.Repeat(" ", 32<<10))}, "LimitExceededException",
			"The key policy has " + itoa(len(accountPolicy())+32<<10) + " bytes, more than the quota of 32768."},
	} {
		_, err := at.KMS().CreateKey(t.Context(), &c.in)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		t.Run(name, func(t *testing.T) { wantError(t, err, c.code, c.message) })
	}
}

// TestCreateKeyUnknownSpec cannot go through an SDK's types alone: the text lists what there is.
func TestCreateKeyUnknownSpec(t *testing.T) {
	t.Parallel()
	code, text := refusalOf(t, call(t, "CreateKey", object{"KeySpec": "AES_1024"}))
	if code != "ValidationException" || !strings.HasPrefix(text, validation("'AES_1024' ", "keySpec", "satisfy enum value set: [")) ||
		!strings.Contains(text, "SYMMETRIC_DEFAULT") {
		t.Errorf("%s %q", code, text)
	}
	a := call(t, "CreateKey", object{"KeySpec": "RSA_2048", "CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})
	if code, _ := refusalOf(t, a); code != "ValidationException" {
		t.Errorf("both spellings of the spec: %s", a.Body)
	}
}

// TestCreateKeyUsages: every spec for every usage; those that do not go together are refused, and nothing is made.
func TestCreateKeyUsages(t *testing.T) {
	t.Parallel()
	allowed := map[types.KeySpec][]types.KeyUsageType{
		"SYMMETRIC_DEFAULT": {"ENCRYPT_DECRYPT"},
		"RSA_2048":          {"ENCRYPT_DECRYPT", "SIGN_VERIFY"}, "RSA_3072": {"ENCRYPT_DECRYPT", "SIGN_VERIFY"}, "RSA_4096": {"ENCRYPT_DECRYPT", "SIGN_VERIFY"},
		"ECC_NIST_P256": {"SIGN_VERIFY", "KEY_AGREEMENT"}, "ECC_NIST_P384": {"SIGN_VERIFY", "KEY_AGREEMENT"}, "ECC_NIST_P521": {"SIGN_VERIFY", "KEY_AGREEMENT"},
		"ECC_SECG_P256K1": {"SIGN_VERIFY"}, "ECC_NIST_EDWARDS25519": {"SIGN_VERIFY"},
		"HMAC_224": {"GENERATE_VERIFY_MAC"}, "HMAC_256": {"GENERATE_VERIFY_MAC"}, "HMAC_384": {"GENERATE_VERIFY_MAC"}, "HMAC_512": {"GENERATE_VERIFY_MAC"},
		"ML_DSA_44": {"SIGN_VERIFY"}, "ML_DSA_65": {"SIGN_VERIFY"}, "ML_DSA_87": {"SIGN_VERIFY"},
		"ML_KEM_512": {"ENCAPSULATE_DECAPSULATE"}, "ML_KEM_768": {"ENCAPSULATE_DECAPSULATE"}, "ML_KEM_1024": {"ENCAPSULATE_DECAPSULATE"},
	}
	if want := len(types.KeySpec("").Values()) - 1; len(allowed) != want { // SM2 is refused whatever its usage
		t.Fatalf("%d specs, want %d", len(allowed), want)
	}
	for spec, usages := range allowed {
		for _, usage := range types.KeyUsageType("").Values() {
			if slices.Contains(usages, usage) {
				continue // TestKeyMetadata makes them
			}
			_, err := at.KMS().CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
			wantError(t, err, "ValidationException", "KeyUsage "+string(usage)+" is not compatible with KeySpec "+string(spec))
		}
		if spec != "SYMMETRIC_DEFAULT" {
			_, err := at.KMS().CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: spec})
			wantError(t, err, "ValidationException", "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
		}
	}
	for _, usage := range []types.KeyUsageType{"ENCRYPT_DECRYPT", "SIGN_VERIFY", "KEY_AGREEMENT"} {
		_, err := at.KMS().CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: "SM2", KeyUsage: usage})
		wantError(t, err, "UnsupportedOperationException", "KeySpec SM2 is not supported in this Region")
	}
	// The deprecated twin's values are fewer in requests than in answers.
	code, text := refusalOf(t, call(t, "CreateKey", object{"CustomerMasterKeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY"}))
	if code != "ValidationException" || !strings.HasPrefix(text, validation("'ML_DSA_44' ", "customerMasterKeySpec", "satisfy enum value set: [")) {
		t.Errorf("%s %q", code, text)
	}
}
