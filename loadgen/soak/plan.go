package soak

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Kinds of actions.
const (
	Kill     = "kill"      // SIGKILL, started again after For
	Restart  = "restart"   // asked to end, started again at once; it comes up with a new certificate
	Pause    = "pause"     // stopped for For, then continued
	Delay    = "delay"     // stopped By at a time, with as long between, for For
	DiskFull = "disk-full" // every write to a file fails for For
	Rotate   = "rotate"    // the load's symmetric keys get new material
	// RotateDomain rotates the domain keys of the server's HSM; all tokens are re-encrypted beside the load.
	RotateDomain = "rotate-domain"
	ClockStep    = "clock-step" // requests signed by a clock that is wrong, then by the right one again
)

// kinds says of each what it may be given.
// server: done to the process, and errors meanwhile are put down to it; ours: only a server of the harness can be told to.
var kinds = map[string]struct{ lasts, by, server, ours bool }{
	Kill: {lasts: true, server: true}, Restart: {server: true}, Pause: {lasts: true, server: true}, Delay: {lasts: true, by: true, server: true},
	DiskFull: {lasts: true, server: true}, Rotate: {}, RotateDomain: {ours: true}, ClockStep: {},
}

// Action is something that is done during a soak, once or again and again.
type Action struct {
	Kind   string
	At     []time.Duration // from the start of the load
	Every  time.Duration   // instead of At
	Jitter time.Duration   // of Every, to either side, uniformly
	For    time.Duration
	By     time.Duration
	Allow  time.Duration // how long after it errors are still put down to it
}

// Plan is the actions of a soak.
type Plan struct {
	Name    string
	Source  string // the file's text
	Seed    uint64 // of the jitter; 0: the soak's
	Actions []Action
}

// Occurrence is one action at one time.
type Occurrence struct {
	Kind  string        `json:"kind"`
	At    time.Duration `json:"at_ns"`
	For   time.Duration `json:"for_ns,omitempty"`
	By    time.Duration `json:"by_ns,omitempty"`
	Allow time.Duration `json:"allow_ns,omitempty"`
}

// maxOccurrences bounds what a plan makes of "every".
const maxOccurrences = 10_000

// Occurrences lists what happens in a soak of a length, in the order of time: a pure function of plan, seed and length.
func (p Plan) Occurrences(length time.Duration, seed uint64) []Occurrence {
	if p.Seed != 0 {
		seed = p.Seed
	}
	var all []Occurrence
	for i, a := range p.Actions {
		one := Occurrence{Kind: a.Kind, For: a.For, By: a.By, Allow: a.Allow}
		for _, at := range a.At {
			if one.At = at; at < length {
				all = append(all, one)
			}
		}
		random := rand.New(rand.NewPCG(seed, uint64(i)+1))
		for at := a.Every; a.Every > 0 && at < length && len(all) < maxOccurrences; at += a.Every {
			one.At = at
			if a.Jitter > 0 {
				one.At += time.Duration(random.Int64N(2*int64(a.Jitter)+1)) - a.Jitter
			}
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(x, y Occurrence) int { return cmp.Compare(x.At, y.At) })
	return all
}

// DefaultPlan holds what must happen in a soak, early, so that most of it is left for trends: rotations and wrong clocks always,
// the rest where the harness has started the server.
func DefaultPlan(length time.Duration, spawned bool) Plan {
	allow := min(max(length/20, 2*time.Second), 30*time.Second)
	lasts := min(max(length/60, time.Second), 5*time.Second)
	at := func(percent int64) []time.Duration { return []time.Duration{length * time.Duration(percent) / 100} }
	p := Plan{Name: "default", Actions: []Action{{Kind: Rotate, At: at(12)}, {Kind: ClockStep, At: at(16)}}}
	if spawned {
		p.Actions = append(p.Actions, Action{Kind: RotateDomain, At: at(8)}, Action{Kind: Restart, At: at(5), Allow: allow}, Action{Kind: DiskFull, At: at(20), For: lasts, Allow: allow},
			Action{Kind: Kill, At: at(30), For: lasts, Allow: allow})
	}
	return p
}

// NeedsServer is the first action of the plan that only a server can take that the harness has started; "" without one.
func (p Plan) NeedsServer() string {
	for _, a := range p.Actions {
		if kinds[a.Kind].server || kinds[a.Kind].ours {
			return a.Kind
		}
	}
	return ""
}
