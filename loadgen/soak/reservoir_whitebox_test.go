package soak

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trent/loadgen/engine"
)

func fill(t *testing.T, r *reservoir, from, to uint64, start time.Time) {
	t.Helper()
	for n := from; n < to; n++ {
		s := sample{N: n, Check: "Decrypt", Body: fields("CiphertextBlob", strings.Repeat("x", int(n%300))), Symmetric: n%2 == 0}
		if err := r.offer(s, start.Add(time.Duration(n))); err != nil {
			t.Fatal(err)
		}
	}
}

// Every hit has the same chance, the file stays small, and what it holds can be read again, also after a crash tore its end.
func TestReservoir(t *testing.T) {
	t.Parallel()
	path, start := filepath.Join(t.TempDir(), "samples"), time.Unix(1000, 0)
	r, err := openReservoir(path, 500, 1<<30, 7)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, r, 0, 50_000, start)
	if r.size > 2*r.live+1<<20 {
		t.Errorf("file of %d bytes for %d", r.size, r.live)
	}
	thirds := [4]int{}
	for i := range r.slots {
		s, _, err := r.read(i)
		if err != nil || s.Slot != i {
			t.Fatalf("slot %d: %+v, %v", i, s, err)
		}
		thirds[s.N*4/50_000]++
	}
	for _, n := range thirds { // 125 expected, σ about 10
		if math.Abs(float64(n)-125) > 45 {
			t.Errorf("quarters of the load have %v samples", thirds)
		}
	}
	i, checks := r.next(0, &moments{now: start.Add(time.Hour), after: time.Minute})
	if i != 0 || checks != checkedLater {
		t.Errorf("next %d, checks %b", i, checks)
	}
	r.passed(0, r.slots[0].made, checkedLater, false)
	kept, err := r.save(start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	before := r.slots[17]
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("torn record of a crash"); err != nil {
		t.Fatal(err)
	}
	file.Close()
	again, err := openReservoir(path, 500, 1<<30, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	again.restore(kept)
	if tally := again.tally(); tally.Samples != 500 || tally.Later != 1 || tally.Seen != 50_000 {
		t.Errorf("%+v", tally)
	}
	if again.slots[17].made != before.made || again.slots[17].length != before.length {
		t.Errorf("slot 17 is %+v, was %+v", again.slots[17], before)
	}
}

// A sample that replaced another after the checkpoint has had no check, whatever the checkpoint says of its slot.
func TestReservoirForgetsChecksOfOthers(t *testing.T) {
	t.Parallel()
	path, start := filepath.Join(t.TempDir(), "samples"), time.Unix(1000, 0)
	r, err := openReservoir(path, 10, 1<<30, 1)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, r, 0, 10, start)
	for i := range r.slots {
		r.passed(i, r.slots[i].made, checkedLater, false)
	}
	kept, err := r.save(start.Add(10))
	if err != nil {
		t.Fatal(err)
	}
	fill(t, r, 11, 40, start)
	replaced := 0
	for i := range r.slots {
		if r.slots[i].made > kept.At {
			replaced++
		}
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openReservoir(path, 10, 1<<30, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	again.restore(kept)
	if tally := again.tally(); replaced == 0 || tally.Later != 10-replaced {
		t.Errorf("%d replaced, %d checked", replaced, tally.Later)
	}
}

func TestReservoirIsBounded(t *testing.T) {
	t.Parallel()
	r, err := openReservoir(filepath.Join(t.TempDir(), "samples"), 1000, 10_000, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	fill(t, r, 0, 2000, time.Unix(1000, 0))
	if r.size > 30_000 || r.full == 0 {
		t.Errorf("%d bytes, %d left out", r.size, r.full)
	}
}

// What is made of an answer, and what counts as good later.
func TestSamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		operation, request, response string
		check, body, good, bad       string
	}{
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","EncryptionContext":{"a":"b"}}`, `{"CiphertextBlob":"c"}`,
			"Decrypt", `{"CiphertextBlob":"c","EncryptionContext":{"a":"b"}}`, `{"Plaintext":"aGk="}`, `{"Plaintext":"aGo="}`},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","EncryptionAlgorithm":"RSAES_OAEP_SHA_256"}`, `{"CiphertextBlob":"c"}`,
			"Decrypt", `{"KeyId":"k","CiphertextBlob":"c","EncryptionAlgorithm":"RSAES_OAEP_SHA_256"}`, `{"Plaintext":"aGk="}`, `{}`},
		{"GenerateDataKey", `{"KeyId":"k","KeySpec":"AES_256"}`, `{"CiphertextBlob":"c","Plaintext":"aGk="}`,
			"Decrypt", `{"CiphertextBlob":"c"}`, `{"Plaintext":"aGk="}`, `{"Plaintext":"aGo="}`},
		{"GenerateDataKeyWithoutPlaintext", `{"KeyId":"k"}`, `{"CiphertextBlob":"c"}`, "Decrypt", `{"CiphertextBlob":"c"}`, `{"Plaintext":"aGk="}`, `{"Plaintext":""}`},
		{"Sign", `{"KeyId":"k","Message":"bQ==","MessageType":"RAW","SigningAlgorithm":"ECDSA_SHA_256"}`, `{"Signature":"s"}`,
			"Verify", `{"KeyId":"k","Message":"bQ==","Signature":"s","MessageType":"RAW","SigningAlgorithm":"ECDSA_SHA_256"}`, `{"SignatureValid":true}`, `{"SignatureValid":false}`},
		{"GenerateMac", `{"KeyId":"k","Message":"bQ==","MacAlgorithm":"HMAC_SHA_256"}`, `{"Mac":"m"}`,
			"VerifyMac", `{"KeyId":"k","Message":"bQ==","Mac":"m","MacAlgorithm":"HMAC_SHA_256"}`, `{"MacValid":true}`, `{}`},
	} {
		s, ok := newSample(&engine.Tapped{Operation: c.operation, Request: []byte(c.request), Response: []byte(c.response)})
		if !ok || s.Check != c.check || string(s.Body) != c.body {
			t.Errorf("%s: %v, %s %s, want %s", c.operation, ok, s.Check, s.Body, c.body)
		}
		if good, why := s.holds([]byte(c.good)); !good {
			t.Errorf("%s: %s is not good: %s", c.operation, c.good, why)
		}
		if good, _ := s.holds([]byte(c.bad)); good {
			t.Errorf("%s: %s is good", c.operation, c.bad)
		}
		if strings.Contains(string(encode(s)), "aGk=") {
			t.Errorf("%s: the sample holds a plaintext", c.operation)
		}
	}
	if _, ok := newSample(&engine.Tapped{Operation: "DescribeKey", Request: []byte(`{}`), Response: []byte(`{}`)}); ok {
		t.Error("a description is no sample")
	}
}

func TestReadMetrics(t *testing.T) {
	t.Parallel()
	s := readMetrics(strings.NewReader("# TYPE x counter\ntrent_requests_total{operation=\"Encrypt\",result=\"ok\"} 7\n" +
		"trent_requests_total{operation=\"Sign\",result=\"ok\"} 5\ntrent_requests_total{operation=\"Sign\",result=\"NotFoundException\"} 9\ngo_goroutines 12\ngarbage\nx y\n"))
	if s.Good != 12 || s.Gauges["go_goroutines"] != 12 || len(s.Gauges) != 1 {
		t.Errorf("%+v", s)
	}
	if s := readMetrics(strings.NewReader("")); s.Good != -1 {
		t.Errorf("%+v", s)
	}
}
