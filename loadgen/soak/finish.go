package soak

import (
	"context"
	"fmt"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/results"
)

// ending is what is found out after the load.
type ending struct {
	interrupted bool
	fatal       error
	open        int // samples without a definite answer
	found       *found
	readErr     error // why nothing could be read back
	keys        reconciled
	aliases     reconciled
	leftBehind  string
	clockStep   time.Duration
}

// After an interruption this much time goes into checks that are due, and into reading back.
const (
	hurriedSweep = 10 * time.Second
	readTimeout  = 2 * time.Minute
)

// finish ends the soak: the last checks, the reading back, the verdict.
func (r *run) finish(ctx context.Context, plan *engine.Plan, report *engine.Report, began time.Time, samples []machine.Sample) (*results.Record, error) {
	r.tick(&engine.Progress{Elapsed: report.Elapsed, Due: report.Due, Counts: r.recorder.Counts()})
	e := &ending{interrupted: ctx.Err() != nil}
	r.mu.Lock()
	e.fatal = r.fatal
	leg := &r.st.Legs[len(r.st.Legs)-1]
	leg.To, leg.Due, leg.Done = min(r.base+report.Elapsed, r.length), report.Due, report.Done
	leg.Ended = map[bool]string{true: "interrupted", false: "completed"}[report.Interrupted]
	r.st.Outside -= min(r.st.Outside, r.recorder.Summary().Errors["Interrupted"])
	r.mu.Unlock()
	for _, s := range samples {
		e.clockStep += s.ClockStep
	}
	r.closeBooks(context.WithoutCancel(ctx))
	if err := r.lastChecks(ctx, e); err != nil {
		return nil, err
	}
	r.readBack(ctx, e)
	if err := r.lastSave(e); err != nil {
		return nil, err
	}
	return r.record(e, plan, report, began, samples)
}

// closeBooks reads the server's count while nothing is under way.
func (r *run) closeBooks(ctx context.Context) {
	r.readCount(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.st.Lives); n > 0 {
		l := &r.st.Lives[n-1]
		if l.opening { // no reading came in its life: the one before it is the bound
			l.opening, l.GoodBefore = false, l.GoodThen
		}
		l.closing, l.closed, l.DueThen = false, true, r.last.Due+r.own.sent.Load()
	}
}

// lastChecks lets the youngest samples age, rotates and restarts once more, and checks all that has not been checked after that.
func (r *run) lastChecks(ctx context.Context, e *ending) error {
	show := func(done, total int) { r.o.Display.Phase("checking samples: %d of %d", done, total) }
	if e.fatal != nil {
		return nil
	}
	if !e.interrupted {
		r.o.Display.Phase("waiting %v, until the youngest samples can be checked", r.o.After)
		if sleep(ctx, r.o.After) != nil {
			e.interrupted = true
		}
	}
	if !e.interrupted {
		if len(r.stock.rotatable()) > 0 {
			_ = r.act(ctx, Occurrence{Kind: Rotate, At: r.length}) // its outcome stands in the books
		}
		if r.w.Server != nil {
			if err := r.act(ctx, Occurrence{Kind: Restart, At: r.length}); err != nil {
				e.fatal = err
				return nil
			}
			r.mu.Lock()
			r.st.Lives = r.st.Lives[:len(r.st.Lives)-1] // no load falls into it
			r.mu.Unlock()
		}
	}
	sweep := ctx
	if e.interrupted {
		var cancel context.CancelFunc
		sweep, cancel = context.WithTimeout(context.WithoutCancel(ctx), hurriedSweep)
		defer cancel()
	}
	var err error
	if e.open, err = r.verify.sweep(sweep, r.moments(), show); err != nil {
		return err
	}
	if !e.interrupted && ctx.Err() != nil {
		e.interrupted = true
	}
	return nil
}

// readBack compares what was written with what is there, and lets the keys go.
func (r *run) readBack(ctx context.Context, e *ending) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	if e.fatal != nil {
		e.readErr = e.fatal
		return
	}
	r.o.Display.Phase("reading back %d keys", len(r.stock.snapshot()))
	if e.found, e.readErr = r.stock.read(ctx, r.own); e.readErr != nil {
		return
	}
	e.keys, e.aliases = r.stock.reconcile(e.found)
	// An interrupted soak may go on with its keys; at an endpoint of someone else's it must not leave any.
	if r.o.KeepKeys || e.interrupted && r.w.Server != nil {
		return
	}
	r.o.Display.Phase("releasing the keys")
	left := 0
	for _, k := range r.stock.snapshot() {
		if k.ID == "" || k.Given || !e.found.keys[k.ID] {
			continue
		}
		if _, err := insist(ctx, r.own, "ScheduleKeyDeletion", fields("KeyId", k.ID, "PendingWindowInDays", 7)); err != nil {
			left++
			e.leftBehind = err.Error()
		}
	}
	if left > 0 {
		e.leftBehind = fmt.Sprintf("%d keys of this run were left behind (%s)", left, e.leftBehind)
	}
}

// lastSave writes the checkpoint of the end; an interrupted soak on a server of its own can go on.
func (r *run) lastSave(e *ending) error {
	r.mu.Lock()
	r.st.Finished = !e.interrupted || r.w.Server == nil
	ended := r.st.Legs[len(r.st.Legs)-1].Ended
	r.mu.Unlock()
	r.series.snapshot(true)
	err := r.save()
	r.mu.Lock()
	defer r.mu.Unlock()
	leg := &r.st.Legs[len(r.st.Legs)-1]
	leg.Ended = ended
	if err != nil {
		return err
	}
	return writeState(r.o.Dir, &r.st)
}

// trial judges the load as a run of its own, without the blocks that actions fall into.
func (r *run) trial(plan *engine.Plan) *attack.Trial {
	whole := *plan
	whole.Schedule = r.o.Schedule
	return &attack.Trial{Engine: r.w.Engine, Plan: whole, Limits: r.o.Limits, Meter: r.w.Meter, ClientCPUs: r.w.Host.UsableCPUs(),
		Leave: r.leave()}
}

// leave names the stretches of the load that actions fall into.
func (r *run) leave() func(from, to time.Duration) bool {
	return func(from, to time.Duration) bool {
		for i := range r.st.Actions {
			a := &r.st.Actions[i]
			if kinds[a.Kind].server && a.At < r.length && from < a.Until && to > a.From-time.Second {
				return true
			}
		}
		return false
	}
}

// judged fills the record with the figures of the load.
func (r *run) judged(record *results.Record, e *ending, plan *engine.Plan, report *engine.Report, began time.Time, samples []machine.Sample) (*attack.Result, error) {
	summary, err := r.summary()
	if err != nil {
		return nil, err
	}
	all := *report
	all.Start = report.Start.Add(-r.base)
	all.Elapsed, all.Interrupted = r.base+report.Elapsed, e.interrupted || e.fatal != nil
	all.Due, all.Done = summary.Asked(), summary.Asked()
	all.Sent = all.Due - summary.Count(measure.NeverSent)
	trial := r.trial(plan)
	result := trial.Judge(all, summary, began, samples)
	if err := attack.Fill(record, trial, result, r.w.Host); err != nil {
		return nil, err
	}
	record.Started, record.Interrupted = r.st.Started, e.interrupted
	if !e.interrupted { // the load was cut short by the soak itself, if at all, which has a note of its own
		record.Notes = nil
	}
	record.Cost = results.Cost{Requests: all.Sent}
	if report.Sent > 0 && report.ClientCPU > 0 {
		each := report.ClientCPU / time.Duration(report.Sent)
		record.Cost.Client = &each
	}
	return result, nil
}
