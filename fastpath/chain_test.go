package fastpath_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"trent/fastpath/frontend"
	"trent/fastpath/servertest"
	"trent/store"
	"trent/store/faultstore"
)

// received is a signed request as the frontend hands it to the chain.
func received(t testing.TB, s *servertest.Server, r servertest.Request) *frontend.Request {
	t.Helper()
	raw := s.Bytes(t, r)
	line, rest, _ := bytes.Cut(raw, []byte("\r\n"))
	headers, body, found := bytes.Cut(rest, []byte("\r\n\r\n"))
	words := bytes.Fields(line)
	if !found || len(words) != 3 {
		t.Fatalf("request %q", raw)
	}
	path, query, _ := bytes.Cut(words[1], []byte("?"))
	return &frontend.Request{
		Method: words[0], Path: path, RawQuery: query,
		RawHeaders: append(bytes.Clone(headers), "\r\n"...), Body: bytes.Clone(body), Received: time.Now(),
	}
}

// serve passes a request through the chain and returns status and body.
func serve(t testing.TB, s *servertest.Server, r servertest.Request) (int, string) {
	t.Helper()
	var w frontend.Response
	s.Core.Handler().Serve(received(t, s, r), &w)
	return w.Status, string(w.Body)
}

// newKey creates a key through the chain and returns its id.
func newKey(t testing.TB, s *servertest.Server) string {
	t.Helper()
	status, body := serve(t, s, servertest.For("CreateKey", "{}"))
	var made struct{ KeyMetadata struct{ KeyId string } }
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusOK {
		t.Fatalf("CreateKey: %d %s", status, body)
	}
	return made.KeyMetadata.KeyId
}

func TestChainAnswers(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{Logf: t.Logf})
	id := newKey(t, s)
	for _, c := range []struct {
		request servertest.Request
		status  int
		body    string // prefix
	}{
		{servertest.For("DescribeKey", `{"KeyId":"`+id+`"}`), 200, `{"KeyMetadata":{`},
		{servertest.For("EnableKey", `{"KeyId":"`+id+`"}`), 200, ``},
		{servertest.Request{Target: "TrentService.No"}, 400, `{"__type":"UnknownOperationException"}`},
		{servertest.Request{Method: "GET"}, 404, `{"__type":"UnknownOperationException"}`},
		{servertest.Request{Target: "TrentService.ListKeys", Unsigned: true}, 400, `{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`},
	} {
		status, body := serve(t, s, c.request)
		if status != c.status || !strings.HasPrefix(body, c.body) || c.body == "" && body != "" {
			t.Errorf("%s: %d %q, want %d %q", c.request.Target, status, body, c.status, c.body)
		}
	}
}

// TestRequestIDs: each request has one of its own, also where it fails before it is known.
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{})
	seen := map[[36]byte]bool{}
	for range 50 {
		var w frontend.Response
		s.Core.Handler().Serve(&frontend.Request{Method: []byte("GET"), Path: []byte("/")}, &w)
		if id := string(w.RequestID[:]); seen[w.RequestID] || id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) || strings.ToLower(id) != id {
			t.Fatalf("request id %q", id)
		}
		seen[w.RequestID] = true
	}
}

// TestPooledStateDoesNotLeak: what one request held must not show in the next one's answer.
func TestPooledStateDoesNotLeak(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{})
	id := newKey(t, s)
	full := []servertest.Request{
		servertest.For("GenerateDataKey", `{"KeyId":"`+id+`","KeySpec":"AES_256","EncryptionContext":{"a":"b"}}`),
		servertest.For("CreateKey", `{"KeySpec":"SYMMETRIC_DEFAULT","Description":"d","MultiRegion":true,"Tags":[{"TagKey":"a","TagValue":"b"}]}`),
		servertest.For("ListAliases", `{"KeyId":"`+id+`","Limit":1}`),
		servertest.For("Encrypt", `{"KeyId":"`+id+`","Plaintext":"eA==","DryRun":true,"GrantTokens":["x"]}`),
		servertest.For("ReEncrypt", `{"CiphertextBlob":"eA==","DestinationKeyId":"`+id+`"}`),
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for i := range 40 {
				serve(t, s, full[i%len(full)])
				// None of these has a member that an earlier request set.
				if status, body := serve(t, s, servertest.For("GenerateDataKey", `{"KeyId":"`+id+`"}`)); status != 400 || !strings.Contains(body, "Please specify") {
					t.Errorf("GenerateDataKey: %d %s", status, body)
				}
				if status, body := serve(t, s, servertest.For("Encrypt", `{"KeyId":"`+id+`","Plaintext":"eA=="}`)); status != 200 {
					t.Errorf("Encrypt: %d %s", status, body)
				}
				if status, body := serve(t, s, servertest.For("CreateKey", `{}`)); status != 200 || !strings.Contains(body, `"MultiRegion":false`) || !strings.Contains(body, `"Description":""`) {
					t.Errorf("CreateKey: %d %s", status, body)
				}
			}
		})
	}
	wait.Wait()
}

// TestCountedByResult: every answer is counted once, under its operation and error.
func TestCountedByResult(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{})
	for range 3 {
		serve(t, s, servertest.For("ListKeys", "{}"))
	}
	serve(t, s, servertest.For("DescribeKey", `{"KeyId":"x"}`))
	serve(t, s, servertest.Request{Target: "No", Unsigned: true})
	var text strings.Builder
	s.Core.WriteMetrics(&text)
	for _, line := range []string{
		`trent_requests_total{operation="ListKeys",result="ok"} 3`,
		`trent_requests_total{operation="DescribeKey",result="NotFoundException"} 1`,
		`trent_requests_total{operation="none",result="UnknownOperationException"} 1`,
	} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("no line %s in\n%s", line, text.String())
		}
	}
	if n := strings.Count(text.String(), "trent_requests_total{"); n != 3 {
		t.Errorf("%d counters", n)
	}
}

// TestStoreTrouble: what is not the caller's doing is a server's fault, is logged under the request id, and
// passes.
func TestStoreTrouble(t *testing.T) {
	t.Parallel()
	var broken *faultstore.Store
	var mu sync.Mutex
	var log []string
	s := servertest.Start(t, servertest.Options{
		Wrap: func(inner store.Store) store.Store { broken = faultstore.Wrap(inner); return broken },
		Logf: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf(format, args...))
		},
	})
	id := newKey(t, s)
	for _, c := range []struct {
		fault   faultstore.Fault
		request servertest.Request
		code    string
	}{
		{faultstore.Fault{Kind: faultstore.Load, Err: store.ErrUnavailable}, servertest.For("DescribeKey", absent(1)), "DependencyTimeoutException"},
		{faultstore.Fault{Kind: faultstore.Load, Err: store.ErrUnavailable}, servertest.For("GenerateDataKey", absent(2)), "DependencyTimeoutException"},
		{faultstore.Fault{Kind: faultstore.Load, Err: store.ErrUnavailable}, servertest.For("ListResourceTags", absent(3)), "KMSInternalException"},
		{faultstore.Fault{Kind: faultstore.List, Err: store.ErrUnavailable}, servertest.For("ListKeys", `{}`), "DependencyTimeoutException"},
		{faultstore.Fault{Kind: faultstore.Commit, Err: store.ErrUnavailable}, servertest.For("DisableKey", `{"KeyId":"`+id+`"}`), "DependencyTimeoutException"},
		{faultstore.Fault{Kind: faultstore.Commit, Err: store.ErrAmbiguous, Apply: true}, servertest.For("CreateKey", `{}`), "KMSInternalException"},
	} {
		c.fault.First = broken.Calls(c.fault.Kind) + 1
		broken.Add(c.fault)
		status, body := serve(t, s, c.request)
		if status != 500 || !strings.HasPrefix(body, `{"__type":"`+c.code+`","message":"`) || strings.Contains(body, "store") {
			t.Errorf("%s: %d %s, want %s", c.request.Target, status, body, c.code)
		}
		mu.Lock()
		if len(log) != 1 || !strings.Contains(log[0], "request ") {
			t.Errorf("%s: log %q", c.request.Target, log)
		}
		log = nil
		mu.Unlock()
		broken.Clear()
		if status, body := serve(t, s, c.request); status >= 500 {
			t.Errorf("%s, after the trouble: %d %s", c.request.Target, status, body)
		}
	}
}

// absent is a body that names a key which is not there, and which the cache has not heard of.
func absent(n int) string {
	return fmt.Sprintf(`{"KeyId":"00000000-1111-2222-3333-%012d"}`, n)
}
