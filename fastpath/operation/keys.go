package operation

import (
	"context"
	"fmt"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// Bounds of PendingWindowInDays, which are narrower than the model's.
const (
	minWindowDays     = 7
	maxWindowDays     = 30
	defaultWindowDays = 30
)

func describeKey(s *Service, ctx context.Context, c *Call) error {
	record, err := s.keys.Record(ctx, c.Key.Snapshot.ID)
	if err != nil {
		return keyGone(c, err)
	}
	m := metadata(&record)
	c.Response = &wire.DescribeKeyResponse{KeyMetadata: m}
	if err := s.inStore(ctx, &record, m); err != nil {
		return err
	}
	return s.relate(ctx, &record, m)
}

func listKeys(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.ListKeysRequest)
	after, err := openMarker(r.Marker, c)
	if err != nil {
		return err
	}
	ids, more, err := s.keys.ListKeys(ctx, c.Scope, after, pageSize(r.Limit, r.HasLimit(), 100, 1000))
	if err != nil {
		return fmt.Errorf("listing keys: %w", err)
	}
	resp := &wire.ListKeysResponse{Keys: make([]wire.KeyListEntry, len(ids)), Truncated: wire.Some(more)}
	for i, id := range ids {
		resp.Keys[i] = wire.KeyListEntry{KeyId: id, KeyArn: c.Scope.Key(id).ARN()}
	}
	if more {
		resp.NextMarker = sealMarker(ids[len(ids)-1], c)
	}
	c.Response = resp
	return nil
}

func updateKeyDescription(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.UpdateKeyDescriptionRequest)
	description := string(r.Description)
	return s.update(ctx, c, func(k *keyring.Record) error {
		k.Description = description
		return nil
	})
}

func enableKey(s *Service, ctx context.Context, c *Call) error {
	err := s.update(ctx, c, func(k *keyring.Record) error {
		k.SwitchTo(keyring.Enabled)
		return nil
	})
	if err == nil {
		s.onSchedule() // a rotation that is overdue is done at once
	}
	return err
}

func disableKey(s *Service, ctx context.Context, c *Call) error {
	return s.update(ctx, c, func(k *keyring.Record) error {
		k.SwitchTo(keyring.Disabled)
		return nil
	})
}

func scheduleKeyDeletion(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.ScheduleKeyDeletionRequest)
	days := int32(defaultWindowDays)
	if r.HasPendingWindowInDays() {
		days = r.PendingWindowInDays
	}
	if days < minWindowDays || days > maxWindowDays {
		return validation("PendingWindowInDays must be between %d and %d", minWindowDays, maxWindowDays)
	}
	deletion := s.clock().Add(time.Duration(days) * 24 * time.Hour).Truncate(time.Millisecond)
	resp := &wire.ScheduleKeyDeletionResponse{KeyId: c.Key.Snapshot.ARN, PendingWindowInDays: wire.Some(days)}
	_, err := s.keys.Edit(ctx, c.Key.Snapshot.ID, func(e *keyring.Edit) error {
		if err := checkState(scheduling, e.State, c.Key.Snapshot.ARN); err != nil {
			return err
		}
		e.State, e.Deletion, e.WindowDays = keyring.PendingDeletion, deletion, int(days)
		resp.KeyState, resp.DeletionDate = wire.KeyStatePendingDeletion, wire.Some(wire.TimestampOf(deletion))
		if len(e.Replicas) > 0 { // the waiting period begins when the last of them is gone
			e.State, e.Deletion = keyring.PendingReplicaDeletion, time.Time{}
			resp.KeyState, resp.DeletionDate = wire.KeyStatePendingReplicaDeletion, wire.Opt[wire.Timestamp]{}
		}
		return nil
	})
	if err != nil {
		return keyGone(c, err)
	}
	s.onSchedule()
	c.Response = resp
	return nil
}

func cancelKeyDeletion(s *Service, ctx context.Context, c *Call) error {
	err := s.update(ctx, c, func(k *keyring.Record) error {
		k.State, k.Deletion, k.WindowDays = keyring.Disabled, time.Time{}, 0
		if k.Origin == keyring.External && k.Current == (hsm.MaterialID{}) {
			k.State = keyring.PendingImport
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.Response = &wire.CancelKeyDeletionResponse{KeyId: c.Key.Snapshot.ARN}
	return nil
}

// update changes the call's key, after its state was checked on the very record that is changed. The
// keyring wipes the key's ready state in the module before it answers a change that forbids its use.
func (s *Service) update(ctx context.Context, c *Call, change func(*keyring.Record) error) error {
	class := c.row.class
	_, err := s.keys.Update(ctx, c.Key.Snapshot.ID, func(k *keyring.Record) error {
		if err := checkState(class, k.State, c.Key.Snapshot.ARN); err != nil {
			return err
		}
		return change(k)
	})
	return keyGone(c, err)
}
