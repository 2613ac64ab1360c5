package engine_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// hostile is a server that misbehaves on the level of TCP, TLS or HTTP.
type hostile struct {
	listener    net.Listener
	certificate tls.Certificate
	wg          sync.WaitGroup
	over        chan struct{}
	accepted    atomic.Uint64

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// newHostile serves each connection with f, until the test ends.
func newHostile(t *testing.T, f func(h *hostile, raw net.Conn)) *hostile {
	t.Helper()
	certificate, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{listener: l, certificate: certificate, over: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	h.wg.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			h.accepted.Add(1)
			h.mu.Lock()
			h.conns[raw] = struct{}{}
			h.mu.Unlock()
			h.wg.Go(func() {
				defer func() {
					h.mu.Lock()
					delete(h.conns, raw)
					h.mu.Unlock()
					raw.Close()
				}()
				f(h, raw)
			})
		}
	})
	t.Cleanup(func() {
		close(h.over)
		l.Close()
		h.dropAll()
		h.wg.Wait()
	})
	return h
}

func (h *hostile) dropAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.Close()
	}
}

func (h *hostile) target(t *testing.T) engine.Target {
	t.Helper()
	c, err := x509.ParseCertificate(h.certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c)
	return engine.Target{URL: "https://" + h.listener.Addr().String(), Region: "us-east-1", RootCAs: roots,
		Credentials: engine.Credentials{AccessKeyID: "test", Secret: "test"}}
}

// sleep is false when the test is over.
func (h *hostile) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-h.over:
		return false
	}
}

// drip writes byte by byte.
func (h *hostile) drip(c net.Conn, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil || !h.sleep(20*time.Millisecond) {
			return
		}
	}
}

const good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

// answering is a server over TLS that reads requests properly and answers each by f, which returns false to close.
func answering(f func(h *hostile, stream *tls.Conn, n uint64) bool) func(*hostile, net.Conn) {
	var n atomic.Uint64
	return func(h *hostile, raw net.Conn) {
		stream := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{h.certificate}})
		in := bufio.NewReader(stream)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			if !f(h, stream, n.Add(1)) {
				return
			}
		}
	}
}

// always answers every request alike, and closes.
func always(text string) func(*hostile, net.Conn) {
	return answering(func(_ *hostile, stream *tls.Conn, _ uint64) bool {
		_, _ = io.WriteString(stream, text)
		return false
	})
}

// Whatever a target does, every hit is counted under a name, and the run ends in its time.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	turns := make(chan struct{}, 16)
	for _, c := range []struct {
		name string
		f    func(*hostile, net.Conn)
		want string // the error of all hits; "": all are answered
		late bool   // a new connection for each hit: the handshake is what fails
	}{
		{name: "head byte by byte", want: "Timeout", f: answering(func(h *hostile, s *tls.Conn, _ uint64) bool {
			h.drip(s, "HTTP/1.1 200 OK\r\nX-Filler: "+strings.Repeat("x", 1000))
			return false
		})},
		{name: "body byte by byte", want: "Timeout", f: answering(func(h *hostile, s *tls.Conn, _ uint64) bool {
			_, _ = io.WriteString(s, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			h.drip(s, "{"+strings.Repeat(" ", 999))
			return false
		})},
		{name: "no answer", want: "Timeout", f: answering(func(h *hostile, s *tls.Conn, _ uint64) bool { return h.sleep(time.Minute) })},
		{name: "reset", want: "ConnectionReset", f: answering(func(h *hostile, s *tls.Conn, _ uint64) bool {
			_ = s.NetConn().(*net.TCPConn).SetLinger(0)
			_ = s.NetConn().Close()
			return false
		})},
		{name: "close without an answer", want: "ConnectionClosed", f: always("")},
		{name: "half an answer", want: "AnswerTruncated", f: always("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":")},
		{name: "half a head", want: "AnswerTruncated", f: always("HTTP/1.1 200 OK\r\nContent-Length: 5")},
		{name: "half a chunk", want: "AnswerTruncated", f: always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"half\":")},
		{name: "garbage", want: "MalformedAnswer", f: always(strings.Repeat("garbage ", 64))},
		{name: "binary garbage", want: "MalformedAnswer", f: always(string([]byte{0, 1, 2, 255, 13, 10, 13, 10}))},
		{name: "lengths that differ", want: "MalformedAnswer", f: always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")},
		{name: "a length that is none", want: "MalformedAnswer", f: always("HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}")},
		{name: "a status that is none", want: "MalformedAnswer", f: always("HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\n{}")},
		{name: "chunks without sizes", want: "MalformedAnswer", f: always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")},
		{name: "a huge head", want: "MalformedAnswer", f: always("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Filler: "+strings.Repeat("x", 1000)+"\r\n", 100) + "\r\n")},
		{name: "a huge body", want: "MalformedAnswer", f: always("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + strings.Repeat("x", 9_000_000))},
		{name: "interim answers without end", want: "MalformedAnswer", f: always(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 3000))},
		{name: "an interim answer", f: answering(func(_ *hostile, s *tls.Conn, _ uint64) bool {
			_, err := io.WriteString(s, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+good)
			return err == nil
		})},
		{name: "more than the answer", f: answering(func(_ *hostile, s *tls.Conn, _ uint64) bool {
			_, err := io.WriteString(s, good+good)
			return err == nil
		})},
		{name: "an error that is no JSON", want: "HTTP502", f: always("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>")},
		{name: "plaintext", want: "NotTLS", late: true, f: func(_ *hostile, raw net.Conn) {
			_, _ = io.WriteString(raw, "HTTP/1.1 400 Bad Request\r\n\r\n")
			_, _ = raw.Read(make([]byte, 4096))
		}},
		{name: "closed instead of a handshake", want: "TLSHandshakeFailed", late: true, f: func(_ *hostile, raw net.Conn) {
			_, _ = raw.Read(make([]byte, 4096))
		}},
		{name: "an alert", want: "TLSHandshakeFailed", late: true, f: func(h *hostile, raw net.Conn) {
			_ = tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{h.certificate}, MaxVersion: tls.VersionTLS11}).Handshake()
		}},
		{name: "no handshake", want: "TLSHandshakeTimeout", late: true, f: func(h *hostile, _ net.Conn) { h.sleep(time.Minute) }},
		{name: "another certificate", want: "CertificateRefused", late: true, f: func(_ *hostile, raw net.Conn) {
			if other, err := selfSigned(); err == nil {
				_ = tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{other}}).Handshake()
			}
		}},
	} {
		for _, name := range engine.Names() {
			e, err := engine.New(name)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				turns <- struct{}{}
				defer func() { <-turns }()
				// A busy machine may turn an answer into a timeout, in the end not even that.
				timeouts := []time.Duration{time.Second, 5 * time.Second, time.Minute}
				if strings.HasSuffix(c.want, "Timeout") { // the servers hold out for more than 20 s
					timeouts = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second}
				}
				var problem string
				for _, timeout := range timeouts {
					if problem = survive(t, e, c.f, c.want, c.late, timeout); problem == "" {
						return
					}
				}
				t.Errorf("%s, %s: %s", c.name, name, problem)
			})
		}
	}
	wg.Wait()
}

// survive runs an engine against a server and says what was wrong.
func survive(t *testing.T, e engine.Engine, f func(*hostile, net.Conn), want string, late bool, timeout time.Duration) string {
	h := newHostile(t, f)
	w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
	p := &engine.Plan{Target: h.target(t), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 5, Timeout: timeout,
		Schedule: schedule.Constant(100, 50*time.Millisecond), SDK: engine.SDKOptions{MaxAttempts: 1}}
	if late {
		p.Connect.Requests = 1
	}
	begun := time.Now()
	report, s, err := tryRun(t, e, p)
	if err != nil {
		return err.Error()
	}
	got := s.Errors[want] + s.Errors["ClosedBySDK"]
	if want == "" {
		got = s.Count(measure.OK)
	}
	if took := time.Since(begun); took > 5*timeout {
		return fmt.Sprintf("took %v", took)
	}
	if got != 5 || report.Due != 5 || report.Interrupted {
		return fmt.Sprintf("want %q, got %v; %d OK", want, s.Errors, s.Count(measure.OK))
	}
	return ""
}

// A server that takes another certificate in mid-run, closing what it has.
func TestCertificateChangesInMidRun(t *testing.T) {
	t.Parallel()
	slower(t, 60, certificateChanges)
}

// slower tries a check with each engine until it finds nothing wrong, each time with more time for the same number of hits and for
// each of them: a busy machine may answer late, or be in the middle of an answer when the server changes.
func slower(t *testing.T, hits float64, check func(t *testing.T, e engine.Engine, times schedule.Schedule, timeout time.Duration) string) {
	t.Helper()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		var problem string
		for i, rate := range []float64{100, 50, 20, 10} {
			timeout := []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}[i]
			if problem = check(t, e, schedule.Constant(rate, time.Duration(hits/rate*float64(time.Second))), timeout); problem == "" {
				return
			}
		}
		t.Error(problem)
	})
}

// certificateChanges says what is wrong where a certificate changes after 20 of 60 hits, "" for nothing.
func certificateChanges(t *testing.T, e engine.Engine, times schedule.Schedule, timeout time.Duration) string {
	other, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Uint64
	h := newHostile(t, func(h *hostile, raw net.Conn) {
		certificate := h.certificate
		if n.Load() >= 20 {
			certificate = other
		}
		stream := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{certificate}})
		in := bufio.NewReader(stream)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			if n.Add(1) > 20 {
				h.dropAll()
				return
			}
			_, _ = io.WriteString(stream, good)
		}
	})
	w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
	_, s, err := tryRun(t, e, &engine.Plan{Target: h.target(t), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 4, Timeout: timeout,
		Schedule: times, SDK: engine.SDKOptions{MaxAttempts: 1}})
	if err != nil {
		return err.Error()
	}
	if s.Count(measure.OK) != 20 || s.Errors["CertificateRefused"] < 20 || s.Count(measure.ConnError) != 40 {
		return fmt.Sprintf("%v, %d OK", s.Errors, s.Count(measure.OK))
	}
	return ""
}

// A server that goes away is refused by its name; one that is not there at all is an error of the run.
func TestServerGone(t *testing.T) {
	t.Parallel()
	slower(t, 50, func(t *testing.T, e engine.Engine, times schedule.Schedule, timeout time.Duration) string {
		h := newHostile(t, answering(func(h *hostile, s *tls.Conn, n uint64) bool {
			if n == 10 {
				h.listener.Close()
				h.dropAll()
				return false
			}
			_, err := io.WriteString(s, good)
			return err == nil
		}))
		w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
		p := &engine.Plan{Target: h.target(t), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 4, Timeout: timeout,
			Schedule: times, SDK: engine.SDKOptions{MaxAttempts: 1}}
		_, s, err := tryRun(t, e, p)
		if err != nil {
			return err.Error()
		}
		if s.Count(measure.OK) < 5 || s.Errors["ConnectionRefused"] < 30 {
			return fmt.Sprintf("%v, %d OK", s.Errors, s.Count(measure.OK))
		}
		if _, err := e.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "connecting to https://127.0.0.1") {
			return fmt.Sprintf("a target that is not there: %v", err)
		}
		return ""
	})
}

// A flood of requests' worth of garbage must not grow the memory: what a connection keeps is bounded.
func TestAnswerBounds(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]io.Reader{
		"chunks of one byte": io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), endless("1;"+strings.Repeat("e", 1<<10)+"\r\na\r\n")),
		"interim answers":    endless("HTTP/1.1 100 Continue\r\n\r\n"),
		"a body to the end":  io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\n\r\n"), endless("x")),
		"trailers":           io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"), endless("a: b\r\n")),
	} {
		counted := &counter{source: text}
		if _, err := engine.ReadAnswer(counted); err != engine.ErrMalformed || counted.n > 64<<20 {
			t.Errorf("%s: %v after %d bytes", name, err, counted.n)
		}
	}
}

type counter struct {
	source io.Reader
	n      int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.n += n
	return n, err
}

// endless repeats a text.
func endless(text string) io.Reader {
	return &repeated{text: bytes.Repeat([]byte(text), 1+4096/len(text))}
}

type repeated struct {
	text []byte
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

// The names and outcomes of hits whose connections cannot be made, for all engines alike.
func TestRefusedFromTheStart(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		h := newHostile(t, func(*hostile, net.Conn) {})
		h.listener.Close()
		w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
		report, s := run(t, e, &engine.Plan{Target: h.target(t), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 4, Connect: engine.Connect{Late: true},
			Schedule: schedule.Constant(100, 100*time.Millisecond), SDK: engine.SDKOptions{MaxAttempts: 1}})
		if diff := cmp.Diff(map[string]uint64{"ConnectionRefused": 10}, s.Errors); diff != "" || report.Handshakes.Failed != 10 || report.Sent != 0 {
			t.Errorf("%s%+v", diff, fmt.Sprint(report.Handshakes.Failed, report.Sent))
		}
	})
}
