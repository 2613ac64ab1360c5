package keyring

import (
	"context"
	"errors"
	"slices"

	"trent/hsm"
)

// waitsForRegions tells whether a material is to be imported in all Regions before it can be rotated to.
func waitsForRegions(m Material) bool { return m.State == MaterialPendingMultiRegion }

// holdBack makes material that has been imported into a primary, and would be the next to rotate to, wait until all
// replicas have it too. Where there is none any more, nothing is left to wait for.
func (e *Edit) holdBack(before []Material) {
	if e.Origin != External || e.follows() {
		return
	}
	for i := range e.Materials {
		switch m := &e.Materials[i]; {
		case len(e.Replicas) == 0 && waitsForRegions(*m) && m.Import == Imported:
			m.State = MaterialPendingRotation
		case len(e.Replicas) > 0 && m.State == MaterialPendingRotation && materialIn(before, m.ID) == nil:
			m.State = MaterialPendingMultiRegion
		}
	}
}

// heldBack is materials where one more copy is to import what could have been rotated to. False: there was nothing.
func heldBack(materials []Material) ([]Material, bool) {
	held := slices.Clone(materials)
	for i := range held {
		if held[i].State == MaterialPendingRotation {
			held[i].State = MaterialPendingMultiRegion
		}
	}
	return held, !slices.Equal(held, materials)
}

// waits tells whether a material is no part of its key yet.
func waits(m Material) bool { return !m.Permanent() }

// importedEverywhere lets the materials go that waited for their import in all Regions, where that is done, and holds back
// those that a copy has lost meanwhile. False: something was changed, which the copies have to follow.
func (k *Keyring) importedEverywhere(ctx context.Context, primary *Record, replicas []string) (none bool, err error) {
	if primary.Origin != External {
		return true, nil
	}
	_, materials, err := k.Materials(ctx, primary.ID)
	if errors.Is(err, ErrKeyMissing) || err == nil && !slices.ContainsFunc(materials, waits) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	lacks := map[hsm.MaterialID]bool{}
	note := func(has []Material) {
		for _, m := range materials {
			if own := materialIn(has, m.ID); own == nil || own.Import != Imported {
				lacks[m.ID] = true
			}
		}
	}
	note(materials)
	for _, region := range replicas {
		_, has, err := k.Materials(ctx, primary.in(region))
		if errors.Is(err, ErrKeyMissing) {
			continue // it is being deleted
		}
		if err != nil {
			return false, err
		}
		note(has)
	}
	_, err = k.Edit(ctx, primary.ID, func(e *Edit) error {
		if none = e.Leads() && slices.Equal(e.Replicas, replicas); !none {
			return errSettled // there are other copies by now
		}
		for i := range e.Materials {
			m := &e.Materials[i]
			if m.Permanent() || materialIn(materials, m.ID) == nil {
				continue
			}
			next := MaterialPendingRotation
			if lacks[m.ID] {
				next = MaterialPendingMultiRegion
			}
			none = none && m.State == next
			m.State = next
		}
		if none {
			return errSettled
		}
		return nil
	})
	if errors.Is(err, ErrKeyMissing) || errors.Is(err, errSettled) {
		err = nil
	}
	return none, err
}
