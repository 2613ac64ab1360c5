package frontend_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"trent/fastpath/frontend"
)

// eventually waits until a condition that is sure to come has come.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// dialTLS opens a connection and shakes hands.
func dialTLS(t testing.TB, address string, config *tls.Config) *tls.Conn {
	t.Helper()
	c := tls.Client(dial(t, address), config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDrip: who sends a byte now and then gains no time by it, in the head or in the body.
func TestDrip(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}
	for name, first := range map[string]string{
		"head":    "POST / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
		"body":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
		"chunked": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, address := start(t, frontend.Options{TLS: frontend.ServerTLS(ca), ReadTimeout: 200 * time.Millisecond}, echo)
			c := dialTLS(t, address, config)
			write(t, c, first)
			go func() {
				for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
					if _, err := io.WriteString(c, "x"); err != nil {
						tick.Stop()
						return
					}
				}
			}()
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != http.StatusRequestTimeout {
				t.Fatalf("%v, %v", resp, err)
			}
			if n := s.Stats().Refused[frontend.TimedOut]; n != 1 {
				t.Errorf("%d counted", n)
			}
			eventually(t, "the connection is gone", func() bool { return s.Stats().Open == 0 })
		})
	}
}

// TestClientThatDoesNotRead is let go when its answers have waited for WriteTimeout.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	long := strings.Repeat("x", 1<<20)
	s, address := start(t, frontend.Options{TLS: frontend.ServerTLS(ca), WriteTimeout: 100 * time.Millisecond},
		handlerFunc(func(_ *frontend.Request, w *frontend.Response) { w.Body = append(w.Body, long...) }))
	c := dialTLS(t, address, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
	go func() { // the buffers between the two hold a few of the answers
		for range 1000 {
			if _, err := io.WriteString(c, post("{}")); err != nil {
				return
			}
		}
	}()
	eventually(t, "an answer is given up", func() bool { return s.Stats().Aborted > 0 })
	eventually(t, "the connection is gone", func() bool { return s.Stats().Open == 0 })
}

// TestManyIdle: connections that do nothing keep nobody waiting, and end in time.
func TestManyIdle(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}
	const many = 100
	s, address := start(t, frontend.Options{TLS: frontend.ServerTLS(ca), HandshakeTimeout: 20 * time.Second, ReadTimeout: time.Second, IdleTimeout: time.Second, MaxHandshakes: 4}, echo)
	idle := make([]*tls.Conn, many)
	for i := range idle {
		idle[i] = dialTLS(t, address, config)
	}
	for range 3 {
		c := dialTLS(t, address, config)
		write(t, c, post("{}"))
		answers(t, bufio.NewReader(c), 1)
		_ = c.Close()
	}
	for _, c := range idle {
		if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
			t.Fatalf("%q, %v", rest, err)
		}
	}
	eventually(t, "all are gone", func() bool { return s.Stats().Open == 0 })
}

// clientHello is the first record of a handshake that the server would go on with.
func clientHello(t testing.TB) string {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() { _ = tls.Client(theirs, &tls.Config{ServerName: "localhost"}).Handshake() }()
	record := make([]byte, 16<<10)
	if _, err := io.ReadFull(ours, record[:5]); err != nil {
		t.Fatal(err)
	}
	record = record[:5+int(record[3])<<8+int(record[4])]
	if _, err := io.ReadFull(ours, record[5:]); err != nil {
		t.Fatal(err)
	}
	return string(record)
}

// TestStuckHandshakes: clients who stop halfway are given up for others, the oldest first.
func TestStuckHandshakes(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	s, address := start(t, frontend.Options{TLS: frontend.ServerTLS(ca), MaxHandshakes: 4}, echo)
	s.SetGrace(0)
	hello := clientHello(t)
	stuck := make([]net.Conn, 10)
	for i := range stuck {
		stuck[i] = dial(t, address)
		write(t, stuck[i], hello)
		if _, err := io.ReadFull(stuck[i], make([]byte, 100)); err != nil { // of the server's answer
			t.Fatal(err)
		}
	}
	for i, c := range stuck[:6] {
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if stats := s.Stats(); stats.Shaking != 4 || stats.Displaced != 6 {
		t.Errorf("%d handshakes in flight, %d displaced", stats.Shaking, stats.Displaced)
	}
	c := dialTLS(t, address, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
	write(t, c, post("{}"))
	answers(t, bufio.NewReader(c), 1)
	if stats := s.Stats(); stats.Displaced != 7 || stats.Shaking != 3 {
		t.Errorf("%d displaced, %d in flight", stats.Displaced, stats.Shaking)
	}
}

// TestSilentConnections: those that have not said what they want keep nobody out, however many there are.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	s, address := start(t, frontend.Options{TLS: frontend.ServerTLS(ca), MaxHandshakes: 1}, echo)
	s.SetGrace(time.Hour)
	hello := clientHello(t)
	for i := range 50 {
		write(t, dial(t, address), hello[:i*len(hello)/50])
	}
	c := dialTLS(t, address, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
	write(t, c, post("{}"))
	answers(t, bufio.NewReader(c), 1)
	if stats := s.Stats(); stats.Displaced != 0 || stats.Shaking != 0 {
		t.Errorf("%d displaced, %d in flight", stats.Displaced, stats.Shaking)
	}
}

// TestHandshakesQueue: at the bound a handshake waits for one that ends, and does not keep the server from its own end.
func TestHandshakesQueue(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	s, address := start(t, frontend.Options{TLS: frontend.ServerTLS(ca), MaxHandshakes: 1}, echo)
	s.SetGrace(time.Hour)
	hello := clientHello(t)
	first := dial(t, address)
	write(t, first, hello)
	eventually(t, "the first shakes hands", func() bool { return s.Stats().Shaking == 1 })
	done := make(chan error, 1)
	second := tls.Client(dial(t, address), &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
	go func() { done <- second.Handshake() }()
	eventually(t, "the second waits", func() bool { return s.Waiting() == 1 })
	select {
	case err := <-done:
		t.Fatalf("not made to wait: %v", err)
	default:
	}
	_ = first.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for range 3 {
		write(t, dial(t, address), hello)
	}
	eventually(t, "two wait", func() bool { return s.Waiting() == 2 })
	// The shutdown at the end of the test must not wait for the hour.
}

// TestExpectAfterAPause: the word to go on is not sent under the deadline of an earlier answer.
func TestExpectAfterAPause(t *testing.T) {
	t.Parallel()
	const timeout = 50 * time.Millisecond
	_, address := start(t, frontend.Options{WriteTimeout: timeout}, echo)
	c := dial(t, address)
	r := bufio.NewReader(c)
	write(t, c, post("{}"))
	answers(t, r, 1)
	time.Sleep(2 * timeout)
	write(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("%v, %v", resp, err)
	}
	write(t, c, "{}")
	answers(t, r, 1)
}
