package link

import (
	"math"
	"sync/atomic"
	"time"
)

// sweeper rouses callers whose deadline has passed. It sleeps until the earliest deadline that it knows of, so that a
// call costs it nothing: of calls back to back with the same time to live, only the first is waited for.
type sweeper struct {
	base time.Time    // where the client's clock begins
	next atomic.Int64 // when it wakes, by that clock
	poke chan struct{}
}

const never = math.MaxInt64

func newSweeper(base time.Time) *sweeper {
	s := &sweeper{base: base, poke: make(chan struct{}, 1)}
	s.next.Store(never)
	return s
}

// arm makes sure that the sweeper wakes at a deadline; the entry is armed already.
func (s *sweeper) arm(deadline int64) {
	if s.lower(deadline) {
		select {
		case s.poke <- struct{}{}:
		default:
		}
	}
}

// lower moves the waking to an earlier time; false: it is not later anyway.
func (s *sweeper) lower(deadline int64) bool {
	for {
		next := s.next.Load()
		if deadline >= next {
			return false
		}
		if s.next.CompareAndSwap(next, deadline) {
			return true
		}
	}
}

// run sweeps until stop. each calls its argument with every line.
func (s *sweeper) run(stop <-chan struct{}, each func(func(*line))) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-s.poke:
		case <-timer.C:
		}
		// Whoever arms from here on pokes, or is seen.
		s.next.Store(never)
		now := int64(time.Since(s.base))
		earliest := int64(never)
		each(func(l *line) { earliest = min(earliest, l.sweep(now)) })
		s.lower(earliest)
		timer.Reset(time.Duration(s.next.Load()-now) + time.Microsecond)
	}
}

// sweep rouses those whose time is over by now, and returns the earliest deadline of the others.
func (l *line) sweep(now int64) int64 {
	t, earliest := l.table, int64(never)
	if t.used.Load() == 0 {
		return earliest
	}
	for i := range t.entries {
		e := &t.entries[i]
		if e.state.Load() != entryArmed {
			continue
		}
		switch deadline := e.deadline.Load(); {
		case deadline == 0:
		case deadline <= now:
			e.rouse()
			if e.leads.Load() {
				l.conn.SetReadDeadline(time.Unix(1, 0)) // its caller waits there; whoever reads next takes this back
			}
		default:
			earliest = min(earliest, deadline)
		}
	}
	return earliest
}
