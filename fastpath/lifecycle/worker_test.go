package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/lifecycle"
)

// fake is a due index in memory.
type fake struct {
	mu      sync.Mutex
	due     map[keyring.ID]time.Time
	fails   map[keyring.ID]error
	broken  error
	deleted []keyring.ID
}

func (f *fake) Due(_ context.Context, now time.Time, limit int) ([]keyring.Due, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return nil, f.broken
	}
	var ids []keyring.ID
	for id, at := range f.due {
		if !at.After(now) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b keyring.ID) int {
		if c := f.due[a].Compare(f.due[b]); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	var due []keyring.Due
	for _, id := range ids[:min(limit, len(ids))] {
		due = append(due, keyring.Due{ID: id, Task: keyring.TaskDelete, At: f.due[id]})
	}
	return due, nil
}

func (f *fake) Work(_ context.Context, d keyring.Due) error {
	id := d.ID
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fails[id]; err != nil {
		return err
	}
	delete(f.due, id)
	f.deleted = append(f.deleted, id)
	return nil
}

func (f *fake) set(g func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g()
}

func (f *fake) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.due)
}

func (f *fake) gone() []keyring.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.deleted)
}

func key(i int) keyring.ID {
	return keyring.ID{Partition: "aws", Account: "000000000000", Region: "us-east-1", Key: fmt.Sprint(i)}
}

// log collects lines.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *log) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// run starts a worker in a bubble; it is stopped when the test's context ends.
func run(t *testing.T, keys lifecycle.Keys, o lifecycle.Options) *lifecycle.Worker {
	t.Helper()
	w := lifecycle.New(keys, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	synctest.Wait()
	return w
}

func TestDeletesWhenDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := &fake{due: map[keyring.ID]time.Time{
			key(0): start.Add(-time.Hour), key(1): start.Add(time.Minute), key(2): start.Add(7 * 24 * time.Hour),
		}}
		var l log
		run(t, f, lifecycle.Options{Logger: l.add})
		if !slices.Equal(f.gone(), []keyring.ID{key(0)}) {
			t.Fatalf("at the start: %v", f.gone())
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if len(f.gone()) != 1 {
			t.Fatalf("early: %v", f.gone())
		}
		time.Sleep(lifecycle.DefaultInterval + time.Second)
		synctest.Wait()
		if !slices.Equal(f.gone(), []keyring.ID{key(0), key(1)}) {
			t.Fatalf("after a minute: %v", f.gone())
		}
		time.Sleep(7 * 24 * time.Hour)
		synctest.Wait()
		if len(f.gone()) != 3 || l.count("deleted "+key(2).ARN()) != 1 {
			t.Fatalf("after a week: %v, %v", f.gone(), l.count("deleted"))
		}
	})
}

func TestWake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		offset := time.Duration(0)
		clock := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(offset)
		}
		f := &fake{due: map[keyring.ID]time.Time{key(1): time.Now().Add(24 * time.Hour)}}
		w := run(t, f, lifecycle.Options{Clock: clock, Interval: time.Hour})
		mu.Lock()
		offset = 25 * time.Hour
		mu.Unlock()
		w.Wake()
		w.Wake() // more than one is as good as one
		synctest.Wait()
		if f.left() != 0 {
			t.Error("not woken")
		}
	})
}

// One key that cannot be deleted, or many, hold up no other.
func TestFailuresHoldUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const stuck, good = 150, 200
		f := &fake{due: map[keyring.ID]time.Time{}, fails: map[keyring.ID]error{}}
		for i := range stuck + good {
			f.due[key(i)] = time.Now().Add(-time.Hour + time.Duration(i)*time.Millisecond)
			if i < stuck {
				f.fails[key(i)] = errors.New("module away")
			}
		}
		f.fails[key(0)] = keyring.ErrNotDue
		var l log
		run(t, f, lifecycle.Options{Logger: l.add})
		if f.left() != stuck {
			t.Fatalf("%d left", f.left())
		}
		if l.count("module away") != stuck-1 || l.count(key(0).ARN()+" ") != 0 {
			t.Errorf("%d failures logged", l.count("failed"))
		}
		f.set(func() { f.fails = nil })
		time.Sleep(lifecycle.DefaultInterval)
		synctest.Wait()
		if f.left() != 0 {
			t.Errorf("%d left after the next look", f.left())
		}
	})
}

func TestStoreAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{due: map[keyring.ID]time.Time{key(1): time.Now()}, broken: errors.New("store away")}
		var l log
		run(t, f, lifecycle.Options{Logger: l.add})
		time.Sleep(lifecycle.DefaultInterval)
		synctest.Wait()
		if n := l.count("store away"); n != 2 {
			t.Errorf("%d failures logged in two looks", n)
		}
		f.set(func() { f.broken = nil })
		time.Sleep(lifecycle.DefaultInterval)
		synctest.Wait()
		if f.left() != 0 {
			t.Error("not tried again")
		}
	})
}
