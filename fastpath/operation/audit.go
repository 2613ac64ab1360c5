package operation

import "trent/fastpath/wire"

// AuditContent is what a CloudTrail record holds of the operation itself. Its buffers are reused from request to request.
type AuditContent struct {
	Parameters []byte // requestParameters as JSON; empty: null
	Response   []byte // responseElements as JSON; empty: null
	Additional []byte // additionalEventData as JSON; empty: left out
	Resources  [3]AuditResource
	Count      int // of Resources
}

// AuditResource is a resource of a record. An alias has no Type in some records; here all are keys or aliases.
type AuditResource struct{ ARN, Account string }

// Reset empties a, keeping its buffers.
func (a *AuditContent) Reset() {
	clear(a.Parameters)
	clear(a.Response)
	clear(a.Additional)
	*a = AuditContent{Parameters: a.Parameters[:0], Response: a.Response[:0], Additional: a.Additional[:0]}
}

// Audit fills into with what the record of c shows, after Execute; failed is nil for success. It hides what the service
// hides: plaintexts, ciphertexts, messages, signatures, tokens, passwords.
func (s *Service) Audit(c *Call, failed *wire.Error, into *AuditContent) {}
