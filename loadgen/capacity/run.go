package capacity

import (
	"context"
	"fmt"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/spawn"
	"trent/results"
)

// run is what one capacity run has at hand.
type run struct {
	Options
	host    machine.Host
	side    sides
	engine  engine.Engine
	pid     int  // of the server's process, 0 where it is not visible
	spawned bool // by this run
	why     string
	number  int // of attempts so far, for seeds
}

// Run searches and returns the record. When ctx ends, the record is partial and says so, and the error is nil.
// Errors: what kept the run from happening.
func Run(ctx context.Context, o Options) (record *results.Record, err error) {
	if o.Engine == "" {
		o.Engine = "native"
	}
	if o.Budget == 0 {
		o.Budget = defaultBudget
	}
	r := &run{Options: o}
	if r.engine, err = engine.New(o.Engine); err != nil {
		return nil, err
	}
	if unknown := o.Limits.Unknown(o.Workload.EntryNames()); len(unknown) > 0 {
		return nil, &attack.LimitError{Operations: unknown, Workload: o.Workload}
	}
	if err := checkDimensions(o.Sensitivity); err != nil {
		return nil, err
	}
	r.spawned = o.Target.URL == ""
	r.side = shareOut(r.host.UsableCPUs(), r.spawned)
	if r.spawned {
		server, err := r.start(ctx)
		if err != nil {
			return nil, err
		}
		defer func() { record, err = cleaned(record, err, server.Stop()) }()
	} else {
		r.find()
	}
	unpin, err := pin(r.side)
	if err != nil {
		return nil, err
	}
	defer func() { record, err = cleaned(record, err, unpin()) }()

	o.Display.Phase("making %d keys", o.Workload.KeyCount())
	keys, err := engine.Provision(ctx, r.Target, o.Workload, r.provision())
	if err != nil {
		return nil, fmt.Errorf("making the workload's keys: %w", err)
	}
	// A server that has just started makes keys ahead, and one that made keys may still write.
	r.drain(ctx, 0)
	record, err = r.search(ctx, r.trial(keys))
	return cleaned(record, err, attack.Release(ctx, keys))
}

// start starts a server on its CPUs.
func (r *run) start(ctx context.Context) (*spawn.Server, error) {
	r.Display.Phase("starting a server on CPU %s", machine.FormatCPUList(r.side.server))
	r.Spawn.CPUs = r.side.server
	server, err := spawn.Start(ctx, r.Spawn)
	if err != nil {
		return nil, err
	}
	r.Target, r.pid = server.Target(), server.PID()
	if r.TakeOut != nil && r.Fleet.Modules > 1 {
		r.Fleet.TakeOut = func(ctx context.Context) (func(context.Context) error, error) {
			return r.TakeOut(ctx, server.DataDir())
		}
	}
	if url := server.Metrics(); url != "" {
		r.Metrics = url + "/metrics"
	}
	return server, nil
}

// find looks for the process of an endpoint that runs already, and for the CPUs that it may use.
func (r *run) find() {
	r.pid, r.why = attack.ServerProcess(r.host, r.Target.URL)
	if r.pid == 0 {
		return
	}
	if cpus, err := machine.Affinity(r.pid); err == nil {
		r.side.server = cpus
	}
}

// provision keeps the keys of a server that ends with the run.
func (r *run) provision() engine.ProvisionOptions {
	return engine.ProvisionOptions{Keep: r.KeepKeys || r.spawned}
}

// trial is what all attempts have in common.
func (r *run) trial(keys *engine.Provisioned) attack.Trial {
	return attack.Trial{
		Engine: r.engine, Limits: r.Limits, ClientCPUs: r.side.client, Metrics: r.Metrics,
		Plan: engine.Plan{Target: r.Target, Workload: r.Workload, Keys: keys, Seed: r.Seed, Connections: r.Connections, Timeout: stepTimeout(r.Limits)},
	}
}

// try sends one attempt and waits until the server is idle again.
func (r *run) try(ctx context.Context, base attack.Trial, a Attempt) (attack.Trial, *attack.Result, error) {
	r.number++
	r.Display.Prefix(fmt.Sprintf("%-9s %6.0f/s ", a.Purpose, a.Schedule.MeanRate()))
	base.Warm = a.Warm
	base.Meter = attack.NewMeter(machine.NewProbe(r.host, r.pid), sampleEvery)
	base.Plan.Schedule, base.Plan.Seed = a.Schedule, r.Seed+uint64(r.number)
	base.Plan.Progress = r.Display.Update(a.Schedule.Duration())
	res, err := base.Run(ctx)
	if err == nil && res.Populations[0].OK() < res.Populations[0].Due() {
		r.drain(ctx, base.Plan.Timeout)
	}
	return base, res, err
}

// Waiting for a server that still works on what the client has given up on.
const (
	drainPoll    = 100 * time.Millisecond
	drainLongest = 10 * time.Second
	idleShare    = 0.1 // of one CPU
)

// drain waits until the server uses next to no CPU; where that is not visible, for as long as a request may take.
func (r *run) drain(ctx context.Context, timeout time.Duration) {
	if r.pid == 0 {
		wait(ctx, min(timeout, drainLongest))
		return
	}
	tree := machine.NewTree(r.host, r.pid)
	before, err := tree.CPU()
	for waited := time.Duration(0); err == nil && waited < drainLongest && ctx.Err() == nil; waited += drainPoll {
		wait(ctx, drainPoll)
		var now time.Duration
		now, err = tree.CPU()
		if float64(now-before) < idleShare*float64(drainPoll) {
			return
		}
		before = now
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// search runs the Search, as often as there are trials, and fills the record.
func (r *run) search(ctx context.Context, base attack.Trial) (*results.Record, error) {
	plans := map[*attack.Result]attack.Trial{}
	s := r.newSearch(base, plans)
	s.MeasureNoise, s.Curve, s.Fleet = r.Noise, r.Curve, r.Fleet
	found, best, err := s.Run(ctx)
	if best == nil || err != nil && ctx.Err() == nil {
		r.Display.Close()
		return nil, err
	}
	trial := plans[best]
	clear(plans)
	if found.Headroom == nil {
		found.Headroom = Fleet{Modules: modulesOf(best.Metrics), Asked: r.Fleet.Asked}.headroom(found.Sustained)
	}
	if err == nil {
		err = r.trials(ctx, base, found)
	}
	if err == nil {
		err = r.sensitivity(ctx, found)
	}
	r.Display.Close()
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	record := &results.Record{
		Kind: results.Capacity, Tool: r.Tool, Command: r.Command, Seed: r.Seed,
		Target:   results.Target{URL: r.Target.URL, Region: r.Target.Region, Spawned: r.spawned},
		Workload: results.Text{Name: r.Workload.Name, Summary: r.Workload.Description, Source: r.WorkloadSource},
		SLO:      attack.TextOf(r.Limits),
		Capacity: found,
	}
	if err := attack.Fill(record, &trial, best, r.host); err != nil {
		return nil, err
	}
	record.Environment.Pinned = !r.side.shared
	record.Environment.ServerCPUs = machine.FormatCPUList(r.side.server)
	if r.why != "" {
		record.Notes = append(record.Notes, r.why)
	}
	if found.Overload == nil && found.Sustained > 0 && r.MaxRate > 0 {
		record.Notes = append(record.Notes, "No overload step: 1.5 × the sustained rate is above the highest rate allowed.")
	}
	settle(record, ctx.Err() != nil)
	return record, nil
}

func (r *run) newSearch(base attack.Trial, plans map[*attack.Result]attack.Trial) *Search {
	s := &Search{Limits: r.Limits, MaxRate: r.MaxRate, Budget: r.Budget, Seed: r.Seed + uint64(1000*r.number), ClientCPUs: r.side.client, ServerCPUs: r.side.server,
		// With one CPU for both, a rate would be that of client and server together.
		CostOnly: r.pid != 0 && r.side.count() < 2}
	s.Try = func(ctx context.Context, a Attempt) (*attack.Result, error) {
		trial, res, err := r.try(ctx, base, a)
		if err == nil && plans != nil {
			plans[res] = trial
		}
		return res, err
	}
	return s
}

// trials repeats the search, from a start near what the first one found.
func (r *run) trials(ctx context.Context, base attack.Trial, found *results.CapacityResult) error {
	if r.Trials < 2 || found.Sustained == 0 {
		return nil
	}
	rates := []float64{found.Sustained}
	for i := 2; i <= r.Trials; i++ {
		r.Display.Phase("trial %d of %d", i, r.Trials)
		s := r.newSearch(base, nil)
		s.Start, s.SkipOverload, s.Noise = 0.8*found.Sustained, true, found.Resolution
		again, _, err := s.Run(ctx)
		if err != nil {
			found.Trials = trialsOf(rates)
			return err
		}
		if again.Sustained > 0 {
			rates = append(rates, again.Sustained)
		}
	}
	found.Trials = trialsOf(rates)
	return nil
}
