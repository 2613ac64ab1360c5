package fastpath

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/frontend"
	"trent/fastpath/identity"
	"trent/fastpath/operation"
	"trent/fastpath/sigv4"
	"trent/fastpath/sts"
	"trent/fastpath/wire"
)

// stsSkew is how far a request to STS may be off in time.
const stsSkew = 15 * time.Minute

// errForSTS says that a request is one for STS, which answers it.
var errForSTS = errors.New("fastpath: a request for STS")

// stsVerifier verifies signatures for STS. Regions that are not served are refused by a code of their own, later.
func stsVerifier(known *credentials) *sigv4.Verifier {
	return sigv4.New(sigv4.Options{
		Credentials: known, Service: "sts", Skew: stsSkew, HostRegion: stsHostRegion,
		RegionOK: func(name []byte) bool { return partitionOf[string(name)] != "" },
	})
}

// passSTS lets pass what policies deny, as far as the mode of authorization says.
func (s *Server) passSTS(mode operation.Authorization) func(*authz.Request, *sts.Error) bool {
	switch mode {
	case operation.LogOnly:
		return func(_ *authz.Request, refused *sts.Error) bool {
			s.logf("authorization: a request of STS would be denied: %s", refused.Message)
			return true
		}
	case operation.Off:
		return func(r *authz.Request, _ *sts.Error) bool {
			return r.Caller.Account == r.ResourceAccount || r.Caller.Type == authz.CallerAnonymous
		}
	}
	return nil
}

// isForSTS tells the requests of STS: their form, an Action in the query, or STS's name in the host or the credential.
// KMS's have a target and never come here.
func (s *Server) isForSTS(x *Exchange, r *frontend.Request) bool {
	if string(r.Path) != "/" || x.verified.Scan(r.RawHeaders) != nil {
		return false
	}
	if _, ok := x.verified.Header("x-amz-target"); ok {
		return false
	}
	switch string(r.Method) {
	case "GET":
	case "POST":
		kind, _ := x.verified.Header("content-type")
		if hasPrefixFold(kind, "application/x-www-form-urlencoded") {
			return true
		}
	default:
		return false
	}
	if bytes.HasPrefix(r.RawQuery, []byte("Action=")) || bytes.Contains(r.RawQuery, []byte("&Action=")) {
		return true
	}
	authorization, _ := x.verified.Header("authorization")
	host, _ := x.verified.Header("host")
	return bytes.Contains(authorization, []byte("/sts/aws4_request")) || hasPrefixFold(host, "sts.") || hasPrefixFold(host, "sts-fips.")
}

// serveSTS answers a request of STS.
func (s *Server) serveSTS(x *Exchange, r *frontend.Request, w *frontend.Response) {
	c := sts.Call{RequestID: string(w.RequestID[:]), Decided: s.explainSTS(x, r)}
	accept, _ := x.verified.Header("accept")
	c.JSON = bytes.EqualFold(accept, []byte(sts.JSONType))
	w.ContentType = sts.ContentType
	if c.JSON {
		w.ContentType = sts.JSONType
	}
	var record *sts.Record
	refused := s.admitSTS(x, r, &c)
	if refused == nil {
		w.Body, record, refused = s.sts.Serve(s.ctx, &c, w.Body)
		if record.Trouble != nil {
			s.logf("request %s (sts:%s): %v", w.RequestID[:], record.Action, record.Trouble)
		}
		if record.Account != "" && slices.Contains(sts.Actions(), record.Action) {
			s.recordSTS(x, r, &c, record)
		} else if refused != nil {
			s.noteSTS(x, r, &c, refused)
		}
	} else {
		s.noteSTS(x, r, &c, refused)
		w.Body = sts.AppendError(w.Body[:0], refused, c.RequestID, c.JSON)
	}
	w.Status = 200
	x.event.Operation, x.event.Code = 0, 0
	if i := slices.Index(sts.Actions(), c.Form.Action()); i >= 0 {
		x.event.Operation = uint8(int(wire.NumOperations) + i)
	}
	if refused != nil {
		w.Status = refused.Status
		x.event.Code = uint8(len(codeNames) + sts.CodeIndex(refused.Code))
	}
}

// admitSTS reads the form, verifies the signature and finds out for which Region the request is.
func (s *Server) admitSTS(x *Exchange, r *frontend.Request, c *sts.Call) *sts.Error {
	form, err := sts.ParseForm(r.RawQuery, r.Body)
	if err != nil {
		var refused *sts.Error
		errors.As(err, &refused)
		return refused
	}
	c.Form = form
	c.Address, c.Secure = r.Remote.Addr().Unmap(), r.TLS != nil
	c.UserAgent, _ = x.verified.Header("user-agent")
	c.Referer, _ = x.verified.Header("referer")
	host, _ := x.verified.Header("host")
	region, _ := stsHostRegion(host)
	c.Region = string(region)
	if sts.NeedsSignature(form.Action()) {
		if refused := s.authenticateSTS(x, r, c); refused != nil {
			return refused
		}
	}
	if endpoint, ok := r.Door.(*Endpoint); ok {
		if c.Region != "" && c.Region != endpoint.Region {
			return sts.Unsigned("InvalidSignatureException", "Credential should be scoped to a valid region. ")
		}
		// The endpoint is KMS's, and its policy says nothing of STS: it counts as one for STS beside it, without a policy (chosen).
		beside := endpoint.Endpoint
		beside.Policy = nil
		c.Region, c.Endpoint = endpoint.Region, &beside
		c.Address, _ = endpoint.Place(r.Remote.Addr())
	}
	return nil
}

func (s *Server) authenticateSTS(x *Exchange, r *frontend.Request, c *sts.Call) *sts.Error {
	x.signed = sigv4.Request{Method: r.Method, Path: r.Path, RawQuery: r.RawQuery, RawHeaders: r.RawHeaders, Body: r.Body}
	if err := s.stsVerifier.Verify(r.Received, &x.signed, &x.verified); err != nil {
		var refused *sigv4.Error
		if errors.As(err, &refused) {
			return sts.Unsigned(refused.Code, refused.Message)
		}
		s.logf("request %s (sts): %v", c.RequestID, err)
		return sts.Trouble(err)
	}
	c.Caller = x.verified.Credential.Principal.(*identity.Credential)
	c.Region = string(x.verified.Region)
	if partitionOf[c.Region] != c.Caller.Principal.Partition {
		return sts.Unsigned("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if s.regions.Lookup(x.verified.Region) == nil {
		return sts.RegionDisabled(c.Region, c.Caller.Principal.Account)
	}
	return nil
}

// globalRegion is the Region of the global endpoint, sts.amazonaws.com.
const globalRegion = "us-east-1"

// stsHostRegion is hostRegion for STS.
func stsHostRegion(host []byte) (region []byte, ok bool) {
	return hostRegionOf(host, "sts", globalRegion)
}
