package authz_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trent/fastpath/authz"
)

func TestDefaultPolicy(t *testing.T) {
	t.Parallel()
	const want = "{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {\n    \"Sid\" : \"Enable IAM User Permissions\",\n    \"Effect\" : \"Allow\",\n    \"Principal\" : {\n      \"AWS\" : \"arn:aws-cn:iam::111122223333:root\"\n    },\n    \"Action\" : \"kms:*\",\n    \"Resource\" : \"*\"\n  } ]\n}"
	got := authz.DefaultPolicy("aws-cn", "111122223333")
	if got != want {
		t.Errorf("got\n%s", got)
	}
	p, err := authz.ParsePolicy([]byte(got))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&authz.Policy{
		Version: authz.Version2012,
		ID:      "key-default-1",
		Statements: []authz.Statement{{
			Sid: "Enable IAM User Permissions", Allow: true,
			Principals: []authz.Principal{{Kind: authz.AWSPrincipal, Name: "arn:aws-cn:iam::111122223333:root"}},
			Actions:    []string{"kms:*"}, Resources: []string{"*"},
		}},
	}, p); d != "" {
		t.Error(d)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	p, err := authz.ParsePolicy([]byte(`{"Statement": {
		"Effect": "Deny", "NotPrincipal": {"AWS": ["111122223333", "*"], "Service": "s3.amazonaws.com"},
		"NotAction": ["kms:Encrypt", "kms:Decrypt"], "NotResource": "x",
		"Condition": {"StringEquals": {"kms:ViaService": ["a", "b"]}, "Bool": {"aws:SecureTransport": false},
			"NumericLessThan": {"kms:RotationPeriodInDays": 90.5}, "Null": {}}
	}}`))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&authz.Policy{
		Version: authz.Version2008,
		Statements: []authz.Statement{{
			NotPrincipals: []authz.Principal{
				{Kind: authz.AWSPrincipal, Name: "111122223333"}, {Kind: authz.AWSPrincipal, Name: "*"},
				{Kind: authz.ServicePrincipal, Name: "s3.amazonaws.com"},
			},
			NotActions: []string{"kms:Encrypt", "kms:Decrypt"}, NotResources: []string{"x"},
			Conditions: []authz.Condition{
				{Operator: "StringEquals", Key: "kms:ViaService", Values: []string{"a", "b"}},
				{Operator: "Bool", Key: "aws:SecureTransport", Values: []string{"false"}},
				{Operator: "NumericLessThan", Key: "kms:RotationPeriodInDays", Values: []string{"90.5"}},
			},
		}},
	}, p); d != "" {
		t.Error(d)
	}
}

// statement is a policy whose only statement has the given members, on line 1 from column 15 on.
func statement(members string) string { return `{"Statement":[{` + members + `}]}` }

const anyone = `"Effect":"Allow","Principal":"*"`

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ doc, where, reason string }{
		{"", "1:1", "not JSON"},
		{"{", "1:1", "unexpected end"},
		{"{}x", "1:3", "invalid character 'x'"},
		{"\n\n [1,]", "3:5", "invalid character ']'"},
		{"{\"Id\":\"\xff\"}", "1:8", "not UTF-8"},
		{`[]`, "1:1", "a policy is an object, not a list"},
		{`{}`, "1:1", "Statement is missing"},
		{"{\n \"Version\":\"2020-01-01\"}", "2:12", "Version is"},
		{`{"Version":1}`, "1:12", "Version is a string, not 1"},
		{`{"Id":null}`, "1:7", "Id is a string, not null"},
		{`{"Foo":1}`, "1:2", `no element "Foo"`},
		{`{"statement":{}}`, "1:2", `no element "statement"`},
		{`{"Id":"a","Id":"b"}`, "1:11", `"Id" is given twice`},
		{`{"Id":"a","\u0049d":"b"}`, "1:11", `"Id" is given twice`},
		{`{"Statement":"x"}`, "1:14", "not a string"},
		{`{"Statement":[]}`, "1:14", "empty list"},
		{`{"Statement":[1]}`, "1:15", "a statement is an object, not 1"},
		{statement(`"Principal":"*"`), "1:15", "no Effect"},
		{statement(`"Effect":"allow","Principal":"*"`), "1:25", "not \"allow\""},
		{statement(`"Effect":"Allow"`), "1:15", "neither Principal nor NotPrincipal"},
		{statement(anyone + `,"NotPrincipal":"*"`), "1:49", "both Principal and NotPrincipal"},
		{statement(anyone + `,"Action":"a","NotAction":"b"`), "1:62", "both Action and NotAction"},
		{statement(anyone + `,"Resource":"a","NotResource":"b"`), "1:64", "both Resource and NotResource"},
		{statement(anyone + `,"Action":[]`), "1:58", "Action is an empty list"},
		{statement(anyone + `,"Action":["a",1]`), "1:63", "Action holds strings, not 1"},
		{statement(anyone + `,"Action":{}`), "1:58", "Action is a string or a list of strings"},
		{statement(anyone + `,"Sid":["x"]`), "1:55", "Sid is a string, not a list"},
		{statement(anyone + `,"Extra":1`), "1:49", `no element "Extra"`},
		{statement(`"Effect":"Allow","Principal":"me"`), "1:45", `Principal is "*" or an object`},
		{statement(`"Effect":"Allow","Principal":{}`), "1:45", "names nobody"},
		{statement(`"Effect":"Allow","Principal":{"User":"x"}`), "1:46", `no member "User"`},
		{statement(anyone + `,"Condition":[]`), "1:61", "Condition is an object"},
		{statement(anyone + `,"Condition":{"Bool":"x"}`), "1:69", "holds an object of keys"},
		{statement(anyone + `,"Condition":{"Bool":{"k":{}}}`), "1:74", "a value or a list of values"},
		{statement(anyone + `,"Condition":{"Bool":{"k":null}}`), "1:74", "not null"},
		{statement(anyone + `,"Condition":{"Bool":{"k":[]}}`), "1:74", "empty list"},
		{statement(anyone + `,"Condition":{"Bool":{"k":1,"k":2}}`), "1:76", `"k" is given twice`},
		{statement(anyone + `,"Condition":{"Bool":{"":1}}`), "1:70", "without operator or key"},
		{strings.Repeat("[", 100) + strings.Repeat("]", 100), "1:18", "nested too deep"},
		// A wrong form of a principal gives way to a broken grammar further on.
		{statement(`"Effect":"Allow","Principal":{"AWS":"me"},"Action":1`), "1:67", "Action holds strings"},
	} {
		_, err := authz.ParsePolicy([]byte(c.doc))
		var pe *authz.Error
		if !errors.As(err, &pe) || pe.Principal {
			t.Errorf("%q: %v", c.doc, err)
			continue
		}
		where := strings.NewReplacer("policy line ", "", " column ", ":").Replace(pe.Error())
		if !strings.HasPrefix(where, c.where+": ") || !strings.Contains(pe.Reason, c.reason) {
			t.Errorf("%q: %v, want %s … %s", c.doc, err, c.where, c.reason)
		}
	}
}

func TestPrincipals(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		`{"AWS":"*"}`:                                                     true,
		`{"AWS":"111122223333"}`:                                          true,
		`{"AWS":"arn:aws:iam::111122223333:root"}`:                        true,
		`{"AWS":"arn:aws-us-gov:iam::111122223333:user/a/b"}`:             true,
		`{"AWS":"arn:aws:iam::111122223333:role/x"}`:                      true,
		`{"AWS":"arn:aws:sts::111122223333:assumed-role/r/s"}`:            true,
		`{"AWS":"arn:aws:sts::111122223333:federated-user/f"}`:            true,
		`{"AWS":"AROAIOSFODNN7EXAMPLE"}`:                                  true,
		`{"Service":["s3.amazonaws.com","logs.us-east-1.amazonaws.com"]}`: true,
		`{"Federated":"cognito-identity.amazonaws.com"}`:                  true,
		`{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98"}`:   true,

		`{"AWS":""}`:              false,
		`{"AWS":"me"}`:            false,
		`{"AWS":"1111222233334"}`: false,
		`{"AWS":"arn:aws:iam::111122223333:role/*"}`:           false,
		`{"AWS":"arn:aws:iam::111122223333:role/"}`:            false,
		`{"AWS":"arn:aws:iam::111122223333:group/x"}`:          false,
		`{"AWS":"arn:aws:iam:us-east-1:111122223333:root"}`:    false,
		`{"AWS":"arn:aws:iam::1:root"}`:                        false,
		`{"AWS":"arn:gcp:iam::111122223333:root"}`:             false,
		`{"AWS":"arn:aws:s3::111122223333:root"}`:              false,
		`{"AWS":"arn:aws:sts::111122223333:assumed-role/r"}`:   false,
		`{"AWS":["111122223333","arn:aws:iam::111122223333"]}`: false,
		`{"Service":"s3"}`:                                     false,
		`{"Service":"*.amazonaws.com"}`:                        false,
		`{"Federated":""}`:                                     false,
	} {
		_, err := authz.ParsePolicy([]byte(statement(`"Effect":"Allow","Principal":` + name)))
		var pe *authz.Error
		if ok && err != nil || !ok && (!errors.As(err, &pe) || !pe.Principal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever comes in: a policy of a JSON document, or an error with a place inside it.
func FuzzParsePolicy(f *testing.F) {
	f.Add(authz.DefaultPolicy("aws", "111122223333"))
	f.Add(statement(anyone + `,"Condition":{"Bool":{"k":[1,true,"x"]}}`))
	f.Add(statement(`"Effect":"Deny","NotPrincipal":{"AWS":["me"]},"NotAction":"*"`))
	f.Add(`{"Id":"a","\u0049d":"b"}`)
	f.Add("[[[[")
	f.Add("{\"Id\":\"\xff\"}")
	f.Fuzz(func(t *testing.T, doc string) {
		p, err := authz.ParsePolicy([]byte(doc))
		if err == nil {
			if !json.Valid([]byte(doc)) || len(p.Statements) == 0 {
				t.Errorf("%q was accepted", doc)
			}
			return
		}
		var pe *authz.Error
		if !errors.As(err, &pe) || pe.Line < 1 || pe.Column < 1 || pe.Line > 1+strings.Count(doc, "\n") || pe.Column > len(doc)+1 || pe.Reason == "" {
			t.Errorf("%q: %#v", doc, err)
		}
	})
}
