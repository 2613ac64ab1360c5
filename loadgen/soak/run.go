package soak

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/results"
)

// run is a soak under way.
type run struct {
	o       Options
	w       World
	length  time.Duration
	own     *counted
	samples *reservoir
	verify  *verifier
	stock   *inventory
	taps    chan engine.Tapped

	recorder *measure.Recorder
	earlier  *measure.Summary // of the legs before; nil without any
	cancel   context.CancelCauseFunc

	mu     sync.Mutex // guards everything below
	st     state      // what is kept of it is filled in when it is saved
	base   time.Duration
	last   tick
	lastAt time.Time // of last
	series *collector
	due    dueCounter
	fatal  error // what ended the load early
}

// Drive runs a soak in a world and returns its record. The world's server keeps running.
func Drive(ctx context.Context, o Options, w World) (record *results.Record, err error) {
	r := &run{o: o, w: w, length: o.Schedule.Duration(), own: &counted{Caller: w.Call}, taps: make(chan engine.Tapped, 1024)}
	if err := r.open(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.samples.close()) }()
	o.Display.Phase("making %d keys", o.Workload.KeyCount())
	keys, err := w.Provision(ctx)
	if err != nil {
		return nil, fmt.Errorf("making the workload's keys: %w", err)
	}
	for i, id := range keys.IDs {
		r.stock.addLoad(id, keys.Specs[i], keys.Given)
	}
	r.own.sent.Add(keys.Requests)
	r.own.good.Add(keys.Requests)
	return r.drive(ctx, keys.Provisioned)
}

// open makes a new soak's state, or reads the one that goes on.
func (r *run) open() error {
	if err := os.MkdirAll(r.o.Dir, 0o700); err != nil {
		return fmt.Errorf("making the soak's directory: %w", err)
	}
	st, err := readState(r.o.Dir)
	switch {
	case r.o.Resume && err != nil:
		return err
	case r.o.Resume && st.Config != r.config():
		return ErrOther
	case r.o.Resume && st.Finished:
		return ErrFinished
	case r.o.Resume:
		r.st = *st
	case err == nil:
		return fmt.Errorf("%s: %w", r.o.Dir, ErrExists)
	case !errors.Is(err, os.ErrNotExist):
		return err
	default:
		var id [4]byte
		_, _ = rand.Read(id[:]) // never fails
		r.st = state{Version: stateVersion, ID: hex.EncodeToString(id[:]), Config: r.config(), Command: r.o.Command, Started: time.Now()}
	}
	if r.samples, err = openReservoir(filepath.Join(r.o.Dir, samplesFile), r.o.Samples, maxSampleBytes, r.o.Seed); err != nil {
		return err
	}
	r.verify = &verifier{samples: r.samples, call: r.own, verified: r.st.Verified}
	r.stock = &inventory{id: r.st.ID, keys: r.st.Keys}
	r.series = newCollector(r.length, r.st.Series)
	r.base = r.st.Position
	if r.earlier, err = unpackSummary(r.st.Summary); err != nil {
		return errors.Join(err, r.samples.close())
	}
	if r.o.Resume {
		r.samples.restore(r.st.Samples)
		r.goOn()
	}
	return nil
}

// maxSampleBytes bounds the samples' file; it may be twice as long until it is written anew.
const maxSampleBytes = 512 << 20

// config is what must be the same for a soak to go on.
func (r *run) config() string {
	o := &r.o
	return fmt.Sprintf("%s/%s/%s/%d/%d/%s", o.Workload.Name, digestText(o.WorkloadSource), o.Schedule, o.Seed, o.Samples, digestText(o.Plan.Source))
}

// How a leg ended, beside "completed" and "interrupted".
const (
	underWay = "under way"
	killed   = "killed"
)

// goOn closes what the crash left open: the leg, and an action that was under way.
func (r *run) goOn() {
	if n := len(r.st.Legs); n > 0 {
		leg := &r.st.Legs[n-1]
		leg.Down = time.Since(r.st.Saved)
		if leg.Ended == underWay {
			leg.Ended = killed
		}
	}
	for i := range r.st.Actions {
		if a := &r.st.Actions[i]; a.Outcome == "" {
			a.Outcome, a.To, a.Until = "cut short", r.base, r.base+a.Allow
		}
	}
	if r.w.Server != nil { // it died with the soak
		r.st.Restarted = r.st.Saved
	}
}

// drive sends the load, with everything that runs beside it, and ends the soak.
func (r *run) drive(ctx context.Context, keys *engine.Provisioned) (*results.Record, error) {
	load, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.cancel = cancel
	r.recorder = measure.NewRecorder(measure.Config{Entries: r.o.Workload.EntryNames(), MaxBlocks: maxBlocks})
	plan := engine.Plan{Target: r.w.Target, Workload: r.o.Workload, Keys: keys, Schedule: tail{r.o.Schedule, r.base}, Seed: r.o.Seed,
		Connections: r.o.Connections, Timeout: r.o.Timeout, Recorder: r.recorder, Tap: &engine.Tap{Every: r.o.TapEvery, Take: r.take}}
	show := r.o.Display.Update(r.length)
	plan.Progress = func(p engine.Progress) {
		r.tick(&p)
		if show != nil {
			p.Elapsed += r.base
			show(p)
		}
	}
	r.mu.Lock()
	r.lastAt, r.last = time.Now(), tick{At: r.base}
	r.due.hits = plan.Schedule.Iterator()
	r.st.Legs = append(r.st.Legs, Leg{Started: time.Now(), From: r.base})
	if r.w.Server != nil {
		r.st.Lives = append(r.st.Lives, life{Started: time.Now()})
	}
	r.mu.Unlock()
	if err := r.save(); err != nil {
		return nil, err
	}
	if r.base > 0 {
		r.o.Display.Phase("going on at %v of %v", r.base.Round(time.Second), r.length)
	}
	stop := r.beside(load)
	r.w.Meter.Begin()
	report, err := r.w.Engine.Run(load, &plan)
	began, machineSamples := r.w.Meter.End()
	stop()
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	if report.Start.IsZero() {
		report.Start, report.Interrupted = r.st.Legs[len(r.st.Legs)-1].Started, true
	}
	return r.finish(ctx, &plan, &report, began, machineSamples)
}

// take is called on the sending path.
func (r *run) take(t engine.Tapped) {
	select {
	case r.taps <- t:
	default:
		r.verify.mu.Lock()
		r.verify.Dropped++
		r.verify.mu.Unlock()
	}
}

// position is where in the load the run is.
func (r *run) position() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.positionLocked()
}

func (r *run) positionLocked() time.Duration {
	return min(r.last.At+time.Since(r.lastAt), r.length)
}

// tick takes the load's counts, once a second.
func (r *run) tick(p *engine.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := tickOf(r.base, p)
	r.st.Outside += attribute(r.st.Actions, r.last, now, r.o.Timeout)
	r.last, r.lastAt = now, time.Now()
	for i := range r.st.Lives {
		l := &r.st.Lives[i]
		if l.opening {
			l.opening, l.GoodBefore = false, now.Good+r.own.good.Load()
		}
		if l.closing {
			l.closing, l.DueThen = false, now.Due+r.own.sent.Load()
		}
	}
}

// save writes a checkpoint.
func (r *run) save() error {
	samples, err := r.samples.save(time.Now())
	if err != nil {
		return err
	}
	r.mu.Lock()
	position := r.positionLocked()
	r.mu.Unlock()
	summary, err := r.summary()
	if err != nil {
		return err
	}
	recorded := summary.Asked()
	if r.earlier != nil {
		recorded -= r.earlier.Asked()
	}
	packed, err := packSummary(summary)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	st := &r.st
	st.Saved, st.Position, st.Samples, st.Summary = time.Now(), position, samples, packed
	st.Verified, st.Keys, st.Series = r.verify.snapshot(), r.stock.snapshot(), r.series.snapshot(false)
	leg := &st.Legs[len(st.Legs)-1]
	leg.To, leg.Due, leg.Done, leg.Ended = position, r.due.by(position-r.base), recorded, underWay
	return writeState(r.o.Dir, st)
}

// summary is what all legs together have measured.
func (r *run) summary() (*measure.Summary, error) {
	now := r.recorder.Summary()
	if r.earlier == nil {
		return now, nil
	}
	all, err := cloned(r.earlier)
	if err != nil {
		return nil, err
	}
	later(now, r.base, all.Width)
	if err := all.Merge(now); err != nil {
		return nil, err
	}
	return all, nil
}

// cloned is a copy of a summary whose merging leaves the original alone.
func cloned(s *measure.Summary) (*measure.Summary, error) {
	all := &measure.Summary{Width: s.Width, MaxBlocks: s.MaxBlocks}
	for i := range s.Entries {
		all.Entries = append(all.Entries, measure.Entry{Name: s.Entries[i].Name})
	}
	return all, all.Merge(s)
}
