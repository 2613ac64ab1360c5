package fastpath

import (
	"time"

	"trent/fastpath/audit"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
)

// recordCopies hands over e and the copies of it that others have: the owners of keys in other accounts, and the other
// Region of what is done in two. A denied request is the caller's own business. All copies of one event share an id; the
// first owner's has the event id that GetKeyLastUsage tells it.
func (s *Server) recordCopies(x *Exchange, e *audit.Entry) {
	c := &x.call
	var owners [len(e.Resources)]string
	foreign := 0
	for _, r := range e.Resources[:e.Count] {
		known := r.Account == e.Recipient
		for _, owner := range owners[:foreign] {
			known = known || owner == r.Account
		}
		if !known && e.ErrorCode != errorName(wire.CodeAccessDeniedException) {
			owners[foreign] = r.Account
			foreign++
		}
	}
	if foreign == 0 {
		s.audit.records.Record(x.event.Shard, e)
		s.recordOtherRegion(x, e)
		return
	}
	var first, second [36]byte
	newUUIDs(&first, &second)
	e.SharedEventID = second
	own := e.EventID
	e.EventID = first
	s.audit.records.Record(x.event.Shard, e)
	e.UserIdentity, e.Foreign, e.CallerID = nil, true, c.Caller.ID
	for i, owner := range owners[:foreign] {
		if e.EventID = own; i > 0 {
			newUUIDs(&e.EventID, &second)
		}
		e.Recipient = owner
		s.audit.records.Record(x.event.Shard, e)
	}
}

// recordOtherRegion adds the record that ReplicateKey and UpdatePrimaryRegion leave in the other Region.
func (s *Server) recordOtherRegion(x *Exchange, e *audit.Entry) {
	if e.ErrorCode != "" {
		return
	}
	var unused [36]byte
	switch r := x.call.Request.(type) {
	case *wire.UpdatePrimaryRegionRequest:
		e.Region = string(r.PrimaryRegion)
	case *wire.ReplicateKeyRequest: // there it is a key that was made
		e.Region, e.EventName = string(r.ReplicaRegion), wire.OperationCreateKey.String()
		e.Parameters, e.Response = x.call.ReplicaRecord()
		replica := x.call.Key.Snapshot.ID
		replica.Region = e.Region
		e.Resources[0], e.Count = audit.Resource{ARN: replica.ARN(), Account: replica.Account}, 1
	default:
		return
	}
	newUUIDs(&e.EventID, &unused)
	s.audit.records.Record(x.event.Shard, e)
}

// internal is who does what the service does by itself, as records name it.
const internal = "AWS Internal"

// recordEvent hands over the record of what the service did by itself.
func (s *Server) recordEvent(event *operation.ServiceEvent) {
	if s.audit.records == nil {
		return
	}
	e := audit.Entry{
		At: time.Now(), EventSource: eventSource, EventName: event.Name, Region: event.Key.Region, Agent: internal,
		Recipient: event.Key.Account, ServiceEvent: !event.APICall, Details: event.Details, Count: 1,
	}
	e.Resources[0] = audit.Resource{ARN: event.Key.ARN(), Account: event.Key.Account}
	var unused [36]byte
	if newUUIDs(&e.EventID, &unused); event.APICall {
		e.RequestID = unused
	}
	s.audit.records.Record(0, &e)
}
