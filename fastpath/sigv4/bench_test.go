package sigv4_test

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"

	"trent/fastpath/sigv4"
)

// typical is an Encrypt of 32 bytes as aws-sdk-go-v2 sends it.
func typical(b *testing.B, o order) *sigv4.Request {
	o.host = "127.0.0.1:8443"
	o.body = `{"KeyId":"1234abcd-12ab-34cd-56ef-1234567890ab","Plaintext":"` + strings.Repeat("A", 43) + `="}`
	o.headers = http.Header{
		"Amz-Sdk-Invocation-Id": {"7f1e8f4e-4f43-4d70-8e2e-6f9f4f4b6f10"},
		"Amz-Sdk-Request":       {"attempt=1; max=3"},
	}
	r := o.signed(b)
	r.RawHeaders = append([]byte("User-Agent: aws-sdk-go-v2/1.47.8 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/kms#1.62.5 m/E,g\r\n"+
		"Accept-Encoding: identity\r\n"), r.RawHeaders...)
	return r
}

func BenchmarkVerify(b *testing.B) {
	for name, o := range map[string]order{
		"key=long-term": {},
		"key=session":   {keyID: temporary, token: "the+token="},
	} {
		b.Run(name, func(b *testing.B) {
			v, r := kmsVerifier(), typical(b, o)
			var out sigv4.Verified
			b.ReportAllocs()
			for b.Loop() {
				if err := out.Scan(r.RawHeaders); err != nil {
					b.Fatal(err)
				}
				if err := v.Verify(now, r, &out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	r := typical(b, order{})
	var out sigv4.Verified
	b.ReportAllocs()
	for b.Loop() {
		if err := out.Scan(r.RawHeaders); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHashFloor is the hashing alone that one typical request needs: body, canonical request, and the
// signature's two hashes.
func BenchmarkHashFloor(b *testing.B) {
	r := typical(b, order{})
	canonical := bytes.Repeat([]byte{'x'}, 460)
	text := bytes.Repeat([]byte{'x'}, 64+138)
	var last [96]byte
	for b.Loop() {
		sha256.Sum256(r.Body)
		sha256.Sum256(canonical)
		sha256.Sum256(text)
		sha256.Sum256(last[:])
	}
}
