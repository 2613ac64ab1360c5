package operation

import (
	"context"
	"slices"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

const (
	defaultRotationDays = 365
	conflictWindow      = 20 * time.Minute // before an automatic rotation (API reference, RotateKeyOnDemand)
)

// rotationRows are the rows of EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, ListKeyRotations and RotateKeyOnDemand.
func rotationRows(t *[wire.NumOperations]row) {
	t[wire.OperationEnableKeyRotation] = row{run: enableKeyRotation, class: rotating, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.EnableKeyRotationRequest).KeyId }}
	t[wire.OperationDisableKeyRotation] = row{run: disableKeyRotation, class: rotating, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.DisableKeyRotationRequest).KeyId }}
	t[wire.OperationRotateKeyOnDemand] = row{run: rotateKeyOnDemand, class: rotating, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.RotateKeyOnDemandRequest).KeyId }}
	t[wire.OperationGetKeyRotationStatus] = row{run: getKeyRotationStatus, invalidARN: true, foreignKeys: true,
		key: func(r wire.Request) []byte { return r.(*wire.GetKeyRotationStatusRequest).KeyId }}
	t[wire.OperationListKeyRotations] = row{run: listKeyRotations, noDependencyTimeout: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.ListKeyRotationsRequest).KeyId }}
}

func enableKeyRotation(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.EnableKeyRotationRequest)
	days := defaultRotationDays
	if r.HasRotationPeriodInDays() {
		days = int(r.RotationPeriodInDays)
	}
	err := s.schedule(ctx, c, func(k *keyring.Record) error {
		if !rotates(k) {
			return wire.Bare(wire.CodeUnsupportedOperationException)
		}
		if err := primaryOnly(k); err != nil {
			return err
		}
		k.StartRotation(s.clock(), days)
		return nil
	})
	if err == nil {
		s.onSchedule()
	}
	return err
}

func disableKeyRotation(s *Service, ctx context.Context, c *Call) error {
	return s.schedule(ctx, c, func(k *keyring.Record) error {
		if err := primaryOnly(k); err != nil {
			return err
		}
		k.Rotation = keyring.Rotation{}
		return nil
	})
}

// schedule changes the automatic rotation of the call's key. The origin ranks before the state.
func (s *Service) schedule(ctx context.Context, c *Call, change func(*keyring.Record) error) error {
	_, err := s.keys.Update(ctx, c.Key.Snapshot.ID, func(k *keyring.Record) error {
		if err := rotatedHere(k); err != nil {
			return err
		}
		if err := checkState(c.row.class, k.State, k.ARN()); err != nil {
			return err
		}
		return change(k)
	})
	return keyGone(c, err)
}

func rotateKeyOnDemand(s *Service, ctx context.Context, c *Call) error {
	arn := c.Key.Snapshot.ARN
	after, err := s.keys.RotateOnDemand(ctx, c.Key.Snapshot.ID, s.clock(), func(e *keyring.Edit) error {
		if err := checkState(c.row.class, e.State, arn); err != nil {
			return err
		}
		if err := storeOrigin(&e.Record); err != nil {
			return err
		}
		if !rotates(&e.Record) {
			return wire.Bare(wire.CodeUnsupportedOperationException)
		}
		if err := primaryOnly(&e.Record); err != nil {
			return err
		}
		if e.Origin == keyring.External && e.Pending() == nil {
			return wire.Errorf(wire.CodeKMSInvalidStateException, "No available key material pending rotation for the key: %s.", arn)
		}
		if e.OnDemand >= s.limits.OnDemandRotations {
			return wire.Errorf(wire.CodeLimitExceededException,
				"The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: %s", arn)
		}
		if e.Rotation.Enabled && !e.Rotation.Next.After(s.clock().Add(conflictWindow)) {
			return wire.Errorf(wire.CodeConflictException, "Automatic rotation of %s is in progress or due within 20 minutes.", arn)
		}
		return nil
	})
	if err != nil {
		return keyGone(c, err)
	}
	s.rotated(c, after)
	c.Response = &wire.RotateKeyOnDemandResponse{KeyId: arn}
	return nil
}

func getKeyRotationStatus(s *Service, ctx context.Context, c *Call) error {
	k, err := s.keys.Record(ctx, c.Key.Snapshot.ID)
	if err != nil {
		return keyGone(c, err)
	}
	if err := rotatedHere(&k); err != nil {
		return err
	}
	dying := k.State == keyring.PendingDeletion || k.State == keyring.PendingReplicaDeletion
	on := k.Rotation.Enabled && !dying
	resp := &wire.GetKeyRotationStatusResponse{KeyId: k.Key, KeyRotationEnabled: wire.Some(on)}
	if on {
		resp.RotationPeriodInDays = wire.Some(int32(k.Rotation.PeriodDays))
		resp.NextRotationDate = wire.Some(wire.TimestampOf(k.Rotation.Next))
	}
	c.Response = resp
	return nil
}

func listKeyRotations(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.ListKeyRotationsRequest)
	k, all, err := s.keys.Materials(ctx, c.Key.Snapshot.ID)
	if err != nil {
		return keyGone(c, err)
	}
	if err := storeOrigin(&k); err != nil {
		return err
	}
	if !rotates(&k) {
		return wire.Bare(wire.CodeUnsupportedOperationException)
	}
	after, err := openMarker(r.Marker, c)
	if err != nil {
		return err
	}
	if after != "" {
		// The marker names a material, whichever entries the pages are to have.
		i := slices.IndexFunc(all, func(m keyring.Material) bool { return m.ID.String() == after })
		if i < 0 {
			return wire.Bare(wire.CodeInvalidMarkerException)
		}
		all = all[i+1:]
	}
	size := pageSize(r.Limit, r.HasLimit(), 100, 1000)
	resp := &wire.ListKeyRotationsResponse{Rotations: []wire.RotationsListEntry{}}
	more := false
	for i := range all {
		m := &all[i]
		if r.IncludeKeyMaterial != wire.IncludeKeyMaterialAllKeyMaterial && m.Rotation == keyring.RotationNone {
			continue
		}
		if more = len(resp.Rotations) == size; more {
			resp.NextMarker = sealMarker(resp.Rotations[size-1].KeyMaterialId, c)
			break
		}
		resp.Rotations = append(resp.Rotations, rotationEntry(k.Key, m))
	}
	resp.Truncated = wire.Some(more)
	c.Response = resp
	return nil
}

// The keyring's enumerations in the API's terms.
var (
	materialStates = [...]wire.KeyMaterialState{
		keyring.MaterialCurrent: wire.KeyMaterialStateCurrent, keyring.MaterialNonCurrent: wire.KeyMaterialStateNonCurrent,
		keyring.MaterialPendingRotation:    wire.KeyMaterialStatePendingRotation,
		keyring.MaterialPendingMultiRegion: wire.KeyMaterialStatePendingMultiRegionImportAndRotation,
	}
	importStates = [...]wire.ImportState{
		keyring.NotImported: 0, keyring.Imported: wire.ImportStateImported, keyring.PendingReimport: wire.ImportStatePendingImport,
	}
	expirationModels = [...]wire.ExpirationModelType{
		keyring.ExpirationNone: 0, keyring.Expires: wire.ExpirationModelTypeKeyMaterialExpires,
		keyring.DoesNotExpire: wire.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}
	rotationTypes = [...]wire.RotationType{
		keyring.RotationNone: 0, keyring.Automatic: wire.RotationTypeAutomatic, keyring.OnDemand: wire.RotationTypeOnDemand,
	}
)

func rotationEntry(id string, m *keyring.Material) wire.RotationsListEntry {
	e := wire.RotationsListEntry{
		KeyId: id, KeyMaterialId: m.ID.String(), KeyMaterialDescription: m.Description,
		ImportState: importStates[m.Import], KeyMaterialState: materialStates[m.State], ExpirationModel: expirationModels[m.Expires],
		RotationType: rotationTypes[m.Rotation],
	}
	if !m.ValidTo.IsZero() {
		e.ValidTo = wire.Some(wire.TimestampOf(m.ValidTo))
	}
	if m.Rotation != keyring.RotationNone {
		e.RotationDate = wire.Some(wire.TimestampOf(m.Rotated))
	}
	return e
}

// rotates tells whether a key's spec is one whose material can be rotated.
func rotates(k *keyring.Record) bool {
	return k.Usage == hsm.EncryptDecrypt && isSymmetric(k.Spec)
}

// rotatedHere refuses keys whose material is not the service's to rotate by itself.
func rotatedHere(k *keyring.Record) error {
	if k.Origin == keyring.External {
		return badOrigin(k)
	}
	return storeOrigin(k)
}

// storeOrigin refuses keys of custom key stores.
func storeOrigin(k *keyring.Record) error {
	if k.Origin == keyring.AWSCloudHSM || k.Origin == keyring.ExternalKeyStore {
		return badOrigin(k)
	}
	return nil
}

func badOrigin(k *keyring.Record) error {
	return wire.Errorf(wire.CodeUnsupportedOperationException, "%s origin is %s which is not valid for this operation.", k.ARN(), k.Origin)
}

// primaryOnly refuses replicas of multi-Region keys, which follow their primary.
func primaryOnly(k *keyring.Record) error {
	if k.MultiRegion && k.Primary != k.Region {
		return wire.Errorf(wire.CodeUnsupportedOperationException, "%s is not a multi-region primary key.", k.ARN())
	}
	return nil
}
