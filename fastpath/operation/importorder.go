package operation

import (
	"encoding/hex"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// maxValidity is how far ahead imported material may expire (AWS KMS API Reference, "ImportKeyMaterial").
const maxValidity = 365 * 24 * time.Hour

// importOrder is what an ImportKeyMaterial asks for, apart from the material itself.
type importOrder struct {
	now         time.Time
	name        string          // of the key, as the request has it
	kind        wire.ImportType // 0: new for the first import, existing after it
	expected    hsm.MaterialID  // the only one that is accepted; zero: any
	description []byte          // nil: as before
	expires     keyring.Expiration
	validTo     time.Time
}

// newImportOrder makes the checks that need no key material.
func newImportOrder(r *wire.ImportKeyMaterialRequest, key *keyring.Snapshot, now time.Time) (*importOrder, error) {
	o := &importOrder{now: now, name: string(r.KeyId), kind: r.ImportType, description: r.KeyMaterialDescription}
	if !isSymmetric(key.Spec) {
		for _, p := range [...]struct {
			name  string
			given bool
		}{
			{"ImportType", r.ImportType != 0}, {"KeyMaterialId", r.KeyMaterialId != nil}, {"KeyMaterialDescription", r.KeyMaterialDescription != nil},
		} {
			if p.given {
				return nil, wire.Errorf(wire.CodeUnsupportedOperationException, "%s is only supported for symmetric encryption keys.", p.name)
			}
		}
	}
	if r.KeyMaterialId != nil {
		if r.ImportType == wire.ImportTypeNewKeyMaterial {
			return nil, validation("KeyMaterialId cannot be specified if the ImportType is NEW_KEY_MATERIAL")
		}
		o.expected = materialID(r.KeyMaterialId)
	}
	return o, o.setExpiration(r)
}

func (o *importOrder) setExpiration(r *wire.ImportKeyMaterialRequest) error {
	if r.ExpirationModel == wire.ExpirationModelTypeKeyMaterialDoesNotExpire {
		o.expires = keyring.DoesNotExpire
		if r.HasValidTo() {
			return validation("A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE")
		}
		return nil
	}
	o.expires = keyring.Expires
	if !r.HasValidTo() {
		return validation("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
	}
	o.validTo = r.ValidTo.Time()
	switch {
	case !o.validTo.After(o.now):
		return validation("The validTo date must be in the future")
	case o.validTo.After(o.now.Add(maxValidity)):
		return validation("The validTo date must not be more than 365 days in the future")
	}
	return nil
}

// carryOut enters the material id into the key's list, or finds it there: as the current material if it is the first
// one, else to wait for a rotation. Only one may wait. Replicas of multi-Region keys have the materials of their primary.
func (o *importOrder) carryOut(e *keyring.Edit, id hsm.MaterialID) error {
	first := len(e.Materials) == 0
	kind := o.kind
	if kind == 0 {
		kind = wire.ImportTypeExistingKeyMaterial
		if first {
			kind = wire.ImportTypeNewKeyMaterial
		}
	}
	if kind == wire.ImportTypeNewKeyMaterial {
		if err := primaryOnly(&e.Record); err != nil {
			return err
		}
	}
	m := e.Material(id)
	if (m == nil) != (kind == wire.ImportTypeNewKeyMaterial) {
		return wire.Bare(wire.CodeIncorrectKeyMaterialException)
	}
	if m == nil {
		if other := waiting(e); other != nil {
			return wire.Errorf(wire.CodeKMSInvalidStateException,
				"New key material (id: %s) cannot be imported into KMS key %s, because another key material (id: %s) is pending rotation.", id, o.name, other.ID)
		}
		n := keyring.Material{ID: id, State: keyring.MaterialPendingRotation, Created: o.now.Truncate(time.Millisecond).UTC()}
		if first {
			n.State, e.Current = keyring.MaterialCurrent, id
		}
		e.Materials = append(e.Materials, n)
		m = e.Material(id)
	}
	m.Import, m.Expires, m.ValidTo = keyring.Imported, o.expires, o.validTo
	if o.description != nil {
		m.Description = string(o.description)
	}
	return nil
}

// waiting is the material that waits for a rotation, nil if there is none.
func waiting(e *keyring.Edit) *keyring.Material {
	for i := range e.Materials {
		if m := &e.Materials[i]; !m.Permanent() {
			return m
		}
	}
	return nil
}

// materialID reads a KeyMaterialId, which the constraints hold to 64 lower-case hex digits.
func materialID(text []byte) (m hsm.MaterialID) {
	_, _ = hex.Decode(m[:], text)
	return m
}
