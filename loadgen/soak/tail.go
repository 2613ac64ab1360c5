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
