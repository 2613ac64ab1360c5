package operation_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"trent/fastpath/operation"
	"trent/fastpath/wire"
)

// audited runs a request and returns what its record holds. Ids, digests, dates and markers are written as names.
func audited(t *testing.T, r rig, name, body string, ids ...string) (parameters, response, additional, resources string) {
	t.Helper()
	var c operation.Call
	err := r.run(t, &c, name, body)
	var failed *wire.Error
	if err != nil && !errors.As(err, &failed) {
		t.Fatalf("%s: %v", name, err)
	}
	var a operation.AuditContent
	r.Audit(&c, failed, &a)
	for _, text := range [][]byte{a.Parameters, a.Response, a.Additional} {
		if len(text) > 0 && !json.Valid(text) {
			t.Fatalf("%s: not JSON: %s", name, text)
		}
	}
	named := strings.NewReplacer(ids...)
	plain := func(b []byte) string {
		s := named.Replace(string(b))
		for _, p := range patterns {
			s = p.form.ReplaceAllString(s, p.name)
		}
		return s
	}
	var all []string
	for _, one := range a.Resources[:a.Count] {
		all = append(all, plain([]byte(one.ARN)))
		if one.Account != scope.Account {
			t.Errorf("%s: %+v", name, one)
		}
	}
	return plain(a.Parameters), plain(a.Response), plain(a.Additional), strings.Join(all, " ")
}

var patterns = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`[0-9a-f]{64}`), "HEX"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`), "UUID"},
	{regexp.MustCompile(`"[A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d\d:\d\d [AP]M"`), "DATE"},
	{regexp.MustCompile(`arn:aws:kms:us-east-1:000000000000:`), "ARN:"},
}

// Records have the form of the documented examples, in the current one's fields (AWS KMS Developer Guide, "Examples of AWS
// KMS log entries").
func TestAuditContent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.create(t, `{}`)
	other := r.create(t, `{}`)
	rsa := r.create(t, `{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"}`)
	mac := r.create(t, `{"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"}`)
	names := []string{id, "KEY", other, "OTHER", rsa, "ECC", mac, "MAC"}
	const done = `{"keyId":"ARN:key/KEY"}`
	for _, c := range []struct{ op, body, parameters, response, additional, resources string }{
		{"Encrypt", `{"KeyId":"KEY","Plaintext":"c2VjcmV0","EncryptionContext":{"Department":"Engineering","quote\"":"\u00e9\n"}}`,
			`{"keyId":"KEY","encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"Department":"Engineering","quote\"":"é\n"}}`, "", `{"keyMaterialId":"HEX"}`, "ARN:key/KEY"},
		{"Encrypt", `{"KeyId":"KEY","Plaintext":"c2VjcmV0","DryRun":true}`,
			`{"keyId":"KEY","encryptionAlgorithm":"SYMMETRIC_DEFAULT","dryRun":true}`, "", "", "ARN:key/KEY"},
		{"GenerateDataKey", `{"KeyId":"KEY","NumberOfBytes":32}`, `{"keyId":"KEY","numberOfBytes":32}`, "", `{"keyMaterialId":"HEX"}`, "ARN:key/KEY"},
		{"GenerateDataKeyWithoutPlaintext", `{"KeyId":"KEY","KeySpec":"AES_256"}`, `{"keyId":"KEY","keySpec":"AES_256"}`, "", `{"keyMaterialId":"HEX"}`, "ARN:key/KEY"},
		{"GenerateDataKeyPair", `{"KeyId":"KEY","KeyPairSpec":"ECC_NIST_P256","EncryptionContext":{"Project":"Alpha"}}`,
			`{"keyId":"KEY","keyPairSpec":"ECC_NIST_P256","encryptionContext":{"Project":"Alpha"}}`, "", `{"keyMaterialId":"HEX"}`, "ARN:key/KEY"},
		{"GenerateRandom", `{"NumberOfBytes":8}`, "", "", "", ""},
		{"Sign", `{"KeyId":"ECC","Message":"bWVzc2FnZQ==","SigningAlgorithm":"ECDSA_SHA_256"}`,
			`{"keyId":"ECC","messageType":"RAW","signingAlgorithm":"ECDSA_SHA_256"}`, "", "", "ARN:key/ECC"},
		{"GenerateMac", `{"KeyId":"MAC","Message":"bWVzc2FnZQ==","MacAlgorithm":"HMAC_SHA_256"}`,
			`{"keyId":"MAC","macAlgorithm":"HMAC_SHA_256"}`, "", "", "ARN:key/MAC"},
		{"DescribeKey", `{"KeyId":"KEY"}`, `{"keyId":"KEY"}`, "", "", "ARN:key/KEY"},
		{"GetKeyPolicy", `{"KeyId":"KEY"}`, `{"keyId":"KEY","policyName":"default"}`, "", "", "ARN:key/KEY"},
		{"ListKeys", `{"Limit":5}`, `{"limit":5}`, "", "", ""},
		{"ListAliases", `{}`, "", "", "", ""},
		{"CreateAlias", `{"AliasName":"alias/x","TargetKeyId":"KEY"}`, `{"aliasName":"alias/x","targetKeyId":"KEY"}`, done, "", "ARN:key/KEY ARN:alias/x"},
		{"UpdateAlias", `{"AliasName":"alias/x","TargetKeyId":"OTHER"}`, `{"aliasName":"alias/x","targetKeyId":"OTHER"}`,
			`{"keyId":"ARN:key/OTHER"}`, "", "ARN:key/OTHER ARN:alias/x"},
		{"DeleteAlias", `{"AliasName":"alias/x"}`, `{"aliasName":"alias/x"}`, `{"keyId":"ARN:key/OTHER"}`, "", "ARN:key/OTHER ARN:alias/x"},
		{"CreateGrant", `{"KeyId":"KEY","GranteePrincipal":"arn:aws:iam::111122223333:user/bob","Operations":["Encrypt","RetireGrant"],"Constraints":{"EncryptionContextSubset":{"a":"b"}},"Name":"n"}`,
			`{"keyId":"KEY","granteePrincipal":"arn:aws:iam::111122223333:user/bob","operations":["Encrypt","RetireGrant"],"constraints":{"encryptionContextSubset":{"a":"b"}},"name":"n"}`,
			`{"grantId":"HEX","keyId":"ARN:key/KEY"}`, "", "ARN:key/KEY"},
		{"TagResource", `{"KeyId":"KEY","Tags":[{"TagKey":"Department","TagValue":"IT"},{"TagKey":"Empty","TagValue":""}]}`,
			`{"keyId":"KEY","tags":[{"tagKey":"Department","tagValue":"IT"},{"tagKey":"Empty","tagValue":""}]}`, done, "", "ARN:key/KEY"},
		{"UntagResource", `{"KeyId":"KEY","TagKeys":["Department"]}`, `{"keyId":"KEY","tagKeys":["Department"]}`, done, "", "ARN:key/KEY"},
		{"UpdateKeyDescription", `{"KeyId":"KEY","Description":""}`, `{"keyId":"KEY","description":""}`, "", "", "ARN:key/KEY"},
		{"EnableKeyRotation", `{"KeyId":"KEY","RotationPeriodInDays":180}`, `{"keyId":"KEY","rotationPeriodInDays":180}`, done, "", "ARN:key/KEY"},
		{"DisableKey", `{"KeyId":"KEY"}`, `{"keyId":"KEY"}`, done, "", "ARN:key/KEY"},
		{"Encrypt", `{"KeyId":"KEY","Plaintext":"c2VjcmV0"}`, `{"keyId":"KEY","encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, "", "", "ARN:key/KEY"}, // DisabledException
		{"ScheduleKeyDeletion", `{"KeyId":"KEY","PendingWindowInDays":7}`, `{"keyId":"KEY","pendingWindowInDays":7}`,
			`{"keyId":"ARN:key/KEY","deletionDate":DATE,"keyState":"PendingDeletion","pendingWindowInDays":7}`, "", "ARN:key/KEY"},
		{"CancelKeyDeletion", `{"KeyId":"KEY"}`, `{"keyId":"KEY"}`, done, "", "ARN:key/KEY"},
		{"CreateKey", `{"Origin":"EXTERNAL","Description":"mine","Tags":[{"TagKey":"k","TagValue":"v"}]}`,
			`{"description":"mine","origin":"EXTERNAL","bypassPolicyLockoutSafetyCheck":false,"customerMasterKeySpec":"SYMMETRIC_DEFAULT","keySpec":"SYMMETRIC_DEFAULT","keyUsage":"ENCRYPT_DECRYPT","tags":[{"tagKey":"k","tagValue":"v"}]}`,
			`{"keyMetadata":{"aWSAccountId":"000000000000","keyId":"UUID","arn":"ARN:key/UUID","creationDate":DATE,"enabled":false,"description":"mine","keyUsage":"ENCRYPT_DECRYPT","keyState":"PendingImport","origin":"EXTERNAL","keyManager":"CUSTOMER","customerMasterKeySpec":"SYMMETRIC_DEFAULT","keySpec":"SYMMETRIC_DEFAULT","encryptionAlgorithms":["SYMMETRIC_DEFAULT"],"multiRegion":false}}`,
			"", "ARN:key/UUID"},
		{"ConnectCustomKeyStore", `{"CustomKeyStoreId":"cks-1234567890abcdef0"}`, `{"customKeyStoreId":"cks-1234567890abcdef0"}`, "", "", ""},
		{"CreateCustomKeyStore", `{"CustomKeyStoreName":"n","CustomKeyStoreType":"EXTERNAL_KEY_STORE","XksProxyUriEndpoint":"https://xks.example.com","XksProxyUriPath":"/kms/xks/v1","XksProxyConnectivity":"PUBLIC_ENDPOINT","XksProxyAuthenticationCredential":{"AccessKeyId":"ABCDE234567EXAMPLE234567","RawSecretAccessKey":"DXjSUawnel2fr6SKC7G25CNxTyWKE5PF9XX6H/u9pSo="}}`,
			`{"customKeyStoreName":"n","customKeyStoreType":"EXTERNAL_KEY_STORE","xksProxyUriEndpoint":"https://xks.example.com","xksProxyUriPath":"/kms/xks/v1","xksProxyConnectivity":"PUBLIC_ENDPOINT","xksProxyAuthenticationCredential":{"accessKeyId":"ABCDE234567EXAMPLE234567"}}`, "", "", ""},
	} {
		body := strings.NewReplacer(`"KEY"`, `"`+id+`"`, `"OTHER"`, `"`+other+`"`, `"ECC"`, `"`+rsa+`"`, `"MAC"`, `"`+mac+`"`).Replace(c.body)
		parameters, response, additional, resources := audited(t, r, c.op, body, names...)
		for _, p := range []struct{ what, got, want string }{
			{"parameters", parameters, c.parameters}, {"response", response, c.response},
			{"additional", additional, c.additional}, {"resources", resources, c.resources},
		} {
			if p.got != p.want {
				t.Errorf("%s, %s:\n got %s\nwant %s", c.op, p.what, p.got, p.want)
			}
		}
	}
}

// A denied request shows neither its parameters nor keys of others.
func TestAuditHidesFromTheDenied(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	parameters, response, additional, resources := audited(t, r, "Encrypt",
		`{"KeyId":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","Plaintext":"c2VjcmV0"}`)
	if parameters+response+additional+resources != "" {
		t.Errorf("%s %s %s %s", parameters, response, additional, resources)
	}
}
