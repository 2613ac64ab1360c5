package keyring_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/hsm"
)

// external is a key with imported material; zero: it does not expire.
func external(t testing.TB, k *keyring.Keyring, n int, validTo time.Time) keyring.ID {
	t.Helper()
	key := newKey(n)
	key.Origin, key.Token = keyring.External, nil
	key.Material = hsm.MaterialID{}
	id := create(t, k, key)
	bring(t, k, id, n, keyring.MaterialCurrent, validTo)
	return id
}

// bring imports material n in a state.
func bring(t testing.TB, k *keyring.Keyring, id keyring.ID, n int, state keyring.MaterialState, validTo time.Time) *keyring.Snapshot {
	t.Helper()
	s, err := k.Edit(t.Context(), id, func(e *keyring.Edit) error {
		if e.Material(material(n)) == nil {
			e.Materials = append(e.Materials, keyring.Material{ID: material(n)})
		}
		m := e.Material(material(n))
		m.State, m.Import, m.Expires, m.ValidTo = state, keyring.Imported, keyring.DoesNotExpire, validTo
		if state == keyring.MaterialCurrent {
			e.Current = material(n)
		}
		e.PutToken(material(n), []byte("token"), nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func discard(t testing.TB, k *keyring.Keyring, id keyring.ID, n int) *keyring.Snapshot {
	t.Helper()
	s, err := k.Edit(t.Context(), id, func(e *keyring.Edit) error { e.Discard(material(n)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestImportedState: what the list of materials makes of a key's state, its first expiry and what is missing.
func TestImportedState(t *testing.T) {
	t.Parallel()
	mod := &module{}
	k, err := keyring.Open(newMemory(), mod, keyring.Options{Clock: func() time.Time { return epoch }})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	early, late := epoch.Add(time.Hour), epoch.Add(2*time.Hour)
	id := external(t, k, 1, late)
	check := func(when string, state keyring.State, validTo, waiting time.Time, lacking bool) {
		t.Helper()
		r, _, err := k.Materials(t.Context(), id)
		if err != nil || r.State != state || !r.ValidTo.Equal(validTo) || !r.Waiting.Equal(waiting) || r.Lacking != lacking {
			t.Errorf("%s: %s, valid to %v, waiting to %v, lacking %t, %v", when, r.State, r.ValidTo, r.Waiting, r.Lacking, err)
		}
	}
	var never time.Time
	check("imported", keyring.Enabled, late, never, false)
	bring(t, k, id, 2, keyring.MaterialPendingRotation, early)
	check("a second one waits", keyring.Enabled, late, early, false)
	// A rotation, as who rotates does it: the states change places.
	if _, err := k.Edit(t.Context(), id, func(e *keyring.Edit) error {
		e.Material(material(1)).State, e.Material(material(2)).State, e.Current = keyring.MaterialNonCurrent, keyring.MaterialCurrent, material(2)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	check("rotated", keyring.Enabled, early, never, false)
	if s := discard(t, k, id, 1); s.State != keyring.PendingImport || s.Current == nil {
		t.Errorf("without the older: %s, %v", s.State, s.Current)
	}
	if mod.times(material(1)) == 0 || mod.times(material(2)) == 0 {
		t.Error("the module still knows the materials")
	}
	check("without the older", keyring.PendingImport, early, never, true)
	if s := discard(t, k, id, 2); s.Current != nil {
		t.Error("the current material is still there")
	}
	bring(t, k, id, 1, keyring.MaterialNonCurrent, never)
	check("the older is back", keyring.PendingImport, never, never, true)
	bring(t, k, id, 2, keyring.MaterialCurrent, never)
	check("both are back", keyring.Enabled, never, never, false)
	if s, key, err := k.ByMaterial(t.Context(), home, material(1)); err != nil || s.State != keyring.Enabled || key == nil {
		t.Errorf("by the older material: %v, %v", key, err)
	}
	bring(t, k, id, 3, keyring.MaterialPendingRotation, never)
	discard(t, k, id, 3)
	discard(t, k, id, 77) // never heard of
	check("without what waited", keyring.Enabled, never, never, false)
	if _, all, err := k.Materials(t.Context(), id); err != nil || len(all) != 2 {
		t.Errorf("%d materials, %v", len(all), err)
	}
}

// TestExpiry: a reader after the time finds the material gone though nobody has done the due work, by each way to the
// key; the due work finds nothing left.
func TestExpiry(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(k *keyring.Keyring, id keyring.ID) (*keyring.Snapshot, error){
		"id": func(k *keyring.Keyring, id keyring.ID) (*keyring.Snapshot, error) { return k.ByID(t.Context(), id) },
		"alias": func(k *keyring.Keyring, _ keyring.ID) (*keyring.Snapshot, error) {
			r, err := k.Resolve(t.Context(), home, []byte("alias/a"))
			return r.Snapshot, err
		},
		"name": func(k *keyring.Keyring, id keyring.ID) (*keyring.Snapshot, error) {
			r, err := k.Resolve(t.Context(), home, []byte(id.Key))
			return r.Snapshot, err
		},
		"material": func(k *keyring.Keyring, _ keyring.ID) (*keyring.Snapshot, error) {
			s, key, err := k.ByMaterial(t.Context(), home, material(1))
			if s.State == keyring.PendingImport && key != nil {
				t.Error("the material is still there")
			}
			return s, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := epoch
			k := open(t, newMemory(), keyring.Options{Clock: func() time.Time { return now }})
			ends := epoch.Add(time.Hour)
			id := external(t, k, 1, ends)
			if err := k.CreateAlias(t.Context(), home, "alias/a", id); err != nil {
				t.Fatal(err)
			}
			for _, now = range [...]time.Time{epoch, ends.Add(-time.Millisecond)} {
				for range 2 { // from the store and from the cache
					if s, err := read(k, id); err != nil || s.State != keyring.Enabled || s.Current == nil {
						t.Fatalf("at %v: %+v, %v", now, s, err)
					}
				}
			}
			now = ends
			due, err := k.Due(t.Context(), now, 10)
			if err != nil || len(due) != 1 || due[0].Task != keyring.TaskExpire {
				t.Fatalf("due %+v, %v", due, err)
			}
			if s, err := read(k, id); err != nil || s.State != keyring.PendingImport || s.Current != nil {
				t.Errorf("after its time: %+v, %v", s, err)
			}
			if err := k.Work(t.Context(), due[0]); !errors.Is(err, keyring.ErrNotDue) {
				t.Errorf("the work that is done already: %v", err)
			}
			if due, err = k.Due(t.Context(), now, 10); err != nil || len(due) != 0 {
				t.Errorf("still due %+v, %v", due, err)
			}
		})
	}
}

// TestExpiryByWork: the worker does the same where nobody reads, also for what waits for a rotation and for a key that is
// pending deletion.
func TestExpiryByWork(t *testing.T) {
	t.Parallel()
	now := epoch
	k := open(t, newMemory(), keyring.Options{Clock: func() time.Time { return now }})
	one, two := external(t, k, 1, epoch.Add(2*time.Hour)), external(t, k, 2, epoch.Add(time.Hour))
	bring(t, k, one, 3, keyring.MaterialPendingRotation, epoch.Add(time.Hour))
	if _, err := k.Update(t.Context(), two, func(r *keyring.Record) error {
		r.State, r.Deletion = keyring.PendingDeletion, epoch.Add(100*time.Hour)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	now = epoch.Add(time.Hour)
	due, err := k.Due(t.Context(), now, 10)
	if err != nil || len(due) != 2 {
		t.Fatalf("due %+v, %v", due, err)
	}
	for _, d := range due {
		if err := k.Work(t.Context(), d); err != nil {
			t.Error(err)
		}
	}
	if r, all, err := k.Materials(t.Context(), one); err != nil || r.State != keyring.Enabled || len(all) != 1 {
		t.Errorf("%s with %d materials, %v", r.State, len(all), err)
	}
	if r, _, err := k.Materials(t.Context(), two); err != nil || r.State != keyring.PendingDeletion || !r.Lacking {
		t.Errorf("%s, %v", r.State, err)
	}
	// Cancelled, it waits for its material.
	if s, err := k.Update(t.Context(), two, func(r *keyring.Record) error {
		r.State, r.Deletion = keyring.Disabled, time.Time{}
		return nil
	}); err != nil || s.State != keyring.PendingImport {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestWrappingKeys: kept until they end, deleted together, and with the key.
func TestWrappingKeys(t *testing.T) {
	t.Parallel()
	now := epoch
	m := newMemory()
	k := open(t, m, keyring.Options{Clock: func() time.Time { return now }})
	id, other := create(t, k, newKey(1)), create(t, k, newKey(2))
	put := func(id keyring.ID, n int, ends time.Time) {
		t.Helper()
		if err := k.PutWrappingKey(t.Context(), id, keyring.WrappingKey{ID: material(n), Token: []byte{byte(n)}, Ends: ends}); err != nil {
			t.Fatal(err)
		}
	}
	ends := epoch.Add(24 * time.Hour)
	for n := range 100 {
		put(id, n, ends)
	}
	put(id, 100, ends.Add(time.Hour))
	put(other, 7, ends)
	if w, err := k.WrappingKey(t.Context(), id, material(7)); err != nil || string(w.Token) != "\a" || !w.Ends.Equal(ends) || w.ID != material(7) {
		t.Errorf("%+v, %v", w, err)
	}
	for _, absent := range []hsm.MaterialID{material(101), {}} {
		if _, err := k.WrappingKey(t.Context(), id, absent); !errors.Is(err, keyring.ErrWrappingKeyMissing) {
			t.Error(err)
		}
	}
	if _, err := k.WrappingKey(t.Context(), other, material(1)); !errors.Is(err, keyring.ErrWrappingKeyMissing) {
		t.Errorf("of another key: %v", err)
	}
	if err := k.Work(t.Context(), keyring.Due{ID: id, Task: keyring.TaskWrappingKey, At: ends}); !errors.Is(err, keyring.ErrNotDue) {
		t.Errorf("early: %v", err)
	}
	now = ends
	due, err := k.Due(t.Context(), now, 10)
	if err != nil || len(due) != 2 {
		t.Fatalf("due %+v, %v", due, err)
	}
	for _, d := range due {
		if err := k.Work(t.Context(), d); err != nil {
			t.Error(err)
		}
	}
	left := slices.DeleteFunc(m.keys(), func(s string) bool { return !strings.HasPrefix(s, "imp|") })
	if len(left) != 1 || !strings.Contains(left[0], id.Key) {
		t.Errorf("left: %q", left)
	}
	if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error {
		r.State, r.Deletion = keyring.PendingDeletion, now
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := k.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := k.PutWrappingKey(t.Context(), id, keyring.WrappingKey{ID: material(1), Token: []byte("t"), Ends: ends}); !errors.Is(err, keyring.ErrKeyMissing) {
		t.Errorf("for a key that is gone: %v", err)
	}
	now = ends.Add(time.Hour) // the entry of a key that is gone is worked off, too
	for due, err = k.Due(t.Context(), now, 10); len(due) > 0; due, err = k.Due(t.Context(), now, 10) {
		if err := k.Work(t.Context(), due[0]); err != nil {
			t.Fatal(err)
		}
	}
	if left := slices.DeleteFunc(m.keys(), func(s string) bool { return !strings.HasPrefix(s, "imp|") && !strings.HasPrefix(s, "due|") }); err != nil || len(left) != 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}
