package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
	"trent/results/stats"
)

// The calibration: a rate at which neither side is busy, and hold times whose 99.9th percentile is a hundred times the median's
// tenth.
const (
	calibRate   = 1000
	calibLength = 20 * time.Second
	calibMedian = 5 * time.Millisecond
	calibSigma  = 1.0
	// A percentile is right within calibShare of the truth or within calibFloor.
	calibShare = 0.01
	calibFloor = 100 * time.Microsecond
)

// The stall: one of a second in a minute at 1,000/s makes 1,000 of 60,000 hits late by what was left of it, evenly from 0 to 1 s. The
// 99th percentile is what 600 of them exceed, the 99.9th what 60 do.
const (
	stallRun         = time.Minute
	stallLength      = time.Second
	stallConnections = 1500
	stallShare       = 0.02
)

var calibQuantiles = []float64{0.5, 0.9, 0.99, 0.999}

// Calibrate compares what each engine measures with what a server of known delays did, and shows what plain vegeta makes of the same
// stall.
func Calibrate(ctx context.Context, r *Report, dir string) error {
	c, err := newCalibration(ctx, dir)
	if err != nil {
		return err
	}
	defer c.done()
	c.logf = r.logf
	delays := Table{Title: fmt.Sprintf("Calibration: lognormal hold times, median %v, σ %g, %d/s for %v; allowed: the larger of 1 %% and %v", calibMedian, calibSigma, calibRate, calibLength, calibFloor),
		Columns: []string{"ENGINE", "PERCENTILE", "STAMPED", "BASELINE", "TRUTH", "MEASURED", "OFF BY", "ALLOWED", "VERDICT"}}
	stalls := Table{Title: fmt.Sprintf("Stall: %d/s for %v, one stall of %v, %d connections; allowed: 2 %%", calibRate, stallRun, stallLength, stallConnections),
		Columns: []string{"CLIENT", "P99", "TRUTH", "P99.9", "TRUTH", "VERDICT"}}
	for _, name := range engine.Names() {
		e, err := engine.New(name)
		if err != nil {
			return err
		}
		worst, err := c.delays(ctx, e, &delays)
		if err := r.calibrated("calibration, worst percentile, "+name, "of what is allowed", worst, 1, "50th to 99.9th percentile against stamped hold times", err); err != nil {
			return err
		}
	}
	for _, name := range engine.Names() {
		e, err := engine.New(name)
		if err != nil {
			return err
		}
		off, err := c.stall(ctx, e, &stalls)
		if err := r.calibrated("calibration, stall of 1 s, "+name, "off by", off, stallShare, "the worse of 99th and 99.9th percentile", err); err != nil {
			return err
		}
	}
	for _, workers := range []int{stallConnections, 10} {
		if err := c.plainStall(workers, &stalls); err != nil {
			return fmt.Errorf("stall, plain vegeta with %d workers: %w", workers, err)
		}
	}
	r.Tables = append(r.Tables, delays, stalls)
	return nil
}

// calibrated adds a figure; one for which the machine was not quiet is inconclusive.
func (r *Report) calibrated(name, unit string, value, limit float64, note string, err error) error {
	switch {
	case errors.Is(err, errDisturbed):
		r.add(Figure{Name: name, Unit: unit, Target: fmt.Sprintf("≤ %g", limit), Verdict: Inconclusive, Note: err.Error()})
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	default:
		r.add(single(name, unit, value, limit, true, note))
	}
	return nil
}

// calibration is a server of known delays with what is sent to it.
type calibration struct {
	server   *subject
	control  string
	workload *workload.Workload
	keys     *engine.Provisioned
	requests []captured
	restore  func() error
	client   []int
	cpus     []int // the server's
	logf     func(string, ...any)
}

func newCalibration(ctx context.Context, dir string) (*calibration, error) {
	cpus := machine.Host{}.UsableCPUs()
	if len(cpus) < 2 {
		return nil, fmt.Errorf("two usable CPUs are needed, there is %d", len(cpus))
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	readyFile := filepath.Join(dir, "calibrate.json")
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), ChildVariable+"=calibrate", ReadyVariable+"="+readyFile)
	c := &calibration{client: cpus[1:2], cpus: cpus[:1]}
	if c.server, err = start(ctx, "calibration server", cmd, readyFile, cpus[:1]); err != nil {
		return nil, err
	}
	c.control = c.server.ready.Metrics
	if err := c.prepare(ctx); err != nil {
		c.server.stop()
		return nil, err
	}
	return c, nil
}

// prepare makes the workload, which needs no keys: the server understands nothing of what it is sent.
func (c *calibration) prepare(ctx context.Context) error {
	var err error
	if c.workload, err = workload.Parse("calibration", []byte("name: calibration\nmix:\n  - {operation: ListKeys}\n")); err != nil {
		return err
	}
	if c.keys, err = engine.Provision(ctx, c.server.target, c.workload, engine.ProvisionOptions{}); err != nil {
		return err
	}
	if c.requests, err = captureRequests(ctx, c.workload, c.keys); err != nil {
		return err
	}
	c.restore, err = machine.PinSelf(c.client)
	return err
}

func (c *calibration) done() {
	_ = c.restore()
	c.server.stop()
}

// quiet runs a plan until a run was undisturbed, setting the mode before each, so often at the most.
func (c *calibration) quiet(ctx context.Context, e engine.Engine, m holdMode, s schedule.Schedule, conns, attempts int) (*measure.Summary, error) {
	for range attempts {
		if err := setMode(c.control, m); err != nil {
			return nil, err
		}
		t := attack.Trial{Engine: e, Meter: attack.NewMeter(machine.NewProbe(machine.Host{}, c.server.cmd.Process.Pid), time.Second), ClientCPUs: c.client,
			Plan: engine.Plan{Target: c.server.target, Workload: c.workload, Keys: c.keys, Schedule: s, Connections: conns}}
		result, err := t.Run(ctx)
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if n := result.Summary.Count(measure.OK); n != result.Summary.Asked() {
			return nil, fmt.Errorf("%d of %d hits went well: %v", n, result.Summary.Asked(), result.Summary.Errors)
		}
		what := disturbance(result, c.client, c.cpus)
		if what == "" {
			what = voided(result.Gates)
		}
		if what == "" {
			return result.Summary, nil
		}
		c.logf("%s: run of no use: %s", e.Name(), what)
	}
	return nil, errDisturbed
}

// delays compares the percentiles of one engine, and returns the largest difference as a share of what is allowed.
func (c *calibration) delays(ctx context.Context, e engine.Engine, t *Table) (worst float64, err error) {
	const conns = 256
	null, err := c.quiet(ctx, e, holdMode{}, schedule.Poisson(calibRate, calibLength/2, 1), conns, attempts)
	if err != nil {
		return 0, err
	}
	baseline := measure.Quantile(null.Latency(measure.OK), 0.5)
	summary, err := c.quiet(ctx, e, holdMode{Median: calibMedian, Sigma: calibSigma}, schedule.Poisson(calibRate, calibLength, 2), conns, attempts)
	if err != nil {
		return 0, err
	}
	holds, err := trueHolds(c.control)
	if err != nil {
		return 0, err
	}
	if int(summary.Asked()) != len(holds) {
		return 0, fmt.Errorf("%d hits, the server held %d", summary.Asked(), len(holds))
	}
	for _, q := range calibQuantiles {
		stamped := time.Duration(stats.Quantile(holds, q))
		truth := stamped + baseline
		measured := measure.Quantile(summary.Latency(measure.OK), q)
		allowed := max(time.Duration(calibShare*float64(truth)), calibFloor)
		off := measured - truth
		worst = max(worst, math.Abs(float64(off))/float64(allowed))
		t.Rows = append(t.Rows, []string{e.Name(), fmt.Sprintf("%g", q*100), micros(stamped), micros(baseline), micros(truth), micros(measured), micros(off), micros(allowed),
			string(within(off.Abs() <= allowed))})
	}
	return worst, nil
}

// stallTruth is what latency a share of the run's hits exceeds, the stall being all that takes time.
func stallTruth(q float64) time.Duration {
	beyond := (1 - q) * float64(stallRun) / float64(stallLength)
	return time.Duration(float64(stallLength) * (1 - beyond))
}

func stallMode() holdMode {
	return holdMode{StallAfter: int64(calibRate * stallRun.Seconds() / 2), Stall: stallLength}
}

// stall returns by how much the worse of the two percentiles is off, as a share.
func (c *calibration) stall(ctx context.Context, e engine.Engine, t *Table) (float64, error) {
	summary, err := c.quiet(ctx, e, stallMode(), schedule.Constant(calibRate, stallRun), stallConnections, 2)
	if err != nil {
		return 0, err
	}
	h := summary.Latency(measure.OK)
	return t.stall(e.Name()+" engine", measure.Quantile(h, 0.99), measure.Quantile(h, 0.999)), nil
}

// plainStall is the same with vegeta as anyone would use it, by its own figures.
func (c *calibration) plainStall(workers int, t *Table) error {
	if err := setMode(c.control, stallMode()); err != nil {
		return err
	}
	m, _, err := newPlainVegeta(c.server, c.requests, workers, workers, stallConnections).run(calibRate, stallRun)
	if err != nil {
		return err
	}
	t.stall(fmt.Sprintf("plain vegeta, %d workers", workers), m.Latencies.Quantile(0.99), m.Latencies.Quantile(0.999))
	return nil
}

// stall adds a row, and returns the larger deviation.
func (t *Table) stall(name string, p99, p999 time.Duration) float64 {
	off := func(got time.Duration, q float64) float64 { return math.Abs(float64(got)/float64(stallTruth(q)) - 1) }
	worst := max(off(p99, 0.99), off(p999, 0.999))
	t.Rows = append(t.Rows, []string{name, micros(p99), micros(stallTruth(0.99)), micros(p999), micros(stallTruth(0.999)), string(within(worst <= stallShare))})
	return worst
}

func within(ok bool) Verdict {
	if ok {
		return Met
	}
	return Missed
}

func micros(d time.Duration) string { return d.Round(time.Microsecond).String() }
