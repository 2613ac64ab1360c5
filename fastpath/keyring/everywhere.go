package keyring

import (
	"context"
	"errors"
	"slices"
)

// waitsForRegions tells whether a material is to be imported in all Regions before it can be rotated to.
func waitsForRegions(m Material) bool { return m.State == MaterialPendingMultiRegion }

// holdBack makes material that has been imported into a primary, and would be the next to rotate to, wait until all
// replicas have it too.
func (e *Edit) holdBack(before []Material) {
	if e.Origin != External || len(e.Replicas) == 0 {
		return
	}
	for i := range e.Materials {
		if m := &e.Materials[i]; m.State == MaterialPendingRotation && materialIn(before, m.ID) == nil {
			m.State = MaterialPendingMultiRegion
		}
	}
}

// importedEverywhere lets the materials go that waited for their import in all Regions, where that is done. False: some
// were let go, which the copies have to follow.
func (k *Keyring) importedEverywhere(ctx context.Context, primary *Record, replicas []string) (none bool, err error) {
	if primary.Origin != External {
		return true, nil
	}
	_, materials, err := k.Materials(ctx, primary.ID)
	if errors.Is(err, ErrKeyMissing) || err == nil && !slices.ContainsFunc(materials, waitsForRegions) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	everywhere := materials
	for _, region := range replicas {
		_, has, err := k.Materials(ctx, primary.in(region))
		if errors.Is(err, ErrKeyMissing) {
			continue // it is being deleted
		}
		if err != nil {
			return false, err
		}
		everywhere = slices.DeleteFunc(slices.Clone(everywhere), func(m Material) bool {
			own := materialIn(has, m.ID)
			return own == nil || own.Import != Imported
		})
	}
	done := slices.DeleteFunc(slices.Clone(everywhere), func(m Material) bool { return !waitsForRegions(m) || m.Import != Imported })
	if len(done) == 0 {
		return true, nil
	}
	_, err = k.Edit(ctx, primary.ID, func(e *Edit) error {
		for i := range done {
			if m := e.Material(done[i].ID); m != nil && waitsForRegions(*m) {
				m.State = MaterialPendingRotation
			}
		}
		return nil
	})
	if errors.Is(err, ErrKeyMissing) {
		err = nil
	}
	return false, err
}
