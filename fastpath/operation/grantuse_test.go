package operation_test

import (
	"context"
	"strings"
	"testing"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
)

// role is a session of a role.
func role(account, name string) *identity.Principal {
	return &identity.Principal{Caller: authz.Caller{
		Type: authz.CallerAssumedRole, Partition: "aws", Account: account,
		ARN: "arn:aws:sts::" + account + ":assumed-role/" + name + "/s", Role: "arn:aws:iam::" + account + ":role/" + name,
	}}
}

// TestGrantsAllow: a grant allows its operations to its grantee, within its constraints.
func TestGrantsAllow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var c operation.Call
	give := func(grantee, operations, constraints string) string {
		t.Helper()
		key := r.create(t, `{}`)
		if err := r.run(t, &c, "CreateGrant", `{"KeyId":"`+key+`","GranteePrincipal":"`+grantee+`","Operations":[`+operations+`],"Constraints":{`+constraints+`}}`); err != nil {
			t.Fatal(err)
		}
		return key
	}
	user, worker := person(t, home, "u"), role(home, "worker")
	const ops = `"Encrypt","DescribeKey"`
	plain := give(user.ARN, ops, "")
	equals := give(user.ARN, ops, `"EncryptionContextEquals":{"a":"1"}`)
	subset := give(user.ARN, ops, `"EncryptionContextSubset":{"a":"1"}`)
	toRole, toSession := give(worker.Role, ops, ""), give(worker.ARN, ops, "")
	toAccount := give("arn:aws:iam::"+home+":root", ops, "")
	denied := person(t, home, "u", `{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}`)
	encrypt := func(key, context string) string {
		return `{"KeyId":"arn:aws:kms:us-east-1:` + home + `:key/` + key + `","Plaintext":"eA==","EncryptionContext":{` + context + `}}`
	}
	for _, k := range []struct {
		what       string
		who        *identity.Principal
		name, body string
		want       bool
	}{
		{"plain", user, "Encrypt", encrypt(plain, ""), true},
		{"plain, with a context", user, "Encrypt", encrypt(plain, `"x":"y"`), true},
		{"an operation that is not listed", user, "GenerateDataKey", `{"KeyId":"` + plain + `","KeySpec":"AES_256"}`, false},
		{"somebody else", person(t, home, "v"), "Encrypt", encrypt(plain, ""), false},
		{"the same name elsewhere", person(t, elsewhere, "u"), "Encrypt", encrypt(plain, ""), false},
		{"an explicit deny", denied, "Encrypt", encrypt(plain, ""), false},
		{"equals", user, "Encrypt", encrypt(equals, `"a":"1"`), true},
		{"equals, another value", user, "Encrypt", encrypt(equals, `"a":"2"`), false},
		{"equals, another letter case", user, "Encrypt", encrypt(equals, `"A":"1"`), false},
		{"equals, more", user, "Encrypt", encrypt(equals, `"a":"1","b":"2"`), false},
		{"equals, none", user, "Encrypt", encrypt(equals, ""), false},
		{"subset", user, "Encrypt", encrypt(subset, `"b":"2","a":"1"`), true},
		{"subset, without it", user, "Encrypt", encrypt(subset, `"b":"2"`), false},
		{"constraints do not count for DescribeKey", user, "DescribeKey", `{"KeyId":"` + equals + `"}`, true},
		{"a role's session", worker, "Encrypt", encrypt(toRole, ""), true},
		{"the session itself", worker, "Encrypt", encrypt(toSession, ""), true},
		{"another session's role", role(home, "other"), "Encrypt", encrypt(toRole, ""), false},
		{"an account whose policies do not allow", user, "Encrypt", encrypt(toAccount, ""), false},
		{"an account whose policies allow", person(t, home, "u", allow("kms:Encrypt", "*")), "Encrypt", encrypt(toAccount, ""), true},
	} {
		got := refusal(r.as(t, &c, k.who, k.name, k.body))
		if (got == "") != k.want || !k.want && !strings.HasPrefix(got, "AccessDeniedException") {
			t.Errorf("%s: %q", k.what, got)
		}
		if k.want && strings.HasPrefix(k.what, "plain") {
			if d := c.Decisions(); len(d) != 1 || d[0].Reason != authz.AllowedByGrant || len(d[0].Grant) != 64 {
				t.Errorf("%s: decided by %+v", k.what, d)
			}
		}
	}
}

// TestGrantsFromGrants: who may create grants by a grant alone passes on no more than that allows.
func TestGrantsFromGrants(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var c operation.Call
	user := person(t, home, "u")
	parents := map[string]string{}
	for name, constraints := range map[string]string{
		"free": "", "equals": `"EncryptionContextEquals":{"a":"1","b":"2"}`, "subset": `"EncryptionContextSubset":{"a":"1"}`,
	} {
		parents[name] = r.create(t, `{}`)
		body := `{"KeyId":"` + parents[name] + `","GranteePrincipal":"` + user.ARN + `","Operations":["CreateGrant","Encrypt","Decrypt"],"Constraints":{` + constraints + `}}`
		if err := r.run(t, &c, "CreateGrant", body); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []struct {
		parent, operations, constraints string
		want                            bool
	}{
		{"free", `"Encrypt"`, "", true},
		{"free", `"Encrypt","CreateGrant"`, "", true},
		{"free", `"Encrypt"`, `"EncryptionContextSubset":{"x":"y"}`, true},
		{"free", `"Encrypt","GenerateDataKey"`, "", false},
		{"free", `"DescribeKey"`, "", false},
		{"equals", `"Encrypt"`, `"EncryptionContextEquals":{"b":"2","a":"1"}`, true},
		{"equals", `"Encrypt"`, `"EncryptionContextEquals":{"a":"1"}`, false},
		{"equals", `"Encrypt"`, `"EncryptionContextSubset":{"a":"1","b":"2"}`, false},
		{"equals", `"Encrypt"`, "", false},
		{"subset", `"Encrypt"`, `"EncryptionContextSubset":{"a":"1"}`, true},
		{"subset", `"Encrypt"`, `"EncryptionContextSubset":{"a":"1","b":"2"}`, true},
		{"subset", `"Encrypt"`, `"EncryptionContextEquals":{"a":"1","b":"2"}`, true},
		{"subset", `"Encrypt"`, `"EncryptionContextSubset":{"b":"2"}`, false},
		{"subset", `"Encrypt"`, "", false},
	} {
		body := `{"KeyId":"` + parents[k.parent] + `","GranteePrincipal":"arn:aws:iam::` + elsewhere + `:role/x","Operations":[` + k.operations + `],"Constraints":{` + k.constraints + `}}`
		got := refusal(r.as(t, &c, user, "CreateGrant", body))
		if (got == "") != k.want || !k.want && !strings.HasPrefix(got, "AccessDeniedException") {
			t.Errorf("%s from %s: %q", body, k.parent, got)
		}
		// By a policy anything goes.
		if got := refusal(r.as(t, &c, person(t, home, "admin", allow("kms:CreateGrant", "*")), "CreateGrant", body)); got != "" {
			t.Errorf("%s by a policy: %q", body, got)
		}
	}
}

// TestWhoMayRetire: the retiring principal, the grantee of a grant with RetireGrant, and, as far as identity policies let
// them, the account that made it. A key policy has no say, an explicit deny does.
func TestWhoMayRetire(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var c operation.Call
	key := scope.Key(r.create(t, `{}`)).ARN()
	retirer, grantee := person(t, elsewhere, "retirer"), person(t, home, "grantee")
	grant := func(operations string) string {
		t.Helper()
		body := `{"KeyId":"` + key + `","GranteePrincipal":"` + grantee.ARN + `","RetiringPrincipal":"` + retirer.ARN + `","Operations":[` + operations + `]}`
		if err := r.run(t, &c, "CreateGrant", body); err != nil {
			t.Fatal(err)
		}
		return c.Response.(*wire.CreateGrantResponse).GrantId
	}
	with, without := grant(`"Encrypt","RetireGrant"`), grant(`"Encrypt"`)
	deny := `{"Effect":"Deny","Action":"kms:RetireGrant","Resource":"*"}`
	for _, k := range []struct {
		what  string
		who   *identity.Principal
		grant string
		want  string
	}{
		{"retiring principal", retirer, without, ""},
		{"retiring principal, denied", person(t, elsewhere, "retirer", deny), without, "on this resource"},
		{"grantee with RetireGrant", grantee, with, ""},
		{"grantee without", grantee, without, "because no identity-based policy allows the kms:RetireGrant action"},
		{"grantee, denied", person(t, home, "grantee", deny), with, "with an explicit deny in an identity-based policy"},
		{"the account", &caller, without, ""},
		{"of the account, allowed", person(t, home, "admin", allow("kms:RetireGrant", key)), without, ""},
		{"of the account, not allowed", person(t, home, "admin"), without, "because no identity-based policy allows the kms:RetireGrant action"},
		{"of another account, allowed", person(t, elsewhere, "admin", allow("*", "*")), without, "on this resource"},
	} {
		got := refusal(r.as(t, &c, k.who, "RetireGrant", `{"KeyId":"`+key+`","GrantId":"`+k.grant+`","DryRun":true}`))
		if k.want == "" && !strings.HasPrefix(got, "DryRunOperationException") || k.want != "" && (!strings.HasPrefix(got, "AccessDeniedException") || !strings.Contains(got, k.want)) {
			t.Errorf("%s: %q, want %q", k.what, got, k.want)
		}
	}
}

// TestConditionsOfRetirement: identity policies may ask for the constraints of the grant that is retired.
func TestConditionsOfRetirement(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var c operation.Call
	key := r.create(t, `{}`)
	if err := r.run(t, &c, "CreateGrant", `{"KeyId":"`+key+`","GranteePrincipal":"`+caller.ARN+`","Operations":["Encrypt"],"Constraints":{"EncryptionContextSubset":{"Dept":"IT"}}}`); err != nil {
		t.Fatal(err)
	}
	body := `{"KeyId":"` + key + `","GrantId":"` + c.Response.(*wire.CreateGrantResponse).GrantId + `"}`
	for condition, want := range map[string]bool{
		`"StringEquals":{"kms:GrantConstraintType":"EncryptionContextSubset"}`: true,
		`"StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"}`: false,
		`"StringEquals":{"kms:EncryptionContext:dept":"IT"}`:                   true,
		`"StringEquals":{"kms:EncryptionContext:dept":"HR"}`:                   false,
		`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"Dept"}`:     true,
		`"Null":{"kms:GrantOperations":"true","kms:GranteePrincipal":"true"}`:  true, // which are of CreateGrant
	} {
		if got := r.may(t, condition, "RetireGrant", body, nil); got != want {
			t.Errorf("%s: %v", condition, got)
		}
	}
}

// TestServiceGrants: SourceArn of a grant counts for services, and their principals are grantees.
func TestServiceGrants(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var c operation.Call
	key := scope.Key(r.create(t, `{}`)).ARN()
	const bucket = "arn:aws:s3:::a-bucket-of-tests"
	if err := r.run(t, &c, "CreateGrant", `{"KeyId":"`+key+`","GranteeServicePrincipal":"s3.amazonaws.com","RetiringPrincipal":"`+caller.ARN+`","Operations":["Encrypt"],"Constraints":{"SourceArn":"`+bucket+`"}}`); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]bool{bucket: true, "arn:aws:s3:::another-bucket": false, "": false} {
		who := &identity.Principal{Caller: authz.Caller{Type: authz.CallerService, Partition: "aws", ARN: "s3.amazonaws.com", Service: "s3.amazonaws.com"}}
		c.Reset()
		c.Operation, c.Request, c.Caller, c.Scope = wire.OperationEncrypt, wire.NewRequest(wire.OperationEncrypt), who, scope
		c.Scope.Account = ""
		c.Origin.Service = &identity.ServiceUse{Principal: "s3.amazonaws.com", SourceARN: source}
		if err := c.Request.Decode([]byte(`{"KeyId":"` + key + `","Plaintext":"eA=="}`)); err != nil {
			t.Fatal(err)
		}
		if err := r.Resolve(context.Background(), &c); err != nil {
			t.Fatal(err)
		}
		if got := refusal(r.Authorize(context.Background(), &c)); (got == "") != want {
			t.Errorf("for %q: %q", source, got)
		}
	}
}
