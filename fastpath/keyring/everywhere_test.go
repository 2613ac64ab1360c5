package keyring_test

import (
	"context"
	"testing"

	"trent/fastpath/keyring"
)

// imports gives a copy a material whose bytes somebody has brought to it.
func imports(ctx context.Context, k *keyring.Keyring, id keyring.ID, n int) error {
	_, err := k.Edit(ctx, id, func(e *keyring.Edit) error {
		m := e.Material(material(n))
		if m == nil {
			e.Materials = append(e.Materials, keyring.Material{ID: material(n), State: keyring.MaterialPendingRotation, Created: epoch})
			m = e.Material(material(n))
			if len(e.Materials) == 1 {
				m.State, e.Current = keyring.MaterialCurrent, m.ID
			}
		}
		m.Import, m.Expires = keyring.Imported, keyring.DoesNotExpire
		if e.State == keyring.PendingImport {
			e.State = keyring.Enabled
		}
		e.PutToken(m.ID, []byte{byte(n)}, nil)
		return nil
	})
	return err
}

// Imported material is brought to each copy; the next one to rotate to waits until all have it.
func TestImportedCopies(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{})
	n := newPrimary(1)
	n.Origin, n.Token = keyring.External, nil
	id := create(t, k, n)
	do := func(id keyring.ID, n int) {
		t.Helper()
		if err := imports(t.Context(), k, id, n); err != nil {
			t.Fatal(err)
		}
	}
	do(id, 1)
	regions := []string{"eu-west-1", "ap-south-1"}
	replicate(t, k, id, regions...)
	for _, region := range regions {
		r, has, err := k.Materials(t.Context(), in(id, region))
		if err != nil || r.State != keyring.PendingImport || r.Current != material(1) || len(has) != 1 || has[0].Import != keyring.PendingReimport {
			t.Errorf("%s: %+v, %+v, %v", region, r, has, err)
		}
		if s, err := k.ByID(t.Context(), r.ID); err != nil || s.Current != nil {
			t.Errorf("%s: %+v, %v", region, s, err)
		}
		do(r.ID, 1)
		if s, err := k.ByID(t.Context(), r.ID); err != nil || s.State != keyring.Enabled || s.Current == nil {
			t.Errorf("%s: %+v, %v", region, s, err)
		}
	}
	states := func(want keyring.MaterialState, imported ...bool) {
		t.Helper()
		for i, region := range append([]string{home.Region}, regions...) {
			r, has, err := k.Materials(t.Context(), in(id, region))
			if err != nil || len(has) != 2 || has[1].State != want || (has[1].Import == keyring.Imported) != imported[i] || r.State != keyring.Enabled {
				t.Errorf("%s: %+v, %+v, %v", region, r, has, err)
			}
		}
	}
	do(id, 2)
	states(keyring.MaterialPendingMultiRegion, true, false, false)
	do(in(id, "eu-west-1"), 2)
	states(keyring.MaterialPendingMultiRegion, true, true, false)
	do(in(id, "ap-south-1"), 2)
	states(keyring.MaterialPendingRotation, true, true, true)

	// Rotated to, all use it. What a copy has lost it must import before it can be used again.
	if _, err := k.Edit(t.Context(), id, func(e *keyring.Edit) error {
		e.Material(material(1)).State, e.Material(material(2)).State = keyring.MaterialNonCurrent, keyring.MaterialCurrent
		e.Current = material(2)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	states(keyring.MaterialCurrent, true, true, true)
	for _, region := range regions {
		if s, err := k.ByID(t.Context(), in(id, region)); err != nil || s.Current == nil || s.Current.Material != material(2) {
			t.Errorf("%s: %+v, %v", region, s, err)
		}
	}
	work(t, k)
}
