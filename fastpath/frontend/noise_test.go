package frontend_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"trent/fastpath/frontend"
)

// lines collects a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format+"\n", args...)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestNoiseIsCounted: what clients do wrong is in the counts and not in the log, which they could fill.
func TestNoiseIsCounted(t *testing.T) {
	t.Parallel()
	var log lines
	o := frontend.Options{MaxBody: 100, MaxHeader: 2048, Logf: log.printf}
	plain, address := start(t, o, echo)
	o.TLS = frontend.ServerTLS(openCA(t))
	secure, secureAddress := start(t, o, echo)

	for _, request := range []string{
		"nonsense\r\n\r\n", "nonsense\r\n\r\n", post(strings.Repeat("x", 101)),
		"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 4096) + "\r\n\r\n",
	} {
		c := dial(t, address)
		write(t, c, request)
		answers(t, bufio.NewReader(c), 1)
		_ = c.Close()
	}
	// The beginning of a second request comes in one segment with the first, so it has been read by the time
	// that the first is answered.
	for _, reset := range []bool{true, false} {
		c := dial(t, address)
		write(t, c, post("{}")+"POST / HTTP/1.1\r\nHost: a\r\n")
		answers(t, bufio.NewReader(c), 1)
		if reset {
			if err := c.(*net.TCPConn).SetLinger(0); err != nil { // close sends RST
				t.Fatal(err)
			}
		}
		_ = c.Close()
	}
	for _, hello := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x00\x02\x01\x00"} {
		c := dial(t, secureAddress)
		write(t, c, hello)
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.ReadAll(c)
		_ = c.Close()
	}
	c := tls.Client(dial(t, secureAddress), &tls.Config{ServerName: "localhost"}) // does not trust the authority
	if err := c.Handshake(); err == nil {
		t.Error("trusted an unknown authority")
	}
	_ = c.Close()

	for _, s := range []*frontend.Server{plain, secure} { // orders the connections' goroutines before what follows
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if text := log.String(); text != "" {
		t.Errorf("logged %s", text)
	}
	stats := plain.Stats()
	want := [...]uint64{frontend.Malformed: 2, frontend.BodyTooLarge: 1, frontend.HeadersTooLarge: 1, frontend.TimedOut: 0}
	if stats.Refused != want || stats.Aborted != 2 || stats.Accepted != 6 || stats.Open != 0 {
		t.Errorf("plaintext: %+v", stats)
	}
	if stats := secure.Stats(); stats.HandshakesFailed < 2 || stats.Accepted != 3 || stats.Refused != [len(want)]uint64{} {
		t.Errorf("TLS: %+v", stats)
	}
}

func TestReasonNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for reason := frontend.Malformed; reason <= frontend.TimedOut; reason++ {
		if name := reason.String(); name == "" || seen[name] {
			t.Errorf("reason %d is %q", reason, name)
		} else {
			seen[name] = true
		}
	}
}

// TestExpectRefusedWhileSending: a client that announces too long a body and sends it without waiting reads
// the refusal instead of a reset.
func TestExpectRefusedWhileSending(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{MaxBody: 1000}, echo)
	for range 3 {
		c := dial(t, address)
		body := strings.Repeat("x", 8<<20)
		request := strings.Replace(post(body), "Host", "Expect: 100-continue\r\nHost", 1)
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatalf("sending: %v", err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
}

// TestNoGoroutinesLeft does not run beside other tests, since it counts the process's goroutines.
func TestNoGoroutinesLeft(t *testing.T) {
	round := func() {
		ca := openCA(t)
		s, err := frontend.New(frontend.Options{TLS: frontend.ServerTLS(ca)}, echo)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		for i := range 8 {
			c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: ca.Pool()})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			switch i % 3 {
			case 0:
				write(t, c, post("{}"))
				answers(t, bufio.NewReader(c), 1)
			case 1:
				write(t, c, "nonsense\r\n\r\n")
				answers(t, bufio.NewReader(c), 1)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
	before, _ := ownGoroutines()
	round()
	round()
	after, stacks := ownGoroutines()
	for deadline := time.Now().Add(30 * time.Second); after > before && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
		after, stacks = ownGoroutines()
	}
	if after > before {
		t.Errorf("%d goroutines before, %d after\n%s", before, after, stacks)
	}
}

// ownGoroutines counts the goroutines that serve connections or are in the package. fasthttp's sweeper of idle
// goroutines, one for each call of Serve, sleeps on for up to ten seconds after its end, and is not counted.
func ownGoroutines() (int, string) {
	all := make([]byte, 1<<20)
	var own []string
	for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(stack, ".workerFunc(") || strings.Contains(stack, "trent/fastpath/frontend.") {
			own = append(own, stack)
		}
	}
	return len(own), strings.Join(own, "\n\n")
}
