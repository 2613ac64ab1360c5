package plan

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/plan/sim"
	"trent/loadgen/retry"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/loadgen/spawn"
	"trent/loadgen/workload"
	"trent/results"
)

// Request is a whole `trent plan`.
type Request struct {
	Options  Options
	Workload results.Text // of what is planned, for the record
	Tool     string
	Command  []string
	Display  *attack.Display
	Verify   *VerifyRequest // nil: predict only
}

// VerifyRequest says what a plan is held against.
type VerifyRequest struct {
	Workload    *workload.Workload
	Target      engine.Target // an empty URL starts a server
	Spawn       spawn.Options
	Engine      string // "" is native
	Connections int
	Rate        float64
	Time        time.Duration
	Servers     int  // 0: the CPUs that this process may use
	Whole       bool // a request keeps its server for all of its time
	KeepKeys    bool
	// CalibrationTime is 15 s where it is 0.
	CalibrationTime time.Duration
}

// Run makes the plan, verifies it if asked to, and returns the record. When ctx ends during the verification, the record
// holds the plan and says that it was interrupted. Errors: options that make no sense, a verification that could not
// run at all.
func Run(ctx context.Context, q Request) (*results.Record, error) {
	started := time.Now()
	if q.Options.Progress == nil {
		q.Options.Progress = q.Display.Phase
	}
	result, err := Make(q.Options)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	host := machine.Host{}
	f := host.Fingerprint()
	record := &results.Record{Schema: results.Schema, Kind: results.Plan, Tool: q.Tool, Command: q.Command, Started: started, Seed: q.Options.Seed, Workload: q.Workload,
		Plan: result, Outcome: slo.Pass.String(),
		Environment: results.Environment{CPUModel: f.CPUModel, Cores: f.Cores, Features: f.Features, Kernel: f.Kernel, Governor: f.Governor, Hypervisor: f.Hypervisor,
			MemoryKiB: f.MemoryKiB, CPUQuota: f.CPUQuota, GoVersion: f.GoVersion, GOMAXPROCS: f.GOMAXPROCS, Platform: f.Platform, Build: f.Build}}
	switch {
	case q.Verify != nil:
		err = q.verify(ctx, record, host)
	case result.Throttles() || result.HSMs.Lacking():
		record.Outcome, record.ExitCode = slo.Fail.String(), slo.Fail.ExitCode()
	}
	q.Display.Close()
	record.Elapsed = time.Since(started)
	return record, err
}

// verify runs the load and puts what it showed into the record.
func (q *Request) verify(ctx context.Context, record *results.Record, host machine.Host) (err error) {
	v := q.Verify
	pid := 0
	target := v.Target
	cpus := host.UsableCPUs()
	servers, client := v.Servers, cpus
	if target.URL == "" {
		var own []int
		if client, own = apart(cpus); servers == 0 {
			servers = len(own)
		}
		unpin, err := pin(client, len(client) < len(cpus))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unpin()) }()
		v.Spawn.CPUs = own
		record.Environment.ServerCPUs, record.Environment.Pinned = machine.FormatCPUList(own), len(client) < len(cpus)
		q.Display.Phase("starting a server on CPU %s", machine.FormatCPUList(own))
		server, err := spawn.Start(ctx, v.Spawn)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		target, pid = server.Target(), server.PID()
		record.Target.Spawned = true
	}
	record.Target.URL, record.Target.Region = target.URL, target.Region
	name := v.Engine
	if name == "" {
		name = "native"
	}
	sender, err := engine.New(name)
	if err != nil {
		return err
	}
	q.Display.Phase("making %d keys", v.Workload.KeyCount())
	keys, err := engine.Provision(ctx, target, v.Workload, engine.ProvisionOptions{Keep: v.KeepKeys})
	if err != nil {
		return fmt.Errorf("making the workload's keys: %w", err)
	}
	defer func() {
		if release := attack.Release(ctx, keys); release != nil {
			record.Notes = append(record.Notes, release.Error())
		}
	}()
	if servers == 0 {
		servers = len(cpus)
	}
	var last attack.Trial
	verification := Verification{Workload: v.Workload, Servers: servers, Whole: v.Whole, Rate: v.Rate, Time: v.Time, CalibrationTime: v.CalibrationTime, Seed: q.Options.Seed, Plan: q.Options,
		Try: func(ctx context.Context, s schedule.Schedule) (*attack.Result, error) {
			q.Display.Phase("sending %s", s)
			last = attack.Trial{Engine: sender, Limits: slo.None(), Meter: attack.NewMeter(machine.NewProbe(host, pid), time.Second), ClientCPUs: client,
				Plan: engine.Plan{Target: target, Workload: v.Workload, Keys: keys, Schedule: s, Seed: q.Options.Seed, Connections: v.Connections,
					Progress: q.Display.Update(s.Duration())}}
			return last.Run(ctx)
		}}
	if name == "sdk" {
		// One client of aws-sdk-go-v2 with its default mode, whose hits are whole calls.
		if verification.Retry, err = sim.PolicyNamed(string(retry.GoStandard)); err != nil {
			return err
		}
		verification.Clients, verification.Attempts = 1, sdkAttempts
	}
	out, err := verification.Run(ctx)
	if err != nil {
		if ctx.Err() == nil {
			return err
		}
		record.Interrupted, record.Outcome, record.ExitCode = true, slo.Inconclusive.String(), slo.ExitInterrupted
		record.Notes = append(record.Notes, "The verification was interrupted; the plan is whole.")
		return nil
	}
	return q.fill(record, out, &last, host)
}

// sdkAttempts is what the sdk engine sent for the calls of a run.
func sdkAttempts(run *attack.Result) (attempts, throttled uint64) {
	if run.Report.SDK == nil {
		return 0, 0
	}
	return run.Report.SDK.Attempts, run.Report.SDK.Throttled
}

// apart shares CPUs out: a quarter to the client, the rest to the server, so that neither waits for the other.
func apart(cpus []int) (client, server []int) {
	if len(cpus) < 2 {
		return cpus, cpus
	}
	n := (len(cpus) + 3) / 4
	return cpus[:n], cpus[n:]
}

// pin keeps this process to its CPUs; two Ps at the least, because the pacer's thread must not take the workers' turn.
func pin(cpus []int, apart bool) (unpin func() error, err error) {
	nothing := func() error { return nil }
	if !apart {
		return nothing, nil
	}
	before := runtime.GOMAXPROCS(0)
	restore, err := machine.PinSelf(cpus)
	if errors.Is(err, machine.ErrUnsupported) {
		return nothing, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pinning the client: %w", err)
	}
	runtime.GOMAXPROCS(max(2, len(cpus)))
	return func() error {
		runtime.GOMAXPROCS(before)
		return restore()
	}, nil
}

// fill adds the measured run to the record.
func (q *Request) fill(record *results.Record, out *Outcome, trial *attack.Trial, host machine.Host) error {
	started, own, pinned := record.Started, record.Environment.ServerCPUs, record.Environment.Pinned
	if err := attack.Fill(record, trial, out.Run, host); err != nil {
		return err
	}
	record.Started, record.Environment.ServerCPUs, record.Environment.Pinned = started, own, pinned
	record.Plan.Verify = out.Verify
	record.Outcome, record.ExitCode = out.Result.String(), out.Result.ExitCode()
	if record.Interrupted {
		record.ExitCode = slo.ExitInterrupted
	}
	return nil
}
