package operation

import (
	"context"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// trackedOperations are those whose success is a key's use (AWS KMS API Reference, "KeyLastUsageData").
var trackedOperations = [...]wire.Operation{
	wire.OperationEncrypt, wire.OperationDecrypt, wire.OperationReEncrypt, wire.OperationGenerateDataKey,
	wire.OperationGenerateDataKeyWithoutPlaintext, wire.OperationGenerateDataKeyPair, wire.OperationGenerateDataKeyPairWithoutPlaintext,
	wire.OperationGenerateMac, wire.OperationVerifyMac, wire.OperationSign, wire.OperationVerify, wire.OperationDeriveSharedSecret,
	wire.OperationEncapsulate, wire.OperationDecapsulate,
}

// usageRows is the row of GetKeyLastUsage, and marks those of the operations that it tells of.
func usageRows(t *[wire.NumOperations]row) {
	t[wire.OperationGetKeyLastUsage] = row{run: getKeyLastUsage, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.GetKeyLastUsageRequest).KeyId }}
	for _, op := range trackedOperations {
		t[op].tracked = true
	}
}

// used notes the keys that a successful call has used.
func (s *Service) used(c *Call) {
	at := s.clock().Unix()
	s.usages.mark(c, c.Key.Snapshot, at)
	if to := c.Target.Snapshot; to != nil && to.ARN != c.Key.Snapshot.ARN {
		s.usages.mark(c, to, at)
	}
}

func getKeyLastUsage(s *Service, ctx context.Context, c *Call) error {
	key := c.Key.Snapshot
	last, known, since, err := s.lastUse(ctx, key)
	if err != nil {
		return err
	}
	resp := &wire.GetKeyLastUsageResponse{
		KeyId: key.Key, KeyLastUsage: &wire.KeyLastUsageData{},
		TrackingStartDate: wire.Some(wire.TimestampOf(since)), KeyCreationDate: wire.Some(wire.TimestampOf(key.Created)),
	}
	if known {
		*resp.KeyLastUsage = wire.KeyLastUsageData{
			Operation: trackingOperation(last.Operation), Timestamp: wire.Some(wire.TimestampOf(last.At.Truncate(time.Second))),
			CloudTrailEventId: last.EventID, KmsRequestId: last.RequestID,
		}
	}
	c.Response = resp
	return nil
}

// trackingOperation finds an operation in the enumeration of those that are tracked.
func trackingOperation(name string) wire.KeyLastUsageTrackingOperation {
	for op := wire.KeyLastUsageTrackingOperation(1); op.String() != ""; op++ {
		if op.String() == name {
			return op
		}
	}
	return 0
}

// lastUse is the last use of a key, if any is known, and since when uses of it are known.
func (s *Service) lastUse(ctx context.Context, key *keyring.Snapshot) (last keyring.Usage, known bool, since time.Time, err error) {
	// What is in memory first: a flush in between leaves it in both.
	now, fresh := s.usages.read(key.ARN)
	last, known, err = s.keys.LastUsage(ctx, key.ID)
	if err != nil {
		return last, false, since, err
	}
	if fresh && !now.At.Before(last.At) && !now.Before(key.Created) {
		last, known = now, true
	}
	if since, err = s.keys.TrackingSince(ctx); err != nil {
		return last, false, since, err
	}
	if since.Before(key.Created) {
		since = key.Created
	}
	return last, known, since, nil
}
