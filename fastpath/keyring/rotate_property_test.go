package keyring_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"trent/fastpath/keyring"
	"trent/hsm"
)

// turned is a rotation that a key must show.
type turned struct {
	how keyring.RotationType
	at  time.Time
}

// schedule is what a key's rotation is to be, told in as few words as possible.
type schedule struct {
	now         time.Time
	state       keyring.State
	period      int // days; 0: off
	since, next time.Time
	done        []turned
}

// pass does what has fallen due.
func (s *schedule) pass() {
	for s.period > 0 && s.state == keyring.Enabled && !s.next.After(s.now) {
		s.done = append(s.done, turned{keyring.Automatic, s.next})
		s.since, s.next = s.next, s.next.Add(time.Duration(s.period)*day)
	}
}

// TestRotationsByTheRules: whatever is done to a key in whatever order, it is rotated when it must be, and has all its
// materials.
func TestRotationsByTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := &hand{at: epoch}
		k, err := keyring.Open(newMemory(), &module{}, keyring.Options{Clock: h.now})
		if err != nil {
			rt.Fatal(err)
		}
		defer k.Close()
		ctx := t.Context()
		n := newKey(1)
		if _, err := k.Create(ctx, n); err != nil {
			rt.Fatal(err)
		}
		want := schedule{now: epoch, state: keyring.Enabled}
		update := func(f func(r *keyring.Record)) {
			if _, err := k.Update(ctx, n.ID, func(r *keyring.Record) error { f(r); return nil }); err != nil {
				rt.Fatal(err)
			}
		}
		move := func(to keyring.State, deletion time.Time) {
			if to == keyring.Enabled && want.state != to && want.next.Before(want.now) {
				want.next = want.now
			}
			want.state = to
			update(func(r *keyring.Record) { r.State, r.Deletion = to, deletion })
		}
		rt.Repeat(map[string]func(*rapid.T){
			"pass": func(rt *rapid.T) {
				want.now = want.now.Add(time.Duration(rapid.IntRange(0, 800).Draw(rt, "days")) * day)
				h.set(want.now)
			},
			"start": func(rt *rapid.T) {
				days := rapid.IntRange(90, 2560).Draw(rt, "period")
				if want.period == 0 {
					want.since = want.now
				}
				want.period, want.next = days, want.since.Add(time.Duration(days)*day)
				if want.next.Before(want.now) {
					want.next = want.now
				}
				update(func(r *keyring.Record) { r.StartRotation(want.now, days) })
			},
			"stop": func(*rapid.T) {
				want.period = 0
				update(func(r *keyring.Record) { r.Rotation = keyring.Rotation{} })
			},
			"on demand": func(rt *rapid.T) {
				if _, err := k.RotateOnDemand(ctx, n.ID, want.now, agree); err != nil {
					rt.Fatal(err)
				}
				want.done = append(want.done, turned{keyring.OnDemand, want.now})
			},
			"disable":  func(*rapid.T) { move(keyring.Disabled, time.Time{}) },
			"enable":   func(*rapid.T) { move(keyring.Enabled, time.Time{}) },
			"schedule": func(*rapid.T) { move(keyring.PendingDeletion, want.now.AddDate(100, 0, 0)) },
			"": func(rt *rapid.T) {
				for {
					due, err := k.Due(ctx, want.now, 1)
					if err != nil {
						rt.Fatal(err)
					}
					if len(due) == 0 {
						break
					}
					if err := k.Work(ctx, due[0]); err != nil {
						rt.Fatal(due[0], err)
					}
				}
				want.pass()
				checkSchedule(rt, k, n.ID, &want)
			},
		})
	})
}

// checkSchedule compares a key with what it is to be.
func checkSchedule(rt *rapid.T, k *keyring.Keyring, id keyring.ID, want *schedule) {
	r, all, err := k.Materials(rt.Context(), id)
	if err != nil {
		rt.Fatal(err)
	}
	if len(all) != len(want.done)+1 || all[len(all)-1].ID != r.Current || all[0].Rotation != keyring.RotationNone {
		rt.Fatalf("%d materials for %d rotations: %+v", len(all), len(want.done), all)
	}
	seen := map[hsm.MaterialID]bool{}
	for i, m := range all {
		_, key, err := k.ByMaterial(rt.Context(), home, m.ID)
		if err != nil || key == nil || key.Material != m.ID || seen[m.ID] || (m.State == keyring.MaterialCurrent) != (i == len(want.done)) {
			rt.Fatalf("material %d: %+v, %v, %v", i, m, key, err)
		}
		seen[m.ID] = true
		if i > 0 && (turned{m.Rotation, m.Rotated}) != want.done[i-1] {
			rt.Fatalf("rotation %d: %+v, want %+v", i, m, want.done[i-1])
		}
	}
	onDemand := slices.DeleteFunc(slices.Clone(want.done), func(d turned) bool { return d.how != keyring.OnDemand })
	rotation := keyring.Rotation{Enabled: want.period > 0, PeriodDays: want.period}
	if rotation.Enabled {
		rotation.Since, rotation.Next = want.since, want.next
	}
	if r.Rotation != rotation || r.OnDemand != len(onDemand) {
		rt.Fatalf("%+v with %d on demand, want %+v with %d", r.Rotation, r.OnDemand, rotation, len(onDemand))
	}
}
