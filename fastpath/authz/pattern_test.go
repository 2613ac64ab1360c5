package authz_test

import (
	"strings"
	"testing"

	"trent/fastpath/authz"
)

// decrypts tells whether one statement of an identity policy, without its effect, lets the caller decrypt.
func decrypts(t *testing.T, c *authz.Caller, f facts, version, statement string) bool {
	t.Helper()
	c.Policies.Identity = []*authz.Compiled{document(t, authz.KindIdentity, `{"Version":"`+version+`","Statement":{"Effect":"Allow",`+statement+`}}`)}
	r := request(c, compiled(t, authz.KindKey, byAccount))
	r.Facts = f
	return authz.Decide(r).Allowed
}

func TestActions(t *testing.T) {
	t.Parallel()
	for actions, want := range map[string]bool{
		`"Action":"*"`:                                   true,
		`"Action":"kms:*"`:                               true,
		`"Action":"kms:Decrypt"`:                         true,
		`"Action":"KMS:decrypt"`:                         true,
		`"Action":"kms:De*t"`:                            true,
		`"Action":"kms:?ecrypt"`:                         true,
		`"Action":"k*:Decrypt"`:                          true,
		`"Action":["s3:*","kms:Decrypt"]`:                true,
		`"Action":"kms:ReEncrypt*"`:                      false,
		`"Action":"kms:"`:                                false,
		`"Action":"Decrypt"`:                             false,
		`"Action":"kms:DecryptX"`:                        false,
		`"NotAction":"kms:Encrypt"`:                      true,
		`"NotAction":"iam:*"`:                            true,
		`"NotAction":["kms:Encrypt","KMS:D*"]`:           false,
		`"NotAction":"*"`:                                false,
		`"Action":["kms:Encrypt","kms:GenerateDataKey"]`: false,
	} {
		if got := decrypts(t, user(), facts{}, authz.Version2012, actions+`,"Resource":"*"`); got != want {
			t.Errorf("%s: %v", actions, got)
		}
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	for resources, want := range map[string]bool{
		`"Resource":"*"`:                                        true,
		`"Resource":"**"`:                                       true,
		`"Resource":"` + keyARN + `"`:                           true,
		`"Resource":["arn:aws:s3:::x","` + keyARN + `"]`:        true,
		`"Resource":"` + strings.ToUpper(keyARN) + `"`:          false,
		`"Resource":"arn:aws:kms:us-east-1:111122223333:key/*"`: true,
		`"Resource":"arn:aws:kms:*:111122223333:key/*"`:         true,
		`"Resource":"arn:aws:kms:*:*:key/1234abcd-*"`:           true,
		`"Resource":"arn:aws:kms:us-east-?:111122223333:*"`:     true,
		`"Resource":"arn:aws:kms:*"`:                            true,
		`"Resource":"arn:*:key/*"`:                              true,
		// Only a '*' at the end of a part of the ARN goes on into the next.
		`"Resource":"arn:*7890ab"`:                                 false,
		`"Resource":"arn:aws:kms:us-*-1:111122223333:key/*"`:       true,
		`"Resource":"arn:aws:kms:us-*:key/*"`:                      true,
		`"Resource":"arn:aws:kms:us-*1:1*3:k*b"`:                   true,
		`"Resource":"arn:aws:kms:us-*33:key/*"`:                    false,
		`"Resource":"a*:a*s:*s:*st-?:*:*-*-*-*ab"`:                 true,
		`"Resource":"arn:aws:kms:us-east-1:111122223333:*90ab"`:    true,
		`"Resource":"arn:aws:kms:eu-west-1:111122223333:key/*"`:    false,
		`"Resource":"arn:aws:kms:us-east-1:444455556666:key/*"`:    false,
		`"Resource":"arn:aws:kms:us-east-1:111122223333:alias/*"`:  false,
		`"Resource":"1234abcd-12ab-34cd-56ef-1234567890ab"`:        false,
		`"NotResource":"arn:aws:s3:::*"`:                           true,
		`"NotResource":"` + keyARN + `"`:                           false,
		`"NotResource":["arn:aws:s3:::*","arn:aws:kms:*:*:key/*"]`: false,
		`"NotResource":"*"`:                                        false,
	} {
		if got := decrypts(t, user(), facts{}, authz.Version2012, `"Action":"kms:Decrypt",`+resources); got != want {
			t.Errorf("%s: %v", resources, got)
		}
	}
}

// A key policy's statement without an action or a resource has no effect.
func TestStatementsWithoutEffect(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		`"Effect":"Allow","Principal":"*","Action":"kms:*"`, `"Effect":"Allow","Principal":"*","Resource":"*"`, `"Effect":"Allow","Principal":"*"`,
	} {
		if got := outcome(authz.Decide(request(rootUser(), compiled(t, authz.KindKey, s)))); got != noKey {
			t.Errorf("%s: %s", s, got)
		}
		deny := strings.Replace(s, "Allow", "Deny", 1)
		if got := outcome(authz.Decide(request(rootUser(), compiled(t, authz.KindKey, byAccount, deny)))); got != byKey {
			t.Errorf("%s: %s", deny, got)
		}
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	const any = `"Action":"kms:Decrypt","Resource":"*","Condition":`
	equal := func(operator, value string) string {
		return any + `{"` + operator + `":{"aws:ResourceTag/owner":"` + value + `"}}`
	}
	owner := func(v string) facts { return facts{"aws:resourcetag/owner": {v}, "kms:encryptioncontextkeys": {"a"}} }
	for _, c := range []struct {
		statement string
		facts     facts
		tags      []authz.Tag
		want      bool
		old       bool // what Version 2008-10-17 says, where a variable is plain text
	}{
		{equal("StringEquals", "${aws:username}"), owner("alice"), nil, true, false},
		{equal("StringEquals", "${aws:username}"), owner("${aws:username}"), nil, false, true},
		{equal("StringEquals", "${AWS:UserName}"), owner("alice"), nil, true, false},
		{equal("StringEquals", "x-${aws:username}-${aws:PrincipalAccount}"), owner("x-alice-" + account), nil, true, false},
		{equal("StringEquals", "${aws:PrincipalTag/team}"), owner("red"), []authz.Tag{{Key: "Team", Value: "red"}}, true, false},
		{equal("StringEquals", "${aws:PrincipalTag/team}"), owner("red"), nil, false, false},
		{equal("StringEquals", "${aws:PrincipalTag/team, 'red'}"), owner("red"), nil, true, false},
		{equal("StringEquals", "${aws:PrincipalTag/team,'red'}"), owner("red"), nil, true, false},
		{equal("StringEquals", "${aws:PrincipalTag/team, 'red'}"), owner("red"), []authz.Tag{{Key: "team", Value: "blue"}}, false, false},
		{equal("StringEquals", "${aws:PrincipalTag/team, 'a}b'}"), owner("a}b"), nil, true, false},
		{equal("StringNotEquals", "${aws:PrincipalTag/team}"), owner("red"), nil, true, true},
		{equal("StringEqualsIgnoreCase", "X-${aws:username}"), owner("x-ALICE"), nil, true, false},
		{equal("StringLike", "${aws:username}-*"), owner("alice-1"), nil, true, false},
		{equal("StringLike", "${*}"), owner("*"), nil, true, false},
		{equal("StringLike", "${*}"), owner("x"), nil, false, false},
		{equal("StringLike", "a${?}*"), owner("a?b"), nil, true, false},
		{equal("StringEquals", "${$}{aws:username}"), owner("${aws:username}"), nil, true, false},
		{equal("StringLike", "$*"), owner("$5"), nil, true, true},
		{equal("StringEquals", "${aws:username"), owner("${aws:username"), nil, false, true},
		{equal("StringEquals", "${}"), owner(""), nil, false, false},
		// A value's own wildcards are plain text.
		{equal("StringLike", "${aws:PrincipalTag/team}"), owner("red"), []authz.Tag{{Key: "team", Value: "*"}}, false, false},
		{equal("StringLike", "${aws:PrincipalTag/team}"), owner("*"), []authz.Tag{{Key: "team", Value: "*"}}, true, false},
		{equal("StringLike", "${aws:PrincipalTag/team}"), owner("red"), []authz.Tag{{Key: "team", Value: "\xfe"}}, false, false},
		// Keys with several values are no variables, even when they have one.
		{equal("StringEquals", "${kms:EncryptionContextKeys}"), owner("a"), nil, false, false},

		{any + `{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::${aws:PrincipalAccount}:user/staff/${aws:username}"}}`, nil, nil, true, false},
		{any + `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*/${aws:username}"}}`, nil, nil, true, false},
		{any + `{"NumericEquals":{"kms:RotationPeriodInDays":"${aws:username}"}}`, facts{"kms:rotationperiodindays": {"alice"}}, nil, false, false},

		{`"Action":"kms:Decrypt","Resource":"arn:aws:kms:us-east-1:${aws:PrincipalAccount}:key/*"`, nil, nil, true, false},
		{`"Action":"kms:Decrypt","Resource":"arn:aws:kms:us-east-1:${aws:username}:key/*"`, nil, nil, false, false},
		{`"Action":"kms:Decrypt","Resource":"arn:aws:kms:*:*:key/${aws:PrincipalTag/key}"`, nil, nil, false, false},
		{`"Action":"kms:Decrypt","Resource":"arn:aws:kms:*:*:key/${aws:PrincipalTag/key}"`, nil, []authz.Tag{{Key: "key", Value: keyARN[len(keyARN)-36:]}}, true, false},
		{`"Action":"kms:Decrypt","Resource":"arn:aws:kms:*:*:key/${aws:PrincipalTag/key, '1234abcd'}-*"`, nil, nil, true, false},
		{`"Action":"kms:Decrypt","NotResource":"arn:aws:kms:us-east-1:${aws:PrincipalAccount}:key/*"`, nil, nil, false, true},
		{`"Action":"kms:Decrypt","NotResource":"arn:aws:kms:us-east-1:*:key/${aws:PrincipalTag/key}"`, nil, nil, true, true},
	} {
		for version, want := range map[string]bool{authz.Version2012: c.want, authz.Version2008: c.old} {
			who := user()
			who.Tags = c.tags
			f := c.facts
			if f == nil {
				f = facts{}
			}
			if got := decrypts(t, who, f, version, c.statement); got != want {
				t.Errorf("%s: %s with tags %v: %v", version, c.statement, c.tags, got)
			}
		}
	}
}
