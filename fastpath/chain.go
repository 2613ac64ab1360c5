package fastpath

import (
	"bytes"
	"errors"
	"net/http"
	"runtime/debug"
	"time"

	"trent/fastpath/frontend"
	"trent/fastpath/identity"
	"trent/fastpath/keyring"
	"trent/fastpath/operation"
	"trent/fastpath/sigv4"
	"trent/fastpath/wire"
)

// contentType of every answer with a body.
const contentType = "application/x-amz-json-1.1"

// chain is the server as the frontend sees it.
type chain struct{ *Server }

// Serve passes one request through the chain. The order of its steps is the order in which the
// service finds faults: HTTP, target, signature, JSON types, constraints, alias forms, key, grant tokens,
// authorization, then the operation's own.
func (s chain) Serve(r *frontend.Request, w *frontend.Response) {
	x := s.exchanges.acquire()
	newUUIDs(&w.RequestID, &x.call.EventID)
	x.call.RequestID = w.RequestID
	err := s.guarded(x, r, w)
	if err != errForSTS {
		w.Status = http.StatusOK
		if err != nil {
			s.refuse(x, w, err)
		} else {
			s.answer(x, w)
		}
		x.event.Operation = uint8(x.call.Operation)
	}
	x.event.Duration = time.Since(r.Received)
	x.event.BytesIn, x.event.BytesOut = len(r.Body), len(w.Body)
	s.metrics.Record(&x.event)
	s.decided.count(x.event.Shard, x.call.Decisions())
	if err != errForSTS {
		s.record(x, r, err)
	}
	s.exchanges.release(x)
}

// guarded keeps a panic in one request from ending all others. It is a defect all the same, and is logged
// as one; its text may not show values of the request, so that only the stack is kept.
func (s *Server) guarded(x *Exchange, r *frontend.Request, w *frontend.Response) (err error) {
	defer func() {
		if recover() != nil {
			s.logf("defect: request %s (%s) panicked:\n%s", w.RequestID[:], x.call.Operation, debug.Stack())
			err = errPanic
		}
	}()
	if err = s.handle(x, r); err == errForSTS {
		s.serveSTS(x, r, w)
	}
	return err
}

var errPanic = errors.New("fastpath: a request panicked")

func (s *Server) handle(x *Exchange, r *frontend.Request) error {
	if string(r.Method) != http.MethodPost || string(r.Path) != "/" {
		if s.isForSTS(x, r) {
			return errForSTS
		}
		return notAnOperation
	}
	if err := x.verified.Scan(r.RawHeaders); err != nil {
		return signatureError(err)
	}
	target, ok := x.verified.Header("x-amz-target")
	if !ok {
		target = hoistedTarget(r.RawQuery)
	}
	op, ok := wire.LookupTarget(target)
	if !ok {
		if target == nil && s.isForSTS(x, r) {
			return errForSTS
		}
		return wire.Bare(wire.CodeUnknownOperationException)
	}
	c := &x.call
	c.Operation = op
	if err := s.authenticate(x, r); err != nil {
		return err
	}
	c.Request = x.request(op)
	refused := s.understand(c, r.Body)
	// What fails before counts too: only requests without a valid signature are free (chosen).
	if s.limiter.On() && s.throttled(x) && refused == nil {
		return operation.Throttled()
	}
	if refused != nil {
		return refused
	}
	if err := s.operations.Authorize(s.ctx, c); err != nil {
		return err
	}
	return s.operations.Execute(s.ctx, c)
}

// understand makes of a body a request that is well-formed, with its keys.
func (s *Server) understand(c *operation.Call, body []byte) error {
	if err := c.Request.Decode(body); err != nil {
		return err
	}
	if err := c.Request.Validate(); err != nil {
		return err
	}
	return s.operations.Resolve(s.ctx, c)
}

// hoistedTarget finds the target in the query, where SDKs' presigners move it. An operation's name needs no
// percent-encoding.
func hoistedTarget(query []byte) []byte {
	for len(query) > 0 {
		var parameter []byte
		parameter, query, _ = bytes.Cut(query, []byte{'&'})
		if target, ok := bytes.CutPrefix(parameter, []byte("X-Amz-Target=")); ok {
			return target
		}
	}
	return nil
}

// notAnOperation answers other methods and paths than POST /; the service's own answer is not known (chosen).
var notAnOperation = &httpError{status: http.StatusNotFound, api: wire.Bare(wire.CodeUnknownOperationException)}

// httpError is an API error with another status than its code's.
type httpError struct {
	status int
	api    *wire.Error
}

func (e *httpError) Error() string { return e.api.Error() }

// authenticate verifies the signature and sets who calls, and for which Region.
func (s *Server) authenticate(x *Exchange, r *frontend.Request) error {
	x.signed = sigv4.Request{Method: r.Method, Path: r.Path, RawQuery: r.RawQuery, RawHeaders: r.RawHeaders, Body: r.Body}
	if err := s.verifier.Verify(r.Received, &x.signed, &x.verified); err != nil {
		return signatureError(err)
	}
	credential := x.verified.Credential.Principal.(*identity.Credential)
	region := s.regions.Lookup(x.verified.Region)
	if region == nil || region.Partition != credential.Principal.Partition {
		return wire.Errorf(wire.CodeUnrecognizedClientException, "The security token included in the request is invalid.")
	}
	x.call.Caller = &credential.Principal
	x.call.Origin.Address, x.call.Origin.Secure, x.call.Origin.At = r.Remote.Addr().Unmap(), r.TLS != nil, r.Received
	if endpoint, ok := r.Door.(*Endpoint); ok {
		if region.Name != endpoint.Region {
			return wire.Errorf(wire.CodeInvalidSignatureException, "Credential should be scoped to a valid region. ")
		}
		x.call.Origin.Endpoint = &endpoint.Endpoint
		x.call.Origin.Address, _ = endpoint.Place(r.Remote.Addr())
	}
	x.call.Origin.UserAgent, _ = x.verified.Header("user-agent")
	x.call.Origin.Referer, _ = x.verified.Header("referer")
	x.call.Scope = keyring.Scope{Partition: region.Partition, Account: credential.Principal.Account, Region: region.Name}
	if credential.Service != "" {
		return s.service(x, r, credential)
	}
	return nil
}

// signatureError turns a refusal of sigv4, which knows the API's names but not its table, into an API error.
func signatureError(err error) error {
	var refused *sigv4.Error
	if !errors.As(err, &refused) {
		return err
	}
	return wire.Errorf(codeNamed(refused.Code), "%s", refused.Message)
}

// codeNames is the table of the error codes' names, by code; index 0 is success.
var codeNames = func() []string {
	names := []string{""}
	// Past the last code the table answers with the internal failure again.
	for c := wire.Code(1); c != 0; c++ {
		if c.String() == wire.CodeInternalFailure.String() && c != wire.CodeInternalFailure {
			break
		}
		names = append(names, c.String())
	}
	return names
}()

// codeNamed finds the code of an exception's name. Refusals are rare enough for a walk.
func codeNamed(name string) wire.Code {
	for c := 1; c < len(codeNames); c++ {
		if codeNames[c] == name {
			return wire.Code(c)
		}
	}
	return wire.CodeInternalFailure
}

// answer encodes a success: the response's JSON, {} or nothing, as the operation's output is modeled.
func (s *Server) answer(x *Exchange, w *frontend.Response) {
	w.ContentType = contentType
	switch {
	case x.call.Response != nil:
		w.Body = x.call.Response.AppendJSON(w.Body)
	case wire.HasOutput(x.call.Operation):
		w.Body = append(w.Body, "{}"...)
	}
}

// refuse encodes an error and counts it. What is not the caller's doing is logged under the request id.
func (s *Server) refuse(x *Exchange, w *frontend.Response, err error) {
	var other *httpError
	if errors.As(err, &other) {
		w.Status, err = other.status, other.api
	}
	api, own := s.operations.APIError(x.call.Operation, err)
	if !own {
		s.logf("request %s (%s): %v", w.RequestID[:], x.call.Operation, err)
	}
	if other == nil {
		w.Status = api.Code.Status()
	}
	x.event.Code = uint8(api.Code)
	w.ContentType = contentType
	w.Body = api.AppendJSON(w.Body[:0])
}

// refuseEarly words an answer to what never reaches the chain.
func (s *Server) refuseEarly(reason frontend.Reason, w *frontend.Response) {
	code := wire.CodeMalformedHttpRequestException
	switch reason {
	case frontend.BodyTooLarge:
		code = wire.CodeRequestEntityTooLargeException
	case frontend.TimedOut:
		code = wire.CodeRequestTimeoutException
	}
	s.noteEarly(reason, code)
	w.ContentType = contentType
	w.Status = code.Status()
	w.Body = wire.Bare(code).AppendJSON(w.Body[:0])
}
