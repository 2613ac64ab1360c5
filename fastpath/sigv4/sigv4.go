// Package sigv4 verifies AWS Signature Version 4 on requests as they came off the wire: the Authorization
// header form and the presigned query form (AWS General Reference, "Signature Version 4 signing process").
//
// It is not a signer, and it does not decide what a caller may do. Signing keys are cached, verified
// signatures never: every request is verified in full. A Verifier is safe for concurrent use and owns no
// goroutine; a Verified belongs to one request at a time and holds views into that request, which end when
// the request's buffers are given back.
package sigv4

import (
	"time"
)

// Credential is what a signature is verified against.
type Credential struct {
	AccessKeyID  string
	Secret       []byte
	SessionToken string    // empty: a long-term key, which must come without a token
	Expires      time.Time // zero: never
	Principal    any       // opaque, for the caller
}

// Credentials finds credentials. Lookup is called without locks, must not allocate on the hot path and
// returns nil for an unknown access key id.
type Credentials interface {
	Lookup(accessKeyID []byte) *Credential
}

// Request is the signed request as received. Nothing of it is changed or kept.
type Request struct {
	Method, Path, RawQuery []byte
	RawHeaders             []byte // the header block, lines ended by CRLF, without the request line
	Body                   []byte
}

// Options configure a Verifier.
type Options struct {
	Credentials Credentials
	Service     string        // as in the credential scope; "" is kms
	Skew        time.Duration // how far a request's time may be off either way; 0 is 5 minutes
	// RegionOK says whether a Region of a credential scope is served. nil: every Region is.
	RegionOK func(region []byte) bool
	// HostRegion says which Region the Host header fixes; ok false: the scope's Region decides. nil: none does.
	HostRegion func(host []byte) (region []byte, ok bool)
}

// Error is a refusal: the exception's name and text as the service answers them.
type Error struct {
	Code    string
	Message string
}

// Error gives name and text.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Verified is what is known of a request after Verify, and the scan of its header block.
type Verified struct {
	Credential      *Credential
	Region, Service []byte // views into the request
	Presigned       bool
}

// Verifier verifies signatures.
type Verifier struct{}

// New makes a Verifier.
func New(o Options) *Verifier { return &Verifier{} }

// Verify checks the signature of r at time now; out is overwritten. Every failure is an *Error.
func (v *Verifier) Verify(now time.Time, r *Request, out *Verified) error { return nil }

// Scan finds the headers in a raw block; Verify of a request with the same block uses the scan.
// The error is an *Error.
func (out *Verified) Scan(rawHeaders []byte) error { return nil }

// Header finds the first header of that name, which must be in lower case. The value has no surrounding space.
func (out *Verified) Header(name string) ([]byte, bool) { return nil, false }

// Reset drops all views into the request.
func (out *Verified) Reset() {}
