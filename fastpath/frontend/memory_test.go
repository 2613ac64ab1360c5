package frontend_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"trent/fastpath/frontend"
)

// memoryConn is the server's end of a connection without a kernel: each exchange hands one request over and
// returns once it is answered. Deadlines are not kept.
type memoryConn struct {
	requests chan []byte
	answered chan int
	pending  []byte
	closed   chan struct{}
	once     sync.Once
}

func newMemoryConn() *memoryConn {
	return &memoryConn{requests: make(chan []byte), answered: make(chan int), closed: make(chan struct{})}
}

// exchange sends a request and returns its answer's length in bytes.
func (c *memoryConn) exchange(request []byte) int {
	c.requests <- request
	return <-c.answered
}

func (c *memoryConn) Read(p []byte) (int, error) {
	if len(c.pending) == 0 {
		select {
		case c.pending = <-c.requests:
		case <-c.closed:
			return 0, io.EOF
		}
	}
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

func (c *memoryConn) Write(p []byte) (int, error) {
	c.answered <- len(p)
	return len(p), nil
}

func (c *memoryConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *memoryConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *memoryConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }

// memoryListener accepts one memoryConn, then nothing until it is closed.
type memoryListener struct {
	conn   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{} }

// startInMemory serves h over one memoryConn, in plaintext.
func startInMemory(tb testing.TB, h frontend.Handler) *memoryConn {
	tb.Helper()
	s, err := frontend.New(frontend.Options{Plaintext: true}, h)
	if err != nil {
		tb.Fatal(err)
	}
	c := newMemoryConn()
	l := &memoryListener{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conn <- c
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	tb.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
		if err := <-served; err != nil {
			tb.Error(err)
		}
	})
	return c
}

// sdkRequest is an Encrypt of 32 bytes as an SDK sends it.
var sdkRequest = []byte("POST / HTTP/1.1\r\nHost: 127.0.0.1:8443\r\nUser-Agent: aws-sdk-go-v2/1.47.8 ua/2.1 os/linux lang/go#1.26 md/GOARCH#amd64 api/kms#1.62.5\r\n" +
	"Content-Length: 107\r\nAmz-Sdk-Invocation-Id: 7f1e8f4e-4f43-4d70-8e2e-6f9f4f4b6f10\r\nAmz-Sdk-Request: attempt=1; max=3\r\n" +
	"Authorization: AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/kms/aws4_request, SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;x-amz-date;x-amz-target, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n" +
	"Content-Type: application/x-amz-json-1.1\r\nX-Amz-Date: 20261124T103000Z\r\nX-Amz-Target: TrentService.Encrypt\r\nAccept-Encoding: identity\r\n\r\n" +
	`{"KeyId":"1234abcd-12ab-34cd-56ef-1234567890ab","Plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`)

func BenchmarkExchange(b *testing.B) {
	c := startInMemory(b, echo)
	b.ReportAllocs()
	for b.Loop() {
		c.exchange(sdkRequest)
	}
}
