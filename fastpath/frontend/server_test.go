package frontend_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"trent/fastpath/frontend"
)

// handlerFunc is a handler of a function.
type handlerFunc func(r *frontend.Request, w *frontend.Response)

func (f handlerFunc) Serve(r *frontend.Request, w *frontend.Response) { f(r, w) }

const requestID = "7f1e8f4e-4f43-4d70-8e2e-6f9f4f4b6f10"

// echo answers a request with its body.
var echo = handlerFunc(func(r *frontend.Request, w *frontend.Response) {
	copy(w.RequestID[:], requestID)
	w.ContentType = "application/x-amz-json-1.1"
	w.Body = append(w.Body, r.Body...)
})

// start serves h on a port of the loopback and shuts down at the test's end. With o.TLS unset it is plaintext.
func start(t testing.TB, o frontend.Options, h frontend.Handler) (*frontend.Server, string) {
	t.Helper()
	o.Plaintext = o.TLS == nil
	s, err := frontend.New(o, h)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s, l.Addr().String()
}

// dial opens a raw connection to a plaintext server, closed at the test's end.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func post(body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// answers reads n answers off a connection.
func answers(t testing.TB, r *bufio.Reader, n int) (bodies []string) {
	t.Helper()
	for range n {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(body))
	}
	return bodies
}

func write(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// TestAnswer compares whole answers, byte by byte.
func TestAnswer(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{}, handlerFunc(func(r *frontend.Request, w *frontend.Response) {
		echo(r, w)
		if string(r.RawQuery) == "refuse" {
			w.Status = 400
		}
		if string(r.RawQuery) == "long" {
			w.Body = append(w.Body[:0], bytes.Repeat([]byte("x"), 100_000)...)
		}
	}))
	const head = "\r\nx-amzn-RequestId: " + requestID + "\r\nCache-Control: no-cache, no-store, must-revalidate, private\r\n" +
		"Expires: 0\r\nPragma: no-cache\r\nDate: DATE\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: "
	tests := []struct{ name, request, want string }{
		{"success", post("{}"), "HTTP/1.1 200 OK" + head + "2\r\n\r\n{}"},
		{"nothing", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK" + head + "0\r\n\r\n"},
		{"refusal", strings.Replace(post("{}"), "/ ", "/?refuse ", 1), "HTTP/1.1 400 Bad Request" + head + "2\r\n\r\n{}"},
		{"closing", strings.Replace(post("{}"), "Host", "Connection: close\r\nHost", 1), "HTTP/1.1 200 OK" + head + "2\r\nConnection: close\r\n\r\n{}"},
		{"HTTP/1.0", strings.Replace(post("{}"), "HTTP/1.1", "HTTP/1.0", 1), "HTTP/1.1 200 OK" + head + "2\r\nConnection: close\r\n\r\n{}"},
		{"HTTP/1.0 kept alive", strings.Replace(strings.Replace(post("{}"), "HTTP/1.1", "HTTP/1.0", 1), "Host", "Connection: keep-alive\r\nHost", 1),
			"HTTP/1.1 200 OK" + head + "2\r\nConnection: keep-alive\r\n\r\n{}"},
		{"HEAD", "HEAD /?long HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK" + head + "100000\r\n\r\n"},
		{"longer than the buffer", "GET /?long HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK" + head + "100000\r\n\r\n" + strings.Repeat("x", 100_000)},
		{"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "HTTP/1.1 200 OK" + head + "2\r\n\r\n{}"},
	}
	date := regexp.MustCompile(`Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, address)
			write(t, c, tt.request)
			got := make([]byte, len(tt.want)-len("DATE")+len(http.TimeFormat))
			if n, err := io.ReadFull(c, got); err != nil {
				t.Fatalf("%v after %q", err, got[:n])
			}
			if text := date.ReplaceAllString(string(got), "Date: DATE"); text != tt.want {
				t.Errorf("got\n%.600s\nwant\n%.600s", text, tt.want)
			}
			if !strings.Contains(tt.want, "Connection: close") {
				write(t, c, post("again"))
				if bodies := answers(t, bufio.NewReader(c), 1); bodies[0] != "again" {
					t.Errorf("then %q", bodies)
				}
			} else if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
				t.Errorf("then %q, %v, want the connection closed", rest, err)
			}
		})
	}
}

// TestRequest: what the handler sees is what was sent.
func TestRequest(t *testing.T) {
	t.Parallel()
	type seen struct{ method, path, query, headers, body string }
	requests := make(chan seen, 1)
	_, address := start(t, frontend.Options{}, handlerFunc(func(r *frontend.Request, w *frontend.Response) {
		if !r.Remote.Addr().IsLoopback() || r.TLS != nil || time.Since(r.Received) > time.Minute {
			t.Errorf("remote %v, TLS %v, received %v", r.Remote, r.TLS, r.Received)
		}
		requests <- seen{string(r.Method), string(r.Path), string(r.RawQuery), string(r.RawHeaders), string(r.Body)}
	}))
	const headers = "hOST: a\r\nx-AMZ-target:  TrentService.Encrypt \r\nX-A: 2\r\nx-a: 1\r\nX-A: 1\r\nFolded: one\r\n\ttwo\r\n  three\r\ncontent-length: 2\r\ncookie: b=c\r\nUser-agent: x\r\n\r\n"
	tests := []struct {
		name, first string
		want        seen
	}{
		{"origin form", "POST /a%20b//c?x=%41&&y HTTP/1.1\r\n", seen{"POST", "/a%20b//c", "x=%41&&y", headers, "{}"}},
		{"absolute form", "POST http://host:1/a?b=http://c HTTP/1.1\r\n", seen{"POST", "/a", "b=http://c", headers, "{}"}},
		{"absolute form without a path", "POST http://host HTTP/1.1\r\n", seen{"POST", "/", "", headers, "{}"}},
		{"another method", "DELETE / HTTP/1.1\r\n", seen{"DELETE", "/", "", headers, "{}"}},
		{"GET with a body", "GET /healthz HTTP/1.1\r\n", seen{"GET", "/healthz", "", headers, "{}"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { // one after another: they share the channel
			c := dial(t, address)
			write(t, c, tt.first+headers+"{}")
			answers(t, bufio.NewReader(c), 1)
			if got := <-requests; got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	o := frontend.Options{MaxBody: 1000, MaxHeader: 2048, ReadTimeout: 300 * time.Millisecond}
	refused := o
	refused.Refuse = func(reason frontend.Reason, w *frontend.Response) {
		w.Body = fmt.Appendf(w.Body[:0], "reason %d", reason)
	}
	_, plain := start(t, o, echo)
	_, worded := start(t, refused, echo)
	long := strings.Repeat("x", 1001)
	tests := []struct {
		name, request string
		status        int
		body          string
		reason        frontend.Reason
	}{
		{"body", post(long), 413, "RequestEntityTooLargeException", frontend.BodyTooLarge},
		{"chunked body", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + long + "\r\n0\r\n\r\n", 413,
			"RequestEntityTooLargeException", frontend.BodyTooLarge},
		{"announced body", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n", 413,
			"RequestEntityTooLargeException", frontend.BodyTooLarge},
		{"headers", "POST / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 4096) + "\r\n\r\n", 400, "MalformedHttpRequestException", frontend.HeadersTooLarge},
		{"nonsense", "nonsense\r\n\r\n", 400, "MalformedHttpRequestException", frontend.Malformed},
		{"TLS to a plaintext port", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\n\n", 400, "MalformedHttpRequestException", frontend.Malformed},
		{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "MalformedHttpRequestException", frontend.Malformed},
		{"bad chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "MalformedHttpRequestException", frontend.Malformed},
		{"slow headers", "POST / HTTP/1.1\r\nHost: a\r\n", 408, "RequestTimeoutException", frontend.TimedOut},
		{"slow body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{", 408, "RequestTimeoutException", frontend.TimedOut},
	}
	for _, tt := range tests {
		for address, want := range map[string]string{plain: `{"__type":"` + tt.body + `"}`, worded: fmt.Sprintf("reason %d", tt.reason)} {
			t.Run(tt.name+"/"+want, func(t *testing.T) {
				t.Parallel()
				neighbour := dial(t, address)
				write(t, neighbour, post("before"))
				from := bufio.NewReader(neighbour)
				answers(t, from, 1)

				c := dial(t, address)
				write(t, c, tt.request)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != tt.status || string(body) != want || !resp.Close {
					t.Errorf("%d %q, closing %v, %v", resp.StatusCode, body, resp.Close, err)
				}
				if id := resp.Header.Get("X-Amzn-Requestid"); !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
					t.Errorf("request id %q", id)
				}
			})
		}
	}
}

// TestLongBodyIsAnswered: a client that is still sending a body over the limit reads the refusal instead of
// a reset.
func TestLongBodyIsAnswered(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{MaxBody: 1000}, echo)
	resp, err := http.Post("http://"+address, "application/x-amz-json-1.1", strings.NewReader(strings.Repeat("x", 8<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{}, echo)
	c := dial(t, address)
	write(t, c, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	want := "HTTP/1.1 100 Continue\r\n\r\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%q, %v", got, err)
	}
	write(t, c, "{}"+post("next"))
	if bodies := answers(t, bufio.NewReader(c), 2); bodies[0] != "{}" || bodies[1] != "next" {
		t.Errorf("%q", bodies)
	}
}

// TestPipelining sends many requests at once, with bodies of all sizes up to far over the buffers'; the
// answers come in order and unmixed. The last byte is held back so that answers wait for each other.
func TestPipelining(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{}, handlerFunc(func(r *frontend.Request, w *frontend.Response) {
		echo(r, w)
		clear(r.Body) // decoders overwrite it
	}))
	c := dial(t, address)
	var all strings.Builder
	var want []string
	for i := range 400 {
		body := strings.Repeat(fmt.Sprintf("%d,", i), 1+i*i%4000)
		want = append(want, body)
		all.WriteString(post(body))
	}
	text := all.String()
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, text)
		sent <- err
	}()
	got := answers(t, bufio.NewReader(c), len(want))
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("answer %d: %.40q, want %.40q", i, got[i], want[i])
		}
	}
}

// TestNoMixing has many connections, with TLS and without, send requests of their own at the same time.
func TestNoMixing(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	_, plain := start(t, frontend.Options{}, echo)
	_, secure := start(t, frontend.Options{TLS: frontend.ServerTLS(ca)}, echo)
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			var c net.Conn
			var err error
			if i%2 == 0 {
				c, err = net.Dial("tcp", plain)
			} else {
				c, err = tls.Dial("tcp", secure, &tls.Config{RootCAs: ca.Pool()})
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for n := range 40 {
				want := strings.Repeat(fmt.Sprintf("%d/%d ", i, n), 1+(i*n)%700)
				if _, err := io.WriteString(c, post(want)); err != nil {
					t.Error(err)
					return
				}
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := io.ReadAll(resp.Body); err != nil || string(got) != want {
					t.Errorf("connection %d, request %d: %.40q, %v", i, n, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestIdle: a connection without a request is closed in silence.
func TestIdle(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{ReadTimeout: 50 * time.Millisecond, IdleTimeout: 50 * time.Millisecond}, echo)
	fresh, used := dial(t, address), dial(t, address)
	write(t, used, post("{}"))
	r := bufio.NewReader(used)
	answers(t, r, 1)
	for name, c := range map[string]io.Reader{"fresh": fresh, "used": r} {
		if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
			t.Errorf("%s: %q, %v", name, rest, err)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if _, err := frontend.New(frontend.Options{}, echo); err == nil {
		t.Error("a server with neither TLS nor an order to do without it")
	}
	s, err := frontend.New(frontend.Options{Plaintext: true}, echo)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); err == nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("serving a closed listener after Shutdown: %v", err)
	}
}
