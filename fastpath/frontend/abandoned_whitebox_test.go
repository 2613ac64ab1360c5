package frontend

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

const secretText = "SECRET-plaintext-SECRET"

type echoHandler struct{}

func (echoHandler) Serve(r *Request, w *Response) { w.Body = append(w.Body, r.Body...) }

// closedPipe makes a pipe's end report its own closing as a socket does.
type closedPipe struct{ net.Conn }

func (p closedPipe) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if err == io.ErrClosedPipe {
		err = net.ErrClosed
	}
	return n, err
}

// TestAbandonedRequests: however a request ends, the bytes of its body that were read do not go back to
// fasthttp's pool, and nothing of it stays with the connection.
func TestAbandonedRequests(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat(secretText, 200)
	long := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n" + secret
	chunked := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	chunk := "11f8\r\n" + secret + "\r\n" // 4,600 bytes
	tests := []struct {
		name, request string
		end           func(s *Server, client net.Conn)
	}{
		{"client closes", long, func(_ *Server, client net.Conn) { _ = client.Close() }},
		{"read timeout", long, func(*Server, net.Conn) {}},
		{"drain ends", long, shutNow},
		{"drain ends in a chunked body", chunked + chunk, shutNow},
		{"client closes a chunked body", chunked + chunk, func(_ *Server, client net.Conn) { _ = client.Close() }},
		{"client closes before the trailer", chunked + chunk + "0\r\n", func(_ *Server, client net.Conn) { _ = client.Close() }},
		{"bad chunk", chunked + chunk + "zz\r\n", func(*Server, net.Conn) {}},
		{"bad trailer", chunked + chunk + "0\r\n: \x00\r\n\r\n", func(*Server, net.Conn) {}},
		{"chunks over the limit", chunked + chunk + chunk + "2000\r\n", func(*Server, net.Conn) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := New(Options{Plaintext: true, MaxBody: 10_000, ReadTimeout: 300 * time.Millisecond}, echoHandler{})
			if err != nil {
				t.Fatal(err)
			}
			var body []byte // as it was when the request failed
			refuse := s.http.ErrorHandler
			s.http.ErrorHandler = func(ctx *fasthttp.RequestCtx, err error) {
				body = ctx.Request.Body()
				body = body[:cap(body)]
				if !bytes.Contains(body, []byte(secretText)) {
					t.Error("no body was read: the test cannot fail")
				}
				refuse(ctx, err)
				if bytes.Contains(body, []byte(secretText)) {
					t.Error("the body is left as it was")
				}
				if len(ctx.Request.Body()) > 0 {
					t.Error("the body is still the request's, which goes to a pool")
				}
			}
			client, end := net.Pipe()
			conn, c := s.newConnection(closedPipe{end})
			s.remember(c)
			served := make(chan error, 1)
			go func() { served <- s.http.ServeConn(conn) }()
			go func() { _, _ = io.Copy(io.Discard, client) }()
			// A pipe's write returns when all of it has been read, or the other end is closed.
			_, _ = io.WriteString(client, tt.request)
			tt.end(s, client)
			<-served
			_ = client.Close()
			if body == nil {
				t.Error("fasthttp ended the request without its error handler: nobody cleared the body")
			}
			if bytes.Contains(c.out[:cap(c.out)], []byte(secretText)) || c.request.Body != nil || c.response.Body != nil {
				t.Error("the connection keeps parts of the request")
			}
		})
	}
}

func shutNow(s *Server, _ net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Shutdown(ctx)
}

// TestClaimedBody: the body of a request that is not executed, because Shutdown was first, is cleared as well.
func TestClaimedBody(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Plaintext: true}, echoHandler{})
	if err != nil {
		t.Fatal(err)
	}
	_, end := net.Pipe()
	conn, c := s.newConnection(end)
	c.state.Store(stateClosing)
	var ctx fasthttp.RequestCtx
	ctx.Init2(conn, nil, false)
	ctx.Request.SetBodyString(secretText)
	body := ctx.Request.Body()
	s.handle(&ctx)
	if body = body[:cap(body)]; bytes.Contains(body, []byte(secretText)) {
		t.Error("the body is left as it was")
	}
	if len(c.out) > 0 {
		t.Errorf("answered %q", c.out)
	}
}
