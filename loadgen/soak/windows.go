package soak

import (
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
)

// taken is an action that was taken, and what it cost.
type taken struct {
	Occurrence
	From    time.Duration `json:"from_ns"`  // of the load
	To      time.Duration `json:"to_ns"`    // 0: under way
	Until   time.Duration `json:"until_ns"` // what failed until then is put down to it
	Started time.Time     `json:"started"`
	Outcome string        `json:"outcome"` // done, failed, or "cut short" by a crash of the soak or an interruption
	Detail  string        `json:"detail,omitempty"`
	Bad     uint64        `json:"bad"` // hits without a good answer that are put down to it
}

// covers reports whether the action has to do with a stretch of the load.
func (a *taken) covers(from, to time.Duration) bool {
	if !kinds[a.Kind].server {
		return false
	}
	return from <= a.Until && to >= a.From || a.To == 0 && to >= a.From
}

// tick is a reading of the load's counts.
type tick struct {
	At   time.Duration `json:"at_ns"`
	Due  uint64        `json:"due"`
	Good uint64        `json:"good"`
	Done uint64        `json:"done"`
}

func tickOf(base time.Duration, p *engine.Progress) tick {
	return tick{At: base + p.Elapsed, Due: p.Due, Good: p.Outcomes[measure.OK], Done: p.Done}
}

func (t *tick) bad() uint64 { return t.Done - t.Good }

// attribute puts the failures between two ticks down to an action under way, if there is one; slack is how long a hit may have
// been under way. It returns what no action explains.
func attribute(actions []taken, before, now tick, slack time.Duration) (outside uint64) {
	bad := now.bad() - min(before.bad(), now.bad())
	if bad == 0 {
		return 0
	}
	for i := len(actions) - 1; i >= 0; i-- {
		a := &actions[i]
		if a.covers(before.At-slack, now.At) {
			a.Bad += bad
			return 0
		}
	}
	return bad
}
