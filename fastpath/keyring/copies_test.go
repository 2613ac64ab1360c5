package keyring_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"trent/fastpath/keyring"
)

// Whatever runs at once, there is one primary, it has all its materials, and all copies have them too.
func TestCopiesUnderConcurrency(t *testing.T) {
	t.Parallel()
	m := newMemory()
	rings := []*keyring.Keyring{open(t, m, keyring.Options{}), open(t, m, keyring.Options{})}
	id := create(t, rings[0], newPrimary(1))
	regions := []string{"eu-west-1", "eu-west-2", "ap-south-1"}
	var made, rotated sync.Map
	var all sync.WaitGroup
	for i := range 6 {
		k := rings[i%2]
		all.Go(func() {
			for _, region := range regions {
				_, err := k.Replicate(t.Context(), id, keyring.NewReplica{Region: region, Created: epoch}, any1)
				switch {
				case err == nil:
					if _, twice := made.LoadOrStore(region, true); twice {
						t.Errorf("two copies in %s", region)
					}
				case !errors.Is(err, keyring.ErrKeyExists) && !errors.Is(err, keyring.ErrNotPrimary):
					t.Errorf("%s: %v", region, err)
				}
			}
		})
		all.Go(func() {
			for _, region := range append(regions, home.Region) {
				n := 100*i + len(region) + int(region[0])
				err := rotate(t.Context(), k, in(id, home.Region), n)
				if err == nil {
					rotated.Store(material(n), true)
				}
				_ = k.Promote(t.Context(), id, region, any1, nil)
				_ = k.Promote(t.Context(), in(id, region), home.Region, any1, nil)
			}
		})
	}
	all.Wait()
	k := open(t, m, keyring.Options{})
	for range 100 {
		due, err := k.Due(t.Context(), time.Now().Add(time.Hour), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range due {
			if err := k.Work(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		if len(due) == 0 {
			break
		}
	}
	r, err := k.Record(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	rel, err := k.Related(t.Context(), &r)
	if err != nil {
		t.Fatal(err)
	}
	leads := in(id, rel.Primary)
	if primary, err := k.Record(t.Context(), leads); err != nil || !primary.Leads() {
		t.Fatalf("%+v, %v", primary, err)
	}
	for _, region := range rel.Replicas {
		wantAlike(t, k, leads, region)
	}
	if len(rel.Replicas) != len(regions) {
		t.Errorf("copies: %+v", rel)
	}
}

// A key and its first alias are made together, once.
func TestCreateWithAlias(t *testing.T) {
	t.Parallel()
	m := newMemory()
	rings := []*keyring.Keyring{open(t, m, keyring.Options{}), open(t, m, keyring.Options{})}
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			n := newKey(i + 1)
			n.Alias, n.RotateDays, n.Manager = "alias/aws/x", 365, keyring.AWS
			_, errs[i] = rings[i%2].Create(t.Context(), n)
		})
	}
	all.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won < 0:
			won = i
		case !errors.Is(err, keyring.ErrKeyExists):
			t.Errorf("%d: %v", i, err)
		}
	}
	if won < 0 {
		t.Fatal("none was made")
	}
	for _, k := range rings {
		s, err := k.Resolve(t.Context(), home, []byte("alias/aws/x"))
		if err != nil || s.Snapshot.Key != keyID(won+1) || s.Snapshot.Manager != keyring.AWS {
			t.Errorf("%+v, %v", s, err)
		}
		ids, _, err := k.ListKeys(t.Context(), home, "", 10)
		if err != nil || len(ids) != 1 {
			t.Error(ids, err)
		}
	}
	due, err := rings[0].Due(t.Context(), epoch.AddDate(0, 0, 365), 10)
	if err != nil || len(due) != 1 || due[0].Task != keyring.TaskRotate || !due[0].At.Equal(epoch.AddDate(0, 0, 365)) {
		t.Error(due, err)
	}
}

// A primary that is to be deleted while it is being copied waits for the copy, or is not copied any more.
func TestScheduleAndReplicateAtOnce(t *testing.T) {
	t.Parallel()
	m := newMemory()
	rings := []*keyring.Keyring{open(t, m, keyring.Options{}), open(t, m, keyring.Options{})}
	late := errors.New("too late")
	copied := 0
	for n := range 50 {
		id := create(t, rings[0], newPrimary(n+1))
		var all sync.WaitGroup
		var replicated, scheduled error
		all.Go(func() {
			_, replicated = rings[0].Replicate(t.Context(), id, keyring.NewReplica{Region: "eu-west-1", Created: epoch}, func(r *keyring.Record) error {
				if r.State != keyring.Enabled {
					return late
				}
				return nil
			})
		})
		all.Go(func() {
			_, scheduled = rings[1].Edit(t.Context(), id, func(e *keyring.Edit) error {
				e.State, e.Deletion, e.WindowDays = keyring.PendingDeletion, epoch, 7
				if len(e.Replicas) > 0 {
					e.State, e.Deletion = keyring.PendingReplicaDeletion, time.Time{}
				}
				return nil
			})
		})
		all.Wait()
		if scheduled != nil || replicated != nil && !errors.Is(replicated, late) {
			t.Fatal(scheduled, replicated)
		}
		r, err := rings[0].Record(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want := keyring.PendingDeletion
		if replicated == nil {
			want = keyring.PendingReplicaDeletion
			copied++
		}
		if r.State != want {
			t.Errorf("%v, %v: %v", replicated, scheduled, r.State)
		}
	}
	t.Logf("%d of 50 were copied", copied)
}
