package keyring_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/hsm"
	"trent/store"
)

const day = 24 * time.Hour

func agree(*keyring.Edit) error { return nil }

// hand is a clock that a test sets.
type hand struct {
	mu sync.Mutex
	at time.Time
}

func (h *hand) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *hand) set(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = t
}

// openBy is open with a clock of the test's and the module.
func openBy(t *testing.T, s store.Store, h *hand) (*keyring.Keyring, *module) {
	t.Helper()
	m := &module{}
	k, err := keyring.Open(s, m, keyring.Options{Clock: h.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k, m
}

// rotating is a key whose rotation was switched on at epoch.
func rotating(t *testing.T, k *keyring.Keyring, n, days int) keyring.ID {
	t.Helper()
	id := create(t, k, newKey(n))
	if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error { r.StartRotation(epoch, days); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

// workAll does what is due until nothing is.
func workAll(t *testing.T, k *keyring.Keyring, now time.Time) (done []keyring.Due) {
	t.Helper()
	for {
		due, err := k.Due(t.Context(), now, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(due) == 0 {
			return done
		}
		if err := k.Work(t.Context(), due[0]); err != nil {
			t.Fatal(due[0], err)
		}
		done = append(done, due[0])
	}
}

func TestRotateOnDemand(t *testing.T) {
	t.Parallel()
	store := newMemory()
	k := open(t, store, keyring.Options{})
	id := create(t, k, newKey(1))
	for n := range 3 {
		at := epoch.Add(time.Duration(n+1) * day)
		s, err := k.RotateOnDemand(t.Context(), id, at, agree)
		if err != nil || s.Current.Material != material(madeFrom+n) {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	r, all, err := k.Materials(t.Context(), id)
	if err != nil || r.OnDemand != 3 || r.Current != material(madeFrom+2) {
		t.Fatalf("%+v, %v", r, err)
	}
	want := []keyring.Material{
		{ID: material(1), State: keyring.MaterialNonCurrent, Created: epoch},
		{ID: material(madeFrom), State: keyring.MaterialNonCurrent, Rotation: keyring.OnDemand, Created: epoch.Add(day), Rotated: epoch.Add(day)},
		{ID: material(madeFrom + 1), State: keyring.MaterialNonCurrent, Rotation: keyring.OnDemand, Created: epoch.Add(2 * day), Rotated: epoch.Add(2 * day)},
		{ID: material(madeFrom + 2), State: keyring.MaterialCurrent, Rotation: keyring.OnDemand, Created: epoch.Add(3 * day), Rotated: epoch.Add(3 * day)},
	}
	if !slices.Equal(all, want) {
		t.Errorf("materials\n%+v\nwant\n%+v", all, want)
	}
	for i, m := range all {
		s, key, err := k.ByMaterial(t.Context(), home, m.ID)
		if err != nil || s.ID != id || key == nil || key.Material != m.ID || s.Current.Material != r.Current {
			t.Fatalf("material %d: %+v, %+v, %v", i, s, key, err)
		}
		if token := "token of " + m.ID.String(); i > 0 && string(key.Token) != token {
			t.Errorf("material %d has token %q", i, key.Token)
		}
	}
	refused := errors.New("refused")
	if _, err := k.RotateOnDemand(t.Context(), id, epoch, func(*keyring.Edit) error { return refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
	if after, err := k.Record(t.Context(), id); err != nil || after != r {
		t.Errorf("a refused rotation changed %+v to %+v, %v", r, after, err)
	}
}

// The material that a rotation made is used again when the write is, and made after the check.
func TestRotationMakesOneMaterial(t *testing.T) {
	t.Parallel()
	s := newMemory()
	k, m := openBy(t, s, &hand{at: epoch})
	id := create(t, k, newKey(1))
	conflicts := 5
	s.set(func() {
		s.before = func(store.Txn) error {
			if conflicts--; conflicts >= 0 {
				return store.ErrConflict
			}
			return nil
		}
	})
	if _, err := k.RotateOnDemand(t.Context(), id, epoch, agree); err != nil || m.count() != 1 {
		t.Errorf("%d materials, %v", m.count(), err)
	}
	refused := errors.New("refused")
	if _, err := k.RotateOnDemand(t.Context(), id, epoch, func(*keyring.Edit) error { return refused }); err == nil || m.count() != 1 {
		t.Errorf("%d materials, %v", m.count(), err)
	}
	m.mu.Lock()
	m.err = hsm.ErrBusy
	m.mu.Unlock()
	if _, err := k.RotateOnDemand(t.Context(), id, epoch, agree); !errors.Is(err, hsm.ErrBusy) {
		t.Error(err)
	}
	if r, err := k.Record(t.Context(), id); err != nil || r.OnDemand != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A commit whose outcome is not known leaves the whole rotation or nothing of it.
func TestRotationIsWhole(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		s := newMemory()
		k := open(t, s, keyring.Options{})
		id := create(t, k, newKey(1))
		fail := func(store.Txn) error { return store.ErrAmbiguous }
		s.set(func() {
			if s.before = fail; applied {
				s.before, s.after = nil, fail
			}
		})
		if _, err := k.RotateOnDemand(t.Context(), id, epoch, agree); !errors.Is(err, store.ErrAmbiguous) {
			t.Fatal(err)
		}
		s.set(func() { s.before, s.after = nil, nil })
		r, all, err := k.Materials(t.Context(), id)
		if err != nil || len(all) != 1+r.OnDemand || all[r.OnDemand].ID != r.Current || (r.OnDemand == 1) != applied {
			t.Errorf("%+v, %+v, %v", r, all, err)
		}
		now, err := k.ByID(t.Context(), id)
		if err != nil || now.Current.Material != r.Current {
			t.Errorf("%+v, %v", now, err)
		}
	}
}

func TestMissedRotationsAllHappen(t *testing.T) {
	t.Parallel()
	h := &hand{at: epoch}
	k, _ := openBy(t, newMemory(), h)
	quick, slow := rotating(t, k, 1, 90), rotating(t, k, 2, 200)
	if due := workAll(t, k, epoch.Add(90*day-time.Millisecond)); len(due) != 0 {
		t.Fatalf("early: %v", due)
	}
	h.set(epoch.Add(450*day + time.Hour))
	var got []time.Duration
	for _, d := range workAll(t, k, h.now()) {
		got = append(got, d.At.Sub(epoch)/day)
	}
	if want := []time.Duration{90, 180, 200, 270, 360, 400, 450}; !slices.Equal(got, want) {
		t.Errorf("rotations on days %d, want %d", got, want)
	}
	for id, c := range map[keyring.ID]struct{ n, period int }{quick: {5, 90}, slow: {2, 200}} {
		r, all, err := k.Materials(t.Context(), id)
		if err != nil || len(all) != c.n+1 || all[c.n].ID != r.Current || r.OnDemand != 0 {
			t.Fatalf("%+v, %+v, %v", r, all, err)
		}
		for i, m := range all[1:] {
			date := epoch.Add(time.Duration((i+1)*c.period) * day)
			if m.Rotation != keyring.Automatic || !m.Rotated.Equal(date) || !m.Created.Equal(date) {
				t.Errorf("rotation %d: %+v", i, m)
			}
		}
		next := epoch.Add(time.Duration((c.n+1)*c.period) * day)
		if r.Rotation.Next != next || r.Rotation.Since != all[c.n].Rotated {
			t.Errorf("%+v", r.Rotation)
		}
	}
}

func TestRotationDates(t *testing.T) {
	t.Parallel()
	var r keyring.Record
	next := func(want time.Duration) {
		t.Helper()
		if got := r.Rotation.Next.Sub(epoch); got != want {
			t.Errorf("next after %v, want %v", got, want)
		}
	}
	r.StartRotation(epoch, 365)
	next(365 * day)
	r.StartRotation(epoch.Add(10*day), 365) // again changes nothing
	next(365 * day)
	r.StartRotation(epoch.Add(10*day), 90) // counts from when it was switched on
	next(90 * day)
	r.StartRotation(epoch.Add(80*day), 2560)
	next(2560 * day)
	r.StartRotation(epoch.Add(300*day), 90) // would have been before: at once
	next(300 * day)
	r.Rotation = keyring.Rotation{}
	r.StartRotation(epoch.Add(400*day), 100)
	next(500 * day)
}

// A key is not rotated while it may not be used; what was missed meanwhile is one rotation.
func TestOverdueRotation(t *testing.T) {
	t.Parallel()
	h := &hand{at: epoch}
	k, _ := openBy(t, newMemory(), h)
	id := rotating(t, k, 1, 90)
	set := func(s keyring.State, deletion time.Time) {
		t.Helper()
		if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error { r.State, r.Deletion = s, deletion; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	stale, err := k.Due(t.Context(), epoch.Add(90*day), 1)
	if err != nil || len(stale) != 1 {
		t.Fatal(stale, err)
	}
	if err := k.Work(t.Context(), stale[0]); !errors.Is(err, keyring.ErrNotDue) {
		t.Errorf("work before its time: %v", err)
	}
	set(keyring.Disabled, time.Time{})
	h.set(epoch.Add(400 * day))
	if err := k.Work(t.Context(), stale[0]); !errors.Is(err, keyring.ErrNotDue) {
		t.Errorf("a disabled key: %v", err)
	}
	set(keyring.PendingDeletion, epoch.Add(500*day))
	set(keyring.Disabled, time.Time{})
	if due := workAll(t, k, h.now()); len(due) != 0 {
		t.Errorf("a disabled key has work: %v", due)
	}
	set(keyring.Enabled, time.Time{})
	if due := workAll(t, k, h.now()); len(due) != 1 || !due[0].At.Equal(h.now()) {
		t.Errorf("after it was enabled: %v", due)
	}
	if r, err := k.Record(t.Context(), id); err != nil || r.Rotation.Next != epoch.Add(490*day) {
		t.Errorf("%+v, %v", r.Rotation, err)
	}
	if err := k.Work(t.Context(), keyring.Due{ID: home.Key(keyID(99)), Task: keyring.TaskRotate, At: epoch}); !errors.Is(err, keyring.ErrNotDue) {
		t.Errorf("no such key: %v", err)
	}
}

func TestRotatingFromTheStart(t *testing.T) {
	t.Parallel()
	h := &hand{at: epoch.Add(365 * day)}
	k, _ := openBy(t, newMemory(), h)
	n := newKey(1)
	n.Manager, n.RotateDays = keyring.AWS, 365
	id := create(t, k, n)
	if due := workAll(t, k, h.now()); len(due) != 1 || due[0] != (keyring.Due{ID: id, Task: keyring.TaskRotate, At: h.now()}) {
		t.Errorf("%v", due)
	}
	if _, all, err := k.Materials(t.Context(), id); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
}

// A copy of a multi-Region key has the primary's settings, and no rotations of its own.
func TestReplicasFollow(t *testing.T) {
	t.Parallel()
	k, _ := openBy(t, newMemory(), &hand{at: epoch})
	n := newKey(1)
	n.ID.Key, n.MultiRegion = mrkID, true
	create(t, k, n)
	for region, want := range map[string]int{"us-west-2": 0, home.Region: 1} {
		if _, err := k.Update(t.Context(), n.ID, func(r *keyring.Record) error {
			r.Primary = region
			r.StartRotation(epoch, 90)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if due, err := k.Due(t.Context(), epoch.Add(90*day), 10); err != nil || len(due) != want {
			t.Errorf("primary in %s: %v, %v", region, due, err)
		}
	}
	s, err := k.RotateOnDemand(t.Context(), n.ID, epoch, agree)
	if err != nil || string(s.Current.Identity) != string(hsm.AppendIdentity(nil, "aws", home.Account, mrkID, "")) {
		t.Errorf("%+v, %v", s.Current, err)
	}
}

// Imported material waits until a rotation makes it the current one.
func TestRotateToImportedMaterial(t *testing.T) {
	t.Parallel()
	k, m := openBy(t, newMemory(), &hand{at: epoch})
	n := newKey(1)
	n.Origin = keyring.External
	id := create(t, k, n)
	if _, err := k.RotateOnDemand(t.Context(), id, epoch, agree); err == nil {
		t.Error("rotated to no material")
	}
	first, second := epoch.Add(30*day), epoch.Add(20*day)
	_, err := k.Edit(t.Context(), id, func(e *keyring.Edit) error {
		e.Materials[0].Import, e.Materials[0].Expires, e.Materials[0].ValidTo, e.ValidTo = keyring.Imported, keyring.Expires, first, first
		e.Materials = append(e.Materials,
			keyring.Material{ID: material(2), State: keyring.MaterialPendingRotation, Import: keyring.Imported, Expires: keyring.Expires, ValidTo: second, Created: epoch})
		e.PutToken(material(2), []byte("token"), nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := k.RotateOnDemand(t.Context(), id, epoch.Add(day), agree)
	if err != nil || s.Current.Material != material(2) || string(s.Current.Token) != "token" || m.count() != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	r, all, err := k.Materials(t.Context(), id)
	if err != nil || r.OnDemand != 1 || r.ValidTo != second || len(all) != 2 || all[0].State != keyring.MaterialNonCurrent ||
		all[1].State != keyring.MaterialCurrent || all[1].Rotated != epoch.Add(day) || all[1].Rotation != keyring.OnDemand || all[1].Created != epoch {
		t.Errorf("%+v, %+v, %v", r, all, err)
	}
}

// Older materials are answered from the cache, and only as long as it is so.
func TestOlderMaterials(t *testing.T) {
	t.Parallel()
	s := newMemory()
	k := open(t, s, keyring.Options{})
	other := open(t, s, keyring.Options{})
	n := newKey(1)
	n.Origin = keyring.External
	id := create(t, k, n)
	if _, err := k.Edit(t.Context(), id, func(e *keyring.Edit) error {
		e.Materials[0].State = keyring.MaterialNonCurrent
		e.Materials = append(e.Materials, keyring.Material{ID: material(2), State: keyring.MaterialCurrent})
		e.Current = material(2)
		e.PutToken(material(2), []byte("second"), nil)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	token := func(k *keyring.Keyring) string {
		t.Helper()
		snapshot, key, err := k.ByMaterial(t.Context(), home, material(1))
		if err != nil || snapshot.ID != id {
			t.Fatalf("%+v, %v", snapshot, err)
		}
		if key == nil {
			return ""
		}
		return string(key.Token)
	}
	cached := func() bool {
		before := s.countLoads()
		token(k)
		return s.countLoads() == before
	}
	for n := 0; !cached(); n++ { // the watch may bring older commits late and void a fill
		if n == 1000 {
			t.Fatal("never cached")
		}
	}
	for i, edit := range []struct {
		f    func(e *keyring.Edit) error
		want string
	}{
		{func(e *keyring.Edit) error { e.PutToken(material(1), []byte("wrapped again"), nil); return nil }, "wrapped again"},
		{func(e *keyring.Edit) error { e.DropToken(material(1)); return nil }, ""},
		{func(e *keyring.Edit) error { e.PutToken(material(1), []byte("back"), nil); return nil }, "back"},
	} {
		token(other)
		if _, err := k.Edit(t.Context(), id, edit.f); err != nil {
			t.Fatal(err)
		}
		if got := token(k); got != edit.want {
			t.Errorf("edit %d: token %q", i, got)
		}
		eventually(t, func() bool { return token(other) == edit.want })
	}
	if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error {
		r.State, r.Deletion = keyring.PendingDeletion, epoch
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := k.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if snapshot, key, err := k.ByMaterial(t.Context(), home, material(1)); err != nil || !snapshot.Missing || key != nil {
		t.Errorf("after the deletion: %+v, %v, %v", snapshot, key, err)
	}
}

// eventually waits for what the watch brings from another keyring.
func eventually(t *testing.T, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !f() {
		if ctx.Err() != nil {
			t.Fatal("never happened")
		}
	}
}

// Rotations at once are counted exactly, and none loses a material.
func TestConcurrentRotations(t *testing.T) {
	t.Parallel()
	s := newMemory()
	limit := errors.New("limit")
	shared := &module{}
	var ks [2]*keyring.Keyring
	for i := range ks {
		k, err := keyring.Open(s, shared, keyring.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		ks[i] = k
	}
	id := create(t, ks[0], newKey(1))
	var wg sync.WaitGroup
	var done atomic.Int32
	for i := range 10 {
		wg.Go(func() {
			for range 5 {
				_, err := ks[i%2].RotateOnDemand(t.Context(), id, epoch, func(e *keyring.Edit) error {
					if e.OnDemand >= 25 {
						return limit
					}
					return nil
				})
				switch {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, limit) && !errors.Is(err, store.ErrConflict):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r, all, err := ks[0].Materials(t.Context(), id)
	n := int(done.Load())
	if err != nil || r.OnDemand != n || n == 0 || n > 25 || len(all) != n+1 || all[n].ID != r.Current {
		t.Fatalf("%d rotations, %d answered, %d materials, %v", r.OnDemand, n, len(all), err)
	}
	for i, m := range all {
		if _, key, err := ks[1].ByMaterial(t.Context(), home, m.ID); err != nil || key == nil {
			t.Errorf("material %d of %d: %v, %v", i, n, key, err)
		}
		if slices.ContainsFunc(all[:i], func(o keyring.Material) bool { return o.ID == m.ID }) {
			t.Errorf("material %d is there twice", i)
		}
	}
}
