package authz_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trent/fastpath/authz"
)

// changeable allows the account everything, so that a key policy is not one that locks out.
const changeable = `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"}`

// lint is what is found in a policy of a kind, as "severity code".
func lint(kind authz.Kind, doc string) []string {
	var out []string
	for _, f := range authz.Lint(kind, []byte(doc), authz.LintOptions{Account: account}) {
		out = append(out, f.Severity.String()+" "+f.Code)
	}
	return out
}

func keyPolicy(members string) string {
	return `{"Version":"2012-10-17","Statement":[` + changeable + `,{` + members + `}]}`
}

func identityPolicy(members string) string {
	return `{"Version":"2012-10-17","Statement":[{` + members + `}]}`
}

func TestLintKeyPolicies(t *testing.T) {
	t.Parallel()
	const ofRole = `"Effect":"Allow","Principal":{"AWS":"` + roleARN + `"},`
	const use = ofRole + `"Resource":"*","Action":"kms:Decrypt"`
	for members, want := range map[string]string{
		use: "",
		ofRole + `"Resource":"*","Action":"kms:ReEncrypt"`:                                                                                     "error unknown-action",
		ofRole + `"Resource":"*","Action":"Decrypt"`:                                                                                           "error unknown-action",
		ofRole + `"Resource":"*","Action":"kms:Decrypted"`:                                                                                     "error unknown-action",
		ofRole + `"Resource":"*","Action":"kms:Tea*"`:                                                                                          "warning unknown-action",
		ofRole + `"Resource":"*","Action":["kms:Decrypt","s3:GetObject"]`:                                                                      "warning no-effect",
		ofRole + `"Action":"kms:Decrypt"`:                                                                                                      "warning no-effect",
		ofRole + `"Resource":"*"`:                                                                                                              "warning no-effect",
		ofRole + `"Resource":"key","Action":"kms:Decrypt"`:                                                                                     "error resource",
		ofRole + `"Resource":"arn:aws:s3:::bucket","Action":"kms:Decrypt"`:                                                                     "warning resource",
		ofRole + `"Resource":"arn:aws:kms:us-east-1:` + otherAccount + `:key/1","Action":"kms:Decrypt"`:                                        "warning resource",
		ofRole + `"Resource":"arn:aws:kms:us-east-1:` + account + `:alias/a","Action":"kms:Decrypt"`:                                           "warning resource",
		ofRole + `"Resource":"*","NotAction":"kms:Decrypt"`:                                                                                    "warning broad-action",
		`"Effect":"Allow","Principal":"*","Resource":"*","Action":"kms:Decrypt"`:                                                               "warning broad-principal",
		`"Effect":"Allow","NotPrincipal":{"AWS":"` + account + `"},"Resource":"*","Action":"kms:Decrypt"`:                                      "warning broad-principal",
		`"Effect":"Deny","NotPrincipal":{"AWS":"` + account + `"},"Resource":"*","Action":"kms:Decrypt"`:                                       "suggestion not-principal",
		`"Effect":"Allow","Principal":{"AWS":"AIDAEXAMPLEEXAMPLE01"},"Resource":"*","Action":"kms:Decrypt"`:                                    "warning deleted-principal",
		`"Effect":"Deny","Principal":"*","Resource":"*","Action":"kms:PutKeyPolicy"`:                                                           "error lockout",
		`"Effect":"Deny","Principal":"*","Resource":"*","Action":"kms:*"`:                                                                      "warning unreachable;error lockout",
		use + `,"Condition":{"StringEquals":{"kms:CallerAcount":"1"}}`:                                                                         "error unknown-key",
		use + `,"Condition":{"StringEquals":{"s3:prefix":"1"}}`:                                                                                "warning unknown-key",
		use + `,"Condition":{"NumericEquals":{"kms:KeySpec":"1"}}`:                                                                             "error type",
		use + `,"Condition":{"StringEquals":{"kms:MultiRegion":"true"}}`:                                                                       "warning type",
		use + `,"Condition":{"StringEquals":{"kms:EncryptionContextKeys":"a"}}`:                                                                "warning set-operator",
		use + `,"Condition":{"ForAnyValue:StringEquals":{"kms:KeySpec":"a"}}`:                                                                  "warning set-operator",
		use + `,"Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"a"}}`:                                                   "warning empty-set",
		use + `,"Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"a"},"Null":{"kms:EncryptionContextKeys":"false"}}`:      "",
		use + `,"Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContext:a":"a"}}`:                                                     "error refused-key;warning set-operator",
		use + `,"Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"a"}}`:                                                          "error refused-key",
		use + `,"Condition":{"StringEquals":{"aws:ResourceTag/a":"a"}}`:                                                                        "error refused-key",
		use + `,"Condition":{"StringEquals":{"aws:PrincipalTag/a":"x*"}}`:                                                                      "warning wildcard",
		use + `,"Condition":{"StringEquals":{"aws:PrincipalTag/a":"x${*}"}}`:                                                                   "",
		use + `,"Condition":{"StringEquals":{"aws:PrincipalTag/a":"${aws:usrname}"}}`:                                                          "error variable",
		use + `,"Condition":{"StringEquals":{"aws:PrincipalTag/a":"${aws:CalledVia}"}}`:                                                        "error variable",
		use + `,"Condition":{"StringEquals":{"aws:PrincipalTag/a":"${aws:username"}}`:                                                          "error variable",
		use + `,"Condition":{"Bool":{"kms:MultiRegion":"yes"}}`:                                                                                "error value",
		use + `,"Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/33"}}`:                                                                   "error value",
		use + `,"Condition":{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}`:                                                                   "error value",
		use + `,"Condition":{"ArnLike":{"aws:PrincipalArn":"*"}}`:                                                                              "error value",
		use + `,"Condition":{"StringEquals":{"kms:MessageType":"RAW"}}`:                                                                        "warning key-of-action",
		`"Effect":"Deny","Principal":"*","Resource":"*","Action":"kms:Decrypt","Condition":{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`: "warning source-ip",
		`"Effect":"Allow","Principal":"*","Resource":"*","Action":"kms:Decrypt","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-a"}}`:     "",
	} {
		if got := strings.Join(lint(authz.KindKey, keyPolicy(members)), ";"); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", members, got, want)
		}
	}
}

func TestLintOtherKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind      authz.Kind
		doc, want string
	}{
		{authz.KindIdentity, identityPolicy(`"Effect":"Allow","Action":["kms:Decrypt","s3:Get*"],"Resource":"*","Condition":{"StringLike":{"s3:prefix":"a*"}}`), ""},
		{authz.KindIdentity, identityPolicy(`"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:*:*:alias/a"`), "warning resource"},
		{authz.KindIdentity, identityPolicy(`"Effect":"Allow","Action":"kms:CreateAlias","Resource":["arn:aws:kms:*:*:alias/a","arn:aws:kms:*:*:key/*"]`), ""},
		{authz.KindIdentity, identityPolicy(`"Effect":"Allow","Action":"kms:ListKeys","Resource":"arn:aws:kms:*:*:key/*"`), "warning resource"},
		{authz.KindIdentity, identityPolicy(`"Effect":"Allow","Action":"kms:Decrypt"`), "error grammar"},
		{authz.KindIdentity, `{"Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:*:*:key/${aws:username}"}}`, "suggestion version;warning variable"},
		{authz.KindIdentity, `{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":"kms:Decrypt","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}]}`, "warning duplicate-sid"},
		{authz.KindEndpoint, identityPolicy(`"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), "error source-ip"},
		{authz.KindTrust, identityPolicy(`"Effect":"Allow","Principal":{"Federated":"idp.example.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"idp.example.com:aud":"x"}}`), ""},
		{authz.KindTrust, identityPolicy(`"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:Decrypt"`), "warning no-effect"},
		{authz.KindServiceControl, identityPolicy(`"Effect":"Deny","Action":"kms:*","Resource":"*"`), ""},
		{authz.KindKey, keyPolicy(`"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:Decrypt","Resource":"*","Sid":"π"`), "error character"},
		{authz.KindKey, authz.DefaultPolicy("aws", account) + strings.Repeat(" ", 32768), "error size"},
		{authz.KindKey, authz.DefaultPolicy("aws", account), ""},
	} {
		if got := strings.Join(lint(c.kind, c.doc), ";"); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.doc, got, c.want)
		}
	}
}

func TestLintPlaces(t *testing.T) {
	t.Parallel()
	const doc = "{\"Version\":\"2012-10-17\",\n \"Statement\":{\"Effect\":\"Allow\",\"Resource\":\"*\",\n  \"Action\":[\"kms:Decrypt\",\n  \"kms:Encript\"]}}"
	got := authz.Lint(authz.KindIdentity, []byte(doc), authz.LintOptions{})
	want := []authz.Finding{{Line: 4, Column: 3, Severity: authz.Failure, Code: "unknown-action", Message: `there is no action "kms:Encript": did you mean "kms:Encrypt"?`}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

// Whatever the document, Lint finds places within it, has an error exactly where Parse has one, and finds the same again.
func FuzzLint(f *testing.F) {
	f.Add(uint8(authz.KindKey), authz.DefaultPolicy("aws", account))
	f.Add(uint8(authz.KindKey), keyPolicy(`"Effect":"Deny","NotPrincipal":{"AWS":"*"},"NotAction":["kms:E*","Tea"],"NotResource":["x","arn:a:kms:${:::"],
		"Condition":{"ForAllValues:ArnLike":{"aws:PrincipalArn":["${","${aws:username,'a'}"]},"Null":{"":"x"}}`))
	f.Add(uint8(authz.KindTrust), identityPolicy(`"Effect":"Allow","Principal":{"Federated":"x"},"Action":"*"`))
	f.Add(uint8(authz.KindIdentity), `{"Statement":[]}`)
	f.Add(uint8(authz.KindEndpoint), "{\n\xff")
	f.Fuzz(func(t *testing.T, kind uint8, doc string) {
		k := authz.Kind(kind)
		if k < authz.KindKey || k > authz.KindTrust || len(doc) > 4096 {
			return
		}
		found := authz.Lint(k, []byte(doc), authz.LintOptions{Account: account})
		lines, broken := strings.Split(doc, "\n"), false
		for _, x := range found {
			if x.Line < 1 || x.Line > len(lines) || x.Column < 1 || x.Column > len(lines[x.Line-1])+1 || x.Message == "" {
				t.Errorf("%q: %+v", doc, x)
			}
			broken = broken || x.Code == "grammar"
		}
		if _, err := authz.Parse(k, []byte(doc)); (err != nil) != broken {
			t.Errorf("%q: %v, but %+v", doc, err, found)
		}
		if again := authz.Lint(k, []byte(doc), authz.LintOptions{Account: account}); fmt.Sprint(again) != fmt.Sprint(found) {
			t.Errorf("%q: %+v, then %+v", doc, found, again)
		}
	})
}
