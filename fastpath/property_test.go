package fastpath_test

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"trent/fastpath/model"
	"trent/fastpath/servertest"
)

// anywhere are the errors that any operation may answer (AWS KMS API Reference, "Common errors").
var anywhere = []string{
	"ValidationException", "SerializationException", "AccessDeniedException",
	"UnsupportedOperationException", // what this version has not
}

// unmodeled are the errors that operations answer beyond their model: CreateAlias of a reserved name does so
// at the service; ListKeyPolicies issues no marker, so that it knows none.
var unmodeled = map[string]string{
	"CreateAlias": "NotAuthorizedException", "UpdateAlias": "NotAuthorizedException", "DeleteAlias": "NotAuthorizedException",
	"ListKeyPolicies": "InvalidMarkerException",
}

// pool is what requests are made of: names and ciphertexts that are there, that were, and that never were.
type pool struct{ names, blobs []string }

func newPool(t testing.TB, s *servertest.Server) pool {
	t.Helper()
	p := pool{
		names: []string{"", "x", "alias/absent", "alias/pool", "arn:aws:kms:eu-west-1:000000000000:key/x", "arn:aws:kms:us-east-1:111122223333:key/00000000-1111-2222-3333-444444444444", "arn:", "00000000-1111-2222-3333-444444444444"},
		blobs: []string{"", "eA==", base64.StdEncoding.EncodeToString(make([]byte, 32)), base64.StdEncoding.EncodeToString(make([]byte, 4097)), "AQICAHg="},
	}
	for _, in := range []string{`{}`, `{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"}`, `{"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"}`, `{"Origin":"EXTERNAL"}`, `{"MultiRegion":true}`,
		`{"KeySpec":"ECC_NIST_EDWARDS25519","KeyUsage":"SIGN_VERIFY"}`, `{"KeySpec":"ML_DSA_44","KeyUsage":"SIGN_VERIFY"}`,
		`{"KeySpec":"ECC_NIST_P256","KeyUsage":"KEY_AGREEMENT"}`, `{"KeySpec":"ML_KEM_512","KeyUsage":"ENCAPSULATE_DECAPSULATE"}`} {
		status, body := serve(t, s, servertest.For("CreateKey", in))
		var made struct{ KeyMetadata struct{ KeyId, Arn string } }
		if err := json.Unmarshal([]byte(body), &made); err != nil || status != 200 {
			t.Fatalf("CreateKey: %d %s", status, body)
		}
		p.names = append(p.names, made.KeyMetadata.KeyId, made.KeyMetadata.Arn)
	}
	first := p.names[8]
	serve(t, s, servertest.For("CreateAlias", `{"AliasName":"alias/pool","TargetKeyId":"`+first+`"}`))
	for _, context := range []string{`{}`, `{"a":"b"}`} {
		_, body := serve(t, s, servertest.For("Encrypt", `{"KeyId":"`+first+`","Plaintext":"eA==","EncryptionContext":`+context+`}`))
		var sealed struct{ CiphertextBlob string }
		if err := json.Unmarshal([]byte(body), &sealed); err != nil || sealed.CiphertextBlob == "" {
			t.Fatalf("Encrypt: %s", body)
		}
		p.blobs = append(p.blobs, sealed.CiphertextBlob)
	}
	return p
}

// draws makes requests by chance.
type draws struct {
	*rand.Rand
	pool
}

func (d *draws) percent(p int) bool { return d.IntN(100) < p }

func oneOf[T any](d *draws, all ...T) T { return all[d.IntN(len(all))] }

// value draws a JSON value for a shape: mostly one that fits it.
func (d *draws) value(member string, s *model.Shape) any {
	if d.percent(2) {
		return oneOf[any](d, nil, 5, "x", []any{}, map[string]any{}, true, 1.5, -1)
	}
	switch s.Kind {
	case model.KindString:
		switch {
		case strings.HasSuffix(member, "KeyId"):
			return oneOf(d, d.names...)
		case len(s.Enum) > 0 && !d.percent(3):
			return oneOf(d, s.Enum...)
		case member == "AliasName":
			return oneOf(d, "alias/a", "alias/pool", "alias/aws/x", "alias/", "x", "alias/a:b")
		case member == "Policy":
			return oneOf(d, "{}", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`)
		}
		return oneOf(d, "", "a", "aws:a", "default", "ü", "\u0000", "\ufffd\u2028<&>\"\\", strings.Repeat("x", d.IntN(300)))
	case model.KindBlob:
		return oneOf(d, d.blobs...)
	case model.KindInteger:
		return oneOf(d, -1, 0, 1, 7, 16, 30, 1000, 1024, 1025)
	case model.KindBoolean:
		return d.percent(25)
	case model.KindList:
		list := make([]any, d.IntN(4))
		for i := range list {
			list[i] = d.value(member, model.ShapeOf(s.Element))
		}
		return list
	case model.KindMap:
		return oneOf(d, map[string]string{}, map[string]string{"a": "b"}, map[string]string{"": ""}, map[string]string{"b": "c", "a": "b"})
	case model.KindStructure:
		return d.structure(s)
	}
	return d.IntN(1 << 31)
}

func (d *draws) structure(s *model.Shape) map[string]any {
	body := map[string]any{}
	for _, m := range s.Members {
		percent := 30
		if m.Required {
			percent = 97
		}
		if m.Name == "GrantTokens" || m.Name == "Recipient" {
			percent = 3 // always a refusal, which would hide what comes after it
		}
		if d.percent(percent) {
			body[m.Name] = d.value(m.Name, model.ShapeOf(m.Shape))
		}
	}
	return body
}

// TestAnyRequest: whatever is asked, the answer is a success or one of the errors that the operation's model
// has, and a dry run never succeeds.
func TestAnyRequest(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{Logf: func(format string, args ...any) { t.Errorf(format, args...) }})
	d := &draws{rand.New(rand.NewPCG(rand.Uint64(), 0)), newPool(t, s)}
	operations := slices.DeleteFunc(slices.Clone(model.Operations()), func(o model.Operation) bool {
		return o.Name == "ScheduleKeyDeletion" // would soon leave no usable key; it has tests of its own
	})
	answers := map[int]int{}
	for range 3000 {
		op := oneOf(d, operations...)
		fields := d.structure(model.ShapeOf(op.Input))
		if spec, _ := fields["KeySpec"].(string); strings.HasPrefix(spec, "RSA") && op.Name == "CreateKey" {
			fields["KeySpec"] = "ECC_NIST_P256" // making RSA keys takes most of a second
		}
		body, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		status, answer := serve(t, s, servertest.For(op.Name, string(body)))
		answers[status]++
		if status == 200 {
			if fields["DryRun"] == true {
				t.Errorf("%s %s: a dry run was answered %s", op.Name, body, answer)
			}
			continue
		}
		var refusal struct {
			Type string `json:"__type"`
		}
		if err := json.Unmarshal([]byte(answer), &refusal); err != nil || status >= 500 {
			t.Fatalf("%s %s: %d %s", op.Name, body, status, answer)
		}
		if !slices.Contains(op.Errors, refusal.Type) && !slices.Contains(anywhere, refusal.Type) && unmodeled[op.Name] != refusal.Type {
			t.Errorf("%s %s: %s is not in the operation's model", op.Name, body, answer)
		}
	}
	if answers[200] < 200 || answers[400] < 200 {
		t.Errorf("the requests reach too little: answers by status %v", answers)
	}
	t.Log(answers)
}
