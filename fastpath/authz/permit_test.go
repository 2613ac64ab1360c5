package authz_test

import (
	"testing"

	"trent/fastpath/authz"
)

const (
	account = "111122223333"
	keyARN  = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// allow is a statement that lets all of the account change the policy; each case changes a part of it.
func allow(principal, action, resource, rest string) string {
	return `{"Effect":"Allow","Principal":` + principal + `,` + action + `,` + resource + rest + `}`
}

func TestPermits(t *testing.T) {
	t.Parallel()
	const (
		root   = `{"AWS":"arn:aws:iam::111122223333:root"}`
		all    = `"Action":"kms:*"`
		any    = `"Resource":"*"`
		deny   = `{"Effect":"Deny","Principal":"*","Action":"kms:Put*","Resource":"*"`
		secure = `,"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`
	)
	callers := map[string]authz.Caller{
		"root":    {Partition: "aws", Account: account, ARN: "arn:aws:iam::111122223333:root"},
		"user":    {Partition: "aws", Account: account, ARN: "arn:aws:iam::111122223333:user/a/u"},
		"session": {Partition: "aws", Account: account, ARN: "arn:aws:sts::111122223333:assumed-role/r/s"},
		"other":   {Partition: "aws", Account: "444455556666", ARN: "arn:aws:iam::444455556666:root"},
	}
	condition := func(c string) string { return allow(root, all, any, `,"Condition":{`+c+`}`) }
	for _, c := range []struct{ statements, who string }{
		{allow(root, all, any, ""), "root user session"},
		{allow(`{"AWS":"111122223333"}`, all, any, ""), "root user session"},
		{allow(`"*"`, all, any, ""), "root user session other"},
		{allow(`{"AWS":["444455556666","*"]}`, all, any, ""), "root user session other"},
		{allow(`{"AWS":"arn:aws:iam::111122223333:user/a/u"}`, all, any, ""), "user"},
		{allow(`{"AWS":"arn:aws:iam::111122223333:user/u"}`, all, any, ""), ""},
		{allow(`{"AWS":"arn:aws:iam::111122223333:role/p/r"}`, all, any, ""), "session"},
		{allow(`{"AWS":"arn:aws:sts::111122223333:assumed-role/r/s"}`, all, any, ""), "session"},
		{allow(`{"AWS":"arn:aws:sts::111122223333:assumed-role/r/t"}`, all, any, ""), ""},
		{allow(`{"AWS":"arn:aws:iam::111122223333:role/rr"}`, all, any, ""), ""},
		{allow(`{"Service":"s3.amazonaws.com"}`, all, any, ""), ""},
		{`{"Effect":"Allow","NotPrincipal":{"AWS":"444455556666"},` + all + `,` + any + `}`, "root user session"},

		{allow(root, `"Action":["kms:Encrypt","kms:PutKeyPolicy"]`, any, ""), "root user session"},
		{allow(root, `"Action":"KMS:putkeyPOLICY"`, any, ""), "root user session"},
		{allow(root, `"Action":"kms:?ut*Pol*y"`, any, ""), "root user session"},
		{allow(root, `"Action":"*"`, any, ""), "root user session"},
		{allow(root, `"Action":"kms:Put"`, any, ""), ""},
		{allow(root, `"Action":"iam:*"`, any, ""), ""},
		{allow(root, `"NotAction":"kms:Encrypt"`, any, ""), "root user session"},
		{allow(root, `"NotAction":"kms:P*"`, any, ""), ""},
		{`{"Effect":"Allow","Principal":` + root + `,` + any + `}`, ""},
		{`{"Effect":"Allow","Principal":` + root + `,` + all + `}`, ""},

		{allow(root, all, `"Resource":"`+keyARN+`"`, ""), "root user session"},
		{allow(root, all, `"Resource":"arn:aws:kms:*:111122223333:key/*"`, ""), "root user session"},
		{allow(root, all, `"Resource":"arn:aws:kms:us-east-1:111122223333:alias/*"`, ""), ""},
		{allow(root, all, `"Resource":"`+keyARN+`x"`, ""), ""},
		{allow(root, all, `"NotResource":"arn:aws:s3:::*"`, ""), "root user session"},
		{allow(root, all, `"NotResource":"*"`, ""), ""},

		{allow(root, all, any, "") + "," + deny + "}", ""},
		{deny + "}," + allow(root, all, any, ""), ""},
		{allow(root, all, any, "") + "," + deny + secure, "root user session"},
		{allow(root, all, any, "") + `,{"Effect":"Deny","NotPrincipal":` + root + `,` + all + `,` + any + `}`, "root user session"},
		{allow(root, all, any, "") + `,{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:user/a/u"},` + all + `,` + any + `}`, "root session"},

		{condition(`"StringEquals":{"kms:CallerAccount":"111122223333"}`), "root user session"},
		{condition(`"StringEquals":{"kms:CallerAccount":["444455556666"]}`), ""},
		{condition(`"StringNotEquals":{"aws:PrincipalAccount":"444455556666"}`), "root user session"},
		{condition(`"ArnLike":{"AWS:principalarn":"arn:aws:iam::111122223333:role/*"}`), "session"},
		{condition(`"StringLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"},"Bool":{"aws:SecureTransport":true}`), "user"},
		{condition(`"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/*"}`), "root session"},
		{condition(`"StringEqualsIgnoreCase":{"aws:PrincipalArn":"ARN:aws:iam::111122223333:ROOT"}`), "root"},
		{condition(`"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`), ""},
		{condition(`"StringEqualsIfExists":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`), "root user session"},
		{condition(`"Null":{"kms:ViaService":"true"}`), "root user session"},
		{condition(`"Null":{"kms:ViaService":"false"}`), ""},
		{condition(`"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}`), ""}, // only the request would tell
		{condition(`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`), ""},
		{condition(`"StringEquals":{"aws:PrincipalArn":"${aws:PrincipalArn}"}`), ""},
		{condition(`"ForAnyValue:StringEquals":{"kms:CallerAccount":"111122223333"}`), ""},
	} {
		p, err := authz.ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":[` + c.statements + `]}`))
		if err != nil {
			t.Fatalf("%s: %v", c.statements, err)
		}
		got := ""
		for _, name := range []string{"root", "user", "session", "other"} {
			if p.Permits(callers[name], "kms:PutKeyPolicy", keyARN) {
				got += " " + name
			}
		}
		if want := c.who; got != want && got != " "+want {
			t.Errorf("%s: permits%s, want %s", c.statements, got, want)
		}
	}
}
