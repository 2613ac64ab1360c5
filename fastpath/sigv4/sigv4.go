// Package sigv4 verifies AWS Signature Version 4 on requests as they came off the wire: the Authorization
// header form and the presigned query form (IAM User Guide, "AWS Signature Version 4 for API requests").
//
// It is not a signer, and it does not decide what a caller may do. Signing keys are cached, verified
// signatures never: every request is verified in full, and its body is always hashed, whatever
// x-amz-content-sha256 says. Faults are found in this order: no authentication at all → incomplete →
// unknown access key, wrong or expired token → time → credential scope → headers that must be signed →
// signature.
//
// A Verifier is safe for concurrent use and owns no goroutine. A Verified belongs to one request at a time
// and holds views into that request, which end when the request's buffers are given back. Neither allocates
// for a request that verifies, once a Verified has grown its scratch.
//
// # Choices where the service is silent
//
//   - SignedHeaders may be unsorted or in upper case: the canonical form is sorted and in lower case, and
//     the signature is computed over that.
//   - A tab counts as a space in header values, and a folded line continues the value after one space.
//   - Every x-amz-* header must be signed, in the query form too.
//   - An Authorization header is used before query parameters when a request has both.
//   - '+' in a query means a space, as form encoding has it.
//   - A presigned request without X-Amz-Expires is valid as long as one with a header.
package sigv4

import (
	"bytes"
	"crypto/subtle"
	"time"
)

// Credential is what a signature is verified against.
type Credential struct {
	AccessKeyID  string
	Secret       []byte    // never changed in place
	SessionToken string    // empty: a long-term key, which must come without a token
	TokenMatched bool      // it was found by its token, which is not compared again
	Expires      time.Time // zero: never
	Principal    any       // opaque, for the caller
}

// Credentials finds credentials. Lookup is called without locks and must not allocate on the hot path. It is given the
// session token that came along, empty where none did, and returns nil for an unknown access key id; of one that it knows
// by the token alone, nil for a token that is not of the key too. Its errors are trouble, and become Verify's.
type Credentials interface {
	Lookup(accessKeyID, token []byte) (*Credential, error)
}

// Request is the signed request as received. Nothing of it is changed or kept.
type Request struct {
	Method, Path, RawQuery []byte // Path as in the request line, still percent-encoded
	RawHeaders             []byte // the header block, without the request line
	Body                   []byte
}

// Options configure a Verifier.
type Options struct {
	Credentials Credentials
	Service     string        // as in the credential scope; "" is kms
	Skew        time.Duration // how far a request's time may be off either way, whole minutes; 0 is 5 minutes
	// RegionOK says whether a Region of a credential scope is served. nil: every Region is.
	RegionOK func(region []byte) bool
	// HostRegion says which Region the Host header fixes; ok false: the scope's Region decides. nil: none does.
	HostRegion func(host []byte) (region []byte, ok bool)
}

// defaultSkew is KMS's window: its refusals read "- 5 min." (STS and ECR use 15).
const defaultSkew = 5 * time.Minute

// Verified is what is known of a request after Verify, and the scan of its header block.
type Verified struct {
	Credential      *Credential
	Region, Service []byte // views into the request
	Presigned       bool

	headers headerBlock
	claim   claim
	scratch []byte // canonical request, then the string to sign
	names   []byte // SignedHeaders in canonical form, when they did not come so
	params  []byte // decoded query parameters of the query form
	query   [maxParams]param
}

// claim is what a request says of its signature: views into the request, or into Verified.params.
type claim struct {
	credential    []byte // the five elements below
	accessKeyID   []byte
	date          []byte
	region        []byte
	service       []byte
	terminator    []byte
	signedHeaders []byte
	signature     []byte
	token         []byte

	timestamp [len(timestampLayout)]byte // the request's time as the string to sign has it
	time      int64                      // the same, seconds since the epoch
	lifetime  int64                      // seconds, of the query form; 0: the usual window
}

// Reset drops all views into the request. The scratch is kept.
func (out *Verified) Reset() {
	out.Credential, out.Region, out.Service, out.Presigned = nil, nil, nil, false
	out.headers.reset()
	out.claim = claim{}
	clear(out.scratch[:cap(out.scratch)])
	clear(out.params[:cap(out.params)])
}

// Verifier verifies signatures.
type Verifier struct {
	o    Options
	skew int64 // seconds
	keys *keyCache
}

// New makes a Verifier.
func New(o Options) *Verifier {
	if o.Service == "" {
		o.Service = "kms"
	}
	if o.Skew == 0 {
		o.Skew = defaultSkew
	}
	return &Verifier{o: o, skew: int64(o.Skew / time.Second), keys: newKeyCache()}
}

// Verify checks the signature of r at time now and fills out. It uses the scan that out.Scan made last, if
// that was of the same block, and makes one otherwise. Every failure is an *Error, but trouble of Credentials; out.Credential
// is then nil.
func (v *Verifier) Verify(now time.Time, r *Request, out *Verified) error {
	out.Credential, out.Region, out.Service = nil, nil, nil
	if !out.headers.isOf(r.RawHeaders) {
		if err := out.Scan(r.RawHeaders); err != nil {
			return err
		}
	}
	if err := out.readClaim(r); err != nil {
		return err
	}
	c := &out.claim
	credential, err := v.identify(now, c)
	if err != nil {
		return err
	}
	if err := v.checkTime(now, c); err != nil {
		return err
	}
	if err := v.checkScope(out); err != nil {
		return err
	}
	if err := v.checkSignature(credential, r, out); err != nil {
		return err
	}
	out.Credential, out.Region, out.Service = credential, c.region, c.service
	return nil
}

// identify finds the credential and checks its session token and end.
func (v *Verifier) identify(now time.Time, c *claim) (*Credential, error) {
	credential, err := v.o.Credentials.Lookup(c.accessKeyID, c.token)
	if err != nil {
		return nil, err
	}
	if credential == nil || !credential.TokenMatched && !equalSecret(c.token, credential.SessionToken) {
		return nil, errUnknownClient
	}
	if !credential.Expires.IsZero() && !now.Before(credential.Expires) {
		return nil, errExpiredToken
	}
	return credential, nil
}

// equalSecret compares in time that depends on the lengths only.
func equalSecret(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	var different byte
	for i := range a {
		different |= a[i] ^ b[i]
	}
	return subtle.ConstantTimeByteEq(different, 0) == 1
}

// checkTime holds the request's time against the window: skew either way, or the lifetime of a query form.
func (v *Verifier) checkTime(now time.Time, c *claim) error {
	at := now.Unix()
	if c.time > at+v.skew {
		return errNotYetCurrent(c, at, v.skew)
	}
	window := v.skew
	if c.lifetime > 0 {
		window = c.lifetime
	}
	if c.time < at-window {
		return errTooOld(c, at, window)
	}
	return nil
}

// checkScope holds the credential scope against the request's time, the endpoint's Region and the service.
func (v *Verifier) checkScope(out *Verified) error {
	c := &out.claim
	if !bytes.Equal(c.date, c.timestamp[:dateLength]) {
		return errScopeDate(c)
	}
	if v.o.HostRegion != nil {
		host, _ := out.Header("host")
		if region, fixed := v.o.HostRegion(host); fixed && !bytes.EqualFold(region, c.region) {
			return errScopeRegion
		}
	}
	if v.o.RegionOK != nil && !v.o.RegionOK(c.region) {
		return errScopeRegion
	}
	if string(c.service) != v.o.Service {
		return errScopeService(v.o.Service)
	}
	if string(c.terminator) != terminator {
		return errScopeTerminator(c.terminator)
	}
	return nil
}
