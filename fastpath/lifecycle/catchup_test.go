package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/lifecycle"
)

// index is a due index whose work may make other work due.
type index struct {
	mu    sync.Mutex
	due   []keyring.Due
	then  func(keyring.Due) []keyring.Due
	fails map[keyring.Due]error
	done  []keyring.Due
	seen  []time.Time // what the clock showed at each piece of work
	clock func() time.Time
	busy  int // pieces of work at a time
	most  int
}

func (x *index) Due(_ context.Context, now time.Time, limit int) ([]keyring.Due, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	slices.SortStableFunc(x.due, func(a, b keyring.Due) int { return a.At.Compare(b.At) })
	var all []keyring.Due
	for _, d := range x.due {
		if !d.At.After(now) && len(all) < limit {
			all = append(all, d)
		}
	}
	return all, nil
}

func (x *index) Work(_ context.Context, d keyring.Due) error {
	x.mu.Lock()
	x.busy++
	x.most = max(x.most, x.busy)
	x.mu.Unlock()
	time.Sleep(time.Millisecond)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.busy--
	if err := x.fails[d]; err != nil {
		return err
	}
	i := slices.Index(x.due, d)
	if i < 0 {
		return keyring.ErrNotDue
	}
	x.due = slices.Delete(x.due, i, i+1)
	x.done = append(x.done, d)
	if x.clock != nil {
		x.seen = append(x.seen, x.clock())
	}
	if x.then != nil {
		x.due = append(x.due, x.then(d)...)
	}
	return nil
}

const day = 24 * time.Hour

// moved is a clock as the test clock is one.
type moved struct {
	mu     sync.Mutex
	offset time.Duration
}

func (m *moved) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.offset)
}

func (m *moved) step(to time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offset = max(m.offset, time.Until(to))
}

// repeating makes rotations due again and again.
func repeating(periods map[keyring.ID]int) func(keyring.Due) []keyring.Due {
	return func(d keyring.Due) []keyring.Due {
		if d.Task != keyring.TaskRotate {
			return nil
		}
		d.At = d.At.Add(time.Duration(periods[d.ID]) * day)
		return []keyring.Due{d}
	}
}

// All that falls due on the way is done in the order of time, with the clock at its time.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		at := func(days int) time.Time { return start.Add(time.Duration(days) * day) }
		var clock moved
		x := &index{
			due: []keyring.Due{
				{ID: key(1), Task: keyring.TaskRotate, At: at(90)}, {ID: key(2), Task: keyring.TaskRotate, At: at(200)},
				{ID: key(3), Task: keyring.TaskDelete, At: at(30)}, {ID: key(4), Task: keyring.TaskDelete, At: at(300)},
				{ID: key(5), Task: keyring.TaskExpire, At: at(401)},
			},
			then: repeating(map[keyring.ID]int{key(1): 90, key(2): 200}), clock: clock.now,
		}
		var l log
		w := run(t, x, lifecycle.Options{Clock: clock.now, Logger: l.add})
		if err := w.CatchUp(t.Context(), at(400), clock.step); err != nil {
			t.Fatal(err)
		}
		var days []int
		for i, d := range x.done {
			days = append(days, int(d.At.Sub(start)/day))
			if late := x.seen[i].Sub(d.At); late < 0 || late > time.Minute {
				t.Errorf("the clock stood %v after %v", late, d)
			}
		}
		if want := []int{30, 90, 180, 200, 270, 300, 360, 400}; !slices.Equal(days, want) {
			t.Errorf("work of days %v, want %v", days, want)
		}
		if l.count("rotated "+key(1).ARN()) != 4 || l.count("deleted") != 2 {
			t.Errorf("logged %v", l.lines)
		}
	})
}

// Without steps, too, what work makes due comes in its place.
func TestRoundKeepsTheOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ago := func(days int) time.Time { return start.Add(-time.Duration(days) * day) }
		x := &index{
			due:  []keyring.Due{{ID: key(1), Task: keyring.TaskRotate, At: ago(300)}, {ID: key(2), Task: keyring.TaskRotate, At: ago(250)}},
			then: repeating(map[keyring.ID]int{key(1): 100, key(2): 90}),
		}
		run(t, x, lifecycle.Options{})
		time.Sleep(time.Second)
		synctest.Wait()
		var days []int
		for _, d := range x.done {
			days = append(days, int(start.Sub(d.At)/day))
		}
		if want := []int{300, 250, 200, 160, 100, 70, 0}; !slices.Equal(days, want) {
			t.Errorf("work of days %v, want %v", days, want)
		}
	})
}

// What fails holds up nothing else, is reported, and is tried again.
func TestCatchUpFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var clock moved
		x := &index{fails: map[keyring.Due]error{}}
		for i := range 200 {
			d := keyring.Due{ID: key(i), Task: keyring.TaskRotate, At: start.Add(time.Duration(i+1) * time.Hour)}
			x.due = append(x.due, d)
			if i < 100 {
				x.fails[d] = errors.New("module away")
			}
		}
		gone := keyring.Due{ID: key(999), At: start.Add(time.Hour)}
		x.due, x.fails[gone] = append(x.due, gone), keyring.ErrNotDue
		w := lifecycle.New(x, lifecycle.Options{Clock: clock.now})
		err := w.CatchUp(t.Context(), start.Add(300*time.Hour), clock.step)
		if err == nil || err.Error() != "due work failed 100 times and will be tried again" || len(x.done) != 100 {
			t.Errorf("%d done, %v", len(x.done), err)
		}
		x.fails = nil
		if err := w.CatchUp(t.Context(), start.Add(300*time.Hour), clock.step); err != nil || len(x.due) != 0 {
			t.Errorf("%d left, %v", len(x.due), err)
		}
		x.due = []keyring.Due{gone}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.CatchUp(ctx, start.Add(300*time.Hour), clock.step); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// The worker's rounds and the moves of the clock take turns.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		x := &index{}
		for i := range 50 {
			x.due = append(x.due, keyring.Due{ID: key(i), Task: keyring.TaskRotate, At: start.Add(-time.Hour)})
		}
		var clock moved
		w := run(t, x, lifecycle.Options{Clock: clock.now})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := w.CatchUp(t.Context(), start.Add(time.Hour), clock.step); err != nil {
					t.Error(err)
				}
			})
			w.Wake()
		}
		wg.Wait()
		if x.most != 1 || len(x.done) != 50 {
			t.Errorf("%d at a time, %d done", x.most, len(x.done))
		}
	})
}
