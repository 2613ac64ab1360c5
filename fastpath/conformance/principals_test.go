package conformance_test

import (
	"strings"
	"testing"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// allowing is an identity policy of statements that allow actions on everything.
func allowing(actions ...string) string {
	return statements(`{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}`)
}

// allBut allows everything except some actions, without denying them.
func allBut(actions ...string) string {
	return statements(`{"Effect":"Allow","NotAction":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}`)
}

// denying allows everything and denies some actions.
func denying(actions ...string) string {
	return statements(`{"Effect":"Allow","Action":"*","Resource":"*"}`, `{"Effect":"Deny","Action":["`+strings.Join(actions, `","`)+`"],"Resource":"*"}`)
}

func userARN(account, name string) string { return "arn:aws:iam::" + account + ":user/" + name }

// userKey is the access key id of a user of tests.
func userKey(account, name string) string {
	return "AKID" + account + strings.ReplaceAll(name, "-", "_")
}

// user is the credential of a user with identity policies.
func user(t testing.TB, account, name string, policies ...string) identity.Credential {
	t.Helper()
	caller := authz.Caller{
		Type: authz.CallerUser, Partition: "aws", Account: account, ARN: userARN(account, name), UserName: name,
		ID: "AIDA" + account, UniqueID: "AIDA" + account,
	}
	for _, document := range policies {
		p, err := authz.Parse(authz.KindIdentity, []byte(document))
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		caller.Policies.Identity = append(caller.Policies.Identity, authz.Compile(authz.KindIdentity, []byte(document), p))
	}
	return identity.Credential{AccessKeyID: userKey(account, name), Secret: identity.Secret(otherSecret), Principal: identity.Principal{Caller: caller}}
}

// session is the credential of a session "one" of a role whose ARN has a path.
func session(t testing.TB, account, role string, policies ...string) identity.Credential {
	t.Helper()
	c := user(t, account, role, policies...)
	caller := &c.Principal.Caller
	caller.Type, caller.UserName = authz.CallerAssumedRole, ""
	caller.Role = "arn:aws:iam::" + account + ":role/path/" + role
	caller.ARN = "arn:aws:sts::" + account + ":assumed-role/" + role + "/one"
	caller.ID, caller.UniqueID = "AROA"+account+":one", "AROA"+account
	return c
}

// as sends an operation as a user of tests.
func as(t testing.TB, s *servertest.Server, account, name, operation string, body object) servertest.Answer {
	t.Helper()
	r := servertest.For(operation, marshal(t, body))
	r.AccessKeyID, r.Secret = userKey(account, name), otherSecret
	return s.Do(t, r)
}

// Texts of denials.
func noIdentityPolicy(arn, action, resource string) string {
	return "User: " + arn + " is not authorized to perform: kms:" + action + " on resource: " + resource +
		" because no identity-based policy allows the kms:" + action + " action"
}

func noResourcePolicy(arn, action, resource string) string {
	return strings.Replace(noIdentityPolicy(arn, action, resource), "identity-based", "resource-based", 1)
}

func notOnThis(arn, action string) string {
	return "User: " + arn + " is not authorized to perform: kms:" + action + " on this resource because the resource does not exist in this Region, " +
		"no resource-based policies allow access, or a resource-based policy explicitly denies access"
}

const ofCiphertext = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."

// wantDenied wants an AccessDeniedException with a capital Message of this text.
func wantDenied(t testing.TB, what string, a servertest.Answer, text string) {
	t.Helper()
	want := `{"__type":"AccessDeniedException","Message":"` + text + `"}`
	if a.Status != 400 || a.Body != want {
		t.Errorf("%s: %d %s\nwant %s", what, a.Status, a.Body, want)
	}
}

// denied tells whether an answer is a denial.
func denied(a servertest.Answer) bool {
	return strings.HasPrefix(a.Body, `{"__type":"AccessDeniedException"`)
}
