// Package compare tells whether one subject is better or worse than another: two endpoints, two builds, two settings of one
// build, another emulator, or the echo floor (stock fasthttp and crypto/tls, without a line of the server's code).
//
// The unit of evidence is the round, a stretch of load on one side, and rounds come in pairs: both sides get the same hits at
// the same times, in random order, while the other side idles. A pair in which client or machine disturbed a round is left out,
// counted, and measured again up to a bound (pairs.go). Each operation × metric then gets the median ratio with its bootstrap
// interval, a permutation test, Holm's correction over all of them, and what A/A pairs say about the smallest change that could
// have been seen (effects.go). A Series is pure logic over a Try function; Run is the wiring around it: it starts what it is told
// to start on the same CPUs, probes what both sides can do (probe.go), drops the rest from the mix, and writes the record.
//
// Run owns the processes it starts and has stopped them when it returns. Nothing here is safe for concurrent use.
package compare

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/workload"
	"trent/results"
)

// Options of a run.
type Options struct {
	A, B           Subject // A is the baseline; A of kind floor is measured with B's keys and request bytes
	Workload       *workload.Workload
	WorkloadSource string
	Engine         string        // "" is native
	Connections    int           // 0: 64
	Timeout        time.Duration // of a request; 0: 5 s
	Rate           float64       // requests due a second; 0: Load × the slower side's top rate
	Load           float64       // share of the slower side's top rate, 0 < Load < 1; 0: 0.3
	Saturate       bool          // also rounds in which more is offered than can be served
	Round          time.Duration // with Saturate whole seconds; 0: 5 s
	Pairs          int           // 0: 12
	SelfPairs      int           // A/A; negative: none; 0: half of Pairs
	Metrics        []string      // results.Metric…; nil: all that can be measured
	Margin         float64       // of ratios; 0: 0.05
	ErrorMargin    float64       // of shares; 0: 0.001
	ProbeAll       bool          // every operation of the API, not only those of the mix
	SkipProbe      bool          // trust both sides to answer the whole mix
	Baseline       *results.Record
	BaselineName   string
	Seed           uint64
	KeepKeys       bool
	Floor          Command // starts the floor by ServeFloor; the announcement and the sizes of its answers are added to it
	Tool           string
	Command        []string
	Display        *attack.Display
}

// Limits of a comparison.
const (
	// MinPairs is the fewest pairs that a verdict rests on.
	MinPairs       = 6
	defaultPairs   = 12
	defaultRound   = 5 * time.Second
	defaultLoad    = 0.3
	defaultMargin  = 0.05
	defaultErrors  = 0.001
	defaultTimeout = 5 * time.Second
	// overload is how much more than a side's top rate is offered to saturate it.
	overload = 1.5
)

func (o *Options) complete() {
	set := func(v *float64, to float64) {
		if *v == 0 {
			*v = to
		}
	}
	set(&o.Load, defaultLoad)
	set(&o.Margin, defaultMargin)
	set(&o.ErrorMargin, defaultErrors)
	if o.Engine == "" {
		o.Engine = "native"
	}
	if o.Connections <= 0 {
		o.Connections = 64
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Round <= 0 {
		o.Round = defaultRound
	}
	if o.Pairs <= 0 {
		o.Pairs = defaultPairs
	}
	switch {
	case o.SelfPairs == 0:
		o.SelfPairs = o.Pairs / 2
	case o.SelfPairs < 0:
		o.SelfPairs = 0
	}
	if len(o.Metrics) == 0 {
		o.Metrics = slices.Clone(Metrics)
	}
}

// Metrics are all metrics of a comparison.
var Metrics = []string{results.MetricP50, results.MetricP99, results.MetricMean, results.MetricCPU, results.MetricGoodput,
	results.MetricErrors, results.MetricSaturation}

// ErrNothingInCommon is a workload of which no operation is answered well by both sides.
var ErrNothingInCommon = errors.New("the two have no operation of the workload in common")

// run is a comparison under way.
type run struct {
	Options
	host     machine.Host
	client   []int
	server   []int
	pinned   bool
	sides    [2]*running // A, B
	sender   engine.Engine
	result   *results.ComparisonResult
	workload results.Text // as it was given, before anything was left out
	notes    []string
	warnings map[string]bool
	total    int // rounds expected, for the display
	done     int
	began    time.Time
}

// Run compares and returns the record. When ctx ends during the rounds, the record is partial and says so, and the error is nil.
// Errors: what kept the comparison from happening; for a refused target an *engine.TargetError; ErrNothingInCommon with a record
// that says what each side lacks.
func Run(ctx context.Context, o Options) (record *results.Record, err error) {
	o.complete()
	sender, err := engine.New(o.Engine)
	if err != nil {
		return nil, err
	}
	r := &run{Options: o, sender: sender, warnings: map[string]bool{}, result: &results.ComparisonResult{},
		workload: results.Text{Name: o.Workload.Name, Summary: o.Workload.Description, Source: o.WorkloadSource}}
	starting := o.A.starts() || o.B.starts()
	r.client, r.server, r.pinned = shareOut(r.host.UsableCPUs(), starting)
	defer func() { record, err = settled(record, err, r.stop(ctx)) }()
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	unpin, err := r.pin()
	if err != nil {
		return nil, err
	}
	defer func() { record, err = settled(record, err, unpin()) }()
	return r.compare(ctx)
}

// settled notes a failure to clean up in the record, which it must not cost; without a record it joins the error.
func settled(record *results.Record, err, failure error) (*results.Record, error) {
	if failure == nil {
		return record, err
	}
	if record == nil {
		return nil, errors.Join(err, failure)
	}
	record.Notes = append(record.Notes, failure.Error())
	return record, err
}

func (r *run) compare(ctx context.Context) (*results.Record, error) {
	begun := time.Now()
	if err := r.agree(ctx); err != nil {
		if errors.Is(err, ErrNothingInCommon) {
			return r.barren(begun), err
		}
		return nil, err
	}
	if err := r.provision(ctx); err != nil {
		return nil, err
	}
	if err := r.rest(ctx); err != nil {
		return nil, err
	}
	if err := r.calibrate(ctx); err != nil {
		return nil, err
	}
	if err := r.rest(ctx); err != nil {
		return nil, err
	}
	series := &Series{Pairs: r.Pairs, SelfPairs: r.SelfPairs, Saturate: r.saturates(), Latency: wants(r.Metrics, results.MetricP50, results.MetricP99, results.MetricMean),
		Seed: r.Seed, Try: r.try}
	rounds := 2 * (r.Pairs + r.SelfPairs)
	if series.Saturate {
		rounds *= 2
	}
	r.total, r.began = rounds, time.Now()
	pairs, err := series.Run(ctx)
	r.Display.Close()
	if errors.Is(err, engine.ErrRequestCap) && len(pairs) > 0 {
		r.note("The cap on requests was reached after %d pairs.", len(pairs))
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return r.record(pairs, begun, ctx.Err() != nil)
}

func (r *run) saturates() bool { return r.Saturate && wants(r.Metrics, results.MetricSaturation) }

func wants(metrics []string, any ...string) bool {
	return slices.ContainsFunc(any, func(m string) bool { return slices.Contains(metrics, m) })
}

// note tells the reader something once.
func (r *run) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !r.warnings[text] {
		r.warnings[text] = true
		r.notes = append(r.notes, text)
	}
}

// shareOut gives a quarter of the CPUs to the client and the rest to the servers that this run starts: both sides get the same
// ones, and only one of them has work at a time.
func shareOut(cpus []int, starting bool) (client, server []int, pinned bool) {
	if !starting || len(cpus) < 2 {
		return cpus, cpus, false
	}
	n := (len(cpus) + 3) / 4
	return cpus[:n], cpus[n:], true
}

// pin keeps this process to the client's CPUs; two Ps at the least, because the pacer's thread must not take the workers' turn.
func (r *run) pin() (unpin func() error, err error) {
	nothing := func() error { return nil }
	if !r.pinned {
		return nothing, nil
	}
	before := runtime.GOMAXPROCS(0)
	restore, err := machine.PinSelf(r.client)
	if errors.Is(err, machine.ErrUnsupported) {
		r.pinned = false
		return nothing, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pinning the client: %w", err)
	}
	runtime.GOMAXPROCS(max(2, len(r.client)))
	return func() error {
		runtime.GOMAXPROCS(before)
		return restore()
	}, nil
}
