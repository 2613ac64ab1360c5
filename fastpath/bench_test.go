package fastpath_test

import (
	"encoding/json"
	"testing"

	"trent/fastpath/audit"
	"trent/fastpath/frontend"
	"trent/fastpath/servertest"
)

// BenchmarkChain is a request from the frontend's view of it to the answer's bytes, without HTTP and TLS: the
// signature verified, the body decoded, the key found, the cryptography done, the answer encoded.
func BenchmarkChain(b *testing.B) { benchmarkChain(b, servertest.Options{}) }

// BenchmarkChainAudited is the same with all that is kept of requests, on the request's path: the difference is what it costs there,
// and whatever part of the writer's work falls on the same core.
func BenchmarkChainAudited(b *testing.B) {
	benchmarkChain(b, servertest.Options{Audit: &audit.Options{}})
}

func benchmarkChain(b *testing.B, o servertest.Options) {
	s := servertest.Start(b, o)
	id := newKey(b, s)
	_, body := serve(b, s, servertest.For("Encrypt", `{"KeyId":"`+id+`","Plaintext":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}`))
	var sealed struct{ CiphertextBlob string }
	if err := json.Unmarshal([]byte(body), &sealed); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ operation, body string }{
		{"Encrypt", `{"KeyId":"` + id + `","Plaintext":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}`},
		{"Decrypt", `{"CiphertextBlob":"` + sealed.CiphertextBlob + `"}`},
		{"GenerateDataKey", `{"KeyId":"` + id + `","KeySpec":"AES_256"}`},
		{"GenerateRandom", `{"NumberOfBytes":32}`},
		{"DescribeKey", `{"KeyId":"` + id + `"}`},
	} {
		b.Run("op="+c.operation, func(b *testing.B) {
			handler := s.Core.Handler()
			r := received(b, s, servertest.For(c.operation, c.body))
			w := &frontend.Response{Body: make([]byte, 0, 16<<10)}
			b.ReportAllocs()
			for b.Loop() {
				copy(r.Body, c.body) // decoding changes it
				w.Status, w.Body = 0, w.Body[:0]
				handler.Serve(r, w)
			}
			if w.Status != 200 {
				b.Fatalf("%d %s", w.Status, w.Body)
			}
		})
	}
}
