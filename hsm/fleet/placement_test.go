package fleet_test

import (
	"sync"
	"testing"

	"trent/hsm"
	"trent/hsm/fleet"
)

func TestPlacementMovesOnlyTheKeysOfAMember(t *testing.T) {
	t.Parallel()
	const keys = 3000
	where := func(f *fleet.Fleet, fakes []*fake) []int {
		places := make([]int, keys)
		for k := range keys {
			for i := range fakes {
				fakes[i].answer(func(*hsm.Call) error { places[k] = i; return nil })
			}
			if err := f.Do(call(hsm.OpEncrypt, uint64(k+1)*0x9e3779b97f4a7c15)); err != nil {
				t.Fatal(err)
			}
		}
		return places
	}
	f, fakes := open(t, 4, nil)
	all := where(f, fakes)
	if err := f.Drain(t.Context(), "hsm-2"); err != nil {
		t.Fatal(err)
	}
	fewer := where(f, fakes)
	counts := map[int]int{}
	for k := range keys {
		counts[all[k]]++
		if fewer[k] == 2 {
			t.Fatal("a drained member got a call")
		}
		if all[k] != 2 && all[k] != fewer[k] {
			t.Fatalf("key %d moved from member %d to %d though its own is in service", k, all[k], fewer[k])
		}
	}
	for i := range 4 {
		if counts[i] < keys/4*8/10 || counts[i] > keys/4*12/10 {
			t.Errorf("member %d has %d of %d keys", i, counts[i], keys)
		}
	}
	if err := f.Restore(t.Context(), "hsm-2"); err != nil {
		t.Fatal(err)
	}
	for k, place := range where(f, fakes) {
		if place != all[k] {
			t.Fatalf("key %d did not come back", k)
		}
	}
}

// A single hot key must not drown its member while others are idle.
func TestLoadIsBounded(t *testing.T) {
	t.Parallel()
	const members, calls = 4, 80
	f, fakes := open(t, members, nil)
	release := make(chan struct{})
	var started sync.WaitGroup
	started.Add(calls)
	for _, m := range fakes {
		m.answer(func(*hsm.Call) error { started.Done(); <-release; return nil })
	}
	var done sync.WaitGroup
	for range calls {
		done.Go(func() { _ = f.Do(call(hsm.OpEncrypt, 7)) })
	}
	started.Wait()
	for i, m := range fakes {
		// Callers that look at the same time see the same loads: each can be one too many.
		if n := m.calls.Load(); n > calls/members*5/4+8 {
			t.Errorf("member %d holds %d of %d calls of one key", i, n, calls)
		}
	}
	close(release)
	done.Wait()
}
