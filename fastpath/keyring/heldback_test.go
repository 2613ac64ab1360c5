package keyring_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"trent/fastpath/keyring"
)

// wantStates checks the materials of a copy: state by number, and whether each is here.
func wantStates(t *testing.T, k *keyring.Keyring, id keyring.ID, want map[int]keyring.MaterialState, here ...int) {
	t.Helper()
	_, all, err := k.Materials(t.Context(), id)
	if err != nil || len(all) != len(want) {
		t.Fatalf("%s: %+v, %v", id.Region, all, err)
	}
	for n, state := range want {
		i := slices.IndexFunc(all, func(m keyring.Material) bool { return m.ID == material(n) })
		if i < 0 || all[i].State != state || (all[i].Import == keyring.Imported) != slices.Contains(here, n) {
			t.Errorf("%s: material %d: %+v, want state %d", id.Region, n, all, state)
		}
	}
}

// TestHeldBack: what could be rotated to waits for a copy that is new, or that has lost it.
func TestHeldBack(t *testing.T) {
	t.Parallel()
	now := epoch
	k := open(t, newMemory(), keyring.Options{Clock: func() time.Time { return now }})
	n := newPrimary(1)
	n.Origin, n.Token = keyring.External, nil
	id := create(t, k, n)
	do := func(id keyring.ID, n int) {
		t.Helper()
		if err := imports(t.Context(), k, id, n); err != nil {
			t.Fatal(err)
		}
	}
	promote := func(id keyring.ID, region string) {
		t.Helper()
		if err := k.Promote(t.Context(), id, region, any1, nil); err != nil {
			t.Fatal(err)
		}
	}
	one, other := in(id, "eu-west-1"), in(id, "ap-south-1")
	current := func(second keyring.MaterialState) map[int]keyring.MaterialState {
		return map[int]keyring.MaterialState{1: keyring.MaterialCurrent, 2: second}
	}
	do(id, 1)
	do(id, 2)
	wantStates(t, k, id, current(keyring.MaterialPendingRotation), 1, 2)
	replicate(t, k, id, one.Region)
	wantStates(t, k, id, current(keyring.MaterialPendingMultiRegion), 1, 2)
	wantStates(t, k, one, current(keyring.MaterialPendingMultiRegion))
	do(one, 1)
	do(one, 2)
	wantStates(t, k, id, current(keyring.MaterialPendingRotation), 1, 2)
	wantStates(t, k, one, current(keyring.MaterialPendingRotation), 1, 2)
	replicate(t, k, id, other.Region)
	for _, copied := range []keyring.ID{id, one} {
		wantStates(t, k, copied, current(keyring.MaterialPendingMultiRegion), 1, 2)
	}
	do(other, 1)
	do(other, 2)
	wantStates(t, k, id, current(keyring.MaterialPendingRotation), 1, 2)
	discard(t, k, one, 2)
	wantStates(t, k, id, current(keyring.MaterialPendingMultiRegion), 1, 2)
	wantStates(t, k, one, current(keyring.MaterialPendingMultiRegion), 1)
	wantStates(t, k, other, current(keyring.MaterialPendingMultiRegion), 1, 2)

	// The one without it becomes the primary; it is still to wait for, and the copies that have it keep it.
	promote(id, one.Region)
	wantStates(t, k, one, current(keyring.MaterialPendingMultiRegion), 1)
	wantStates(t, k, id, current(keyring.MaterialPendingMultiRegion), 1, 2)
	do(one, 2)
	for _, copied := range []keyring.ID{id, one, other} {
		wantStates(t, k, copied, current(keyring.MaterialPendingRotation), 1, 2)
	}

	// The primary gives it up: the others have it for themselves. Promoted, one of them does not rotate to it alone.
	discard(t, k, one, 2)
	wantStates(t, k, one, map[int]keyring.MaterialState{1: keyring.MaterialCurrent}, 1)
	wantStates(t, k, other, current(keyring.MaterialPendingMultiRegion), 1, 2)
	promote(one, other.Region)
	for _, copied := range []keyring.ID{one, id} {
		here := []int{1, 2}
		if copied == one {
			here = here[:1]
		}
		wantStates(t, k, copied, current(keyring.MaterialPendingMultiRegion), here...)
	}
	do(one, 2)
	wantStates(t, k, other, current(keyring.MaterialPendingRotation), 1, 2)

	// With the copy that lacks it the wait goes.
	discard(t, k, id, 2)
	discard(t, k, one, 2)
	wantStates(t, k, other, current(keyring.MaterialPendingMultiRegion), 1, 2)
	for _, copied := range []keyring.ID{id, one} {
		if _, err := k.Update(t.Context(), copied, func(r *keyring.Record) error {
			r.State, r.Deletion = keyring.PendingDeletion, epoch
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := k.Delete(t.Context(), copied); err != nil {
			t.Fatal(err)
		}
	}
	work(t, k)
	wantStates(t, k, other, current(keyring.MaterialPendingRotation), 1, 2)
}

// TestManyExpire: more materials than a transaction holds end at one moment.
func TestManyExpire(t *testing.T) {
	t.Parallel()
	now := epoch
	k := open(t, newMemory(), keyring.Options{Clock: func() time.Time { return now }})
	const many = 70
	id := external(t, k, 1, epoch.Add(time.Hour))
	for n := 2; n <= many; n++ {
		bring(t, k, id, n, keyring.MaterialNonCurrent, epoch.Add(time.Hour))
	}
	now = epoch.Add(2 * time.Hour)
	if s, err := k.ByID(t.Context(), id); err != nil || s.State != keyring.PendingImport {
		t.Fatalf("%+v, %v", s, err)
	}
	workAll(t, k, now)
	_, all, err := k.Materials(t.Context(), id)
	if err != nil || len(all) != many {
		t.Fatalf("%d materials, %v", len(all), err)
	}
	for _, m := range all {
		if m.Import != keyring.PendingReimport {
			t.Fatalf("left: %+v", m)
		}
	}
	if due, err := k.Due(t.Context(), now.Add(time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("due %v, %v", due, err)
	}
}

// TestHeldBackUnderConcurrency: whatever runs at once, in the end a material can be rotated to exactly if all copies have it.
func TestHeldBackUnderConcurrency(t *testing.T) {
	t.Parallel()
	m := newMemory()
	rings := []*keyring.Keyring{open(t, m, keyring.Options{}), open(t, m, keyring.Options{})}
	n := newPrimary(1)
	n.Origin, n.Token = keyring.External, nil
	id := create(t, rings[0], n)
	if err := imports(t.Context(), rings[0], id, 1); err != nil {
		t.Fatal(err)
	}
	regions := []string{home.Region, "eu-west-1", "eu-west-2", "ap-south-1"}
	var all sync.WaitGroup
	for i := range 6 {
		k := rings[i%2]
		all.Go(func() {
			for j := range 16 {
				from, region := in(id, regions[j%4]), regions[(i+j/4)%4]
				_, _ = k.Replicate(t.Context(), from, keyring.NewReplica{Region: region, Created: epoch}, any1)
				for n := 1; n < 4; n++ {
					_ = importExisting(t.Context(), k, in(id, region), n)
				}
				_ = k.Promote(t.Context(), from, region, any1, nil)
				_, _ = k.Edit(t.Context(), from, func(e *keyring.Edit) error {
					if i := slices.IndexFunc(e.Materials, func(m keyring.Material) bool { return !m.Permanent() }); i >= 0 {
						e.Discard(e.Materials[i].ID)
					}
					return nil
				})
			}
		})
	}
	all.Wait()
	k := open(t, m, keyring.Options{})
	workAll(t, k, time.Now().Add(time.Hour))
	r, err := k.Record(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	rel, err := k.Related(t.Context(), &r)
	if err != nil || len(rel.Replicas) == 0 {
		t.Fatal(rel, err)
	}
	_, materials, err := k.Materials(t.Context(), in(id, rel.Primary))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range materials {
		everywhere := m.Import == keyring.Imported
		for _, region := range rel.Replicas {
			_, has, err := k.Materials(t.Context(), in(id, region))
			i := slices.IndexFunc(has, func(h keyring.Material) bool { return h.ID == m.ID })
			if err != nil || i < 0 || has[i].State != m.State {
				t.Fatalf("%s has %+v, the primary %+v: %v", region, has, materials, err)
			}
			everywhere = everywhere && has[i].Import == keyring.Imported
		}
		if !m.Permanent() && (m.State == keyring.MaterialPendingRotation) != everywhere {
			t.Errorf("in all Regions %t: %+v", everywhere, m)
		}
	}
}

// importExisting imports a material that the copy waits for; a primary takes a new one while none waits.
func importExisting(ctx context.Context, k *keyring.Keyring, id keyring.ID, n int) error {
	_, err := k.Edit(ctx, id, func(e *keyring.Edit) error {
		m := e.Material(material(n))
		if m == nil {
			if !e.Leads() || slices.ContainsFunc(e.Materials, func(m keyring.Material) bool { return !m.Permanent() }) {
				return errNotNew
			}
			e.Materials = append(e.Materials, keyring.Material{ID: material(n), State: keyring.MaterialPendingRotation, Created: epoch})
			m = e.Material(material(n))
		}
		m.Import, m.Expires = keyring.Imported, keyring.DoesNotExpire
		e.PutToken(m.ID, []byte{byte(n)}, nil)
		return nil
	})
	return err
}

var errNotNew = errors.New("another material waits")
