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
	"fmt"
	"runtime"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
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
	Budget         time.Duration // for all steps together; 0: one minute
	Seed           uint64
	KeepKeys       bool
	Tool           string
	Command        []string
	Display        *attack.Display
}

// defaultBudget makes the whole run last about a minute.
const defaultBudget = 58 * time.Second

// sampleEvery is the interval of the machine's samples.
const sampleEvery = 500 * time.Millisecond

// Run searches and returns the record. When ctx ends, the record is partial and says so, and the error is nil.
// Errors: what kept the run from happening.
func Run(ctx context.Context, o Options) (record *results.Record, err error) {
	if o.Engine == "" {
		o.Engine = "native"
	}
	if o.Budget == 0 {
		o.Budget = defaultBudget
	}
	sender, err := engine.New(o.Engine)
	if err != nil {
		return nil, err
	}
	if unknown := o.Limits.Unknown(o.Workload.EntryNames()); len(unknown) > 0 {
		return nil, &attack.LimitError{Operations: unknown, Workload: o.Workload}
	}
	host := machine.Host{}
	side := shareOut(host.UsableCPUs(), o.Target.URL == "")
	pid := 0
	if o.Target.URL == "" {
		o.Display.Phase("starting a server on CPU %s", machine.FormatCPUList(side.server))
		o.Spawn.CPUs = side.server
		server, err := spawn.Start(ctx, o.Spawn)
		if err != nil {
			return nil, err
		}
		defer func() { record, err = cleaned(record, err, server.Stop()) }()
		o.Target, pid = server.Target(), server.PID()
	}
	unpin, err := pin(side)
	if err != nil {
		return nil, err
	}
	defer func() { record, err = cleaned(record, err, unpin()) }()

	o.Display.Phase("making %d keys", o.Workload.KeyCount())
	keys, err := engine.Provision(ctx, o.Target, o.Workload, engine.ProvisionOptions{Keep: o.KeepKeys || pid != 0})
	if err != nil {
		return nil, fmt.Errorf("making the workload's keys: %w", err)
	}
	base := attack.Trial{
		Engine: sender, Limits: o.Limits, ClientCPUs: side.client,
		Plan: engine.Plan{Target: o.Target, Workload: o.Workload, Keys: keys, Seed: o.Seed, Connections: o.Connections, Timeout: stepTimeout(o.Limits)},
	}
	record, err = search(ctx, o, base, side, pid, host)
	return cleaned(record, err, attack.Release(ctx, keys))
}

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

// search runs the Search and fills the record.
func search(ctx context.Context, o Options, base attack.Trial, side sides, pid int, host machine.Host) (*results.Record, error) {
	plans := map[*attack.Result]attack.Trial{}
	s := &Search{Limits: o.Limits, MaxRate: o.MaxRate, Budget: o.Budget, Seed: o.Seed, ClientCPUs: side.client, ServerCPUs: side.server,
		CostOnly: side.shared && pid != 0}
	s.Try = func(ctx context.Context, a Attempt) (*attack.Result, error) {
		o.Display.Prefix(fmt.Sprintf("%-9s %6.0f/s ", a.Purpose, a.Schedule.MeanRate()))
		last := base
		last.Warm = a.Warm
		last.Meter = attack.NewMeter(machine.NewProbe(host, pid), sampleEvery)
		last.Plan.Schedule, last.Plan.Seed = a.Schedule, o.Seed+uint64(a.Number)
		last.Plan.Progress = o.Display.Update(a.Schedule.Duration())
		res, err := last.Run(ctx)
		if err == nil {
			plans[res] = last
		}
		return res, err
	}
	found, best, err := s.Run(ctx)
	o.Display.Close()
	if best == nil || err != nil && ctx.Err() == nil {
		return nil, err
	}
	record := &results.Record{
		Kind: results.Capacity, Tool: o.Tool, Command: o.Command, Seed: o.Seed,
		Target:   results.Target{URL: o.Target.URL, Region: o.Target.Region, Spawned: pid != 0},
		Workload: results.Text{Name: o.Workload.Name, Summary: o.Workload.Description, Source: o.WorkloadSource},
		SLO:      attack.TextOf(o.Limits),
		Capacity: found,
	}
	trial := plans[best]
	if err := attack.Fill(record, &trial, best, host); err != nil {
		return nil, err
	}
	record.Environment.Pinned = !side.shared
	record.Environment.ServerCPUs = machine.FormatCPUList(side.server)
	settle(record, ctx.Err() != nil)
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
		r.Verdicts = nil // those of the calibrating run say nothing
	case c.Label == results.CostOnly:
		r.Verdicts = nil
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

// sides are the CPUs of client and server.
type sides struct {
	client, server []int
	shared         bool // both on the same: only CPU a request can be measured, or nothing is known of the server
}

// shareOut shares CPUs out: a quarter to the client, which needs about a third of the server's time a request, and the
// rest to a server that this run starts.
func shareOut(cpus []int, spawn bool) sides {
	if !spawn {
		return sides{client: cpus, shared: true}
	}
	if len(cpus) < 2 {
		return sides{client: cpus, server: cpus, shared: true}
	}
	client := (len(cpus) + 3) / 4
	return sides{client: cpus[:client], server: cpus[client:]}
}

// pin keeps this process to the client's CPUs; two Ps at the least, because the pacer's thread must not take the
// workers' turn.
func pin(s sides) (unpin func() error, err error) {
	if s.shared {
		return func() error { return nil }, nil
	}
	before := runtime.GOMAXPROCS(0)
	restore, err := machine.PinSelf(s.client)
	if errors.Is(err, machine.ErrUnsupported) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pinning the client: %w", err)
	}
	runtime.GOMAXPROCS(max(2, len(s.client)))
	return func() error {
		runtime.GOMAXPROCS(before)
		return restore()
	}, nil
}
