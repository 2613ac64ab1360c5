//go:build !race

package fastpath_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"trent/fastpath/audit"
	"trent/fastpath/frontend"
	"trent/fastpath/servertest"
)

// cipherObjects is what the standard library's AES-GCM allocates for a per-request key: the block and the AEAD.
const cipherObjects = 2

// TestAllocations: from the frontend's request to the answer nothing is allocated for the operations that
// bulk traffic is made of, apart from the cipher objects.
func TestAllocations(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Audit: &audit.Options{}})
	id := newKey(t, s)
	status, body := serve(t, s, servertest.For("Encrypt", `{"KeyId":"`+id+`","Plaintext":"c2VjcmV0","EncryptionContext":{"b":"2","a":"1"}}`))
	var sealed struct{ CiphertextBlob []byte }
	if err := json.Unmarshal([]byte(body), &sealed); err != nil || status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	blob := base64.StdEncoding.EncodeToString(sealed.CiphertextBlob)
	if _, body = serve(t, s, servertest.For("CreateAlias", `{"AliasName":"alias/hot","TargetKeyId":"`+id+`"}`)); body != "" {
		t.Fatal(body)
	}
	other := newKey(t, s)
	if status, body = serve(t, s, servertest.For("Encrypt", `{"KeyId":"`+other+`","Plaintext":"c2VjcmV0"}`)); status != 200 {
		t.Fatal(body)
	}
	if err := json.Unmarshal([]byte(body), &sealed); err != nil {
		t.Fatal(err)
	}
	older := base64.StdEncoding.EncodeToString(sealed.CiphertextBlob)
	if status, body = serve(t, s, servertest.For("RotateKeyOnDemand", `{"KeyId":"`+other+`"}`)); status != 200 {
		t.Fatal(body)
	}
	arn := "arn:aws:kms:us-east-1:" + s.Account + ":key/" + id
	for name, request := range map[string]servertest.Request{
		"Encrypt":                         servertest.For("Encrypt", `{"KeyId":"`+arn+`","Plaintext":"c2VjcmV0","EncryptionContext":{"b":"2","a":"1"}}`),
		"Encrypt by alias":                servertest.For("Encrypt", `{"KeyId":"alias/hot","Plaintext":"c2VjcmV0"}`),
		"Decrypt":                         servertest.For("Decrypt", `{"CiphertextBlob":"`+blob+`","EncryptionContext":{"a":"1","b":"2"}}`),
		"Decrypt with key":                servertest.For("Decrypt", `{"KeyId":"`+id+`","CiphertextBlob":"`+blob+`","EncryptionContext":{"a":"1","b":"2"}}`),
		"Decrypt of an older material":    servertest.For("Decrypt", `{"CiphertextBlob":"`+older+`"}`),
		"GenerateDataKey":                 servertest.For("GenerateDataKey", `{"KeyId":"`+id+`","KeySpec":"AES_256","EncryptionContext":{"a":"1"}}`),
		"GenerateDataKeyWithoutPlaintext": servertest.For("GenerateDataKeyWithoutPlaintext", `{"KeyId":"`+id+`","NumberOfBytes":64}`),
		"GenerateRandom":                  servertest.For("GenerateRandom", `{"NumberOfBytes":32}`),
	} {
		handler := s.Core.Handler()
		r := received(t, s, request)
		template := append([]byte(nil), r.Body...)
		w := &frontend.Response{Body: make([]byte, 0, 16<<10)}
		allocs := testing.AllocsPerRun(500, func() {
			r.Body = r.Body[:len(template)]
			copy(r.Body, template) // decoding changed it
			w.Status, w.Body = 0, w.Body[:0]
			handler.Serve(r, w)
		})
		if w.Status != 200 {
			t.Fatalf("%s: %d %s", name, w.Status, w.Body)
		}
		limit := float64(cipherObjects)
		if name == "GenerateRandom" {
			limit = 0
		}
		if allocs > limit {
			t.Errorf("%s: %v allocations a request, at most %v are allowed", name, allocs, limit)
		}
		t.Logf("%s: %v allocations", name, allocs)
	}
}
