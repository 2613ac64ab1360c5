package conformance_test

import (
	"net/netip"
	"testing"

	"trent/fastpath"
	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// TestThroughVPCEndpoints: an endpoint's policy limits what goes through it, and conditions know the way that a request
// came.
func TestThroughVPCEndpoints(t *testing.T) {
	t.Parallel()
	ownServer(t)
	document := []byte(statements(
		`{"Effect":"Allow","Principal":"*","Action":["kms:Encrypt","kms:DescribeKey","kms:CreateAlias","kms:ListKeys"],"Resource":"*"}`,
		`{"Effect":"Deny","Principal":"*","Action":"kms:DescribeKey","Resource":"*"}`))
	p, err := authz.Parse(authz.KindEndpoint, document)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := fastpath.Endpoint{
		Endpoint: authz.Endpoint{ID: "vpce-0123456789abcdef0", VPC: "vpc-0123456789abcdef0", Account: identity.DefaultAccount, Policy: authz.Compile(authz.KindEndpoint, document, p)},
		Region:   "us-east-1", Source: netip.MustParsePrefix("10.1.0.0/16"),
	}
	open := endpoint
	open.ID, open.Policy = "vpce-0fedcba9876543210", nil
	s := servertest.Start(t, servertest.Options{Endpoints: []fastpath.Endpoint{endpoint, open}, Credentials: []identity.Credential{user(t, otherAccount, "all", allowing("kms:*"))}})
	limited, free := s.Through(0), s.Through(1)
	root := rootOf(identity.DefaultAccount)
	create := func(condition string) string {
		t.Helper()
		return made(t, s.Call(t, "CreateKey", marshal(t, object{"BypassPolicyLockoutSafetyCheck": true, "Policy": statements(
			`{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{` + condition + `}}`)})), "KeyMetadata", "Arn")
	}
	key := made(t, s.Call(t, "CreateKey", "{}"), "KeyMetadata", "Arn")
	grantee := made(t, s.Call(t, "CreateKey", "{}"), "KeyMetadata", "Arn")
	made(t, s.Call(t, "CreateGrant", marshal(t, object{"KeyId": grantee, "GranteePrincipal": userARN(otherAccount, "all"), "Operations": []string{"Decrypt", "Encrypt"}})), "GrantId")

	encrypt := func(key string) string { return marshal(t, object{"KeyId": key, "Plaintext": "eA=="}) }
	blob := made(t, limited.Call(t, "Encrypt", encrypt(key)), "CiphertextBlob")
	wantDenied(t, "not allowed", limited.Call(t, "Decrypt", marshal(t, object{"KeyId": key, "CiphertextBlob": blob})),
		"User: "+root+" is not authorized to perform: kms:Decrypt on resource: "+key+" because no VPC endpoint policy allows the kms:Decrypt action")
	wantDenied(t, "denied", limited.Call(t, "DescribeKey", marshal(t, object{"KeyId": key})),
		"User: "+root+" is not authorized to perform: kms:DescribeKey on resource: "+key+" with an explicit deny in a VPC endpoint policy")
	wantDenied(t, "without a resource", limited.Call(t, "CreateKey", "{}"),
		"User: "+root+" is not authorized to perform: kms:CreateKey on resource: * because no VPC endpoint policy allows the kms:CreateKey action")
	if a := limited.Call(t, "ListKeys", "{}"); a.Status != 200 {
		t.Errorf("ListKeys: %s", a.Body)
	}
	if a := free.Call(t, "Decrypt", marshal(t, object{"CiphertextBlob": blob})); a.Status != 200 {
		t.Errorf("through an endpoint without a policy: %s", a.Body)
	}
	granted := func(operation string, body object) servertest.Request {
		r := servertest.For(operation, marshal(t, body))
		r.AccessKeyID, r.Secret = userKey(otherAccount, "all"), otherSecret
		return r
	}
	if a := limited.Do(t, granted("Encrypt", object{"KeyId": grantee, "Plaintext": "eA=="})); a.Status != 200 {
		t.Errorf("by a grant: %s", a.Body)
	}
	wantDenied(t, "by a grant", limited.Do(t, granted("Decrypt", object{"KeyId": grantee, "CiphertextBlob": blob})), notOnThis(userARN(otherAccount, "all"), "Decrypt"))

	for condition, want := range map[string][3]bool{ // directly, through the first, through the second
		`"StringEquals":{"aws:SourceVpce":"vpce-0123456789abcdef0"}`:    {false, true, false},
		`"StringEquals":{"aws:SourceVpc":"vpc-0123456789abcdef0"}`:      {false, true, true},
		`"IpAddress":{"aws:VpcSourceIp":"10.1.0.0/16"}`:                 {false, true, true},
		`"IpAddress":{"aws:SourceIp":["127.0.0.0/8","10.1.0.0/16"]}`:    {true, false, false},
		`"StringNotEquals":{"aws:SourceVpce":"vpce-0123456789abcdef0"}`: {true, false, true},
		`"Null":{"aws:SourceVpce":"true"}`:                              {true, false, false},
		`"StringEquals":{"aws:VpceAccount":"` + s.Account + `"}`:        {false, true, true},
		`"Bool":{"aws:SecureTransport":"true"}`:                         {true, true, true},
	} {
		key := create(condition)
		for i, way := range []*servertest.Endpoint{&s.Endpoint, limited, free} {
			if a := way.Call(t, "Encrypt", encrypt(key)); (a.Status == 200) != want[i] {
				t.Errorf("%s, way %d: %s", condition, i, a.Body)
			}
		}
	}
}
