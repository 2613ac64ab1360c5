package authz_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/fastpath/authz"
)

func TestCallerOf(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]authz.Caller{
		account:                                 {Type: authz.CallerAccount, Account: account, ARN: "arn:aws:iam::" + account + ":root", ID: account},
		"arn:aws:iam::" + account + ":root":     {Type: authz.CallerAccount, Account: account, ARN: "arn:aws:iam::" + account + ":root", ID: account},
		"arn:aws:iam::" + account + ":user/a/b": {Type: authz.CallerUser, Account: account, ARN: "arn:aws:iam::" + account + ":user/a/b", UserName: "b"},
		"arn:aws:iam::" + account + ":role/a/b": {Type: authz.CallerAssumedRole, Account: account, Temporary: true,
			ARN: "arn:aws:sts::" + account + ":assumed-role/b/simulation", Role: "arn:aws:iam::" + account + ":role/a/b"},
		"arn:aws:sts::" + account + ":assumed-role/b/s": {Type: authz.CallerAssumedRole, Account: account, Temporary: true,
			ARN: "arn:aws:sts::" + account + ":assumed-role/b/s", Role: "arn:aws:iam::" + account + ":role/b"},
		"arn:aws:sts::" + account + ":federated-user/f": {Type: authz.CallerFederated, Account: account, Temporary: true,
			ARN: "arn:aws:sts::" + account + ":federated-user/f", ID: account + ":f"},
		"s3.amazonaws.com": {Type: authz.CallerService, ARN: "s3.amazonaws.com", Service: "s3.amazonaws.com", ID: "s3.amazonaws.com"},
	} {
		got, err := authz.CallerOf(arn)
		if err != nil || got.Type != want.Type || got.Account != want.Account || got.ARN != want.ARN || got.Role != want.Role ||
			got.ID != want.ID || got.UserName != want.UserName || got.Service != want.Service || got.Temporary != want.Temporary || got.Partition != "aws" {
			t.Errorf("%s: %+v, %v, want %+v", arn, got, err, want)
		}
	}
	for _, arn := range []string{"", "*", "tea", "arn:aws:iam::" + account + ":group/g", "arn:aws:iam::1:root", "arn:aws:iam::" + account + ":user/*"} {
		if got, err := authz.CallerOf(arn); err == nil {
			t.Errorf("%q: %+v", arn, got)
		}
	}
}

func TestGivenRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, values, want string }{
		{"aws:SourceIpp", "1", "did you mean aws:SourceIp"},
		{"", "1", "no condition key"},
		{"aws:PrincipalArn", "arn:aws:iam::" + account + ":root", "follows from the principal"},
		{"aws:ResourceAccount", account, "follows from the resource"},
		{"aws:SecureTransport", "yes", "true or false"},
		{"aws:MultiFactorAuthAge", "old", "decimal number"},
		{"aws:CurrentTime", "noon", "a date"},
		{"aws:SourceArn", "tea", "an ARN"},
		{"kms:KeySpec", "RSA_2048,RSA_3072", "one value"},
	} {
		if err := new(authz.Given).Give(c.key, strings.Split(c.values, ",")...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: %v, want %q", c.key, c.values, err, c.want)
		}
	}
}

// What is given reaches conditions, be it of the caller, of the endpoint or of the request.
func TestGivenReachesConditions(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct{ condition, given string }{
		{`{"StringEquals":{"aws:PrincipalTag/Team":"blue"}}`, "aws:PrincipalTag/team=blue"},
		{`{"StringEquals":{"aws:PrincipalOrgID":"o-a"}}`, "aws:PrincipalOrgID=o-a"},
		{`{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-a/*"}}`, "aws:PrincipalOrgPaths=o-a/r-b/"},
		{`{"StringEquals":{"aws:SourceVpce":"vpce-1"}}`, "aws:SourceVpce=vpce-1"},
		{`{"IpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}}`, "aws:VpcSourceIp=10.1.2.3"},
		{`{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"1"}}`, "aws:MultiFactorAuthPresent=true aws:CurrentTime=2026-01-01T00:00:00Z"},
		{`{"NumericEquals":{"aws:MultiFactorAuthAge":"300"}}`, "aws:MultiFactorAuthAge=300 aws:CurrentTime=2026-01-01T00:00:00Z"},
		{`{"DateEquals":{"aws:TokenIssueTime":"2026-01-01T00:00:00Z"}}`, "aws:TokenIssueTime=2026-01-01T00:00:00Z"},
		{`{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]},"Null":{"aws:TagKeys":"false"}}`, "aws:TagKeys=a aws:TagKeys=b"},
		{`{"StringEquals":{"kms:EncryptionContext:Tenant":"7"}}`, "kms:EncryptionContext:tenant=7"},
	} {
		document := []byte(keyPolicy(`"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":` + c.condition))
		parsed, err := authz.ParsePolicy(document)
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		var g authz.Given
		decide := func() bool {
			caller, err := authz.CallerOf("arn:aws:iam::" + account + ":user/ann")
			if err != nil {
				t.Fatal(err)
			}
			return authz.Decide(&authz.Request{
				Action: authz.ActionDecrypt, Caller: g.Caller(caller, now), Resource: "arn:aws:kms:us-east-1:" + account + ":key/a", ResourceAccount: account,
				Partition: "aws", Policy: authz.Compile(authz.KindKey, document, parsed), Endpoint: g.Endpoint(), Facts: &g,
			}).Allowed
		}
		if decide() {
			t.Errorf("%s: allowed without %s", c.condition, c.given)
		}
		for _, text := range strings.Fields(c.given) {
			name, value, _ := strings.Cut(text, "=")
			if err := g.Give(name, value); err != nil {
				t.Fatal(err)
			}
		}
		if !decide() {
			t.Errorf("%s: denied with %s", c.condition, c.given)
		}
	}
}

// A statement that is written and read again is the same.
func TestStatementJSON(t *testing.T) {
	t.Parallel()
	for _, members := range []string{
		`"Sid":"a & b","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"`,
		`"Effect":"Deny","NotPrincipal":{"AWS":["` + account + `","*"],"Service":"s3.amazonaws.com"},"NotAction":["kms:A*","kms:B*"],"NotResource":"x"`,
		`"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true},"StringLike":{"kms:ViaService":["a*","b"]}}`,
	} {
		first, err := authz.ParsePolicy([]byte(keyPolicy(members)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := first.Statements[0].MarshalJSON()
		if err != nil || !json.Valid(text) {
			t.Fatalf("%s: %v", text, err)
		}
		again, err := authz.ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":` + string(text) + `}`))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		a, b := first.Statements[0], again.Statements[0]
		sorted := func(list []authz.Principal) []authz.Principal {
			return slices.SortedFunc(slices.Values(list), func(x, y authz.Principal) int { return strings.Compare(x.Name, y.Name) })
		}
		if a.Sid != b.Sid || a.Allow != b.Allow || !slices.Equal(sorted(a.Principals), sorted(b.Principals)) || !slices.Equal(sorted(a.NotPrincipals), sorted(b.NotPrincipals)) ||
			!slices.Equal(a.Actions, b.Actions) || !slices.Equal(a.NotActions, b.NotActions) || !slices.Equal(a.NotResources, b.NotResources) || len(a.Conditions) != len(b.Conditions) {
			t.Errorf("%s: %+v, then %+v", text, a, b)
		}
	}
}

// Whatever is given, a decision can be explained with it, and callers that are made of ARNs have an account or are services.
func FuzzGiven(f *testing.F) {
	f.Add("arn:aws:iam::"+account+":role/a", "aws:PrincipalTag/x", "y")
	f.Add("s3.amazonaws.com", "aws:MultiFactorAuthAge", "1e300")
	f.Add(account, "aws:CurrentTime", "-1")
	f.Fuzz(func(t *testing.T, arn, key, value string) {
		c, err := authz.CallerOf(arn)
		if err != nil {
			return
		}
		if (c.Account == "") != (c.Type == authz.CallerService) {
			t.Errorf("%q: %+v", arn, c)
		}
		var g authz.Given
		if g.Give(key, value) != nil {
			return
		}
		document := []byte(authz.DefaultPolicy("aws", account))
		parsed, _ := authz.ParsePolicy(document)
		e := authz.Explain(&authz.Request{
			Action: authz.ActionDecrypt, Caller: g.Caller(c, time.Unix(0, 0)), Resource: "arn:aws:kms:us-east-1:" + account + ":key/a", ResourceAccount: account,
			Partition: "aws", Policy: authz.Compile(authz.KindKey, document, parsed), Endpoint: g.Endpoint(), Facts: &g,
		})
		if e.Report() == "" {
			t.Error("no report")
		}
	})
}
