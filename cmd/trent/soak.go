package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/schedule"
	"trent/loadgen/soak"
	"trent/results"
)

// soakFlags are those of trent soak.
type soakFlags struct {
	loadFlags
	rate, fraction, checkRate    float64
	of, spec, faults, resume     string
	duration, day, after         time.Duration
	trickle, save, warm, horizon time.Duration
	samples                      int
	budgets, without             []string
	noFaults                     bool
	hsm                          hsmMode
}

func newSoakCommand(e *environment) *cobra.Command { return newSoakFlagsCommand(&soakFlags{}, e) }

// newSoakFlagsCommand binds the flags to f.
func newSoakFlagsCommand(f *soakFlags, e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "soak",
		Short: "Load an endpoint for hours or days and verify that nothing is lost",
		Long: `Soak sends a load for hours or days and proves that nothing is lost and nothing creeps. It starts a server of
its own, with its data under --out, or takes an endpoint that runs.

Beside the load it keeps a sample of the ciphertexts, signatures and MACs that the load was given, and checks
each some time later, after a restart and after a rotation of its key; makes keys and compares at the end what
was acknowledged with what is there; compares both sides' counts; and judges the trends of memory, descriptors,
disk use and latency. Its own server it restarts, kills and keeps from writing, and rotates its keys, unless
--faults says what else to do or --no-faults to do nothing. Every --save it writes a checkpoint: a soak that was
killed, or interrupted with Ctrl-C, goes on with --resume.

Without a server of its own a soak lacks a restart, a new certificate and a full disk; --without says that they may
be missing, "certificate" that samples need not be checked after a restart.

Exit codes: 0 passed, 1 could not run, 2 usage, 3 something was lost, creeps or misses a limit, 5 void,
6 inconclusive, 130 interrupted.`,
		Example: `  trent soak --duration 24h --rate 500
  trent soak --duration 8h --fraction 0.5 --of results/capacity/record.json
  trent soak --duration 60s --rate 200 --out results/short
  trent soak --duration 72h --faults faults.yaml --out results/soak
  trent soak --resume results/soak
  eval "$(trent env)"; trent soak --endpoint "$AWS_ENDPOINT_URL_KMS" --duration 2h --without certificate,disk-full

A fault plan:
  faults:
    - {kind: kill, every: 1h±10m, for: 5s, allow: 30s}
    - {kind: pause, at: [10m, 30m], for: 2s}
    - {kind: delay, at: 90m, for: 1m, by: 20ms}
  kinds: kill, restart, pause, delay, disk-full, rotate, rotate-domain, clock-step`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c, e) },
	}
	f.loadFlags.bind(c, "native")
	flags := c.Flags()
	flags.StringVar(&f.endpoint, "endpoint", "", "URL of an endpoint that runs already (default: start the emulator)")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "of one request, and the longest wait for a connection")
	flags.DurationVar(&f.duration, "duration", 24*time.Hour, "length of the load")
	flags.Float64Var(&f.rate, "rate", 0, "mean requests due a second (default: 100, or by --of)")
	flags.Float64Var(&f.fraction, "fraction", 0.5, "of the sustained rate of --of")
	flags.StringVar(&f.of, "of", "", "record of 'trent capacity' that says the sustained rate")
	flags.StringVar(&f.spec, "schedule", "", "instead of a day curve: as for trent attack")
	flags.DurationVar(&f.day, "day", 24*time.Hour, "length of the load's day curve; at the most that of the load")
	flags.Var(&f.hsm, "hsm", hsmUsage)
	flags.StringVar(&f.faults, "faults", "", "plan of what is done to the server, YAML (see the examples)")
	flags.BoolVar(&f.noFaults, "no-faults", false, "leave the server alone")
	flags.StringSliceVar(&f.without, "without", nil, "events that may be missing: "+strings.Join(soak.EventNames, ", "))
	flags.IntVar(&f.samples, "samples", 100_000, "most ciphertexts, signatures and MACs that are kept and checked")
	flags.DurationVar(&f.after, "verify-after", 0, "age of a sample before it is checked (default: 10m, less for soaks under an hour)")
	flags.Float64Var(&f.checkRate, "verify-rate", 0, "checks a second beside the load (default: a twentieth of the rate, from 2 to 100)")
	flags.DurationVar(&f.trickle, "make-key-every", 0, "time from one made key to the next (default: some 200 over the soak)")
	flags.DurationVar(&f.save, "save", 0, "time from one checkpoint to the next (default: 1m, less for short soaks)")
	flags.DurationVar(&f.warm, "warm", 0, "left out of trends at the start (default: a tenth of the soak)")
	flags.DurationVar(&f.horizon, "horizon", 0, "time over which growth is judged (default: the duration)")
	flags.StringSliceVar(&f.budgets, "budget", nil, "growth allowed over the horizon, such as server-rss=64MiB or latency-p99=20%")
	flags.StringVar(&f.resume, "resume", "", "directory of a soak that was killed or interrupted; other flags are those it was started with")
	c.MarkFlagsMutuallyExclusive("faults", "no-faults")
	c.MarkFlagsMutuallyExclusive("rate", "of")
	c.MarkFlagsMutuallyExclusive("hsm", "endpoint")
	return c
}

func (f *soakFlags) run(c *cobra.Command, e *environment) error {
	if f.resume != "" {
		return f.goOn(c, e)
	}
	if f.out == "" {
		f.out = "trent-results/soak-" + time.Now().UTC().Format("20060102-150405")
	}
	return f.start(c, e, e.Command, false)
}

// goOn takes the flags from the checkpoint.
func (f *soakFlags) goOn(c *cobra.Command, e *environment) error {
	for _, name := range []string{"rate", "duration", "workload", "schedule", "faults", "seed", "endpoint"} {
		if c.Flags().Changed(name) {
			return usageError(fmt.Errorf("--resume goes on with the flags that the soak was started with; leave --%s out", name), "")
		}
	}
	command, finished, err := soak.Saved(f.resume)
	if err != nil {
		return usageError(err, "--resume wants the --out of a soak that was killed or interrupted")
	}
	if finished {
		return usageError(soak.ErrFinished, "its report is in "+f.resume)
	}
	var before soakFlags
	again := newSoakFlagsCommand(&before, e)
	if len(command) < 2 {
		return usageError(errors.New("the checkpoint does not say how the soak was started"), "")
	}
	if err := again.ParseFlags(command[2:]); err != nil {
		return usageError(fmt.Errorf("the checkpoint's command line: %w", err), "")
	}
	before.out, before.asJSON = f.resume, f.asJSON
	before.junit, before.markdown = first(f.junit, before.junit), first(f.markdown, before.markdown)
	return before.start(again, e, command, true)
}

func (f *soakFlags) start(c *cobra.Command, e *environment, command []string, resume bool) error {
	if err := knownEngine(f.engine); err != nil {
		return err
	}
	o, err := f.options(c)
	if err != nil {
		return err
	}
	o.Command, o.Resume, o.Tool, o.Display = command, resume, "trent "+version, attack.NewDisplay(e.Stderr, e.IsTerminal)
	place := soak.Place{Engine: f.engine}
	if f.endpoint != "" {
		if place.Target, err = f.target(e); err != nil {
			return err
		}
		if err := f.guard(c.Context(), e, &place.Target, o.Workload, 0, o.Workload.KeyCount()); err != nil {
			return err
		}
	} else {
		spawned, err := spawnOptions(f.hsm.serveFlags()...)
		if err != nil {
			return err
		}
		place.Spawn = &spawned
	}
	fmt.Fprintf(e.Stderr, "Soak of %v: %s; samples are checked %v after they were made, trends begin at %v, checkpoints every %v in %s\n",
		o.Schedule.Duration(), o.Schedule, o.After, o.Warm, o.Save, o.Dir)
	ctx, stop := interruptible(c.Context())
	defer stop()
	record, err := soak.Run(ctx, o, place)
	o.Display.Close()
	if err != nil {
		return soakError(ctx, err, o.Dir)
	}
	return f.deliver(e, record)
}

func soakError(ctx context.Context, err error, dir string) error {
	switch {
	case errors.Is(err, soak.ErrExists):
		return usageError(err, "give another --out, or go on with --resume "+dir)
	case errors.Is(err, soak.ErrOther), errors.Is(err, soak.ErrFinished):
		return usageError(err, "start a new soak with another --out")
	case errors.Is(err, engine.ErrNoTap):
		return usageError(fmt.Errorf("nothing could be checked: %w", err), "use --engine native or --engine vegeta")
	case errors.Is(err, soak.ErrNotOurs):
		return usageError(err, "leave --endpoint out, or the fault")
	}
	return loadError(ctx, err)
}

// options puts the defaults in that depend on the length of the soak.
func (f *soakFlags) options(c *cobra.Command) (o soak.Options, err error) {
	w, source, err := loadWorkload(f.workload)
	if err != nil {
		return o, err
	}
	o = soak.Options{Dir: filepath.Clean(f.out), Workload: w, WorkloadSource: source, Limits: soak.LimitsOf(), Connections: f.connections, Timeout: f.timeout,
		Seed: f.seed, KeepKeys: f.keepKeys, Without: f.without, Samples: f.samples, After: f.after, CheckRate: f.checkRate, Trickle: f.trickle,
		Save: f.save, Warm: f.warm, Horizon: f.horizon}
	if o.Limits, err = f.limits(o.Limits); err != nil {
		return o, err
	}
	if err := f.times(&o); err != nil {
		return o, err
	}
	length := o.Schedule.Duration()
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&o.After, min(10*time.Minute, max((length/6).Round(time.Second), time.Second)))
	set(&o.Trickle, max(length/200, 250*time.Millisecond))
	set(&o.Save, min(time.Minute, max(length/20, 2*time.Second)))
	set(&o.Warm, (length / 10).Round(time.Second))
	set(&o.Horizon, length)
	rate := o.Schedule.MeanRate()
	if o.CheckRate <= 0 {
		o.CheckRate = min(max(rate/20, 2), 100)
	}
	o.TapEvery = max(uint64(rate*length.Seconds())/uint64(4*max(o.Samples, 1)), 1)
	o.Plan = soak.DefaultPlan(length, f.endpoint == "")
	switch {
	case f.noFaults:
		o.Plan = soak.Plan{Name: "none"}
	case f.faults != "":
		if o.Plan, err = soak.LoadPlan(f.faults); err != nil {
			return o, usageError(err, "the format is shown by 'trent soak --help'")
		}
	}
	return o, f.check(&o)
}

// times makes the schedule.
func (f *soakFlags) times(o *soak.Options) (err error) {
	if f.duration < 3*time.Second || f.duration > schedule.MaxDuration || f.day <= 0 {
		return usageError(fmt.Errorf("--duration %v, --day %v: wants 3s to %v", f.duration, f.day, schedule.MaxDuration), "")
	}
	if f.spec != "" {
		if o.Schedule, err = schedule.Parse(f.spec, f.seed); err != nil {
			return usageError(err, `for example --schedule "poisson:500 2h"`)
		}
		return nil
	}
	rate := f.rate
	if f.of != "" {
		if rate, err = sustained(f.of); err != nil {
			return err
		}
		if f.fraction <= 0 || f.fraction > 1 {
			return usageError(fmt.Errorf("--fraction %g: wants a share up to 1", f.fraction), "")
		}
		rate *= f.fraction
	}
	if rate == 0 {
		rate = 100
	}
	if rate < 0 || rate > schedule.MaxRate {
		return usageError(fmt.Errorf("--rate %g: wants a rate above 0", rate), "")
	}
	o.Period = min(f.day, f.duration)
	o.Schedule = schedule.Sine(rate, rate/2, o.Period, f.duration)
	return nil
}

// sustained is the rate that a record of a capacity run names.
func sustained(path string) (float64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, usageError(fmt.Errorf("reading the record of --of: %w", err), "")
	}
	defer file.Close()
	record, err := results.Read(file)
	if err != nil {
		return 0, usageError(fmt.Errorf("%s: %w", path, err), "--of wants a record.json of 'trent capacity'")
	}
	if record.Capacity == nil || record.Capacity.Sustained <= 0 {
		return 0, usageError(fmt.Errorf("%s names no sustained rate", path), "--of wants a record.json of 'trent capacity' that found one")
	}
	return record.Capacity.Sustained, nil
}

func (f *soakFlags) check(o *soak.Options) (err error) {
	for _, name := range f.without {
		if !slices.Contains(soak.EventNames, name) {
			return usageError(fmt.Errorf("--without %s: no such event", name), "events: "+strings.Join(soak.EventNames, ", "))
		}
	}
	if f.samples < 1 || f.samples > 100_000 {
		return usageError(fmt.Errorf("--samples %d: wants 1 to 100000", f.samples), "")
	}
	o.Budgets = soak.DefaultBudgets()
	for _, text := range f.budgets {
		name, value, _ := strings.Cut(text, "=")
		if _, ok := o.Budgets[name]; !ok {
			return usageError(fmt.Errorf("--budget %s: no such series", text), "series: "+strings.Join(seriesNames(), ", "))
		}
		if o.Budgets[name], err = budget(value); err != nil {
			return usageError(fmt.Errorf("--budget %s: %w", text, err), "for example --budget server-rss=64MiB,latency-p99=20%,server-threads=10")
		}
	}
	return nil
}

func seriesNames() []string {
	var names []string
	for name := range soak.DefaultBudgets() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// budget reads an amount of bytes, a time, a share or a count.
func budget(text string) (soak.Budget, error) {
	if share, ok := strings.CutSuffix(text, "%"); ok {
		v, err := strconv.ParseFloat(share, 64)
		if err != nil || v <= 0 || v > 1e6 {
			return soak.Budget{}, errors.New("wants a share such as 20%")
		}
		return soak.Budget{Share: v / 100}, nil
	}
	for suffix, unit := range map[string]float64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			v, err := strconv.ParseFloat(number, 64)
			if err != nil || v <= 0 || v > 1e9 {
				return soak.Budget{}, errors.New("wants an amount such as 64MiB")
			}
			return soak.Budget{Absolute: v * unit}, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return soak.Budget{Absolute: float64(d)}, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v <= 0 || v > 1e15 {
		return soak.Budget{}, errors.New("wants an amount, a time, a share or a count above 0")
	}
	return soak.Budget{Absolute: v}, nil
}
