package conformance_test

import (
	"strings"
	"testing"

	"trent/fastpath/model"
	"trent/fastpath/servertest"
)

// mistyped are values of wrong JSON types and what is said of them, by the kind of the member.
var mistyped = map[model.Kind][][2]string{
	model.KindString: {
		{`5`, "NUMBER_VALUE can not be converted to a String"}, {`true`, "TRUE_VALUE can not be converted to a String"},
		{`["x"]`, "Start of list found where not expected"}, {`{"a":1}`, "Start of structure or map found where not expected."},
	},
	model.KindBlob: {
		{`5`, "NUMBER_VALUE can not be converted to a Blob"}, {`[1]`, "Start of list found where not expected"},
		{`{}`, "Start of structure or map found where not expected."}, {`"%%"`, ""},
	},
	model.KindInteger: {
		{`"5"`, "STRING_VALUE can not be converted to an Integer"}, {`[5]`, "Start of list found where not expected"},
		{`{}`, "Start of structure or map found where not expected."}, {`false`, "FALSE_VALUE can not be converted to an Integer"},
	},
	model.KindBoolean: {
		{`"true"`, "STRING_VALUE can not be converted to a Boolean"}, {`[]`, "Start of list found where not expected"}, {`{}`, "Start of structure or map found where not expected."},
	},
	model.KindTimestamp: {
		{`"soon"`, "STRING_VALUE can not be converted to milliseconds since epoch"}, {`{}`, "Start of structure or map found where not expected."},
	},
	model.KindList:      {{`"x"`, "Expected list or null"}, {`5`, "Expected list or null"}, {`{"a":1}`, "Start of structure or map found where not expected."}, {`[[[]]]`, "Start of list found where not expected"}},
	model.KindMap:       {{`"x"`, "Expected map or null"}, {`[]`, "Start of list found where not expected"}, {`{"a":5}`, "NUMBER_VALUE can not be converted to a String"}},
	model.KindStructure: {{`"x"`, "Expected structure or null"}, {`true`, "Expected structure or null"}, {`[{}]`, "Start of list found where not expected"}},
}

// TestEveryOperationReadsJSON: each operation answers the same to no body, to {}, to unknown members and to members that
// are null; and each member of a wrong type is a SerializationException, whatever else is wrong with the request.
func TestEveryOperationReadsJSON(t *testing.T) {
	t.Parallel()
	for _, op := range model.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			want := at.Call(t, op.Name, "{}")
			same := func(body string) {
				t.Helper()
				a := at.Call(t, op.Name, body)
				if a.Status != want.Status || a.Status != 200 && a.Body != want.Body {
					t.Errorf("%s: %d %.300s, want %d %.300s", body, a.Status, a.Body, want.Status, want.Body)
				}
			}
			same("")
			same(` {"Unheard":[{"of":null}], "New":1e5} `)
			members := model.ShapeOf(op.Input).Members
			nulls := make([]string, 0, len(members))
			for _, m := range members {
				nulls = append(nulls, `"`+m.Name+`":null`)
				for _, wrong := range mistyped[model.ShapeOf(m.Shape).Kind] {
					unserializable(t, op.Name, `{"Unheard":{},"`+m.Name+`":`+wrong[0]+`}`, wrong[1])
				}
			}
			same("{" + strings.Join(nulls, ",") + "}")
			unserializable(t, op.Name, "[]", "Start of list found where not expected")
			for _, body := range []string{"null", "5", `"{}"`, "{}{}", "{", `{"a"}`, `{"a":}`, `{"a":1,}`, "{'a':1}", "{}\x00"} {
				unserializable(t, op.Name, body, "")
			}
		})
	}
}

// unserializable wants a body to be refused before anything else, with a text where that is known.
func unserializable(t *testing.T, operation, body, text string) {
	t.Helper()
	want := `{"__type":"SerializationException"}`
	if text != "" {
		want = `{"__type":"SerializationException","Message":"` + text + `"}`
	}
	if a := at.Call(t, operation, body); a.Status != 400 || a.Body != want {
		t.Errorf("%s: %d %.300s, want %s", body, a.Status, a.Body, want)
	}
}

// TestNestedTypes: types are checked at every depth, before constraints; lists of any length are counted.
func TestNestedTypes(t *testing.T) {
	t.Parallel()
	k := symmetric(t)
	for _, c := range []struct{ operation, body, text string }{
		{"TagResource", `{"KeyId":"` + k.id + `","Tags":[{"TagKey":5,"TagValue":"x"}]}`, "NUMBER_VALUE can not be converted to a String"},
		{"TagResource", `{"KeyId":"` + k.id + `","Tags":["x"]}`, "Expected structure or null"},
		{"TagResource", `{"Tags":[{"TagKey":"","TagValue":[]}]}`, "Start of list found where not expected"},
		{"CreateGrant", `{"KeyId":"","Constraints":{"EncryptionContextEquals":{"a":{}}}}`, "Start of structure or map found where not expected."},
		{"CreateGrant", `{"KeyId":"","Constraints":{"EncryptionContextEquals":[]}}`, "Start of list found where not expected"},
		{"Decrypt", `{"Recipient":{"AttestationDocument":5}}`, "NUMBER_VALUE can not be converted to a Blob"},
		{"CreateCustomKeyStore", `{"XksProxyAuthenticationCredential":{"AccessKeyId":true}}`, "TRUE_VALUE can not be converted to a String"},
	} {
		unserializable(t, c.operation, c.body, c.text)
	}
	tokens := strings.Repeat(`"t",`, 100_000)
	a := at.Call(t, "Encrypt", `{"KeyId":"`+k.id+`","Plaintext":"eA==","GrantTokens":[`+tokens+`"t"]}`)
	if code, text := refusalOf(t, a); a.Status != 400 || code != "ValidationException" || !strings.HasSuffix(text, "at 'grantTokens' failed to satisfy constraint: Member must have length less than or equal to 10") {
		t.Errorf("%d %.200s", a.Status, a.Body)
	}
	tags := strings.Repeat(`{"TagKey":"a","TagValue":"b"},`, 1000)
	if a := at.Call(t, "TagResource", `{"KeyId":"`+k.id+`","Tags":[`+tags+`{"TagKey":"a","TagValue":"b"}]}`); a.Status != 400 {
		t.Errorf("%d %.200s", a.Status, a.Body)
	}
	// The last of members of one name counts, and each must be of the right type.
	unserializable(t, "DescribeKey", `{"KeyId":5,"KeyId":"`+k.id+`"}`, "NUMBER_VALUE can not be converted to a String")
	if a := at.Call(t, "DescribeKey", `{"KeyId":"x","KeyId":"`+k.id+`"}`); a.Status != 200 {
		t.Errorf("%d %.200s", a.Status, a.Body)
	}
}

// TestEveryEmptyAnswer: operations without output answer nothing, with a length; those with an empty output answer {}.
func TestEveryEmptyAnswer(t *testing.T) {
	t.Parallel()
	s := startStores(t, servertest.Options{KeyStores: twoKinds()})
	store := s.create(t, hsmStore("empty"))
	answer := func(operation, body, member string) string {
		t.Helper()
		_, rest, _ := strings.Cut(s.Call(t, operation, body).Body, `"`+member+`":"`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	id, copied := answer("CreateKey", "{}", "KeyId"), answer("CreateKey", `{"MultiRegion":true}`, "KeyId")
	grant := `{"KeyId":"` + id + `","GranteePrincipal":"arn:aws:iam::` + s.Account + `:root","Operations":["Decrypt"]}`
	token, grantID := answer("CreateGrant", grant, "GrantToken"), answer("CreateGrant", grant, "GrantId")
	if a := s.Call(t, "ReplicateKey", `{"KeyId":"`+copied+`","ReplicaRegion":"eu-west-1"}`); a.Status != 200 {
		t.Fatal(a)
	}
	tested := map[string]bool{}
	for _, c := range []struct{ operation, members, want string }{
		{"CreateAlias", `"AliasName":"alias/empty","TargetKeyId":"` + id + `"`, ""},
		{"UpdateAlias", `"AliasName":"alias/empty","TargetKeyId":"` + id + `"`, ""},
		{"DeleteAlias", `"AliasName":"alias/empty"`, ""},
		{"DisableKey", `"KeyId":"` + id + `"`, ""},
		{"EnableKey", `"KeyId":"` + id + `"`, ""},
		{"EnableKeyRotation", `"KeyId":"` + id + `"`, ""},
		{"DisableKeyRotation", `"KeyId":"` + id + `"`, ""},
		{"PutKeyPolicy", `"KeyId":"` + id + `","Policy":` + marshal(t, accountPolicy()), ""},
		{"TagResource", `"KeyId":"` + id + `","Tags":[{"TagKey":"a","TagValue":"b"}]`, ""},
		{"UntagResource", `"KeyId":"` + id + `","TagKeys":["a"]`, ""},
		{"UpdateKeyDescription", `"KeyId":"` + id + `","Description":"x"`, ""},
		{"RetireGrant", `"GrantToken":"` + token + `"`, ""},
		{"RevokeGrant", `"KeyId":"` + id + `","GrantId":"` + grantID + `"`, ""},
		{"UpdatePrimaryRegion", `"KeyId":"` + copied + `","PrimaryRegion":"eu-west-1"`, ""},
		{"UpdateCustomKeyStore", `"CustomKeyStoreId":"` + store + `","NewCustomKeyStoreName":"full"`, "{}"},
		{"ConnectCustomKeyStore", `"CustomKeyStoreId":"` + store + `"`, "{}"},
		{"DisconnectCustomKeyStore", `"CustomKeyStoreId":"` + store + `"`, "{}"},
		{"DeleteCustomKeyStore", `"CustomKeyStoreId":"` + store + `"`, "{}"},
	} {
		tested[c.operation] = true
		a := s.Call(t, c.operation, "{"+c.members+"}")
		if a.Status != 200 || a.Body != c.want || a.Header.Get("Content-Length") != itoa(len(c.want)) {
			t.Errorf("%s: %d %q, Content-Length %q", c.operation, a.Status, a.Body, a.Header.Get("Content-Length"))
		}
	}
	for _, op := range model.Operations() {
		if empty := op.Output == "" || len(model.ShapeOf(op.Output).Members) == 0; empty != tested[op.Name] {
			t.Errorf("%s has an empty answer: %v, tested: %v", op.Name, empty, tested[op.Name])
		}
	}
}
