package fastpath

import (
	"trent/fastpath/operation"
	"trent/fastpath/wire"
)

// wouldDeny logs a request that is let pass although policies deny it.
func (s *Server) wouldDeny(c *operation.Call, refusal *wire.Error) {
	s.logf("authorization: request %s (%s) would be denied: %s", c.RequestID[:], c.Operation, refusal.Message)
}
