package operation_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
)

// may tells whether a user, whose only policy allows everything under a condition, may do a request. change, if not nil, edits
// the call first.
func (r rig) may(t *testing.T, condition, name, body string, change func(c *operation.Call)) bool {
	t.Helper()
	document := []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{` + condition + `}}}`)
	p, err := authz.Parse(authz.KindIdentity, document)
	if err != nil {
		t.Fatalf("%s: %v", condition, err)
	}
	var c operation.Call
	op, ok := wire.LookupTarget([]byte("TrentService." + name))
	if !ok {
		t.Fatalf("no operation %s", name)
	}
	who := identity.Principal{Caller: authz.Caller{
		Type: authz.CallerUser, Partition: "aws", Account: scope.Account, ARN: "arn:aws:iam::000000000000:user/u",
		Policies: authz.Policies{Identity: []*authz.Compiled{authz.Compile(authz.KindIdentity, document, p)}},
	}}
	c.Operation, c.Request, c.Caller, c.Scope = op, wire.NewRequest(op), &who, scope
	if change != nil {
		change(&c)
	}
	if err := c.Request.Decode([]byte(body)); err != nil {
		t.Fatalf("%s %s: %v", name, body, err)
	}
	if err := c.Request.Validate(); err != nil {
		t.Fatalf("%s %s: %v", name, body, err)
	}
	if err := r.Resolve(context.Background(), &c); err != nil {
		t.Fatalf("%s %s: %v", name, body, err)
	}
	switch got := refusal(r.Authorize(context.Background(), &c)); {
	case got == "":
		return true
	case !strings.HasPrefix(got, "AccessDeniedException"):
		t.Fatalf("%s %s: %s", name, body, got)
	}
	return false
}

// TestFactsOfRequests: the service's condition keys have the values of the request, defaults included where they count, and
// are absent from operations that they are not for.
func TestFactsOfRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sym, other := r.create(t, `{}`), r.create(t, `{}`)
	rsa := r.create(t, `{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"}`)
	mac := r.create(t, `{"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"}`)
	agree := r.create(t, `{"KeySpec":"ECC_NIST_P256","KeyUsage":"KEY_AGREEMENT"}`)
	multi := r.create(t, `{"MultiRegion":true}`)
	external := r.create(t, `{"Origin":"EXTERNAL"}`)
	tagged := r.create(t, `{"Tags":[{"TagKey":"Team","TagValue":"Red"}]}`)
	var c operation.Call
	for _, name := range []string{"alias/one", "alias/two"} {
		if err := r.run(t, &c, "CreateAlias", `{"AliasName":"`+name+`","TargetKeyId":"`+sym+`"}`); err != nil {
			t.Fatal(err)
		}
	}
	key := func(id string) string { return `"KeyId":"` + id + `"` }
	encrypt := `{` + key(sym) + `,"Plaintext":"eA==","EncryptionContext":{"Dept":"IT","b":"2"}}`
	plain := `{` + key(sym) + `,"Plaintext":"eA=="}`
	grant := `{` + key(sym) + `,"GranteePrincipal":"arn:aws:iam::000000000000:role/x","RetiringPrincipal":"arn:aws:iam::000000000000:role/y",` +
		`"Operations":["Decrypt","Encrypt"],"Constraints":{"EncryptionContextSubset":{"Dept":"IT"}}}`
	null := func(key, v string) string { return `"Null":{"` + key + `":"` + v + `"}` }
	is := func(key, v string) string { return `"StringEquals":{"` + key + `":"` + v + `"}` }
	truth := func(key, v string) string { return `"Bool":{"` + key + `":"` + v + `"}` }
	number := func(key, v string) string { return `"NumericEquals":{"` + key + `":"` + v + `"}` }
	sign := `{` + key(rsa) + `,"Message":"eA==","SigningAlgorithm":"ECDSA_SHA_256"}`
	for _, k := range []struct {
		condition, name, body string
		want                  bool
	}{
		{is("kms:EncryptionContext:Dept", "IT"), "Encrypt", encrypt, true},
		{is("kms:encryptioncontext:dEPT", "IT"), "Encrypt", encrypt, true},
		{is("kms:EncryptionContext:Dept", "it"), "Encrypt", encrypt, false},
		{is("kms:EncryptionContext:Dept", "IT"), "Encrypt", plain, false},
		{is("kms:EncryptionContext:Dept", "IT"), "CreateGrant", grant, true},
		{is("kms:EncryptionContext:Dept", "IT"), "GenerateDataKey", `{` + key(sym) + `,"KeySpec":"AES_256","EncryptionContext":{"Dept":"IT"}}`, true},
		{`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["Dept","b"]}`, "Encrypt", encrypt, true},
		{`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["Dept"]}`, "Encrypt", encrypt, false},
		{`"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":["Dept"]}`, "CreateGrant", grant, true},
		{null("kms:EncryptionContextKeys", "true"), "Encrypt", plain, true},
		{null("kms:EncryptionContextKeys", "true"), "Encrypt", encrypt, false},
		{is("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT"), "Encrypt", plain, true},
		{is("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT"), "GenerateDataKeyWithoutPlaintext", `{` + key(sym) + `,"KeySpec":"AES_256"}`, true},
		{is("kms:EncryptionAlgorithm", "RSAES_OAEP_SHA_256"), "Encrypt", `{` + key(rsa) + `,"Plaintext":"eA==","EncryptionAlgorithm":"RSAES_OAEP_SHA_256"}`, true},
		{null("kms:EncryptionAlgorithm", "true"), "DescribeKey", `{` + key(sym) + `}`, true},
		{is("kms:DataKeyPairSpec", "RSA_3072"), "GenerateDataKeyPair", `{` + key(sym) + `,"KeyPairSpec":"RSA_3072"}`, true},
		{is("kms:RequestAlias", "alias/one"), "Encrypt", `{"KeyId":"alias/one","Plaintext":"eA=="}`, true},
		{is("kms:RequestAlias", "alias/one"), "DescribeKey", `{"KeyId":"arn:aws:kms:us-east-1:000000000000:alias/one"}`, true},
		{is("kms:RequestAlias", "alias/one"), "Encrypt", `{"KeyId":"alias/two","Plaintext":"eA=="}`, false},
		{null("kms:RequestAlias", "true"), "Encrypt", plain, true},
		{`"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/two"}`, "Encrypt", plain, true},
		{`"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/two"}`, "EnableKey", `{` + key(other) + `}`, false},
		{is("aws:ResourceTag/team", "Red"), "Encrypt", `{` + key(tagged) + `,"Plaintext":"eA=="}`, true},
		{is("aws:ResourceTag/Team", "Red"), "Encrypt", plain, false},
		{is("aws:RequestTag/Team", "Blue"), "TagResource", `{` + key(tagged) + `,"Tags":[{"TagKey":"team","TagValue":"Blue"}]}`, true},
		{is("aws:RequestTag/Team", "Blue"), "CreateKey", `{"Tags":[{"TagKey":"Team","TagValue":"Blue"}]}`, true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}`, "UntagResource", `{` + key(tagged) + `,"TagKeys":["a","c"]}`, false},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}`, "UntagResource", `{` + key(tagged) + `,"TagKeys":["a"]}`, true},
		{null("aws:TagKeys", "true"), "CreateKey", `{}`, true},

		{is("kms:KeySpec", "SYMMETRIC_DEFAULT"), "CreateKey", `{}`, true},
		{is("kms:KeySpec", "ECC_NIST_P256"), "Sign", sign, true},
		{is("kms:CustomerMasterKeySpec", "RSA_2048"), "CreateKey", `{"CustomerMasterKeySpec":"RSA_2048","KeyUsage":"SIGN_VERIFY"}`, true},
		{is("kms:KeyUsage", "ENCRYPT_DECRYPT"), "CreateKey", `{}`, true},
		{is("kms:KeyUsage", "SIGN_VERIFY"), "Sign", sign, true},
		{is("kms:CustomerMasterKeyUsage", "SIGN_VERIFY"), "Sign", sign, true},
		{is("kms:KeyOrigin", "AWS_KMS"), "CreateKey", `{}`, true},
		{is("kms:KeyOrigin", "EXTERNAL"), "CreateKey", `{"Origin":"EXTERNAL"}`, true},
		{is("kms:KeyOrigin", "EXTERNAL"), "DescribeKey", `{` + key(external) + `}`, true},
		{truth("kms:MultiRegion", "false"), "CreateKey", `{}`, true},
		{truth("kms:MultiRegion", "true"), "DescribeKey", `{` + key(multi) + `}`, true},
		{is("kms:MultiRegionKeyType", "PRIMARY"), "DescribeKey", `{` + key(multi) + `}`, true},
		{is("kms:MultiRegionKeyType", "PRIMARY"), "CreateKey", `{"MultiRegion":true}`, true},
		{null("kms:MultiRegionKeyType", "true"), "DescribeKey", `{` + key(sym) + `}`, true},
		{null("kms:KeySpec", "true"), "ListKeys", `{}`, true},
		{is("kms:CallerAccount", "000000000000"), "Encrypt", plain, true},
		{null("kms:ViaService", "true"), "Encrypt", plain, true},

		{null("kms:BypassPolicyLockoutSafetyCheck", "true"), "CreateKey", `{}`, true},
		{truth("kms:BypassPolicyLockoutSafetyCheck", "false"), "CreateKey", `{}`, false},
		{truth("kms:BypassPolicyLockoutSafetyCheck", "false"), "CreateKey", `{"BypassPolicyLockoutSafetyCheck":false}`, true},
		{truth("kms:BypassPolicyLockoutSafetyCheck", "true"), "PutKeyPolicy", `{` + key(sym) + `,"Policy":"{}","BypassPolicyLockoutSafetyCheck":true}`, true},
		{null("kms:ExpirationModel", "true"), "ImportKeyMaterial", `{` + key(external) + `,"ImportToken":"eA==","EncryptedKeyMaterial":"eA=="}`, true},
		{is("kms:ExpirationModel", "KEY_MATERIAL_EXPIRES"), "ImportKeyMaterial", `{` + key(external) + `,"ImportToken":"eA==","EncryptedKeyMaterial":"eA==","ExpirationModel":"KEY_MATERIAL_EXPIRES","ValidTo":1800000000}`, true},
		{number("kms:ValidTo", "1800000000"), "ImportKeyMaterial", `{` + key(external) + `,"ImportToken":"eA==","EncryptedKeyMaterial":"eA==","ValidTo":1800000000.0}`, true},
		{null("kms:ValidTo", "true"), "ImportKeyMaterial", `{` + key(external) + `,"ImportToken":"eA==","EncryptedKeyMaterial":"eA=="}`, true},
		{is("kms:WrappingAlgorithm", "RSAES_OAEP_SHA_1"), "GetParametersForImport", `{` + key(external) + `,"WrappingAlgorithm":"RSAES_OAEP_SHA_1","WrappingKeySpec":"RSA_3072"}`, true},
		{is("kms:WrappingKeySpec", "RSA_3072"), "GetParametersForImport", `{` + key(external) + `,"WrappingAlgorithm":"RSAES_OAEP_SHA_1","WrappingKeySpec":"RSA_3072"}`, true},
		{number("kms:RotationPeriodInDays", "180"), "EnableKeyRotation", `{` + key(sym) + `,"RotationPeriodInDays":180}`, true},
		{number("kms:RotationPeriodInDays", "365"), "EnableKeyRotation", `{` + key(sym) + `}`, true},
		{number("kms:ScheduleKeyDeletionPendingWindowInDays", "7"), "ScheduleKeyDeletion", `{` + key(sym) + `,"PendingWindowInDays":7}`, true},
		{number("kms:ScheduleKeyDeletionPendingWindowInDays", "30"), "ScheduleKeyDeletion", `{` + key(sym) + `}`, true},
		{number("kms:TrailingDaysWithoutKeyUsage", "0"), "DisableKey", `{` + key(sym) + `}`, true},
		{null("kms:TrailingDaysWithoutKeyUsage", "true"), "EnableKey", `{` + key(sym) + `}`, true},

		{is("kms:SigningAlgorithm", "ECDSA_SHA_256"), "Sign", sign, true},
		{is("kms:MessageType", "RAW"), "Sign", sign, true},
		{is("kms:MessageType", "DIGEST"), "Verify", strings.TrimSuffix(sign, "}") + `,"Signature":"eA==","MessageType":"DIGEST"}`, true},
		{is("kms:MacAlgorithm", "HMAC_SHA_256"), "GenerateMac", `{` + key(mac) + `,"Message":"eA==","MacAlgorithm":"HMAC_SHA_256"}`, true},
		{is("kms:KeyAgreementAlgorithm", "ECDH"), "DeriveSharedSecret", `{` + key(agree) + `,"KeyAgreementAlgorithm":"ECDH","PublicKey":"eA=="}`, true},
		{is("kms:ReplicaRegion", "eu-west-1"), "UpdatePrimaryRegion", `{` + key(multi) + `,"PrimaryRegion":"eu-west-1"}`, false},
		{is("kms:PrimaryRegion", "eu-west-1"), "UpdatePrimaryRegion", `{` + key(multi) + `,"PrimaryRegion":"eu-west-1"}`, true},

		{is("kms:GranteePrincipal", "arn:aws:iam::000000000000:role/x"), "CreateGrant", grant, true},
		{is("kms:RetiringPrincipal", "arn:aws:iam::000000000000:role/y"), "CreateGrant", grant, true},
		{is("kms:GrantConstraintType", "EncryptionContextSubset"), "CreateGrant", grant, true},
		{is("kms:GrantConstraintType", "EncryptionContextEquals"), "CreateGrant", grant, false},
		{`"ForAllValues:StringEquals":{"kms:GrantOperations":["Decrypt","Encrypt"]}`, "CreateGrant", grant, true},
		{`"ForAllValues:StringEquals":{"kms:GrantOperations":["Decrypt"]}`, "CreateGrant", grant, false},
		{truth("kms:GrantIsForAWSResource", "false"), "CreateGrant", grant, true},
		{truth("kms:GrantIsForAWSResource", "true"), "ListGrants", `{` + key(sym) + `}`, false},
		{null("kms:GrantIsForAWSResource", "true"), "DescribeKey", `{` + key(sym) + `}`, true},
		{is("kms:GranteeServicePrincipal", "s3.amazonaws.com"), "CreateGrant", `{` + key(sym) + `,"GranteeServicePrincipal":"s3.amazonaws.com","RetiringServicePrincipal":"ec2.amazonaws.com","Operations":["Decrypt"],"Constraints":{"SourceArn":"arn:aws:s3:::a-bucket"}}`, true},
		{is("kms:RetiringServicePrincipal", "ec2.amazonaws.com"), "CreateGrant", `{` + key(sym) + `,"GranteeServicePrincipal":"s3.amazonaws.com","RetiringServicePrincipal":"ec2.amazonaws.com","Operations":["Decrypt"],"Constraints":{"SourceArn":"arn:aws:s3:::a-bucket"}}`, true},
		{`"ArnLike":{"kms:GrantConstraintSourceArn":"arn:aws:s3:::a-*"}`, "CreateGrant", `{` + key(sym) + `,"GranteeServicePrincipal":"s3.amazonaws.com","RetiringServicePrincipal":"ec2.amazonaws.com","Operations":["Decrypt"],"Constraints":{"SourceArn":"arn:aws:s3:::a-bucket"}}`, true},
	} {
		if got := r.may(t, k.condition, k.name, k.body, nil); got != k.want {
			t.Errorf("%s under %s: allowed %v, want %v\n%s", k.name, k.condition, got, k.want, k.body)
		}
	}
}

// TestFactsOfReEncrypt: each half is decided on with its own context and alias.
func TestFactsOfReEncrypt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	from, to := r.create(t, `{}`), r.create(t, `{}`)
	var c operation.Call
	if err := r.run(t, &c, "Encrypt", `{"KeyId":"`+from+`","Plaintext":"eA==","EncryptionContext":{"at":"from"}}`); err != nil {
		t.Fatal(err)
	}
	blob := string(wire.Response.AppendJSON(c.Response, nil))
	_, blob, _ = strings.Cut(blob, `"CiphertextBlob":"`)
	blob, _, _ = strings.Cut(blob, `"`)
	body := func(target string) string {
		return `{"CiphertextBlob":"` + blob + `","SourceEncryptionContext":{"at":"from"},"DestinationKeyId":"` + target + `","DestinationEncryptionContext":{"at":"to"}}`
	}
	for condition, want := range map[string]bool{
		`"StringEquals":{"kms:EncryptionContext:at":["from","to"]}`: true,
		`"StringEquals":{"kms:EncryptionContext:at":["from"]}`:      false,
		`"StringEquals":{"kms:EncryptionContext:at":["to"]}`:        false,
		`"Bool":{"kms:ReEncryptOnSameKey":"false"}`:                 true,
		`"Bool":{"kms:ReEncryptOnSameKey":"true"}`:                  false,
	} {
		if got := r.may(t, condition, "ReEncrypt", body(to), nil); got != want {
			t.Errorf("%s: %v", condition, got)
		}
	}
	if !r.may(t, `"Bool":{"kms:ReEncryptOnSameKey":"true"}`, "ReEncrypt", body(from), nil) {
		t.Error("ReEncrypt on the same key is not known as such")
	}
}

// TestGlobalFacts: what any service's requests have.
func TestGlobalFacts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := r.create(t, `{}`)
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	direct := func(c *operation.Call) {
		c.Origin = operation.Origin{Address: netip.MustParseAddr("::ffff:192.0.2.7"), Secure: true, At: at, UserAgent: []byte("aws-cli/2"), Referer: []byte("https://example.com")}
	}
	through := func(c *operation.Call) {
		direct(c)
		c.Origin.Endpoint = &authz.Endpoint{ID: "vpce-1", VPC: "vpc-1"}
	}
	via := func(c *operation.Call) {
		direct(c)
		c.Origin.Service = &identity.ServiceUse{Principal: "ec2.amazonaws.com", CalledVia: []string{"autoscaling.amazonaws.com", "ec2.amazonaws.com"}, SourceARN: "arn:aws:ec2:us-east-1:000000000000:volume/v", SourceAccount: "000000000000"}
	}
	for _, k := range []struct {
		condition string
		change    func(*operation.Call)
		want      bool
	}{
		{`"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`, direct, true},
		{`"Null":{"aws:SourceIp":"true"},"IpAddress":{"aws:VpcSourceIp":"192.0.2.0/24"}`, through, true},
		{`"Null":{"aws:VpcSourceIp":"true"}`, direct, true},
		{`"StringEquals":{"aws:SourceVpce":"vpce-1","aws:SourceVpc":"vpc-1"}`, through, true},
		{`"Bool":{"aws:SecureTransport":"true","aws:ViaAWSService":"false"}`, direct, true},
		{`"DateEquals":{"aws:CurrentTime":"2026-06-01T11:00:00Z"}`, direct, true},
		{`"NumericEquals":{"aws:EpochTime":"1780311600"}`, direct, true},
		{`"DateGreaterThan":{"aws:EpochTime":"1780311599"}`, direct, true},
		{`"StringEquals":{"aws:RequestedRegion":"us-east-1","aws:UserAgent":"aws-cli/2","aws:referer":"https://example.com"}`, direct, true},
		{`"Null":{"kms:ViaService":"true","aws:CalledVia":"true","aws:CalledViaFirst":"true","aws:SourceArn":"true"}`, direct, true},
		{`"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}`, via, true},
		{`"Bool":{"aws:ViaAWSService":"true","kms:GrantIsForAWSResource":"true"}`, via, false}, // which is not of Encrypt
		{`"Bool":{"aws:ViaAWSService":"true"}`, via, true},
		{`"StringEquals":{"aws:CalledViaFirst":"autoscaling.amazonaws.com","aws:CalledViaLast":"ec2.amazonaws.com"}`, via, true},
		{`"ForAnyValue:StringEquals":{"aws:CalledVia":"autoscaling.amazonaws.com"}`, via, true},
		{`"ArnLike":{"aws:SourceArn":"arn:aws:ec2:*:*:volume/*"},"StringEquals":{"aws:SourceAccount":"000000000000"}`, via, true},
	} {
		if got := r.may(t, k.condition, "Encrypt", `{"KeyId":"`+key+`","Plaintext":"eA=="}`, k.change); got != k.want {
			t.Errorf("%s: %v", k.condition, got)
		}
	}
}

// TestFactsOfReplication: the halves of ReplicateKey are decided on in their own Regions.
func TestFactsOfReplication(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := `{"KeyId":"` + r.create(t, `{"MultiRegion":true}`) + `","ReplicaRegion":"eu-west-1","Tags":[{"TagKey":"a","TagValue":"b"}]}`
	for condition, want := range map[string]bool{
		`"StringEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1"]}`:        true,
		`"StringEquals":{"aws:RequestedRegion":"us-east-1"}`:                      false,
		`"StringEqualsIfExists":{"kms:ReplicaRegion":"eu-west-1"}`:                true,
		`"StringEqualsIfExists":{"kms:ReplicaRegion":"us-west-2"}`:                false,
		`"StringEqualsIfExists":{"aws:RequestTag/a":"b"}`:                         true,
		`"StringEqualsIfExists":{"aws:RequestTag/a":"c"}`:                         false,
		`"StringEquals":{"kms:MultiRegionKeyType":["PRIMARY","REPLICA"]}`:         true,
		`"StringEqualsIfExists":{"kms:MultiRegionKeyType":"PRIMARY"}`:             false,
		`"StringEqualsIfExists":{"kms:MultiRegionKeyType":["PRIMARY","REPLICA"]}`: true,
	} {
		if got := r.may(t, condition, "ReplicateKey", body, nil); got != want {
			t.Errorf("%s: %v", condition, got)
		}
	}
}
