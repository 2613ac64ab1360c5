// Package frontend is the HTTP server: TLS policy, certificates, limits, and the ownership of the buffers
// that customers' data passes through. fasthttp's types do not leave it.
//
// It is not where requests are judged: what is well-formed HTTP goes to the Handler, whatever its method and
// path. It answers by itself only what never becomes a request (Reason).
//
// A Server is safe for concurrent use. It owns one goroutine for each connection, inside fasthttp, which end
// with Shutdown. A CA is safe for concurrent use and owns no goroutine.
//
// # Buffers
//
// A handler's answer goes into a buffer that belongs to the connection, with its head, and the connection
// sends and then clears it: when fasthttp flushes, it calls the connection's Write, which sends the
// answers that are due and drops fasthttp's own rendering of them (a status line and no more). So an answer lies
// in one buffer, never in a pool, goes out as one TLS record, and its header lines have the service's order,
// which fasthttp cannot write. The request's body is cleared over its whole capacity before fasthttp goes
// on; the buffers that TLS and fasthttp read into, of what they are done with before they read again (scrub). What
// cannot be cleared here: fasthttp's read buffer after a request that is refused before its end, a record buffer of
// crypto/tls that an answer outgrew while it was encrypted, the smaller buffers of a chunked body that grew, and those of
// an answer that outgrew 8 KiB; no answer with a plaintext is that long.
package frontend

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"time"
)

// ConnectionTLS is what is known of a connection's TLS.
type ConnectionTLS struct {
	Version, CipherSuite uint16
	Curve                tls.CurveID
	ServerName           string
}

// Request is a request as received. All of it is views that end when the handler returns; Body may be
// overwritten in place.
type Request struct {
	Method, Path, RawQuery []byte
	RawHeaders             []byte // header lines as received, without the request line
	Body                   []byte
	Remote                 netip.AddrPort
	TLS                    *ConnectionTLS // nil on a plaintext listener
	Door                   any            // what ServeAt was given for the listener; nil with Serve
	Received               time.Time      // when the request had been read in full
}

// Response is what a handler answers.
type Response struct {
	Status      int      // 200 unless set
	RequestID   [36]byte // a lower-case UUID; minted here if the handler leaves it zero
	ContentType string   // left out if empty
	// Body is appended to: it begins as the connection's own buffer, with capacity for any answer that holds
	// plaintext. Whatever is left in it when the handler returns is the frontend's, and is cleared.
	Body []byte
}

// Handler answers requests. Nothing of r or w may be kept after Serve returns, and w.Body must not alias r.Body.
type Handler interface {
	Serve(r *Request, w *Response)
}

// Reason is why the frontend refuses a request before a handler sees it.
type Reason uint8

// The reasons.
const (
	Malformed       Reason = iota + 1 // not HTTP/1
	BodyTooLarge                      // longer than Options.MaxBody
	HeadersTooLarge                   // longer than Options.MaxHeader
	TimedOut                          // not received within Options.ReadTimeout
)

var reasonNames = [...]string{"", "malformed", "body_too_large", "headers_too_large", "timed_out"}

// String is the reason as metrics name it.
func (r Reason) String() string { return reasonNames[r] }

// Options configure a Server. Limits are chosen: KMS does not publish its own.
type Options struct {
	TLS          *tls.Config   // required unless Plaintext
	Plaintext    bool          // serve without TLS, for comparisons
	MaxBody      int           // bytes; 0 is 1 MiB
	MaxHeader    int           // bytes of request line and headers; 0 is 16 KiB
	ReadTimeout  time.Duration // of one request from its first byte, and of a new connection's wait for it; 0 is 30 s
	WriteTimeout time.Duration // of one answer; 0 is 30 s
	IdleTimeout  time.Duration // between requests of a connection; 0 is 90 s
	// HandshakeTimeout is for a whole TLS handshake; 0 is 10 s, or ReadTimeout if that is shorter. MaxHandshakes is how
	// many are in flight at the most, from the ClientHello on; 0 is 1024. Others wait; a handshake that has taken half
	// of the timeout is then given up for the next one.
	HandshakeTimeout time.Duration
	MaxHandshakes    int
	// Refuse words the answer to what never reaches the handler. w comes complete, with the exception's name
	// and no text; Body may be replaced. nil: it stays so.
	Refuse func(reason Reason, w *Response)
	// Logf gets trouble of the server's own; nil: it is dropped. What clients do wrong is counted (Stats) and
	// not logged, so that none of them can fill a log.
	Logf func(format string, args ...any)
}

// Defaults of Options.
const (
	DefaultMaxBody      = 1 << 20 // the largest legal request is about 400 kB
	DefaultMaxHeader    = 16 << 10
	DefaultReadTimeout  = 30 * time.Second
	DefaultWriteTimeout = 30 * time.Second
	DefaultIdleTimeout  = 90 * time.Second // the longest that SDKs keep a connection idle

	DefaultHandshakeTimeout = 10 * time.Second
	DefaultMaxHandshakes    = 1024 // about two seconds of work for two cores [chosen]

	graceShare = 2 // of the handshake timeout, see shaking
)

func (o Options) withDefaults() (Options, error) {
	if o.TLS == nil && !o.Plaintext {
		return o, errors.New("a server without a TLS configuration must be told to serve plaintext")
	}
	setDefault(&o.MaxBody, DefaultMaxBody)
	setDefault(&o.MaxHeader, DefaultMaxHeader)
	setDefault(&o.ReadTimeout, DefaultReadTimeout)
	setDefault(&o.HandshakeTimeout, min(DefaultHandshakeTimeout, o.ReadTimeout))
	setDefault(&o.MaxHandshakes, DefaultMaxHandshakes)
	setDefault(&o.WriteTimeout, DefaultWriteTimeout)
	setDefault(&o.IdleTimeout, DefaultIdleTimeout)
	if o.Refuse == nil {
		o.Refuse = func(Reason, *Response) {}
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o, nil
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}
