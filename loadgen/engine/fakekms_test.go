package engine_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/loadgen/engine"
)

// fakeKMS is a key service over TLS that keeps count. Misbehave, if set, may answer a request itself.
type fakeKMS struct {
	*httptest.Server
	requests  atomic.Uint64
	keys      atomic.Uint64
	misbehave func(n uint64, operation string, w http.ResponseWriter, r *http.Request) (handled bool)

	mu      sync.Mutex
	calls   map[string]int
	deleted map[string]int // waiting period in days by key
	bad     []string       // what was wrong with requests
}

func newFakeKMS(t testing.TB) *fakeKMS {
	t.Helper()
	f := &fakeKMS{calls: map[string]int{}, deleted: map[string]int{}}
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *fakeKMS) target() engine.Target {
	roots := x509.NewCertPool()
	roots.AddCert(f.Certificate())
	return engine.Target{URL: f.URL, Region: "us-east-1", RootCAs: roots,
		Credentials: engine.Credentials{AccessKeyID: "test", Secret: "test"}}
}

func (f *fakeKMS) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bad = append(f.bad, fmt.Sprintf(format, args...))
}

func (f *fakeKMS) count(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[operation]
}

func (f *fakeKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := f.requests.Add(1)
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	f.mu.Lock()
	f.calls[operation]++
	f.mu.Unlock()
	if f.misbehave != nil && f.misbehave(n, operation, w, r) {
		return
	}
	var in struct {
		KeyId, Plaintext, CiphertextBlob, Message, Signature, Mac string
		EncryptionContext                                         map[string]string
		PendingWindowInDays                                       int
		Tags                                                      []struct{ TagKey, TagValue string }
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		f.note("%s: %v", operation, err)
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=test/") {
		f.note("%s: not signed", operation)
	}
	seal := func(parts ...any) string { return base64.StdEncoding.EncodeToString(fmt.Append(nil, parts...)) }
	out := map[string]any{"KeyId": in.KeyId}
	switch operation {
	case "CreateKey":
		if len(in.Tags) != 1 || in.Tags[0].TagKey != "created-by" {
			f.note("CreateKey without its tag")
		}
		out = map[string]any{"KeyMetadata": map[string]any{"KeyId": fmt.Sprint("key-", f.keys.Add(1))}}
	case "ScheduleKeyDeletion":
		f.mu.Lock()
		f.deleted[in.KeyId] = in.PendingWindowInDays
		f.mu.Unlock()
	case "Encrypt":
		out["CiphertextBlob"] = seal("sealed ", in.EncryptionContext)
	case "Decrypt":
		if in.CiphertextBlob != seal("sealed ", in.EncryptionContext) {
			f.note("Decrypt with a context that is not the ciphertext's")
		}
	case "Sign":
		out["Signature"] = seal(in.KeyId, in.Message)
	case "Verify":
		if in.Signature != seal(in.KeyId, in.Message) {
			f.note("Verify of another signature")
		}
	case "GenerateMac":
		out["Mac"] = seal(in.KeyId, in.Message)
	case "VerifyMac":
		if in.Mac != seal(in.KeyId, in.Message) {
			f.note("VerifyMac of another MAC")
		}
	}
	w.Header().Set("x-amzn-RequestId", "00000000-0000-0000-0000-000000000000")
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	json.NewEncoder(w).Encode(out)
}

// fail answers with an exception as the service does.
func fail(w http.ResponseWriter, status int, name string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, name)
}

// hijack takes the connection over and gives the TLS stream and the TCP connection below it.
func hijack(w http.ResponseWriter) (stream net.Conn, raw *net.TCPConn) {
	stream, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return stream, stream.(*tls.Conn).NetConn().(*net.TCPConn)
}

// The ways in which a server may fail a hit.
func reset(w http.ResponseWriter) {
	_, raw := hijack(w)
	raw.SetLinger(0)
	raw.Close()
}

func garbage(w http.ResponseWriter) {
	stream, _ := hijack(w)
	stream.Write(bytes.Repeat([]byte("garbage "), 64))
	stream.Close()
}

func halfAnswer(w http.ResponseWriter) {
	stream, _ := hijack(w)
	io.WriteString(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":")
	stream.Close()
}

func noAnswer(w http.ResponseWriter) {
	stream, _ := hijack(w)
	stream.Close()
}

func silence(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	select {
	case <-r.Context().Done():
	case <-time.After(30 * time.Second):
	}
}
