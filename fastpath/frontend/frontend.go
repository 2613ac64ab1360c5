// Package frontend is the HTTP server: TLS policy, certificates, limits, and the ownership of the buffers
// that customers' data passes through. fasthttp's types do not leave it.
package frontend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
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
	Received               time.Time      // when the request had been read in full
}

// Response is what a handler answers.
type Response struct {
	Status      int
	RequestID   [36]byte
	ContentType string
	Body        []byte // append to it: the connection's own buffer
}

// Handler answers requests. Nothing of r or w may be kept after Serve returns, and w.Body must not alias r.Body.
type Handler interface {
	Serve(r *Request, w *Response)
}

// Reason is why the frontend refuses a request before a handler sees it.
type Reason uint8

// The reasons.
const (
	Malformed       Reason = iota + 1 // not HTTP/1.1
	BodyTooLarge                      // longer than Options.MaxBody
	HeadersTooLarge                   // longer than Options.MaxHeader
	TimedOut                          // not received in Options.ReadTimeout
)

// Options configure a Server.
type Options struct {
	TLS          *tls.Config   // required unless Plaintext
	Plaintext    bool          // serve without TLS, for comparisons
	MaxBody      int           // bytes; 0 is 1 MiB
	MaxHeader    int           // bytes of request line and headers; 0 is 16 KiB
	ReadTimeout  time.Duration // of one request, and of the TLS handshake; 0 is 30 s
	WriteTimeout time.Duration // of one answer; 0 is 30 s
	IdleTimeout  time.Duration // between requests of a connection; 0 is 90 s
	// Refuse words an answer to what never reaches the handler. w comes with status and content type set. nil:
	// the service's exception without text.
	Refuse func(reason Reason, w *Response)
	Logf   func(format string, args ...any) // nil: nothing is logged
}

// Server serves a handler on listeners.
type Server struct{}

// New makes a server.
func New(o Options, h Handler) (*Server, error) { return &Server{}, nil }

// Serve accepts connections until Shutdown; it then returns nil.
func (s *Server) Serve(l net.Listener) error { return nil }

// Shutdown drains: it stops accepting, closes idle connections, lets requests in flight finish, and closes
// what is left when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error { return nil }

// CertSource gives certificates for TLS handshakes.
type CertSource interface {
	Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
}

// ServerTLS is the endpoint's TLS policy over certificates of certs.
func ServerTLS(certs CertSource) *tls.Config { return &tls.Config{} }

// CA is a local certificate authority that issues the server's certificates.
type CA struct{}

// OpenCA loads the authority kept in dir or makes one. names are host names and addresses that the default
// certificate holds beside localhost, 127.0.0.1 and ::1.
func OpenCA(dir string, names ...string) (*CA, error) { return &CA{}, nil }

// Certificate implements CertSource.
func (ca *CA) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }

// Root is the authority's certificate in PEM.
func (ca *CA) Root() []byte { return nil }

// Pool holds the authority only.
func (ca *CA) Pool() *x509.CertPool { return x509.NewCertPool() }

// Bundle is the system's roots followed by the authority's certificate, in PEM.
func (ca *CA) Bundle() ([]byte, error) { return nil, nil }
