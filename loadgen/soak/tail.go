package soak

import (
	"time"

	"trent/loadgen/schedule"
)

// tail is a schedule entered at a moment: the hits from there on, with their numbers, at times that count from it.
type tail struct {
	schedule.Schedule
	from time.Duration
}

func (t tail) Duration() time.Duration { return max(t.Schedule.Duration()-t.from, 0) }

func (t tail) Iterator() schedule.Iterator { return &tailIterator{t.Schedule.Iterator(), t.from} }

type tailIterator struct {
	schedule.Iterator
	from time.Duration
}

func (i *tailIterator) Next() (schedule.Hit, bool) {
	for {
		hit, ok := i.Iterator.Next()
		if !ok {
			return hit, false
		}
		if hit.Due >= i.from {
			hit.Due -= i.from
			return hit, true
		}
	}
}

// dueCounter counts the hits of a schedule, going on where it was.
type dueCounter struct {
	hits schedule.Iterator
	next schedule.Hit
	more bool
	n    uint64
	open bool // next has been drawn
}

// by is the number of hits that are due before a moment, which ascends from call to call.
func (c *dueCounter) by(moment time.Duration) uint64 {
	for {
		if !c.open {
			c.next, c.more = c.hits.Next()
			c.open = true
		}
		if !c.more || c.next.Due >= moment {
			return c.n
		}
		c.n++
		c.open = false
	}
}
