//go:build !race

package fastpath_test

import (
	"encoding/json"
	"testing"

	"trent/fastpath/authz"
	"trent/fastpath/frontend"
	"trent/fastpath/identity"
	"trent/fastpath/operation"
	"trent/fastpath/servertest"
)

// authorized is a caller of the server that makeCallers starts, and a key that it may use.
type authorized struct {
	name, accessKey, key string
}

const callersSecret = "a secret of tests"

// makeCallers starts a server with keys that are used by a user's identity policy, by conditions, and by a grant with a
// constraint.
func makeCallers(t testing.TB, mode operation.Authorization) (*servertest.Server, []authorized) {
	t.Helper()
	user := func(name, statements string) identity.Credential {
		document := []byte(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)
		p, err := authz.Parse(authz.KindIdentity, document)
		if err != nil {
			t.Fatal(err)
		}
		return identity.Credential{AccessKeyID: "AKID" + name, Secret: identity.Secret(callersSecret), Principal: identity.Principal{Caller: authz.Caller{
			Type: authz.CallerUser, Partition: "aws", Account: identity.DefaultAccount, ARN: "arn:aws:iam::" + identity.DefaultAccount + ":user/" + name,
			UserName: name, UniqueID: "AIDA" + name,
			Policies: authz.Policies{Identity: []*authz.Compiled{authz.Compile(authz.KindIdentity, document, p)}},
		}}}
	}
	s := servertest.Start(t, servertest.Options{Authorization: mode, Credentials: []identity.Credential{
		user("policies", `{"Effect":"Allow","Action":["kms:Decrypt","kms:Encrypt"],"Resource":"arn:aws:kms:us-east-1:*:key/*"}`),
		user("conditions", `{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"false"}}}`),
		user("grants", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`),
	}})
	create := func(body string) string {
		_, answer := serve(t, s, servertest.For("CreateKey", body))
		var made struct{ KeyMetadata struct{ KeyId string } }
		if err := json.Unmarshal([]byte(answer), &made); err != nil || made.KeyMetadata.KeyId == "" {
			t.Fatal(answer)
		}
		return made.KeyMetadata.KeyId
	}
	root := `{\"AWS\":\"arn:aws:iam::` + identity.DefaultAccount + `:root\"}`
	conditions := create(`{"Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[` +
		`{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"kms:*\",\"Resource\":\"*\",\"Condition\":{\"StringNotEquals\":{\"kms:CallerAccount\":\"` + identity.DefaultAccount + `\"}}},` +
		`{\"Effect\":\"Allow\",\"Principal\":` + root + `,\"Action\":\"kms:PutKeyPolicy\",\"Resource\":\"*\"},` +
		`{\"Effect\":\"Allow\",\"Principal\":` + root + `,\"Action\":\"kms:Encrypt\",\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{\"kms:EncryptionContext:a\":\"1\",\"kms:EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\"}}}]}"}`)
	granted := create(`{}`)
	status, answer := serve(t, s, servertest.For("CreateGrant", `{"KeyId":"`+granted+`","GranteePrincipal":"arn:aws:iam::`+identity.DefaultAccount+`:user/grants",`+
		`"Operations":["Encrypt"],"Constraints":{"EncryptionContextSubset":{"a":"1"}}}`))
	if status != 200 {
		t.Fatal(answer)
	}
	return s, []authorized{{"root", "", granted}, {"policies", "AKIDpolicies", create(`{}`)}, {"conditions", "AKIDconditions", conditions}, {"grants", "AKIDgrants", granted}}
}

func (a *authorized) encrypt() servertest.Request {
	r := servertest.For("Encrypt", `{"KeyId":"`+a.key+`","Plaintext":"c2VjcmV0","EncryptionContext":{"b":"2","a":"1"}}`)
	if a.accessKey != "" {
		r.AccessKeyID, r.Secret = a.accessKey, callersSecret
	}
	return r
}

// TestAuthorizationAllocatesNothing: whoever calls, and by whatever right.
func TestAuthorizationAllocatesNothing(t *testing.T) {
	s, callers := makeCallers(t, operation.Enforce)
	for _, a := range callers {
		handler := s.Core.Handler()
		r := received(t, s, a.encrypt())
		template := append([]byte(nil), r.Body...)
		w := &frontend.Response{Body: make([]byte, 0, 16<<10)}
		allocs := testing.AllocsPerRun(500, func() {
			copy(r.Body, template) // decoding changed it
			w.Status, w.Body = 0, w.Body[:0]
			handler.Serve(r, w)
		})
		if w.Status != 200 {
			t.Fatalf("%s: %d %s", a.name, w.Status, w.Body)
		}
		if allocs > cipherObjects {
			t.Errorf("%s: %v allocations a request, at most %d are allowed", a.name, allocs, cipherObjects)
		}
	}
}

// BenchmarkAuthorized is Encrypt by different rights.
func BenchmarkAuthorized(b *testing.B) {
	off, all := makeCallers(b, operation.Off)
	b.Run("by=nothing", all[0].bench(off))
	s, callers := makeCallers(b, operation.Enforce)
	for i := range callers {
		b.Run("by="+callers[i].name, callers[i].bench(s))
	}
}

func (a *authorized) bench(s *servertest.Server) func(b *testing.B) {
	return func(b *testing.B) {
		handler := s.Core.Handler()
		r := received(b, s, a.encrypt())
		template := append([]byte(nil), r.Body...)
		w := &frontend.Response{Body: make([]byte, 0, 16<<10)}
		b.ReportAllocs()
		for b.Loop() {
			copy(r.Body, template)
			w.Status, w.Body = 0, w.Body[:0]
			handler.Serve(r, w)
		}
		if w.Status != 200 {
			b.Fatalf("%d %s", w.Status, w.Body)
		}
	}
}
