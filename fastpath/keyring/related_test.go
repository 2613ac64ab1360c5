package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/fastpath/keyring"
	"trent/hsm"
	"trent/store"
)

// multiRegionID is the nth id of a multi-Region key.
func multiRegionID(n int) string { return fmt.Sprintf("mrk-%032x", n) }

// newPrimary is a multi-Region primary.
func newPrimary(n int) keyring.NewKey {
	k := newKey(n)
	k.ID, k.MultiRegion = home.Key(multiRegionID(n)), true
	return k
}

func in(id keyring.ID, region string) keyring.ID {
	id.Region = region
	return id
}

func any1(*keyring.Record) error { return nil }

func replicate(t testing.TB, k *keyring.Keyring, id keyring.ID, regions ...string) {
	t.Helper()
	for _, region := range regions {
		if _, err := k.Replicate(t.Context(), id, keyring.NewReplica{Region: region, Created: epoch}, any1); err != nil {
			t.Fatalf("%s: %v", region, err)
		}
	}
}

// rotate gives a key its nth material.
func rotate(ctx context.Context, k *keyring.Keyring, id keyring.ID, n int) error {
	_, err := k.Edit(ctx, id, func(e *keyring.Edit) error {
		if !e.Leads() {
			return keyring.ErrNotPrimary
		}
		if old := e.Material(e.Current); old != nil {
			old.State = keyring.MaterialNonCurrent
		}
		e.PutToken(material(n), bytes.Repeat([]byte{byte(n)}, 132), nil)
		e.Materials = append(e.Materials, keyring.Material{ID: material(n), State: keyring.MaterialCurrent, Created: epoch})
		e.Current = material(n)
		e.OnDemand++
		return nil
	})
	return err
}

// work does all that is due.
func work(t *testing.T, k *keyring.Keyring) {
	t.Helper()
	for range 100 {
		due, err := k.Due(t.Context(), epoch.Add(time.Hour), 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(due) == 0 {
			return
		}
		for _, d := range due {
			if err := k.Work(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatal("work without end")
}

// wantAlike checks that a replica shares with its primary what it must, and can use all of its materials.
func wantAlike(t *testing.T, k *keyring.Keyring, primary keyring.ID, region string) {
	t.Helper()
	from, materials, err := k.Materials(t.Context(), primary)
	if err != nil {
		t.Fatal(err)
	}
	to, has, err := k.Materials(t.Context(), in(primary, region))
	if err != nil {
		t.Fatalf("%s: %v", region, err)
	}
	if to.State != keyring.Enabled || to.Current != from.Current || to.Rotation != from.Rotation || to.OnDemand != from.OnDemand || to.Leads() {
		t.Errorf("%s: %+v\nof %+v", region, to, from)
	}
	if d := cmp.Diff(materials, has); d != "" {
		t.Errorf("%s: %s", region, d)
	}
	scope := home
	scope.Region = region
	for _, m := range materials {
		s, key, err := k.ByMaterial(t.Context(), scope, m.ID)
		if err != nil || key == nil || s.Region != region {
			t.Errorf("%s: material %v: %v, %v", region, m.ID, s, err)
		}
	}
}

func TestReplicate(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	n := newPrimary(1)
	n.Description, n.Policy, n.Tags = "the primary", []byte("{}"), []keyring.Tag{{Key: "a"}}
	n.Spec, n.Usage, n.Public = hsm.P256, hsm.SignVerify, []byte("public")
	id := create(t, k, n)
	replica, err := k.Replicate(t.Context(), id, keyring.NewReplica{
		Region: "eu-west-1", Description: "a copy", Tags: []keyring.Tag{{Key: "b"}}, Created: epoch.Add(time.Hour),
	}, any1)
	if err != nil {
		t.Fatal(err)
	}
	want := keyring.Record{
		ID: in(id, "eu-west-1"), Revision: 2, State: keyring.Enabled, Spec: n.Spec, Usage: n.Usage, Origin: keyring.AWSKMS,
		Manager: keyring.Customer, MultiRegion: true, Created: epoch.Add(time.Hour), Description: "a copy", Current: material(1),
		Primary: home.Region,
	}
	if d := cmp.Diff(want, replica); d != "" {
		t.Error(d)
	}
	k = open(t, m, keyring.Options{}) // nothing comes from memory
	if r, err := k.Record(t.Context(), want.ID); err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	s, err := k.ByID(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Current.Token, n.Token) || !bytes.Equal(s.Current.Identity, hsm.AppendIdentity(nil, "aws", home.Account, id.Key, "")) ||
		string(s.Public) != "public" {
		t.Errorf("%+v", s)
	}
	if tags, err := k.Tags(t.Context(), want.ID); err != nil || len(tags) != 1 || tags[0].Key != "b" {
		t.Error(tags, err)
	}
	wantAlike(t, k, id, "eu-west-1")
	for _, r := range []keyring.ID{id, want.ID} {
		record, err := k.Record(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := k.Related(t.Context(), &record)
		if err != nil || rel.Primary != home.Region || !slices.Equal(rel.Replicas, []string{"eu-west-1"}) {
			t.Errorf("%s: %+v, %v", r.Region, rel, err)
		}
	}
}

func TestReplicateRefusals(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	id, single := create(t, k, newPrimary(1)), create(t, k, newKey(2))
	replicate(t, k, id, "eu-west-1")
	mine := errors.New("mine")
	before := m.keys()
	for name, c := range map[string]struct {
		id     keyring.ID
		region string
		check  func(*keyring.Record) error
		want   error
	}{
		"there already": {id, "eu-west-1", any1, keyring.ErrKeyExists},
		"its own":       {id, home.Region, any1, keyring.ErrKeyExists},
		"a replica":     {in(id, "eu-west-1"), "eu-west-2", any1, keyring.ErrNotPrimary},
		"single-Region": {single, "eu-west-2", any1, keyring.ErrNotPrimary},
		"absent":        {home.Key(multiRegionID(9)), "eu-west-2", any1, keyring.ErrKeyMissing},
		"refused":       {id, "eu-west-2", func(*keyring.Record) error { return mine }, mine},
	} {
		if _, err := k.Replicate(t.Context(), c.id, keyring.NewReplica{Region: c.region, Created: epoch}, c.check); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := m.keys(); !slices.Equal(got, before) {
		t.Error(cmp.Diff(before, got))
	}
}

// A key with more materials than a transaction holds is copied in several, and cut short anywhere it is continued.
func TestReplicateManyMaterials(t *testing.T) {
	t.Parallel()
	for cut := 1; cut <= 5; cut++ {
		m := newMemory()
		k := open(t, m, keyring.Options{Clock: func() time.Time { return epoch }})
		id := create(t, k, newPrimary(1))
		for n := 2; n <= 120; n++ {
			if err := rotate(t.Context(), k, id, n); err != nil {
				t.Fatal(err)
			}
		}
		cutAfter(m, cut)
		_, err := k.Replicate(t.Context(), id, keyring.NewReplica{Region: "eu-west-1", Created: epoch}, any1)
		if err != nil {
			t.Fatal(err)
		}
		m.set(func() { m.before = nil })
		k = open(t, m, keyring.Options{})
		r, err := k.Record(t.Context(), in(id, "eu-west-1"))
		if err != nil {
			t.Fatal(err)
		}
		if unfinished := cut < 3; (r.State == keyring.Creating) != unfinished {
			t.Errorf("cut after %d commits it is %v", cut, r.State)
		}
		if s, err := k.ByID(t.Context(), r.ID); err != nil || s.Current == nil {
			t.Errorf("%+v, %v", s, err)
		}
		work(t, k)
		wantAlike(t, k, id, "eu-west-1")
	}
}

// cutAfter makes all commits after n more fail, as if the process ended there.
func cutAfter(m *memory, n int) {
	m.set(func() {
		m.before = func(store.Txn) error {
			if n--; n < 0 {
				return store.ErrUnavailable
			}
			return nil
		}
	})
}

// A rotation reaches all copies, however many, wherever it is cut short.
func TestSync(t *testing.T) {
	t.Parallel()
	var regions []string
	for i := range 32 {
		regions = append(regions, fmt.Sprintf("xx-test-%d", i+1))
	}
	for _, cut := range []int{1, 2, 17, 33, 34, 1000} {
		m := newMemory()
		k := open(t, m, keyring.Options{Clock: func() time.Time { return epoch }})
		id := create(t, k, newPrimary(1))
		replicate(t, k, id, regions...)
		for _, region := range regions {
			if _, err := k.ByID(t.Context(), in(id, region)); err != nil { // fills the cache
				t.Fatal(err)
			}
		}
		cutAfter(m, cut)
		if err := rotate(t.Context(), k, id, 2); err != nil {
			t.Fatalf("cut after %d: %v", cut, err)
		}
		m.set(func() { m.before = nil })
		if due, err := k.Due(t.Context(), epoch, 10); err != nil || (len(due) == 0) != (cut >= 34) {
			t.Errorf("cut after %d: due %v, %v", cut, due, err)
		}
		if cut < 34 {
			k = open(t, m, keyring.Options{})
			work(t, k)
		}
		for _, region := range regions {
			wantAlike(t, k, id, region)
			if s, err := k.ByID(t.Context(), in(id, region)); err != nil || s.Current.Material != material(2) {
				t.Errorf("%s uses %v, %v", region, s.Current, err)
			}
		}
		if due, err := k.Due(t.Context(), epoch, 10); err != nil || len(due) != 0 {
			t.Errorf("still due: %v, %v", due, err)
		}
	}
}

// What only one copy has stays so when the others follow.
func TestSyncKeepsWhatIsEachOnes(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{})
	id := create(t, k, newPrimary(1))
	replicate(t, k, id, "eu-west-1")
	copied := in(id, "eu-west-1")
	if _, err := k.Update(t.Context(), copied, func(r *keyring.Record) error {
		r.State, r.Description = keyring.Disabled, "mine"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error {
		r.Description = "the primary's"
		r.Rotation = keyring.Rotation{Enabled: true, PeriodDays: 90, Since: epoch, Next: epoch.AddDate(0, 0, 90)}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r, err := k.Record(t.Context(), copied)
	if err != nil || r.State != keyring.Disabled || r.Description != "mine" || r.Rotation.PeriodDays != 90 {
		t.Errorf("%+v, %v", r, err)
	}
	due, err := k.Due(t.Context(), epoch.AddDate(1, 0, 0), 10)
	if err != nil || len(due) != 1 || due[0].ID != id || due[0].Task != keyring.TaskRotate {
		t.Errorf("due: %v, %v", due, err)
	}
}

func TestPromote(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{Clock: func() time.Time { return epoch }})
	id := create(t, k, newPrimary(1))
	replicate(t, k, id, "eu-west-1", "ap-south-1")
	if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error {
		r.Rotation = keyring.Rotation{Enabled: true, PeriodDays: 90, Since: epoch, Next: epoch.AddDate(0, 0, 90)}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	cutAfter(m, 1) // the copies do not hear of it
	if err := rotate(t.Context(), k, id, 2); err != nil {
		t.Fatal(err)
	}
	m.set(func() { m.before = nil })
	var seen []string
	check := func(r *keyring.Record) error {
		seen = append(seen, r.Region)
		return nil
	}
	if err := k.Promote(t.Context(), id, "eu-west-1", check, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(seen[:2], []string{home.Region, "eu-west-1"}) {
		t.Errorf("checked %v", seen)
	}
	now := in(id, "eu-west-1")
	for _, region := range []string{home.Region, "ap-south-1"} {
		r, err := k.Record(t.Context(), in(id, region))
		if err != nil || r.Leads() {
			t.Errorf("%+v, %v", r, err)
		}
		rel, err := k.Related(t.Context(), &r)
		if err != nil || rel.Primary != "eu-west-1" || !slices.Equal(rel.Replicas, []string{"ap-south-1", home.Region}) {
			t.Errorf("%+v, %v", rel, err)
		}
	}
	work(t, k) // what was cut short goes on from the new primary
	wantAlike(t, k, now, home.Region)
	wantAlike(t, k, now, "ap-south-1")
	due, err := k.Due(t.Context(), epoch.AddDate(1, 0, 0), 10)
	if err != nil || len(due) != 1 || due[0].ID != now {
		t.Errorf("due: %v, %v", due, err)
	}
	mine := errors.New("mine")
	for name, c := range map[string]struct {
		id     keyring.ID
		region string
		check  func(*keyring.Record) error
		want   error
	}{
		"a replica":     {id, "ap-south-1", any1, keyring.ErrNotPrimary},
		"no copy there": {now, "eu-west-2", any1, keyring.ErrNoReplica},
		"itself":        {now, "eu-west-1", any1, keyring.ErrNoReplica},
		"absent":        {home.Key(multiRegionID(9)), "eu-west-1", any1, keyring.ErrKeyMissing},
		"refused": {now, "ap-south-1", func(r *keyring.Record) error {
			if !r.Leads() {
				return mine
			}
			return nil
		}, mine},
	} {
		if err := k.Promote(t.Context(), c.id, c.region, c.check, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The waiting period of a primary begins when its last replica is gone.
func TestDeletionOfCopies(t *testing.T) {
	t.Parallel()
	m := newMemory()
	now := epoch
	k := open(t, m, keyring.Options{Clock: func() time.Time { return now }})
	id := create(t, k, newPrimary(1))
	replicate(t, k, id, "eu-west-1", "ap-south-1")
	schedule := func(id keyring.ID) {
		t.Helper()
		if _, err := k.Edit(t.Context(), id, func(e *keyring.Edit) error {
			e.State, e.Deletion, e.WindowDays = keyring.PendingDeletion, now.AddDate(0, 0, 7), 7
			if len(e.Replicas) > 0 {
				e.State, e.Deletion = keyring.PendingReplicaDeletion, time.Time{}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	schedule(id)
	for i, region := range []string{"eu-west-1", "ap-south-1"} {
		schedule(in(id, region))
		now = now.AddDate(0, 0, 7)
		if err := k.Delete(t.Context(), in(id, region)); err != nil {
			t.Fatal(err)
		}
		r, err := k.Record(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := k.Related(t.Context(), &r)
		if err != nil || slices.Contains(rel.Replicas, region) {
			t.Errorf("%+v, %v", rel, err)
		}
		if i == 0 && (r.State != keyring.PendingReplicaDeletion || !r.Deletion.IsZero()) {
			t.Errorf("with a replica left: %+v", r)
		}
		if i == 1 && (r.State != keyring.PendingDeletion || !r.Deletion.Equal(now.AddDate(0, 0, 7))) {
			t.Errorf("without replicas: %+v", r)
		}
	}
	due, err := k.Due(t.Context(), now.AddDate(0, 0, 7), 10)
	if err != nil || len(due) != 1 || due[0].ID != id {
		t.Fatalf("due: %v, %v", due, err)
	}
	now = now.AddDate(0, 0, 7)
	if err := k.Work(t.Context(), due[0]); err != nil {
		t.Fatal(err)
	}
	if left := m.keys(); len(left) != 1 || left[0][:4] != "mat|" {
		t.Errorf("left behind: %q", left)
	}
}
