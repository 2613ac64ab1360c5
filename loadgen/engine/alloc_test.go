//go:build !race

package engine_test

import (
	"bytes"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/workload"
)

// Encoding, signing and parsing, for a good answer and for an error.
func TestRequestDoesNotAllocate(t *testing.T) {
	w, err := workload.Load(workload.Default)
	if err != nil {
		t.Fatal(err)
	}
	sequence, bodies := w.Sequence(1), w.Bodies(engine.FakeKeys(w))
	signer := engine.NewSigner(engine.Credentials{AccessKeyID: "test", Secret: "test", SessionToken: "token"}, "us-east-1", "localhost:8443")
	reader := engine.NewAnswerReader()
	answers := [][]byte{
		[]byte("HTTP/1.1 200 OK\r\nx-amzn-RequestId: abc\r\nContent-Length: 14\r\n\r\n{\"KeyId\":\"abc\"}"),
		[]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 30\r\n\r\n{\"__type\":\"NotFoundException\"}"),
	}
	var source bytes.Reader
	var hit workload.Hit
	body, request := make([]byte, 0, 16<<10), make([]byte, 0, 16<<10)
	now := time.Unix(1e9, 0)
	n := uint64(0)
	if allocs := testing.AllocsPerRun(2000, func() {
		now = now.Add(time.Second) // the texts of the second are made anew; the day stays
		if now.Hour() == 23 {
			now = now.Add(-20 * time.Hour)
		}
		sequence.Hit(n, &hit)
		body = bodies.Append(body[:0], &hit)
		request = signer.Append(request[:0], bodies.Operation(&hit), body, now)
		source.Reset(answers[n%2])
		if _, _, err := reader.Read(&source); err != nil {
			t.Fatal(err)
		}
		n++
	}); allocs > 0 {
		t.Errorf("%v allocations a request", allocs)
	}
}

func BenchmarkSign(b *testing.B) {
	signer := engine.NewSigner(engine.Credentials{AccessKeyID: "test", Secret: "test"}, "us-east-1", "localhost:8443")
	body := bytes.Repeat([]byte("x"), 120)
	request := make([]byte, 0, 4096)
	now := time.Unix(1e9, 0)
	b.ReportAllocs()
	for b.Loop() {
		request = signer.Append(request[:0], "Encrypt", body, now)
	}
}
