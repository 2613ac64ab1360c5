package fastpath

import (
	"trent/fastpath/operation"
	"trent/fastpath/wire"
)

// wouldDeny logs a request that is let pass although policies deny it.
func (s *Server) wouldDeny(c *operation.Call, refusal *wire.Error) {
	s.logf("authorization: request %s (%s) would be denied: %s", c.RequestID[:], c.Operation, refusal.Message)
}

// principals are the options', completed by what the directory says at the time of each question.
func (o *Options) principals() operation.Principals {
	p := o.Principals
	if p.Accepts == nil {
		p.Accepts = o.Directory.Accepts
	}
	if p.ResourceControl == nil {
		p.ResourceControl = o.Directory.ResourceControl
	}
	if p.Organization == nil {
		p.Organization = func(partition, account string) (string, []string) {
			organization := o.Directory.Organization(partition, account)
			return organization.ID, organization.Paths
		}
	}
	return p
}
