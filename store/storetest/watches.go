package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"trent/store"
)

var errEnough = errors.New("enough")

// event is what a watch was told of one commit.
type event struct {
	rev     store.Revision
	changes string // sorted
}

// describe renders changes, and checks their form.
func describe(t tb, upTo store.Revision, changes []store.Record) string {
	var parts []string
	for _, c := range changes {
		if c.Revision != upTo {
			t.Errorf("change of %q at revision %d in the commit of %d", c.Key, c.Revision, upTo)
		}
		if c.Value == nil {
			parts = append(parts, "-"+string(c.Key))
		} else {
			parts = append(parts, "+"+string(c.Key)+"="+string(c.Value))
		}
	}
	slices.Sort(parts)
	return fmt.Sprint(parts)
}

// watchTo collects what a watch tells from `from` up to and including revision `to`.
func watchTo(t tb, s store.Store, from, to store.Revision) []event {
	t.Helper()
	var events []event
	err := s.Watch(within(t), from, func(upTo store.Revision, changes []store.Record) error {
		if len(changes) > 0 {
			events = append(events, event{upTo, describe(t, upTo, changes)})
		}
		if upTo >= to {
			return errEnough
		}
		return nil
	})
	wantError(t, "Watch", err, errEnough)
	return events
}

func testWatch(t *testing.T, s store.Store) {
	r1 := commit(t, s, puts(put("a", "1"), put("b", "")))
	r2 := commit(t, s, store.Txn{Put: []store.Record{put("a", "2"), put("c", "1")}, Delete: [][]byte{[]byte("b"), []byte("absent")}})
	commit(t, s, deletes("absent")) // changes nothing: not to be seen
	if _, err := s.Commit(within(t), store.Txn{Require: []store.Condition{at("a", 0)}, Put: []store.Record{put("a", "x")}}); err == nil {
		t.Error("conflict expected")
	}
	r3 := commit(t, s, deletes("a"))
	all := []event{{r1, "[+a=1 +b=]"}, {r2, "[+a=2 +c=1 -b]"}, {r3, "[-a]"}}
	for i, from := range []store.Revision{0, r1, r2, r3} {
		if got := watchTo(t, s, from, r3); !slices.Equal(got, all[i:]) {
			t.Errorf("from %d: %v; want %v", from, got, all[i:])
		}
	}
}

// testWatchOrder commits from several goroutines under several watches: each sees every commit once, in order.
func testWatchOrder(t *testing.T, s store.Store) {
	const writers, each, watchers = 4, 25, 3
	ctx := within(t)
	var wg sync.WaitGroup
	results := make([][]event, watchers)
	for w := range watchers {
		wg.Go(func() {
			err := s.Watch(ctx, 0, func(upTo store.Revision, changes []store.Record) error {
				if len(changes) > 0 {
					results[w] = append(results[w], event{upTo, describe(t, upTo, changes)})
				}
				if len(results[w]) == writers*each {
					return errEnough
				}
				return nil
			})
			if !errors.Is(err, errEnough) {
				t.Errorf("Watch: %v", err)
			}
		})
	}
	var mu sync.Mutex
	var want []event
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				key, value := fmt.Sprintf("k%d", i%3), fmt.Sprintf("%d.%d", w, i)
				rev, err := s.Commit(ctx, puts(put(key, value)))
				if err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
				mu.Lock()
				want = append(want, event{rev, "[+" + key + "=" + value + "]"})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(want, func(a, b event) int { return int(a.rev - b.rev) })
	for w, got := range results {
		if !slices.Equal(got, want) {
			t.Errorf("watch %d saw %d commits; want these %d in order", w, len(got), len(want))
		}
	}
}

// testWatchHeartbeat waits for calls without changes, at the newest revision.
func testWatchHeartbeat(t *testing.T, s store.Store) {
	rev := commit(t, s, puts(put("a", "1")))
	beats := 0
	err := s.Watch(within(t), rev, func(upTo store.Revision, changes []store.Record) error {
		if len(changes) > 0 || upTo != rev {
			t.Errorf("call with %d changes up to %d; want none, up to %d", len(changes), upTo, rev)
		}
		if beats++; beats == 2 {
			return errEnough
		}
		return nil
	})
	wantError(t, "Watch", err, errEnough)
}

func testWatchEnds(t *testing.T, s store.Store) {
	commit(t, s, puts(put("a", "1")))
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	err := s.Watch(ctx, 0, func(store.Revision, []store.Record) error { cancel(); return nil })
	wantError(t, "Watch with a context that ends", err, context.Canceled)

	// An error of f ends it at once, and comes back as it is.
	calls := 0
	err = s.Watch(within(t), 0, func(store.Revision, []store.Record) error { calls++; return errEnough })
	if err != errEnough || calls != 1 {
		t.Errorf("Watch = %v after %d calls; want f's own error after 1", err, calls)
	}

	err = s.Watch(within(t), 1, func(store.Revision, []store.Record) error { return s.Close() })
	wantError(t, "Watch of a store that is closed by f", err, store.ErrUnavailable)
}

func testWatchCompacted(t *testing.T, s store.Store) {
	never := func(store.Revision, []store.Record) error { t.Error("called back"); return errEnough }
	wantError(t, "Watch beyond an empty store", s.Watch(within(t), 1, never), store.ErrCompacted)
	rev := commit(t, s, puts(put("a", "1")))
	wantError(t, "Watch beyond the head", s.Watch(within(t), rev+1, never), store.ErrCompacted)
	wantError(t, "Watch from before the beginning", s.Watch(within(t), -1, never), store.ErrCompacted)
}

// testWatchSlow blocks in one callback and expects commits and another watch to go on.
func testWatchSlow(t *testing.T, s store.Store) {
	entered, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		var revs []store.Revision
		err := s.Watch(within(t), 0, func(upTo store.Revision, changes []store.Record) error {
			if len(changes) == 0 {
				return nil
			}
			if len(revs) == 0 {
				close(entered)
				<-release
			}
			if revs = append(revs, upTo); len(revs) == 11 {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) || !slices.IsSorted(revs) {
			t.Errorf("slow watch: %v, revisions %v", err, revs)
		}
	})
	last := commit(t, s, puts(put("a", "0")))
	<-entered
	for i := range 10 {
		last = commit(t, s, puts(put("a", fmt.Sprint(i))))
	}
	if got := watchTo(t, s, 0, last); len(got) != 11 {
		t.Errorf("the other watch saw %d commits", len(got))
	}
	close(release)
	wg.Wait()
}
