package fastpath

import (
	"strings"

	"trent/fastpath/audit"
	"trent/fastpath/frontend"
	"trent/fastpath/wire"
)

// eventSource is what the records of key operations come from.
const eventSource = "kms.amazonaws.com"

// record hands what is known of x to the logs. err is what the request was refused with; nil: it succeeded. What was not
// signed as it should be, and what is no operation, goes to the security log only.
func (s *Server) record(x *Exchange, r *frontend.Request, err error) {
	a := &s.audit
	var refused *wire.Error
	if err != nil {
		refused, _ = s.operations.APIError(x.call.Operation, err)
	}
	if x.call.Caller == nil {
		s.noteIncident(x, r, refused)
		return
	}
	if a.decisions != nil {
		s.recordDecisions(x)
	}
	if a.records == nil || a.unthrottled && refused != nil && refused.Code == wire.CodeThrottlingException {
		return
	}
	s.operations.Audit(&x.call, refused, &x.content)
	e := &x.entry
	s.envelope(x, r, e)
	if refused != nil {
		e.ErrorCode, e.ErrorMessage = errorName(refused.Code), refused.Message
	}
	e.Parameters, e.Response, e.Additional = x.content.Parameters, x.content.Response, x.content.Additional
	e.Count = x.content.Count
	for i := range x.content.Resources[:e.Count] {
		e.Resources[i] = audit.Resource(x.content.Resources[i])
	}
	s.recordCopies(x, e)
	*e = audit.Entry{}
}

// envelope fills in who called, from where, how and for what.
func (s *Server) envelope(x *Exchange, r *frontend.Request, e *audit.Entry) {
	c := &x.call
	e.At = r.Received
	e.EventSource, e.EventName, e.Region = eventSource, c.Operation.String(), c.Scope.Region
	e.UserIdentity, e.CallerARN, e.Caller = c.Caller.UserIdentity, c.Caller.ARN, c.Caller.Account
	e.Address, e.UserAgent = c.Origin.Address, c.Origin.UserAgent
	if c.Origin.Service != nil {
		e.Agent = c.Origin.Service.Principal
	}
	e.RequestID, e.EventID = c.RequestID, c.EventID
	e.ReadOnly = readOnly[c.Operation]
	e.Recipient = c.Caller.Account
	if endpoint := c.Origin.Endpoint; endpoint != nil {
		e.Endpoint, e.EndpointAccount = endpoint.ID, endpoint.Account
	}
	if r.TLS != nil {
		e.TLSVersion, e.CipherSuite, e.KeyExchange = tlsNames(r.TLS)
		e.HostHeader, _ = x.verified.Header("host")
	}
}

// errorName is an error as records name it: a denial without the ending that the answer has.
func errorName(c wire.Code) string {
	if c == wire.CodeAccessDeniedException {
		return "AccessDenied"
	}
	return c.String()
}

// readOnly tells which operations change nothing, as records have it; uses of keys are among them.
var readOnly = func() (ro [wire.NumOperations]bool) {
	for op := range ro {
		for _, verb := range [...]string{"Decapsulate", "Decrypt", "Derive", "Describe", "Encapsulate", "Encrypt", "Generate", "Get", "List", "ReEncrypt", "Sign", "Verify"} {
			ro[op] = ro[op] || strings.HasPrefix(wire.Operation(op).String(), verb)
		}
	}
	return ro
}()
