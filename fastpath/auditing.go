package fastpath

import (
	"crypto/tls"
	"errors"
	"strings"

	"trent/fastpath/audit"
	"trent/fastpath/frontend"
	"trent/fastpath/wire"
)

// eventSource is what the records of key operations come from.
const eventSource = "kms.amazonaws.com"

// record hands the record of x to the audit log. err is what the request was refused with; nil: it succeeded. What was not
// signed as it should be, and what is no operation, goes to the security log only.
func (s *Server) record(x *Exchange, r *frontend.Request, err error) {
	if s.audit == nil || x.call.Caller == nil || x.event.Code == uint8(wire.CodeThrottlingException) && s.auditUnthrottled {
		return
	}
	var refused *wire.Error
	if err != nil {
		refused, _ = s.operations.APIError(x.call.Operation, err)
	}
	x.content.Reset()
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

// openSSLNames are the suites of TLS 1.2 as records name them.
var openSSLNames = map[uint16]string{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
}

// tlsNames are a connection's version, suite and key exchange as records name them.
func tlsNames(c *frontend.ConnectionTLS) (version, suite, exchange string) {
	if c.Version == tls.VersionTLS13 {
		version = "TLSv1.3"
		switch c.CipherSuite {
		case tls.TLS_AES_128_GCM_SHA256:
			suite = "TLS_AES_128_GCM_SHA256"
		case tls.TLS_AES_256_GCM_SHA384:
			suite = "TLS_AES_256_GCM_SHA384"
		case tls.TLS_CHACHA20_POLY1305_SHA256:
			suite = "TLS_CHACHA20_POLY1305_SHA256"
		}
	} else {
		version, suite = "TLSv1.2", openSSLNames[c.CipherSuite]
	}
	switch c.Curve {
	case tls.X25519MLKEM768:
		exchange = "X25519MLKEM768"
	case tls.SecP256r1MLKEM768:
		exchange = "SecP256r1MLKEM768"
	case tls.SecP384r1MLKEM1024:
		exchange = "SecP384r1MLKEM1024"
	case tls.X25519:
		exchange = "x25519"
	case tls.CurveP256:
		exchange = "secp256r1"
	case tls.CurveP384:
		exchange = "secp384r1"
	case tls.CurveP521:
		exchange = "secp521r1"
	}
	return version, suite, exchange
}

// openAudit starts what keeps records.
func (s *Server) openAudit(o *Options, shards int) (err error) {
	if o.Audit == nil {
		return nil
	}
	settings := *o.Audit
	settings.Shards, settings.Logf = shards, s.logf
	s.auditUnthrottled = o.AuditUnthrottled
	s.audit, err = audit.OpenLog(settings)
	return err
}

// closeAudit keeps what is not in the files yet.
func (s *Server) closeAudit() error {
	if s.audit == nil {
		return nil
	}
	return errors.Join(s.audit.Close())
}

// Audit is the log of records; nil: none is kept.
func (s *Server) Audit() *audit.Log { return s.audit }
