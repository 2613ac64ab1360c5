package frontend

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// Server serves a handler on listeners.
type Server struct {
	o       Options
	handler Handler
	http    *fasthttp.Server
	stats   counters
	shaking *shaking
	tls     *tls.Config // o.TLS, with handshakes counted; nil: plaintext

	draining atomic.Bool

	mu          sync.Mutex
	listeners   map[net.Listener]struct{}
	connections map[*connection]struct{}
	empty       chan struct{} // closed when draining and no connection is left
}

// keptBody is the largest capacity of a request body buffer that a connection keeps, in bytes.
const keptBody = 64 << 10

// New makes a server.
func New(o Options, h Handler) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		o: o, handler: h, shaking: newShaking(o.MaxHandshakes, o.HandshakeTimeout/graceShare),
		listeners:   map[net.Listener]struct{}{},
		connections: map[*connection]struct{}{},
		empty:       make(chan struct{}),
	}
	s.http = &fasthttp.Server{
		Handler:                       s.handle,
		ErrorHandler:                  s.refuse,
		ExpectHandler:                 s.expect,
		ConnState:                     s.connState,
		Logger:                        logger(o.Logf),
		SecureErrorLogMessage:         true, // no request bytes in the log
		MaxRequestBodySize:            o.MaxBody,
		ReadBufferSize:                o.MaxHeader,
		WriteBufferSize:               512, // holds status lines only
		ReadTimeout:                   o.ReadTimeout,
		WriteTimeout:                  o.WriteTimeout,
		IdleTimeout:                   o.IdleTimeout,
		LazyRequestTime:               true,
		DisableHeaderNamesNormalizing: true,
		DisablePreParseMultipartForm:  true,
		NoDefaultServerHeader:         true,
		NoDefaultDate:                 true,
		NoDefaultContentType:          true,
	}
	if o.TLS != nil {
		s.tls = s.shaking.hooked(o.TLS)
	}
	return s, nil
}

// logger passes fasthttp's messages on, except its line about every connection that ended with an error:
// those are the client's doing, and counted.
type logger func(format string, args ...any)

func (l logger) Printf(format string, args ...any) {
	if !strings.HasPrefix(format, "error when serving connection") {
		l(format, args...)
	}
}

// handle is fasthttp's handler. Nothing of ctx is kept.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	c := connectionOf(ctx.Conn())
	ctx.Response.SkipBody = true // its rendering is dropped: see connection.Write
	header := &ctx.Request.Header
	body := ctx.Request.Body()
	if c.state.Load() == stateClosing {
		clear(body[:cap(body)])
		c.requests.clear()
		ctx.SetConnectionClose() // Shutdown took the connection for idle first
		return
	}
	r, w := &c.request, c.begin()
	r.Method = header.Method()
	r.Path, r.RawQuery = splitTarget(header.RequestURI())
	r.RawHeaders = header.RawHeaders()
	r.Body = body
	r.Remote = c.remote
	r.TLS = c.tlsInfo()
	r.Door = c.door
	r.Received = time.Now()

	s.handler.Serve(r, w)

	closing := s.draining.Load() || header.ConnectionClose()
	if closing {
		ctx.SetConnectionClose()
	}
	c.finish(w, r.Received, answerForm{closing: closing, http10: !header.IsHTTP11(), headOnly: ctx.IsHead()})
	clear(body[:cap(body)])
	if cap(body) > keptBody {
		ctx.Request.SwapBody(nil)
	}
	*r = Request{}
	if closing {
		c.requests.clear() // it goes back to a pool
	}
}

// splitTarget cuts a request target into path and query. The absolute form (RFC 9112, section 3.2.2) loses
// its scheme and authority.
func splitTarget(target []byte) (path, query []byte) {
	if len(target) > 0 && target[0] != '/' {
		if i := bytes.Index(target, []byte("://")); i > 0 {
			target = target[i+3:]
			if j := bytes.IndexByte(target, '/'); j >= 0 {
				target = target[j:]
			} else {
				target = []byte{'/'}
			}
		}
	}
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		return target[:i], target[i+1:]
	}
	return target, nil
}

// expect answers Expect: 100-continue, unless the body that is announced is too long to be read.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	c := connectionOf(ctx.Conn())
	if ctx.Request.Header.ContentLength() > s.o.MaxBody {
		s.answerRefusal(c, BodyTooLarge)
		c.linger() // some clients do not wait for the word
		ctx.Response.SkipBody = true
		return fasthttp.StatusRequestEntityTooLarge
	}
	// fasthttp sends this under the deadline of the answer before.
	if err := c.SetWriteDeadline(time.Now().Add(s.o.WriteTimeout)); err != nil {
		return fasthttp.StatusExpectationFailed
	}
	c.out = append(c.out, "HTTP/1.1 100 Continue\r\n\r\n"...)
	return fasthttp.StatusContinue
}

// refuse is fasthttp's error handler: a request could not be read. The connection ends after the answer.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, err error) {
	c := connectionOf(ctx.Conn())
	ctx.Response.SkipBody = true
	if body := ctx.Request.SwapBody(nil); body != nil {
		clear(body[:cap(body)])
	}
	if c.state.Load() != stateActive {
		return // nothing arrived, not even a TLS handshake
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		s.stats.aborted.Add(1) // the client went away
		return
	}
	s.answerRefusal(c, reasonOf(err))
	c.linger()
}

func reasonOf(err error) Reason {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return BodyTooLarge
	case errors.As(err, &small):
		return HeadersTooLarge
	case errors.As(err, &network) && network.Timeout():
		return TimedOut
	}
	return Malformed
}

// refusals are the answers without a text, by reason (statuses and names: KMS API Reference, "Common Errors").
var refusals = [...]struct {
	status int
	body   string
}{
	Malformed:       {400, `{"__type":"MalformedHttpRequestException"}`},
	BodyTooLarge:    {413, `{"__type":"RequestEntityTooLargeException"}`},
	HeadersTooLarge: {400, `{"__type":"MalformedHttpRequestException"}`},
	TimedOut:        {408, `{"__type":"RequestTimeoutException"}`},
}

func (s *Server) answerRefusal(c *connection, reason Reason) {
	s.stats.refused[reason].Add(1)
	w := c.begin()
	w.Status = refusals[reason].status
	w.ContentType = "application/x-amz-json-1.1"
	w.Body = append(w.Body, refusals[reason].body...)
	s.o.Refuse(reason, w)
	c.finish(w, time.Now(), answerForm{closing: true})
}
