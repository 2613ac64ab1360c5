package operation

import (
	"context"

	"trent/fastpath/keyring"
	"trent/hsm"
)

// ServiceEvent is what the service did by itself, which records tell of as they tell of requests (AWS KMS Developer
// Guide, "RotateKey", "DeleteKey", "DeleteExpiredKeyMaterial", "SynchronizeMultiRegionKey" in CloudTrail).
type ServiceEvent struct {
	Name    string
	Key     keyring.ID
	Details []byte // serviceEventDetails as JSON; empty: none
	APICall bool   // recorded as a call of the service itself
}

// eventNames are the records' names of due work; other work leaves none.
var eventNames = map[keyring.Task]string{
	keyring.TaskDelete: "DeleteKey", keyring.TaskRotate: "RotateKey", keyring.TaskExpire: "DeleteExpiredKeyMaterial",
	keyring.TaskSync: "SynchronizeMultiRegionKey",
}

// Work does due work: what concerns custom key stores here, all else in the keyring. Errors: keyring.Work's.
func (s *Service) Work(ctx context.Context, d keyring.Due) error {
	name := eventNames[d.Task]
	if s.onEvent == nil || name == "" {
		return s.work(ctx, d)
	}
	before, _ := s.keys.Record(ctx, d.ID) // of no use if it fails; the work will say why
	if err := s.work(ctx, d); err != nil {
		return err
	}
	e := ServiceEvent{Name: name, Key: d.ID, APICall: d.Task == keyring.TaskSync}
	switch d.Task {
	case keyring.TaskRotate:
		after, _ := s.keys.Record(ctx, d.ID)
		e.Details = rotationDetails(d.ID, "AUTOMATIC", before.Origin, before.Current, after.Current)
	case keyring.TaskExpire:
		o := objectIn(nil)
		o.text("keyId", d.Key)
		e.Details = o.end()
	}
	s.onEvent(&e)
	return nil
}

// rotated tells of a rotation on demand.
func (s *Service) rotated(c *Call, after *keyring.Snapshot) {
	before := c.Key.Snapshot
	if s.onEvent == nil || before.Current == nil || after.Current == nil {
		return
	}
	s.onEvent(&ServiceEvent{
		Name: "RotateKey", Key: before.ID,
		Details: rotationDetails(before.ID, "ON_DEMAND", before.Origin, before.Current.Material, after.Current.Material),
	})
}

func rotationDetails(id keyring.ID, how string, origin keyring.Origin, from, to hsm.MaterialID) []byte {
	o := objectIn(nil)
	o.text("keyId", id.Key)
	o.text("rotationType", how)
	o.text("keyOrigin", origin.String())
	o.text("previousKeyMaterialId", from.String())
	o.text("currentKeyMaterialId", to.String())
	return o.end()
}
