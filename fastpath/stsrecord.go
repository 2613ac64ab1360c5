package fastpath

import (
	"slices"

	"trent/fastpath/audit"
	"trent/fastpath/authz"
	"trent/fastpath/frontend"
	"trent/fastpath/sts"
)

// stsSource is what the records of STS come from.
const stsSource = "sts.amazonaws.com"

// recordSTS hands the record of a request of STS to the audit log, and one of a role of another account to that account's.
func (s *Server) recordSTS(x *Exchange, r *frontend.Request, c *sts.Call, record *sts.Record) {
	log := s.AuditLog()
	if log == nil {
		return
	}
	e := &audit.Entry{
		At: r.Received, EventSource: stsSource, EventName: record.Action, Region: c.Region, UserIdentity: record.UserIdentity,
		Address: c.Address, UserAgent: c.UserAgent, ErrorCode: record.ErrorCode, ErrorMessage: record.ErrorMessage,
		Parameters: record.Parameters, Response: record.Response, RequestID: x.call.RequestID, EventID: x.call.EventID,
		ReadOnly: record.ReadOnly, Recipient: record.Account,
	}
	if e.Region == "" {
		e.Region = globalRegion
	}
	if record.Role != "" {
		e.Resources[0], e.Count = audit.Resource{ARN: record.Role, Account: record.RoleAccount}, 1
	}
	if c.Service != nil {
		e.Agent = c.Service.Principal
	}
	if c.Endpoint != nil {
		e.Endpoint, e.EndpointAccount = c.Endpoint.ID, c.Endpoint.Account
	}
	if r.TLS != nil {
		e.TLSVersion, e.CipherSuite, e.KeyExchange = tlsNames(r.TLS)
		e.HostHeader, _ = x.verified.Header("host")
	}
	elsewhere := record.Role != "" && record.RoleAccount != record.Account && record.ErrorCode == ""
	if elsewhere {
		newUUIDs(&e.SharedEventID, &x.call.EventID)
	}
	log.Record(x.event.Shard, e)
	if elsewhere {
		e.EventID, e.Recipient, e.UserIdentity = x.call.EventID, record.RoleAccount, nil
		e.Foreign, e.Caller, e.CallerID = true, record.Account, c.Caller.Principal.ID
		log.Record(x.event.Shard, e)
	}
}

// noteSTS puts a request that nobody was found to have made into the security log.
func (s *Server) noteSTS(x *Exchange, r *frontend.Request, c *sts.Call, refused *sts.Error) {
	if s.audit.security == nil {
		return
	}
	i := audit.Incident{
		At: r.Received, Kind: "signature", Address: c.Address, Error: refused.Code, Message: refused.Message,
		RequestID: x.call.RequestID, UserAgent: string(c.UserAgent),
	}
	if slices.Contains(sts.Actions(), c.Form.Action()) {
		i.Operation = c.Form.Action()
	} else {
		i.Kind = "operation"
	}
	if endpoint, ok := r.Door.(*Endpoint); ok {
		i.Endpoint = endpoint.ID
		i.Address, _ = endpoint.Place(r.Remote.Addr())
	}
	s.audit.security.Note(&i)
}

// explainSTS keeps how a request of STS is decided; nil: that is not kept.
func (s *Server) explainSTS(x *Exchange, r *frontend.Request) func(*authz.Request, *authz.Decision) {
	if s.audit.decisions == nil {
		return nil
	}
	place := uint8(0)
	return func(asked *authz.Request, d *authz.Decision) {
		e := &audit.DecisionEntry{
			RequestID: x.call.RequestID, At: r.Received, Caller: asked.Caller.ARN, Action: asked.Action.String(), Resource: asked.Resource,
			Allowed: d.Allowed, Reason: uint8(d.Reason), Kind: uint8(d.Kind), Statement: int32(d.Statement), AlsoIndex: int32(d.AlsoStatement),
			Place: place,
		}
		if d.Policy != nil {
			e.Policy = d.Policy.Hash
		}
		if d.Also != nil {
			e.Also = d.Also.Hash
		}
		place++
		s.audit.decisions.Record(x.event.Shard, e)
	}
}
