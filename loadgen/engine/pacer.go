package engine

import (
	"context"
	"time"

	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// pending is a hit that is due.
type pending struct {
	n      uint64 // of the whole schedule; an agent's hits leave some out
	entry  int32  // in the mix; schedule.AnyEntry: as the sequence says
	due    time.Duration
	handed time.Duration
	// free is set where a connection was idle when the hit was handed over: what passes until that connection's goroutine runs is
	// the client's lag and not a wait.
	free bool
	// held is set where no worker was free when the hit was handed over.
	held bool
}

// pacer walks through a schedule in time. It has one user at a time.
type pacer struct {
	iterator schedule.Iterator
	stride   int           // hits from one of its own to the next
	gap      time.Duration // smoothed gap between its hits
	last     time.Duration
	taken    uint64 // hits so far
	hit      schedule.Hit
	more     bool // hit is one
}

// A pacer that sleeps does it by one of two ways. Where the mean gap is spinFrom or longer it wakes for each hit, and spins at the
// end for as long as wake-ups have been found to be late, up to one part in spinShare of the gap. Where it is shorter, spinning
// would take most of a core: it sends what is due when it wakes, and sleeps for a quantum at the least, which is longer where hits
// are so dense that each wake-up counts. Due times stay what they are.
const (
	spinFrom     = 100 * time.Microsecond
	spinShare    = 4
	quantum      = 50 * time.Microsecond
	denseTo      = 25 * time.Microsecond
	denseQuantum = 100 * time.Microsecond
)

func newPacer(s schedule.Schedule) *pacer { return newShare(s, 0, 1) }

// newShare is a pacer of every n-th hit, beginning with hit i.
func newShare(s schedule.Schedule, i, n int) *pacer {
	p := &pacer{iterator: s.Iterator(), gap: time.Second, stride: n}
	if rate := s.MeanRate(); rate > 0 {
		p.gap = time.Duration(float64(n) * float64(time.Second) / rate)
	}
	p.hit, p.more = p.iterator.Next()
	p.advance(i)
	return p
}

// advance goes on by n hits.
func (p *pacer) advance(n int) {
	for ; n > 0 && p.more; n-- {
		p.hit, p.more = p.iterator.Next()
	}
}

// wakeUp is when to wake up next, having been awake at a moment, and how long to spin at the end at the most.
func (p *pacer) wakeUp(awake time.Duration) (moment, spin time.Duration) {
	switch {
	case p.gap >= spinFrom:
		return p.hit.Due, p.gap / spinShare
	case p.gap > denseTo:
		return max(p.hit.Due, awake+quantum), 0
	}
	return max(p.hit.Due, awake+denseQuantum), 0
}

// take returns the next hit if it is due by now.
func (p *pacer) take(now time.Duration) (hit pending, ok bool) {
	if !p.more || p.hit.Due > now {
		return pending{}, false
	}
	hit = pending{n: p.hit.N, entry: p.hit.Entry, due: p.hit.Due, handed: now}
	p.gap += (hit.due - p.last - p.gap) / 16
	p.last = hit.due
	p.taken++
	p.advance(p.stride)
	return hit, true
}

// next waits until the next hit is due and returns it; ok is false after the last hit or when ctx has ended.
func (p *pacer) next(ctx context.Context, c clock) (hit pending, ok bool) {
	now := c.now()
	if p.taken&63 == 0 && ctx.Err() != nil {
		return pending{}, false
	}
	for p.more && p.hit.Due > now {
		moment, spin := p.wakeUp(now)
		if !c.until(ctx, moment, spin) {
			return pending{}, false
		}
		now = c.now()
	}
	return p.take(now)
}

// skip returns the next hit as never handed over if it was due by a moment, without waiting.
func (p *pacer) skip(by time.Duration) (hit pending, ok bool) {
	hit, ok = p.take(by)
	hit.handed = measure.Never
	return hit, ok
}
