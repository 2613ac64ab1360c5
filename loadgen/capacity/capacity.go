// Package capacity finds the highest rate that an endpoint sustains within an SLO, and says what that figure is
// worth: `server-bound` only where the server's CPUs were full and the client's were not, else a lower bound.
//
// Arrivals are Poisson. Rates rise in geometric steps, then a bisection narrows the bracket; each step drains, warms
// for a second and is judged by thirds, and where they disagree it is repeated and the majority wins. The highest
// pass then has to hold in a confirming run; last comes a step at 1.5 × and back (search.go, overload.go). A Search
// is pure logic over a Try function, so the tests run it in virtual time; Run is the wiring around it: it starts a
// server on CPUs of its own (loadgen/spawn) or takes an endpoint, makes keys, pins the client, and writes the record.
//
// Run owns the server process it starts and has stopped it when it returns. Nothing here is safe for concurrent use.
package capacity

import (
	"context"
	"errors"
	"slices"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/slo"
	"trent/loadgen/spawn"
	"trent/loadgen/workload"
	"trent/results"
)

// Options of a run.
type Options struct {
	Target         engine.Target // of an endpoint that runs already; an empty URL starts a server
	Spawn          spawn.Options // how to start one; its CPUs are chosen by the run
	Workload       *workload.Workload
	WorkloadSource string
	Limits         slo.Limits
	Engine         string // "" is native
	Connections    int
	MaxRate        float64
	Budget         time.Duration // for all steps of a search together; 0: one minute
	Seed           uint64
	KeepKeys       bool
	Tool           string
	Command        []string
	Display        *attack.Display

	Metrics     string   // URL of the endpoint's own metrics; "": none. A server that the run starts offers its own
	Noise       bool     // measure the A/A noise
	Curve       bool     // measure the curve of latency against rate last
	Trials      int      // searches; below 2: one
	Sensitivity []string // of Dimensions
	Fleet       Fleet
	// TakeOut removes one module of the server that the run starts, which has that data directory, and returns what
	// brings it back; nil: the headroom of its fleet is arithmetic only.
	TakeOut func(ctx context.Context, dataDir string) (restore func(context.Context) error, err error)
}

// defaultBudget makes the whole run last about a minute.
const defaultBudget = 61 * time.Second

// sampleEvery is the interval of the machine's samples.
const sampleEvery = 500 * time.Millisecond

// cleaned notes a failure to clean up in the record, which it must not cost; without a record it joins the error.
func cleaned(record *results.Record, err, failure error) (*results.Record, error) {
	if record == nil || err != nil {
		return nil, errors.Join(err, failure)
	}
	if failure != nil {
		record.Notes = append(record.Notes, failure.Error())
	}
	return record, nil
}

// settle sets the outcome of the whole search, where Fill set that of the confirming run.
func settle(r *results.Record, interrupted bool) {
	c := r.Capacity
	outcome := slo.Inconclusive
	switch {
	case c.Sustained > 0 && c.Label == results.ServerBound:
		outcome = slo.Pass
	case c.Sustained == 0 && c.Label != results.CostOnly && len(c.Steps) > 0:
		outcome = nothingConfirmed(c.Steps)
		r.Verdicts, r.Gates = nil, nil // those of the calibrating run say nothing
	case c.Label == results.CostOnly:
		r.Verdicts = nil
		// How late or busy the client was is no matter where only CPU time is counted; what was stolen is.
		r.Gates = slices.DeleteFunc(r.Gates, func(g results.Gate) bool { return g.Name != slo.StolenGate })
		if slices.ContainsFunc(r.Gates, func(g results.Gate) bool { return g.Void }) {
			outcome = slo.Voided
		}
	}
	r.Outcome, r.ExitCode = outcome.String(), outcome.ExitCode()
	if interrupted {
		r.Interrupted, r.ExitCode = true, slo.ExitInterrupted
		if outcome == slo.Pass {
			r.Outcome = slo.Inconclusive.String()
		}
	}
}

// nothingConfirmed is the outcome of a search without a result: void where steps were, fail where the SLO is out of
// reach at any rate, else inconclusive.
func nothingConfirmed(steps []results.Step) slo.Outcome {
	passes, voids := 0, 0
	for _, s := range steps {
		if s.Purpose == results.Calibrate {
			continue
		}
		switch s.Outcome {
		case passed:
			passes++
		case voided:
			voids++
		}
	}
	switch {
	case voids > 0:
		return slo.Voided
	case passes == 0:
		return slo.Fail
	}
	return slo.Inconclusive
}

// stepTimeout is long against the limits, but short enough that an overloaded step drains soon.
func stepTimeout(l slo.Limits) time.Duration {
	return min(max(20*l.Tightest(), time.Second), 10*time.Second)
}
