package fastpath

import (
	"encoding/json"
	"slices"

	"trent/fastpath/audit"
	"trent/fastpath/frontend"
	"trent/fastpath/sts"
)

// stsSource is what the records of STS come from.
const stsSource = "sts.amazonaws.com"

// recordSTS hands the record of a request of STS to the audit log, and one of a role of another account to that account's.
func (s *Server) recordSTS(x *Exchange, r *frontend.Request, c *sts.Call, record *sts.Record) {
	log := s.audit.records
	if log == nil || record.Account == "" || !slices.Contains(sts.Actions(), record.Action) {
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
		e.EventID, e.Recipient, e.UserIdentity = x.call.EventID, record.RoleAccount, foreignIdentity(c, record)
		log.Record(x.event.Shard, e)
	}
}

// foreignIdentity is what the account of a role is told of a caller of another one.
func foreignIdentity(c *sts.Call, record *sts.Record) []byte {
	if c.Caller == nil {
		return record.UserIdentity
	}
	b, err := json.Marshal(struct {
		Type        string `json:"type"`
		PrincipalID string `json:"principalId"`
		AccountID   string `json:"accountId"`
	}{"AWSAccount", c.Caller.Principal.ID, record.Account})
	if err != nil {
		panic("fastpath: an identity does not encode") // only texts are in it
	}
	return b
}
