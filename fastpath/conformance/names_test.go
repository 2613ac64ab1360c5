package conformance_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// keyed are the operations that take a key, with a body that is valid but for the key's name. alias tells
// whether the operation takes aliases, arn whether InvalidArnException is in its model.
var keyed = []struct {
	operation  string
	member     string // of the key's name
	body       object
	alias, arn bool
}{
	{"Encrypt", "KeyId", object{"Plaintext": "eA=="}, true, false},
	{"Decrypt", "KeyId", object{"CiphertextBlob": "eA==", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}, true, false},
	{"ReEncrypt", "SourceKeyId", object{"CiphertextBlob": "eA==", "SourceEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "DestinationKeyId": "x"}, true, false},
	{"GenerateDataKey", "KeyId", object{"KeySpec": "AES_256"}, true, false},
	{"GenerateDataKeyWithoutPlaintext", "KeyId", object{"KeySpec": "AES_256"}, true, false},
	{"Sign", "KeyId", object{"Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"}, true, false},
	{"Verify", "KeyId", object{"Message": "eA==", "Signature": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"}, true, false},
	{"GenerateMac", "KeyId", object{"Message": "eA==", "MacAlgorithm": "HMAC_SHA_256"}, true, false},
	{"VerifyMac", "KeyId", object{"Message": "eA==", "Mac": "eA==", "MacAlgorithm": "HMAC_SHA_256"}, true, false},
	{"GetPublicKey", "KeyId", object{}, true, true},
	{"DescribeKey", "KeyId", object{}, true, true},
	{"UpdateKeyDescription", "KeyId", object{"Description": "x"}, false, true},
	{"EnableKey", "KeyId", object{}, false, true},
	{"DisableKey", "KeyId", object{}, false, true},
	{"ScheduleKeyDeletion", "KeyId", object{"PendingWindowInDays": 7}, false, true},
	{"CancelKeyDeletion", "KeyId", object{}, false, true},
	{"ListAliases", "KeyId", object{}, false, true},
	{"GetKeyPolicy", "KeyId", object{}, false, true},
	{"PutKeyPolicy", "KeyId", object{"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}`}, false, true},
	{"ListKeyPolicies", "KeyId", object{}, false, true},
	{"TagResource", "KeyId", object{"Tags": []object{{"TagKey": "a", "TagValue": "b"}}}, false, true},
	{"UntagResource", "KeyId", object{"TagKeys": []string{"a"}}, false, true},
	{"ListResourceTags", "KeyId", object{}, false, true},
}

// with is body and one more member.
func (body object) with(name string, value any) object {
	all := object{name: value}
	for k, v := range body {
		if k != name {
			all[k] = v
		}
	}
	return all
}

// TestNames is what each operation says to names that lead nowhere.
func TestNames(t *testing.T) {
	t.Parallel()
	elsewhere := "us-west-2"
	if at.Region == elsewhere {
		elsewhere = "us-east-2"
	}
	upper := strings.ToUpper("abcdef01-1111-2222-3333-444444444444")
	odd := "arn:aws:kms:" + at.Region + ":" + at.Account + ":"
	type want struct{ code, message string }
	names := map[string]want{
		absentID:                               {"NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
		arnOf(absentID):                        {"NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
		upper:                                  {"NotFoundException", "Key '" + arnOf(upper) + "' does not exist"},
		"mrk-0123456789abcdef0123456789abcdef": {"NotFoundException", "Key '" + arnOf("mrk-0123456789abcdef0123456789abcdef") + "' does not exist"},
		"x":                                    {"NotFoundException", "Invalid keyId 'x'"},
		"134f2428cec14b25a1ae9048164dba47":     {"NotFoundException", "Invalid keyId '134f2428cec14b25a1ae9048164dba47'"},
		"mrk-fake-key-id":                      {"NotFoundException", "Invalid keyId 'mrk-fake-key-id'"},
		odd + "key/foo":                        {"NotFoundException", "Invalid keyId foo"},
		"arn:aws:kms:" + elsewhere + ":" + at.Account + ":key/" + absentID: {"NotFoundException", "Invalid arn " + elsewhere},
	}
	aliases := map[string]want{
		"alias/absent":           {"NotFoundException", "Alias " + aliasARN("alias/absent") + " is not found."},
		aliasARN("alias/absent"): {"NotFoundException", "Alias " + aliasARN("alias/absent") + " is not found."},
		"alias/aws/absent":       {"NotFoundException", "Alias " + aliasARN("alias/aws/absent") + " is not found."},
		"alias/" + long(300):     {"NotFoundException", "Alias " + aliasARN("alias/"+long(300)) + " is not found."},
		"arn:aws:kms:" + elsewhere + ":" + at.Account + ":alias/x": {"NotFoundException", "Invalid arn " + elsewhere},
	}
	for _, c := range keyed {
		t.Run(c.operation, func(t *testing.T) {
			t.Parallel()
			for name, w := range names {
				wantRefusal(t, call(t, c.operation, c.body.with(c.member, name)), w.code, w.message)
			}
			malformed := want{"NotFoundException", "Invalid arn " + odd + "cluster/x"}
			if c.arn {
				malformed.code = "InvalidArnException"
			}
			wantRefusal(t, call(t, c.operation, c.body.with(c.member, odd+"cluster/x")), malformed.code, malformed.message)
			for name, w := range aliases {
				if !c.alias {
					w = want{"InvalidArnException", "Key Aliases are not supported for this operation."}
				}
				wantRefusal(t, call(t, c.operation, c.body.with(c.member, name)), w.code, w.message)
			}
			wantRefusal(t, call(t, c.operation, c.body.with(c.member, "")), "ValidationException",
				"2 validation errors detected: Value '' at '"+lowerFirst(c.member)+"' failed to satisfy constraint: Member must have length greater than or equal to 1; "+
					"Value '' at '"+lowerFirst(c.member)+`' failed to satisfy constraint: Member must satisfy regular expression pattern: ^\p{ASCII}+$`)
			wantRefusal(t, call(t, c.operation, c.body.with(c.member, long(2049))), "ValidationException", validation("'"+long(2049)+"' ", lowerFirst(c.member), "have length less than or equal to 2048"))
			if optional := c.operation == "ListAliases" || c.operation == "Decrypt" || c.operation == "ReEncrypt"; !optional {
				wantRefusal(t, call(t, c.operation, c.body), "ValidationException", validation("null ", "keyId", "not be null"))
			}
		})
	}
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// TestForeignNames: of another account's keys the caller learns nothing, not even whether they are there.
func TestForeignNames(t *testing.T) {
	t.Parallel()
	const foreign = "999988887777"
	for _, c := range keyed {
		action := c.operation
		if action == "ReEncrypt" {
			action = "ReEncryptFrom"
		}
		name := "arn:aws:kms:" + at.Region + ":" + foreign + ":key/" + absentID
		a := call(t, c.operation, c.body.with(c.member, name))
		wantRefusal(t, a, "AccessDeniedException", "User: arn:aws:iam::"+at.Account+":root is not authorized to perform: kms:"+action+
			" on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access")
		if !strings.Contains(a.Body, `"Message"`) {
			t.Errorf("%s: %s", c.operation, a.Body)
		}
	}
}

// TestForeignKeys: a key that is there looks like one that is not.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx, client := t.Context(), at.As(otherKeyID, otherSecret)
	k := symmetric(t)
	blob := encrypt(t, k.id, "secret")
	name := newAlias()
	createAlias(t, name, newSymmetric(t).id)
	denied := func(action string) string {
		return "User: arn:aws:iam::" + otherAccount + ":root is not authorized to perform: kms:" + action +
			" on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
	}
	for _, arn := range []string{k.arn, arnOf(absentID), aliasARN(name), aliasARN("alias/absent")} {
		_, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
		wantError(t, err, "AccessDeniedException", denied("DescribeKey"))
	}
	_, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.arn, Plaintext: []byte("x")})
	wantError(t, err, "AccessDeniedException", denied("Encrypt"))
	_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	wantError(t, err, "AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	own, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: own.KeyMetadata.KeyId})
	wantError(t, err, "AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	mine, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: own.KeyMetadata.KeyId, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: mine.CiphertextBlob, DestinationKeyId: &k.arn})
	wantError(t, err, "AccessDeniedException", denied("ReEncryptTo"))
	_, err = client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.id}) // a bare id is of the caller's account
	wantError(t, err, "NotFoundException", "Key 'arn:aws:kms:"+at.Region+":"+otherAccount+":key/"+k.id+"' does not exist")
	listed, err := client.ListKeys(ctx, &kms.ListKeysInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range listed.Keys {
		if *e.KeyId == k.id {
			t.Error("a foreign key is listed")
		}
	}
}

// TestAllForms: key id, key ARN, alias name and alias ARN lead to the same key.
func TestAllForms(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	name := newAlias()
	createAlias(t, name, k.id)
	for _, form := range []string{k.id, k.arn, name, aliasARN(name)} {
		out, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &form, KeySpec: "AES_256"})
		if err != nil || *out.KeyId != k.arn {
			t.Errorf("%s: %v, %v", form, out, err)
			continue
		}
		back, err := client.Decrypt(ctx, &kms.DecryptInput{KeyId: &form, CiphertextBlob: out.CiphertextBlob})
		if err != nil || *back.KeyId != k.arn {
			t.Errorf("%s: %v, %v", form, back, err)
		}
		re, err := client.ReEncrypt(ctx, &kms.ReEncryptInput{SourceKeyId: &form, DestinationKeyId: &form, CiphertextBlob: out.CiphertextBlob})
		if err != nil || *re.KeyId != k.arn || *re.SourceKeyId != k.arn {
			t.Errorf("%s: %v, %v", form, re, err)
		}
		if m := describe(t, form); *m.KeyId != k.id || *m.Arn != k.arn {
			t.Errorf("%s: %s", form, *m.Arn)
		}
	}
}

// TestRegions: names and ciphertexts of one Region are nothing in another.
func TestRegions(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx, client := t.Context(), at.In("eu-west-1")
	k := symmetric(t)
	blob := encrypt(t, k.id, "secret")
	_, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.arn})
	wantError(t, err, "NotFoundException", "Invalid arn "+at.Region)
	_, err = client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.id})
	wantError(t, err, "NotFoundException", "Key 'arn:aws:kms:eu-west-1:"+at.Account+":key/"+k.id+"' does not exist")
	_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	wantError(t, err, "AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	multi := newKey(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: encrypt(t, multi.id, "secret")})
	wantError(t, err, "AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil || !strings.HasPrefix(*made.KeyMetadata.Arn, "arn:aws:kms:eu-west-1:"+at.Account+":key/") {
		t.Errorf("%v, %v", made, err)
	}
	_, err = at.KMS().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: made.KeyMetadata.Arn})
	wantError(t, err, "NotFoundException", "Invalid arn eu-west-1")
}

// TestPartitions: a credential of one partition is unknown in another's Regions.
func TestPartitions(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	const unknown = "The security token included in the request is invalid."
	_, err := at.In("cn-north-1").ListKeys(ctx, &kms.ListKeysInput{})
	wantError(t, err, "UnrecognizedClientException", unknown)
	_, err = at.As(chinaKeyID, otherSecret).ListKeys(ctx, &kms.ListKeysInput{})
	wantError(t, err, "UnrecognizedClientException", unknown)
	china := at.As(chinaKeyID, otherSecret)
	out, err := china.CreateKey(ctx, &kms.CreateKeyInput{}, func(o *kms.Options) { o.Region = "cn-north-1" })
	if err != nil || !strings.HasPrefix(*out.KeyMetadata.Arn, "arn:aws-cn:kms:cn-north-1:"+otherAccount+":key/") {
		t.Errorf("%v, %v", out, err)
	}
}
