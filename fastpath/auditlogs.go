package fastpath

import (
	"errors"
	"io"
	"strings"
	"time"

	"trent/fastpath/audit"
	"trent/fastpath/authz"
	"trent/fastpath/frontend"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// AuditOptions are what a server keeps of its requests.
type AuditOptions struct {
	Records     *audit.Options         // nil: no records
	Unthrottled bool                   // throttled requests leave no record
	SecurityLog string                 // file of what was not signed as it should be, and of what was no operation; empty: none
	Decisions   *audit.DecisionOptions // of the log that explains decisions; nil: none
}

// auditing keeps records of requests, and what else is known of them.
type auditing struct {
	records     *audit.Log
	security    *audit.SecurityLog
	decisions   *audit.Decisions
	unthrottled bool
}

// openAudit opens what keeps records.
func (s *Server) openAudit(o AuditOptions, shards int) (err error) {
	a := &s.audit
	a.unthrottled = o.Unthrottled
	if o.SecurityLog != "" {
		if a.security, err = audit.OpenSecurityLog(o.SecurityLog, s.logf); err != nil {
			return err
		}
	}
	if o.Decisions != nil {
		d := *o.Decisions
		d.Shards, d.Logf, d.Text = shards, s.logf, s.policyText
		if a.decisions, err = audit.OpenDecisions(d); err != nil {
			return errors.Join(err, s.closeAudit())
		}
	}
	if o.Records != nil {
		r := *o.Records
		r.Shards, r.Logf = shards, s.logf
		if a.records, err = audit.OpenLog(r); err != nil {
			return errors.Join(err, s.closeAudit())
		}
	}
	return nil
}

// closeAudit keeps what is not in the files yet. It comes after the last request, and before the keyring is closed.
func (s *Server) closeAudit() error {
	var errs []error
	if s.audit.records != nil {
		errs = append(errs, s.audit.records.Close())
	}
	if s.audit.security != nil {
		errs = append(errs, s.audit.security.Close())
	}
	if s.audit.decisions != nil {
		errs = append(errs, s.audit.decisions.Close())
	}
	return errors.Join(errs...)
}

func (s *Server) writeAuditMetrics(w io.Writer) {
	if s.audit.records != nil {
		s.audit.records.WritePrometheus(w)
	}
	if s.audit.security != nil {
		s.audit.security.WritePrometheus(w)
	}
	if s.audit.decisions != nil {
		s.audit.decisions.WritePrometheus(w)
	}
}

// AuditLog is the log of records; nil: none is kept.
func (s *Server) AuditLog() *audit.Log { return s.audit.records }

// Decisions is the log that explains decisions; nil: none is kept.
func (s *Server) Decisions() *audit.Decisions { return s.audit.decisions }

// noteIncident is for the security log.
func (s *Server) noteIncident(x *Exchange, r *frontend.Request, refused *wire.Error) {
	if s.audit.security == nil || refused == nil {
		return
	}
	i := audit.Incident{
		At: r.Received, Kind: "signature", Address: r.Remote.Addr().Unmap(), Error: refused.Code.String(), Message: refused.Message,
		RequestID: x.call.RequestID,
	}
	if x.call.Operation != wire.OperationNone {
		i.Operation = x.call.Operation.String()
	} else if refused.Code == wire.CodeUnknownOperationException {
		i.Kind = "operation"
	}
	if endpoint, ok := r.Door.(*Endpoint); ok {
		i.Endpoint = endpoint.ID
		i.Address, _ = endpoint.Place(r.Remote.Addr())
	}
	agent, _ := x.verified.Header("user-agent")
	i.UserAgent = string(agent)
	s.audit.security.Note(&i)
}

// noteEarly is for the security log too: what never became a request.
func (s *Server) noteEarly(reason frontend.Reason, code wire.Code) {
	if s.audit.security != nil {
		s.audit.security.Note(&audit.Incident{At: time.Now(), Kind: "protocol", Error: code.String(), Message: reason.String()})
	}
}

// recordDecisions keeps how the request was decided.
func (s *Server) recordDecisions(x *Exchange) {
	made := x.call.Decisions()
	for i := range made {
		d := &made[i]
		e := &x.decision
		*e = audit.DecisionEntry{
			RequestID: x.call.RequestID, At: x.call.Origin.At, Caller: x.call.Caller.ARN, Action: d.Action.String(), Resource: d.Resource,
			Allowed: d.Allowed, Reason: uint8(d.Reason), Kind: uint8(d.Kind), Statement: int32(d.Statement), AlsoIndex: int32(d.AlsoStatement),
			Grant: d.Grant, Place: uint8(i),
		}
		if d.Policy != nil {
			e.Policy, e.PolicyText = d.Policy.Hash, d.Policy.Text
		}
		if d.Also != nil {
			e.Also, e.AlsoText = d.Also.Hash, d.Also.Text
		}
		s.audit.decisions.Record(x.event.Shard, e)
	}
	x.decision = audit.DecisionEntry{}
}

// policyText is the text of the key policy that decided e; nil: another kind of policy did, which comes with its text.
func (s *Server) policyText(e *audit.DecisionEntry) []byte {
	parts := strings.Split(e.Resource, ":")
	if authz.Kind(e.Kind) != authz.KindKey || len(parts) != 6 || !strings.HasPrefix(parts[5], "key/") {
		return nil
	}
	id := keyring.ID{Partition: parts[1], Account: parts[4], Region: parts[3], Key: strings.TrimPrefix(parts[5], "key/")}
	text, err := s.keys.Policy(s.ctx, id)
	if err != nil {
		return nil
	}
	return text
}
