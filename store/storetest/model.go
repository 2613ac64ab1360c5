package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"trent/store"
)

// modelRecord is a record of the model.
type modelRecord struct {
	value string
	rev   store.Revision
}

// model is the contract as a map.
type model struct {
	records map[string]modelRecord
	head    store.Revision
	events  []event
}

// commit applies t as the contract says and returns the revision and error expected.
func (m *model) commit(t store.Txn) (store.Revision, error) {
	for _, c := range t.Require {
		if m.records[string(c.Key)].rev != c.Revision {
			return 0, store.ErrConflict
		}
	}
	var parts []string
	for _, r := range t.Put {
		parts = append(parts, "+"+string(r.Key)+"="+string(r.Value))
	}
	for _, k := range t.Delete {
		if _, ok := m.records[string(k)]; ok {
			parts = append(parts, "-"+string(k))
		}
	}
	if len(parts) == 0 {
		return m.head, nil
	}
	m.head++
	for _, r := range t.Put {
		m.records[string(r.Key)] = modelRecord{string(r.Value), m.head}
	}
	for _, k := range t.Delete {
		delete(m.records, string(k))
	}
	slices.Sort(parts)
	m.events = append(m.events, event{m.head, fmt.Sprint(parts)})
	return m.head, nil
}

func (m *model) list(prefix, after string, limit int) ([]string, bool) {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m.records)) {
		if !strings.HasPrefix(k, prefix) || k <= after {
			continue
		}
		if len(out) == limit {
			return out, true
		}
		out = append(out, k+"="+m.records[k].value)
	}
	return out, false
}

// modelBudget ends the search early where syncs are slow: later runs pass unseen.
const modelBudget = 3 * time.Second

// testModel runs random operations on one store after another and on the model, and compares. The model numbers
// commits as the first engine does; another engine's revisions are translated by order.
func testModel(t *testing.T, open func(*testing.T) store.Store, reopen func(*testing.T, store.Store) store.Store) {
	start := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(start) > modelBudget {
			return
		}
		r := &modelRun{rt: rt, s: open(t), revs: []store.Revision{0}}
		r.m.records = map[string]modelRecord{}
		actions := map[string]func(*rapid.T){
			"commit": r.commit, "load": r.load, "list": r.list, "watch": r.watch, "": r.head,
		}
		if reopen != nil {
			actions["reopen"] = func(*rapid.T) { r.s = reopen(t, r.s) }
		}
		rt.Repeat(actions)
		if err := r.s.Close(); err != nil {
			rt.Fatalf("Close: %v", err)
		}
	})
}

// modelRun is one run against the model; revs[i] is the engine's revision for the model's i.
type modelRun struct {
	rt   *rapid.T
	s    store.Store
	m    model
	revs []store.Revision
}

var (
	modelKeys   = rapid.SampledFrom([]string{"a", "a/1", "a/2", "a\xff", "b", "b/1", "\x00", "\xff"})
	modelPrefix = rapid.SampledFrom([]string{"", "a", "a/", "b", "\xff", "z"})
	modelValues = rapid.StringN(0, 4, 16)
)

func (r *modelRun) commit(t *rapid.T) {
	var real, want store.Txn
	keys := rapid.SliceOfNDistinct(modelKeys, 0, 4, rapid.ID[string]).Draw(t, "keys")
	for _, k := range keys {
		if rapid.IntRange(0, 2).Draw(t, "delete") == 0 {
			want.Delete = append(want.Delete, []byte(k))
		} else {
			want.Put = append(want.Put, put(k, modelValues.Draw(t, "value")))
		}
	}
	real.Put, real.Delete = want.Put, want.Delete
	for _, k := range rapid.SliceOfN(modelKeys, 0, 2).Draw(t, "required") {
		rev := r.m.records[k].rev
		if rapid.IntRange(0, 3).Draw(t, "stale") == 0 {
			rev = store.Revision(rapid.IntRange(0, int(r.m.head)).Draw(t, "revision"))
		}
		want.Require = append(want.Require, at(k, rev))
		real.Require = append(real.Require, at(k, r.revs[rev]))
	}
	before := r.m.head
	wantRev, wantErr := r.m.commit(want)
	rev, err := r.s.Commit(within(r.rt), real)
	if !errors.Is(err, wantErr) {
		t.Fatalf("Commit(%v): %v; want %v", real, err, wantErr)
	}
	if r.m.head > before {
		if rev <= r.revs[before] {
			t.Fatalf("Commit: revision %d after %d", rev, r.revs[before])
		}
		r.revs = append(r.revs, rev)
	}
	if err == nil && rev != r.revs[wantRev] {
		t.Fatalf("Commit(%v): revision %d; want %d", real, rev, r.revs[wantRev])
	}
}

func (r *modelRun) load(t *rapid.T) {
	key := modelKeys.Draw(t, "key")
	got, err := r.s.Load(within(r.rt), []byte(key))
	want, ok := r.m.records[key]
	if !ok {
		wantError(t, "Load", err, store.ErrNotFound)
		return
	}
	if err != nil || string(got.Value) != want.value || got.Revision != r.revs[want.rev] {
		t.Fatalf("Load(%q) = %q at %d, %v; want %q at %d", key, got.Value, got.Revision, err, want.value, r.revs[want.rev])
	}
}

func (r *modelRun) list(t *rapid.T) {
	prefix, after := modelPrefix.Draw(t, "prefix"), rapid.OneOf(rapid.Just(""), modelKeys).Draw(t, "after")
	limit := rapid.IntRange(0, 9).Draw(t, "limit")
	got, more := listing(r.rt, r.s, []byte(prefix), []byte(after), limit)
	want, wantMore := r.m.list(prefix, after, limit)
	if !slices.Equal(got, want) || more != wantMore {
		t.Fatalf("List(%q, %q, %d) = %q, %v; want %q, %v", prefix, after, limit, got, more, want, wantMore)
	}
}

func (r *modelRun) watch(t *rapid.T) {
	from := rapid.IntRange(0, int(r.m.head)).Draw(t, "from")
	var want []event
	for _, e := range r.m.events[from:] {
		want = append(want, event{r.revs[e.rev], e.changes})
	}
	if got := watchTo(r.rt, r.s, r.revs[from], r.revs[r.m.head]); !slices.Equal(got, want) {
		t.Fatalf("Watch(%d) saw %v; want %v", from, got, want)
	}
}

func (r *modelRun) head(*rapid.T) { wantHead(r.rt, r.s, r.revs[r.m.head]) }

// testReopen checks that a store keeps records, revisions and the changes to watch.
func testReopen(t *testing.T, s store.Store, reopen func(*testing.T, store.Store) store.Store) {
	s = reopen(t, s)
	wantHead(t, s, 0)
	r1 := commit(t, s, puts(put("a", "1"), put("b", "1")))
	r2 := commit(t, s, store.Txn{Put: []store.Record{put("a", "2")}, Delete: [][]byte{[]byte("b")}})
	s = reopen(t, s)
	wantHead(t, s, r2)
	wantLoad(t, s, "a", "2", r2)
	wantAbsent(t, s, "b")
	if got, want := watchTo(t, s, 0, r2), []event{{r1, "[+a=1 +b=1]"}, {r2, "[+a=2 -b]"}}; !slices.Equal(got, want) {
		t.Errorf("watch after reopening: %v; want %v", got, want)
	}
	_, err := s.Commit(within(t), store.Txn{Require: []store.Condition{at("a", r1)}, Put: []store.Record{put("a", "3")}})
	wantError(t, "a condition on an old revision", err, store.ErrConflict)
	r3 := commit(t, s, store.Txn{Require: []store.Condition{at("a", r2)}, Put: []store.Record{put("a", "3")}})
	if r3 <= r2 {
		t.Errorf("revision %d after %d", r3, r2)
	}
	s = reopen(t, s)
	wantLoad(t, s, "a", "3", r3)
	if got := watchTo(t, s, r2, r3); !slices.Equal(got, []event{{r3, "[+a=3]"}}) {
		t.Errorf("watch after reopening again: %v", got)
	}
}
