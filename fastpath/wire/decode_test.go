package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"trent/fastpath/wire"
)

// TestDecode has one row for each behaviour of the decoder; want is the decoded members with their names sorted.
func TestDecode(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, operation, body, want string }{
		{"plain", "Encrypt", `{"KeyId":"k","Plaintext":"aGVsbG8="}`, `{"KeyId":"k","Plaintext":"aGVsbG8="}`},
		{"white space", "Encrypt", " \r\n\t{ \"KeyId\" :\t\"k\" ,\n\"GrantTokens\" : [ \"a\" , \"b\" ] } \n", `{"GrantTokens":["a","b"],"KeyId":"k"}`},
		{"empty body", "ListKeys", ``, `{}`},
		{"white space only", "ListKeys", " \n", `{}`},
		{"empty object", "ListKeys", `{}`, `{}`},
		{"escaped slash in base64", "Encrypt", `{"Plaintext":"\/\/8="}`, `{"Plaintext":"//8="}`},
		{"unicode escape in base64", "Encrypt", `{"Plaintext":"\u0061GVsbG8="}`, `{"Plaintext":"aGVsbG8="}`},
		{"one pad", "Encrypt", `{"Plaintext":"YWI="}`, `{"Plaintext":"YWI="}`},
		{"two pads", "Encrypt", `{"Plaintext":"YQ=="}`, `{"Plaintext":"YQ=="}`},
		{"empty blob is present", "Encrypt", `{"Plaintext":""}`, `{"Plaintext":""}`},
		{"empty string is present", "Encrypt", `{"KeyId":""}`, `{"KeyId":""}`},
		{"empty list and map are present", "Encrypt", `{"GrantTokens":[],"EncryptionContext":{}}`, `{"EncryptionContext":{},"GrantTokens":[]}`},
		{"names match exactly", "Encrypt", `{"keyId":"a","KEYID":"b","KeyID":"c","KeyId ":"d"}`, `{}`},
		{"escaped name", "Encrypt", `{"Key\u0049d":"k"}`, `{"KeyId":"k"}`},
		{"unknown members", "Encrypt", `{"A":{"KeyId":"x","b":[1,-2.5e+3,true,false,null,"\"",{}]},"KeyId":"k","Z":[[],[{}]]}`, `{"KeyId":"k"}`},
		{"unknown member deep", "Encrypt", `{"A":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `,"KeyId":"k"}`, `{"KeyId":"k"}`},
		{"repeated member, last wins", "Encrypt", `{"KeyId":"a","KeyId":"b"}`, `{"KeyId":"b"}`},
		{"repeated member, last is null", "Encrypt", `{"KeyId":"a","KeyId":null,"DryRun":true,"DryRun":null}`, `{}`},
		{"repeated structure replaces whole", "Decrypt", `{"Recipient":{"AttestationDocument":"YQ=="},"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256"}}`, `{"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256"}}`},
		{"repeated map key, last wins", "Encrypt", `{"EncryptionContext":{"a":"1","b":"2","\u0061":"3"}}`, `{"EncryptionContext":{"a":"3","b":"2"}}`},
		{"null members are absent", "Encrypt", `{"KeyId":null,"Plaintext":null,"EncryptionContext":null,"GrantTokens":null,"EncryptionAlgorithm":null,"DryRun":null}`, `{}`},
		{"null structure", "Decrypt", `{"Recipient":null}`, `{}`},
		{"null in a list", "Encrypt", `{"GrantTokens":["a",null]}`, `{"GrantTokens":["a",null]}`},
		{"null in a list of enums", "CreateGrant", `{"Operations":[null,"Sign"]}`, `{"Operations":[null,"Sign"]}`},
		{"null in a map", "Encrypt", `{"EncryptionContext":{"a":null}}`, `{"EncryptionContext":{"a":null}}`},
		{"booleans", "CreateKey", `{"MultiRegion":true,"BypassPolicyLockoutSafetyCheck":false}`, `{"BypassPolicyLockoutSafetyCheck":false,"MultiRegion":true}`},
		{"integer", "GenerateRandom", `{"NumberOfBytes":32}`, `{"NumberOfBytes":32}`},
		{"integer 0", "GenerateRandom", `{"NumberOfBytes":0}`, `{"NumberOfBytes":0}`},
		{"integer -0", "GenerateRandom", `{"NumberOfBytes":-0}`, `{"NumberOfBytes":0}`},
		{"integer 1.0", "GenerateRandom", `{"NumberOfBytes":1.0}`, `{"NumberOfBytes":1}`},
		{"integer 1e2", "GenerateRandom", `{"NumberOfBytes":1e2}`, `{"NumberOfBytes":100}`},
		{"integer 12.5E+1", "GenerateRandom", `{"NumberOfBytes":12.5E+1}`, `{"NumberOfBytes":125}`},
		{"integer cut off", "GenerateRandom", `{"NumberOfBytes":1.99}`, `{"NumberOfBytes":1}`},
		{"integer negative cut off", "GenerateRandom", `{"NumberOfBytes":-1.99}`, `{"NumberOfBytes":-1}`},
		{"integer small exponent", "GenerateRandom", `{"NumberOfBytes":12000e-3}`, `{"NumberOfBytes":12}`},
		{"integer zero with huge exponent", "GenerateRandom", `{"NumberOfBytes":0e99999999999999999999}`, `{"NumberOfBytes":0}`},
		{"integer tiny", "GenerateRandom", `{"NumberOfBytes":1e-99999999999999999999}`, `{"NumberOfBytes":0}`},
		{"integer leading fraction zeros", "GenerateRandom", `{"NumberOfBytes":0.0012e4}`, `{"NumberOfBytes":12}`},
		{"integer largest", "GenerateRandom", `{"NumberOfBytes":2147483647}`, `{"NumberOfBytes":2147483647}`},
		{"integer smallest", "GenerateRandom", `{"NumberOfBytes":-2147483648}`, `{"NumberOfBytes":-2147483648}`},
		{"timestamp whole", "ImportKeyMaterial", `{"ValidTo":1593622000}`, `{"ValidTo":1593622000000}`},
		{"timestamp decimals", "ImportKeyMaterial", `{"ValidTo":1593622000.191}`, `{"ValidTo":1593622000191}`},
		{"timestamp exponent", "ImportKeyMaterial", `{"ValidTo":1.593622000191E9}`, `{"ValidTo":1593622000191}`},
		{"timestamp cut to milliseconds", "ImportKeyMaterial", `{"ValidTo":0.0019999}`, `{"ValidTo":1}`},
		{"timestamp before the epoch", "ImportKeyMaterial", `{"ValidTo":-1.5}`, `{"ValidTo":-1500}`},
		{"escapes", "CreateKey", `{"Description":"\"\\\/\b\f\n\r\té€\ud83d\ude00"}`, `{"Description":"\"\\/\b\f\n\r\té€😀"}`},
		{"NUL", "CreateKey", `{"Description":"\u0000"}`, `{"Description":"\u0000"}`},
		{"characters beyond ASCII", "CreateKey", `{"Description":"é€😀 and then some ASCII"}`, `{"Description":"é€😀 and then some ASCII"}`},
		{"text left behind by unescaping is not read again", "CreateKey", `{"Description":"\u0022,\u0022Policy\u0022:\u0022x","Origin":"AWS_KMS"}`, `{"Description":"\",\"Policy\":\"x","Origin":"AWS_KMS"}`},
		{"structures in a list", "TagResource", `{"Tags":[{"TagKey":"a","TagValue":"1"},{"TagValue":"2"},{}]}`, `{"Tags":[{"TagKey":"a","TagValue":"1"},{"TagValue":"2"},{}]}`},
		{"structure with maps", "CreateGrant", `{"Constraints":{"EncryptionContextSubset":{"a":"b"},"SourceArn":"arn:x"}}`, `{"Constraints":{"EncryptionContextSubset":{"a":"b"},"SourceArn":"arn:x"}}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r, shape := newRequest(t, row.operation)
			if err := r.Decode([]byte(row.body)); err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if got := shown(t, r, shape); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

// TestDecodeRefuses has one row for each refusal; an empty want is a body without text.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	const list = "Start of list found where not expected"
	const structure = "Start of structure or map found where not expected."
	for _, row := range []struct{ name, operation, body, want string }{
		{"list at the top", "Encrypt", `[]`, list},
		{"string at the top", "Encrypt", `"x"`, ""},
		{"number at the top", "Encrypt", `1`, ""},
		{"null at the top", "Encrypt", `null`, ""},
		{"byte order mark", "Encrypt", "\ufeff{}", ""},
		{"text after the body", "Encrypt", `{} x`, ""},
		{"second body", "Encrypt", `{}{}`, ""},
		{"unclosed", "Encrypt", `{"KeyId":"k"`, ""},
		{"unclosed string", "Encrypt", `{"KeyId":"k`, ""},
		{"comma before the end", "Encrypt", `{"KeyId":"k",}`, ""},
		{"comma before the end of a list", "Encrypt", `{"GrantTokens":["k",]}`, ""},
		{"no comma", "Encrypt", `{"KeyId":"k" "DryRun":true}`, ""},
		{"no colon", "Encrypt", `{"KeyId" "k"}`, ""},
		{"name without quotes", "Encrypt", `{KeyId:"k"}`, ""},
		{"single quotes", "Encrypt", `{'KeyId':'k'}`, ""},
		{"comment", "Encrypt", `{/**/}`, ""},
		{"wrong brackets", "Encrypt", `{"A":[}]`, ""},
		{"control character", "Encrypt", "{\"KeyId\":\"a\nb\"}", ""},
		{"control character late", "Encrypt", "{\"KeyId\":\"abcdefghijkl\x1fm\"}", ""},
		{"control character after an escape", "Encrypt", "{\"KeyId\":\"\\n\x01\"}", ""},
		{"bad escape", "Encrypt", `{"KeyId":"\x41"}`, ""},
		{"short escape", "Encrypt", `{"KeyId":"\u00"}`, ""},
		{"bad hexadecimal digit", "Encrypt", `{"KeyId":"\u00g0"}`, ""},
		{"backslash at the end", "Encrypt", `{"KeyId":"\`, ""},
		{"lone high surrogate", "CreateKey", `{"Description":"\ud83d"}`, ""},
		{"lone low surrogate", "CreateKey", `{"Description":"\ude00"}`, ""},
		{"surrogates in the wrong order", "CreateKey", `{"Description":"\ude00\ud83d"}`, ""},
		{"high surrogate and a letter", "CreateKey", `{"Description":"\ud83d\u0041"}`, ""},
		{"invalid UTF-8", "CreateKey", "{\"Description\":\"a\xffb\"}", ""},
		{"invalid UTF-8 after an escape", "CreateKey", "{\"Description\":\"\\n\xc0\x80\"}", ""},
		{"surrogate in UTF-8", "CreateKey", "{\"Description\":\"\xed\xa0\x80\"}", ""},
		{"invalid UTF-8 in an unknown member", "CreateKey", "{\"x\":\"\xff\"}", ""},
		{"unknown member too deep", "Encrypt", `{"A":` + strings.Repeat("[", 1001) + strings.Repeat("]", 1001) + `}`, ""},
		{"unknown member cut off", "Encrypt", `{"A":[{"b":`, ""},
		{"misspelled literal", "Encrypt", `{"DryRun":tru}`, ""},
		{"misspelled null", "Encrypt", `{"KeyId":nul}`, ""},
		{"leading zero", "GenerateRandom", `{"NumberOfBytes":01}`, ""},
		{"plus sign", "GenerateRandom", `{"NumberOfBytes":+1}`, ""},
		{"no digits", "GenerateRandom", `{"NumberOfBytes":-}`, ""},
		{"no fraction", "GenerateRandom", `{"NumberOfBytes":1.}`, ""},
		{"no exponent", "GenerateRandom", `{"NumberOfBytes":1e}`, ""},
		{"NaN", "GenerateRandom", `{"NumberOfBytes":NaN}`, ""},
		{"base64 without padding", "Encrypt", `{"Plaintext":"YQ"}`, ""},
		{"base64 with a bad digit", "Encrypt", `{"Plaintext":"YW-_"}`, ""},
		{"base64 with white space", "Encrypt", `{"Plaintext":"YWJj\nYWI="}`, ""},
		{"base64 padding inside", "Encrypt", `{"Plaintext":"YQ==YQ=="}`, ""},
		{"base64 three pads", "Encrypt", `{"Plaintext":"Y==="}`, ""},
		{"base64 pad before a digit", "Encrypt", `{"Plaintext":"YW=j"}`, ""},
		{"list for a string", "Encrypt", `{"KeyId":["k"]}`, list},
		{"structure for a string", "Encrypt", `{"KeyId":{}}`, structure},
		{"number for a string", "Encrypt", `{"KeyId":1}`, "NUMBER_VALUE can not be converted to a String"},
		{"boolean for a string", "Encrypt", `{"KeyId":true}`, "TRUE_VALUE can not be converted to a String"},
		{"number for an enum", "Encrypt", `{"EncryptionAlgorithm":1}`, "NUMBER_VALUE can not be converted to a String"},
		{"number for a blob", "Encrypt", `{"Plaintext":1}`, "NUMBER_VALUE can not be converted to a Blob"},
		{"list for a blob", "Encrypt", `{"Plaintext":[1]}`, list},
		{"string for a boolean", "Encrypt", `{"DryRun":"true"}`, "STRING_VALUE can not be converted to a Boolean"},
		{"number for a boolean", "Encrypt", `{"DryRun":0}`, "NUMBER_VALUE can not be converted to a Boolean"},
		{"string for an integer", "GenerateRandom", `{"NumberOfBytes":"32"}`, "STRING_VALUE can not be converted to an Integer"},
		{"boolean for an integer", "GenerateRandom", `{"NumberOfBytes":false}`, "FALSE_VALUE can not be converted to an Integer"},
		{"integer too large", "GenerateRandom", `{"NumberOfBytes":2147483648}`, "NUMBER_VALUE can not be converted to an Integer"},
		{"integer too small", "GenerateRandom", `{"NumberOfBytes":-2147483649}`, "NUMBER_VALUE can not be converted to an Integer"},
		{"integer of many digits", "GenerateRandom", `{"NumberOfBytes":` + strings.Repeat("9", 100) + `}`, "NUMBER_VALUE can not be converted to an Integer"},
		{"integer with huge exponent", "GenerateRandom", `{"NumberOfBytes":1e99999999999999999999}`, "NUMBER_VALUE can not be converted to an Integer"},
		{"string for a timestamp", "ImportKeyMaterial", `{"ValidTo":"2026-01-01T00:00:00Z"}`, "STRING_VALUE can not be converted to milliseconds since epoch"},
		{"timestamp too large", "ImportKeyMaterial", `{"ValidTo":1e16}`, "NUMBER_VALUE can not be converted to milliseconds since epoch"},
		{"string for a list", "Encrypt", `{"GrantTokens":"a"}`, "Expected list or null"},
		{"structure for a list", "Encrypt", `{"GrantTokens":{}}`, structure},
		{"number in a list", "Encrypt", `{"GrantTokens":[1]}`, "NUMBER_VALUE can not be converted to a String"},
		{"list for a map", "Encrypt", `{"EncryptionContext":[]}`, list},
		{"string for a map", "Encrypt", `{"EncryptionContext":"a"}`, "Expected map or null"},
		{"number in a map", "Encrypt", `{"EncryptionContext":{"a":1}}`, "NUMBER_VALUE can not be converted to a String"},
		{"structure in a map", "Encrypt", `{"EncryptionContext":{"a":{}}}`, structure},
		{"string for a structure", "Decrypt", `{"Recipient":"a"}`, "Expected structure or null"},
		{"string in a list of structures", "TagResource", `{"Tags":["a"]}`, "Expected structure or null"},
		{"type before constraints", "Encrypt", `{"KeyId":"","Plaintext":1}`, "NUMBER_VALUE can not be converted to a Blob"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r, shape := newRequest(t, row.operation)
			err := r.Decode([]byte(row.body))
			if err == nil {
				t.Fatalf("decoded %s", shown(t, r, shape))
			}
			want := `{"__type":"SerializationException","Message":"` + row.want + `"}`
			if row.want == "" {
				want = `{"__type":"SerializationException"}`
			}
			if got := string(err.AppendJSON(nil)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if got := shown(t, r, shape); got != "{}" {
				t.Errorf("a refused request keeps %s", got)
			}
		})
	}
}

// TestDecodeManyEntries reads contexts of thousands of entries, in which every key is repeated.
func TestDecodeManyEntries(t *testing.T) {
	t.Parallel()
	const keys = 20000
	for _, order := range []string{"ascending", "descending"} {
		var body strings.Builder
		body.WriteString(`{"KeyId":"k","EncryptionContext":{`)
		for i := range 2 * keys {
			key := i % keys
			if order == "descending" {
				key = keys - 1 - key
			}
			fmt.Fprintf(&body, `"k%d":"%d",`, key, i/keys)
		}
		body.WriteString(`"last":"1"}}`)
		r := new(wire.EncryptRequest)
		if err := r.Decode([]byte(body.String())); err != nil {
			t.Fatal(err)
		}
		if len(r.EncryptionContext) != keys+1 {
			t.Fatalf("%s: %d entries, want %d", order, len(r.EncryptionContext), keys+1)
		}
		for _, p := range r.EncryptionContext {
			if string(p.Value) != "1" {
				t.Fatalf("%s: %s = %s, want the last value", order, p.Key, p.Value)
			}
		}
	}
}

// TestReuse decodes different bodies with one request: nothing of an earlier body may show.
func TestReuse(t *testing.T) {
	t.Parallel()
	r, shape := newRequest(t, "CreateGrant")
	full := `{"KeyId":"k","Operations":["Sign","Nonsense"],"Constraints":{"EncryptionContextEquals":{"a":"b"}},"GrantTokens":["x"],"DryRun":true,"Name":"n"}`
	for range 3 {
		if err := r.Decode([]byte(full)); err != nil {
			t.Fatal(err)
		}
		if err := r.Decode([]byte(`{"Constraints":{},"Operations":[]}`)); err != nil {
			t.Fatal(err)
		}
		if got, want := shown(t, r, shape), `{"Constraints":{},"Operations":[]}`; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		r.Reset()
		if got := shown(t, r, shape); got != "{}" {
			t.Fatalf("after Reset: %s", got)
		}
	}
}

// TestViewsHaveNoRoom appends to a member: the bytes after it in the body must not change.
func TestViewsHaveNoRoom(t *testing.T) {
	t.Parallel()
	r := new(wire.EncryptRequest)
	if err := r.Decode([]byte(`{"KeyId":"k","Plaintext":"YQ==","GrantTokens":["\u0041bc"]}`)); err != nil {
		t.Fatal(err)
	}
	_ = append(r.KeyId, "overwritten"...)
	_ = append(r.Plaintext, "overwritten"...)
	if string(r.Plaintext) != "a" || string(r.GrantTokens[0]) != "Abc" {
		t.Errorf("members overlap: %q %q", r.Plaintext, r.GrantTokens[0])
	}
}

func TestLookupTarget(t *testing.T) {
	t.Parallel()
	for op := wire.OperationNone + 1; op < wire.NumOperations; op++ {
		got, ok := wire.LookupTarget([]byte("TrentService." + op.String()))
		if !ok || got != op {
			t.Errorf("%s: got %v, %v", op, got, ok)
		}
		if r := wire.NewRequest(op); r == nil || r.Operation() != op {
			t.Errorf("%s: NewRequest gives %T", op, r)
		}
	}
	for _, target := range []string{"", "Encrypt", "TrentService", "TrentService.", "TrentService.encrypt", "TrentService.Encrypt ", "trentservice.Encrypt"} {
		if op, ok := wire.LookupTarget([]byte(target)); ok {
			t.Errorf("%q is %v", target, op)
		}
	}
	if wire.NewRequest(wire.OperationNone) != nil || wire.NewRequest(wire.NumOperations) != nil || wire.NumOperations.String() != "" {
		t.Error("no operation has a request or a name")
	}
	if wire.HasOutput(wire.OperationCreateAlias) || !wire.HasOutput(wire.OperationEncrypt) || !wire.HasOutput(wire.OperationDeleteCustomKeyStore) || wire.HasOutput(wire.OperationNone) {
		t.Error("HasOutput differs from the model")
	}
}
