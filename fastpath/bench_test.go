package fastpath_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"trent/fastpath/frontend"
	"trent/fastpath/servertest"
)

// BenchmarkChain is what a request costs from the frontend's request to the answer, over the echo floor: the
// signature, the codecs, the key, the HSM and the accounts.
func BenchmarkChain(b *testing.B) {
	s := servertest.Start(b, servertest.Options{})
	id := newKey(b, s)
	arn := "arn:aws:kms:us-east-1:" + s.Account + ":key/" + id
	plaintext := base64.StdEncoding.EncodeToString(make([]byte, 32))
	status, body := serve(b, s, servertest.For("Encrypt", `{"KeyId":"`+id+`","Plaintext":"`+plaintext+`"}`))
	var sealed struct{ CiphertextBlob []byte }
	if err := json.Unmarshal([]byte(body), &sealed); err != nil || status != 200 {
		b.Fatalf("%d %s", status, body)
	}
	blob := base64.StdEncoding.EncodeToString(sealed.CiphertextBlob)
	for _, c := range []struct{ op, body string }{
		{"Encrypt", `{"KeyId":"` + arn + `","Plaintext":"` + plaintext + `"}`},
		{"Decrypt", `{"CiphertextBlob":"` + blob + `"}`},
		{"GenerateDataKey", `{"KeyId":"` + arn + `","KeySpec":"AES_256"}`},
	} {
		b.Run("op="+c.op, func(b *testing.B) {
			handler := s.Core.Handler()
			r := received(b, s, servertest.For(c.op, c.body))
			template := append([]byte(nil), r.Body...)
			w := &frontend.Response{Body: make([]byte, 0, 16<<10)}
			r.Received = time.Now()
			b.ReportAllocs()
			for b.Loop() {
				r.Body = r.Body[:len(template)]
				copy(r.Body, template) // decoding changed it
				w.Body = w.Body[:0]
				handler.Serve(r, w)
			}
			if w.Status != 200 {
				b.Fatalf("%d %s", w.Status, w.Body)
			}
		})
	}
}
