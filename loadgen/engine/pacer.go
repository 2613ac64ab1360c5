package engine

import (
	"context"
	"time"

	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// pending is a hit that is due.
type pending struct {
	n      uint64
	due    time.Duration
	handed time.Duration
	// free is set where a connection was idle when the hit was handed over: what passes until that connection's goroutine runs is
	// the client's lag and not a wait.
	free bool
	// held is set where no worker was free when the hit was handed over.
	held bool
}

// pacer walks through a schedule in time.
type pacer struct {
	clock    clock
	iterator schedule.Iterator
	gap      time.Duration // smoothed gap between hits
	last     time.Duration
	n        uint64
	due      time.Duration // of hit n
	more     bool
}

// spinFrom is the mean gap from which the pacer spins at the end of a sleep; below it spinning would burn a core, and hits go out
// as they are found to be due. Above it a spin may take one part in spinShare of the gap: at most an eighth of a core.
const (
	spinFrom  = 100 * time.Microsecond
	spinShare = 8
)

func newPacer(c clock, s schedule.Schedule) *pacer {
	p := &pacer{clock: c, iterator: s.Iterator(), gap: time.Second}
	if rate := s.MeanRate(); rate > 0 {
		p.gap = time.Duration(float64(time.Second) / rate)
	}
	p.due, p.more = p.iterator.Next()
	return p
}

// next waits until the next hit is due and returns it; ok is false after the last hit or when ctx has ended.
func (p *pacer) next(ctx context.Context) (hit pending, ok bool) {
	if !p.more {
		return pending{}, false
	}
	if now := p.clock.now(); now < p.due || p.n&63 == 0 {
		spin := time.Duration(0)
		if p.gap >= spinFrom {
			spin = p.gap / spinShare
		}
		if !p.clock.until(ctx, p.due, spin) {
			return pending{}, false
		}
	}
	hit = pending{n: p.n, due: p.due, handed: p.clock.now()}
	p.gap += (p.due - p.last - p.gap) / 16
	p.last = p.due
	p.n++
	p.due, p.more = p.iterator.Next()
	return hit, true
}

// skip returns the next hit as never handed over if it was due by a moment, without waiting.
func (p *pacer) skip(by time.Duration) (hit pending, ok bool) {
	if !p.more || p.due > by {
		return pending{}, false
	}
	hit = pending{n: p.n, due: p.due, handed: measure.Never}
	p.n++
	p.due, p.more = p.iterator.Next()
	return hit, true
}
