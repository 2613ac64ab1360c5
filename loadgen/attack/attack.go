// Package attack runs a load test: it makes the keys a workload needs, sends hits by a schedule through an engine,
// watches the machine meanwhile, and gathers everything into one results.Record with gates and verdicts.
//
// A Trial is one stretch of load, the unit that loadgen/capacity searches with; Run is a whole `trent attack`. How
// hits are sent is the engine's business, limits and gates are loadgen/slo's, rendering is results'.
//
// A Trial owns the meter's goroutine while it runs. A Display writes progress and belongs to one run at a time.
package attack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/loadgen/workload"
	"trent/results"
)

// Options of a run.
type Options struct {
	Target         engine.Target
	Workload       *workload.Workload
	WorkloadSource string // text of the workload's file, for the record; "" for a built-in one
	Schedule       schedule.Schedule
	Limits         slo.Limits
	Engine         string // name; "" for the default
	Connections    int    // 0: the engine's default
	Connect        engine.Connect
	SDK            engine.SDKOptions
	Timeout        time.Duration
	Seed           uint64
	KeepKeys       bool
	Tool           string    // name and version of the program
	Command        []string  // what repeats the run
	Display        *Display  // may be nil
	Raw            io.Writer // takes a compressed line a hit (see measure.RawLog); may be nil
	Exporter       *Exporter // shows the run's state to others; may be nil
	HdrLog         io.Writer // takes the latencies as an HdrHistogram log; may be nil
	Metrics        string    // URL of the server's own metrics; "": none
}

// releaseTimeout bounds the clean-up after a run, which also happens after an interruption.
const releaseTimeout = 30 * time.Second

// interruptedReleaseTimeout is shorter: somebody waits, and perhaps the server is what they gave up on.
const interruptedReleaseTimeout = 10 * time.Second

// Run provisions keys, attacks, releases the keys and returns the record. When ctx ends during the attack, the
// record is partial and says so, and the error is nil. Errors: what kept the run from happening at all, for a
// refused target an *engine.TargetError.
func Run(ctx context.Context, o Options) (*results.Record, error) {
	if o.Engine == "" {
		o.Engine = engine.Names()[0]
	}
	sender, err := engine.New(o.Engine)
	if err != nil {
		return nil, err
	}
	if unknown := o.Limits.Unknown(o.Workload.EntryNames()); len(unknown) > 0 {
		return nil, &LimitError{Operations: unknown, Workload: o.Workload}
	}
	o.Display.Phase("making %d keys", o.Workload.KeyCount())
	keys, err := engine.Provision(ctx, o.Target, o.Workload, engine.ProvisionOptions{Keep: o.KeepKeys})
	host := machine.Host{}
	if err != nil && ctx.Err() != nil {
		o.Display.Close()
		return o.cutShort(host, err)
	}
	if err != nil {
		return nil, fmt.Errorf("making the workload's keys: %w", err)
	}
	pid, why := ServerProcess(host, o.Target.URL)
	trial := Trial{
		Engine: sender, Limits: o.Limits, Meter: NewMeter(machine.NewProbe(host, pid), time.Second), ClientCPUs: host.UsableCPUs(), Metrics: o.Metrics,
		Plan: engine.Plan{Target: o.Target, Workload: o.Workload, Keys: keys, Schedule: o.Schedule, Seed: o.Seed,
			Connections: o.Connections, Connect: o.Connect, SDK: o.SDK, Timeout: o.Timeout, Progress: o.progress()},
	}
	o.Display.Phase("sending %s at %s through %s", o.Workload.Name, o.Schedule, o.Engine)
	if o.Raw != nil {
		trial.Raw = measure.NewRawLog(o.Raw)
	}
	result, runErr := trial.Run(ctx)
	var exportErr error
	if trial.Raw != nil {
		exportErr = trial.Raw.Close()
	}
	if runErr == nil && o.HdrLog != nil {
		exportErr = errors.Join(exportErr, result.Summary.WriteHdrLog(o.HdrLog, result.Report.Start, o.Tool))
	}
	o.Display.Phase("releasing the keys")
	releaseErr := Release(ctx, keys)
	o.Display.Close()
	if runErr != nil {
		return nil, errors.Join(runErr, releaseErr)
	}
	record := o.record()
	if err := Fill(record, &trial, result, host); err != nil {
		return nil, err
	}
	if exportErr != nil {
		record.Notes = append(record.Notes, exportErr.Error())
	}
	if why != "" {
		record.Notes = append(record.Notes, why)
	}
	if releaseErr != nil {
		record.Notes = append(record.Notes, releaseErr.Error())
	}
	return record, nil
}

// record is the record of a run before anything was measured.
func (o *Options) record() *results.Record {
	return &results.Record{
		Kind: results.Attack, Tool: o.Tool, Command: o.Command, Seed: o.Seed,
		Target:   results.Target{URL: o.Target.URL, Region: o.Target.Region},
		Workload: results.Text{Name: o.Workload.Name, Summary: o.Workload.Description, Source: o.WorkloadSource},
		SLO:      TextOf(o.Limits),
	}
}

// progress shows the state of the run to whom it concerns.
func (o *Options) progress() func(engine.Progress) {
	show := o.Display.Update(o.Schedule.Duration())
	if show == nil && o.Exporter == nil {
		return nil
	}
	return func(p engine.Progress) {
		if show != nil {
			show(p)
		}
		o.Exporter.Observe(p)
	}
}

// Release schedules the deletion of a run's keys, also after an interruption. The error says that keys were left.
func Release(ctx context.Context, keys *engine.Provisioned) error {
	timeout := releaseTimeout
	if ctx.Err() != nil {
		timeout = interruptedReleaseTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err := keys.Release(ctx); err != nil {
		return fmt.Errorf("keys of this run were left behind: %w", err)
	}
	return nil
}

// TextOf describes limits for a record.
func TextOf(l slo.Limits) results.Text {
	text := results.Text{Name: l.Name, Source: l.Source}
	if !l.Empty() {
		text.Summary = l.String()
	}
	return text
}

// LimitError is an SLO that names operations which the workload does not send.
type LimitError struct {
	Operations []string
	Workload   *workload.Workload
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the SLO limits %q, but workload %s sends only %q", e.Operations, e.Workload.Name, e.Workload.EntryNames())
}
