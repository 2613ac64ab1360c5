package engine

import (
	"errors"
	"slices"

	"trent/loadgen/measure"
	"trent/loadgen/workload"
)

// Tap takes a seeded sample of a run's good answers, so that what the load was given can be checked later: the hits whose number
// mixes to a multiple of Every. Take is called on the sending path, by several goroutines at once, and must not wait.
type Tap struct {
	Every uint64 // one hit in so many; 0 and 1: all
	Take  func(Tapped)
}

// ErrNoTap is a plan with a tap for an engine that does not see the answers' bodies: the sdk engine.
var ErrNoTap = errors.New("the sdk engine hands no answers over")

// Tapped is one good answer. Its texts belong to the receiver.
type Tapped struct {
	N         uint64
	Entry     int // in the workload's mix
	Operation string
	Request   []byte // JSON
	Response  []byte // JSON
}

// tapped hands hit n, which is of an entry of the mix, to the plan's tap, if it has one and the hit is in the sample. The request
// is made again, since its buffer may hold another by now.
func (r *run) tapped(n uint64, entry int, outcome measure.Outcome, response []byte) {
	t := r.plan.Tap
	if t == nil || outcome != measure.OK || !t.takes(r.plan.Seed, n) {
		return
	}
	var h workload.Hit
	r.sequence.HitOf(n, entry, &h)
	t.Take(Tapped{N: n, Entry: entry, Operation: r.bodies.Operation(&h), Request: r.bodies.Append(nil, &h), Response: slices.Clone(response)})
}

// takes is a pure function of seed and number (SplitMix64's finaliser), so that a repeated run taps the same hits.
func (t *Tap) takes(seed, n uint64) bool {
	if t.Every <= 1 {
		return true
	}
	z := seed*0x9e3779b97f4a7c15 + n + 1
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return (z^z>>31)%t.Every == 0
}
