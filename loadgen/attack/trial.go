package attack

import (
	"context"
	"math"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/scrape"
	"trent/loadgen/slo"
	"trent/results"
	"trent/results/stats"
)

// Meter watches the machine during a trial.
type Meter interface {
	Begin()
	// End returns when Begin was and a sample for each interval since.
	End() (began time.Time, samples []machine.Sample)
}

// NewMeter samples p at a steady interval.
func NewMeter(p *machine.Probe, interval time.Duration) Meter {
	return &samplingMeter{probe: p, interval: interval}
}

type samplingMeter struct {
	probe    *machine.Probe
	interval time.Duration
	sampler  *machine.Sampler
}

func (m *samplingMeter) Begin() { m.sampler = machine.StartSampler(m.probe, m.interval) }

func (m *samplingMeter) End() (time.Time, []machine.Sample) { return m.sampler.Stop() }

// Trial is one stretch of load under one plan.
type Trial struct {
	Engine     engine.Engine
	Plan       engine.Plan   // Run sets its Recorder
	Warm       time.Duration // whole seconds at the start that are sent but not judged
	Limits     slo.Limits
	Meter      Meter
	ClientCPUs []int           // that the client may use; the gate on busy CPUs looks at these
	Raw        *measure.RawLog // gets every hit; closed by the caller; may be nil
	Metrics    string          // URL of the server's own metrics, scraped meanwhile; "": none
	// Leave names stretches of the load that are not judged; may be nil.
	Leave func(from, to time.Duration) bool
}

// Result is what a trial found.
type Result struct {
	Report      engine.Report
	Summary     *measure.Summary
	Samples     []machine.Sample // At counts from the first hit due
	Usage       machine.Usage    // of the judged window
	Whole       machine.Usage    // of all samples, the warm-up and the drain included
	Judged      time.Duration
	Populations []slo.Population // the judged seconds, all hits first
	Conditions  slo.Conditions
	Gates       []slo.Gate
	Verdicts    []slo.Verdict
	Outcome     slo.Outcome
	Metrics     *results.ServerMetrics // nil without a URL
}

// Run sends the load and judges it.
func (t *Trial) Run(ctx context.Context) (*Result, error) {
	plan := t.Plan
	plan.Recorder = measure.NewRecorder(measure.Config{Entries: plan.Workload.EntryNames(), Raw: t.Raw, LagsFrom: t.Warm})
	t.Meter.Begin()
	scraped := t.scrape()
	report, err := t.Engine.Run(ctx, &plan)
	began, samples := t.Meter.End()
	log := scraped()
	if err != nil {
		return nil, err
	}
	r := t.Judge(report, plan.Recorder.Summary(), began, samples)
	if log != nil {
		r.Metrics = serverMetrics(t.Metrics, log, report.Start, t.Warm, t.end(&report))
	}
	return r, nil
}

// end is where the judged window ends.
func (t *Trial) end(report *engine.Report) time.Duration {
	end := t.Plan.Schedule.Duration()
	if report.Interrupted {
		end = min(end, report.Elapsed)
	}
	return end
}

// Judge judges what was measured of the plan's whole schedule; samples count from began.
func (t *Trial) Judge(report engine.Report, summary *measure.Summary, began time.Time, samples []machine.Sample) *Result {
	end := t.end(&report)
	r := &Result{Report: report, Summary: summary, Judged: max(end-t.Warm, 0)}
	lead := report.Start.Sub(began)
	var judged []machine.Sample
	for _, s := range samples {
		s.At -= lead
		r.Samples = append(r.Samples, s)
		if s.At-s.Wall >= t.Warm-s.Wall/4 && s.At <= end+s.Wall/4 {
			judged = append(judged, s)
		}
	}
	if len(judged) == 0 {
		judged = r.Samples
	}
	r.Usage, r.Whole = machine.Combined(judged), machine.Combined(r.Samples)
	r.Populations = t.without(Populations(r.Summary, t.Warm, end), r.Summary.Width)
	r.Conditions = t.conditions(r)
	r.Gates = slo.Gates(t.Limits, r.Conditions)
	r.Verdicts = t.Limits.Judge(r.Populations, t.Plan.Seed)
	if _, closed := t.Plan.Schedule.(engine.ClosedLoop); closed {
		r.Verdicts = withoutDue(r.Verdicts)
	}
	r.Outcome = slo.Overall(r.Gates, r.Verdicts)
	// Without limits nothing can be said of a run that got no good answer; with limits it missed them.
	if r.Populations[0].OK() == 0 && r.Report.Due > 0 && t.Limits.Empty() {
		r.Outcome = slo.HarnessError
	}
	return r
}

// without leaves out the blocks that are not to be judged.
func (t *Trial) without(all []slo.Population, width time.Duration) []slo.Population {
	if t.Leave == nil {
		return all
	}
	for i := range all {
		var kept []slo.Second
		for j, second := range all[i].Seconds {
			from := t.Warm.Truncate(width) + time.Duration(j)*width
			if !t.Leave(from, from+width) {
				kept = append(kept, second)
			}
		}
		all[i].Seconds = kept
	}
	return all
}

// scrape starts scraping where there is something to scrape; the function returned ends it.
func (t *Trial) scrape() (stop func() *scrape.Log) {
	if t.Metrics == "" {
		return func() *scrape.Log { return nil }
	}
	return scrape.Start(scrape.HTTP(t.Metrics), scrape.Options{Keep: keepSeries}).Stop
}

// Populations are the judged seconds of all hits ("") and of each entry of the workload, from one moment to another.
func Populations(s *measure.Summary, from, to time.Duration) []slo.Population {
	all := slo.Population{Seconds: seconds(s.Blocks(), s.Width, from, to)}
	out := []slo.Population{all}
	for i := range s.Entries {
		e := &s.Entries[i]
		out = append(out, slo.Population{Name: e.Name, Seconds: seconds(e.Blocks, s.Width, from, to)})
	}
	return out
}

// seconds lists every block of the window, also those in which nothing was due.
func seconds(blocks []measure.Block, width, from, to time.Duration) []slo.Second {
	var out []slo.Second
	for start := from.Truncate(width); start < to; start += width {
		length := min(width, to-start)
		// A sliver at the end, left by an interruption, says nothing about rates.
		if length < width/10 && len(out) > 0 {
			break
		}
		second := slo.Second{Length: length}
		for i := range blocks {
			if blocks[i].Start == start {
				second = secondOf(&blocks[i], second.Length)
				break
			}
		}
		out = append(out, second)
	}
	return out
}

func secondOf(b *measure.Block, length time.Duration) slo.Second {
	s := slo.Second{Length: length, Due: b.Asked(), OK: b.Outcomes[measure.OK], Throttled: b.Outcomes[measure.Throttled]}
	for _, bin := range b.Latencies {
		s.Latency = append(s.Latency, stats.Bin{Value: int64(bin.Value), Count: bin.Count})
	}
	return s
}

// conditions gathers what only the client and the machine are to blame for.
func (t *Trial) conditions(r *Result) slo.Conditions {
	c := slo.Unknown()
	c.Window = r.Usage.Wall
	if lag := r.Summary.ClientLag(); lag != nil {
		c.ClientLagP99 = measure.Quantile(lag, 0.99)
	}
	c.ClientBusy = r.Usage.Busy(t.ClientCPUs)
	// A mean over all of a large machine would hide what was taken from the client's few CPUs.
	c.Stolen = r.Usage.Stolen(nil)
	if own := r.Usage.Stolen(t.ClientCPUs); own > c.Stolen {
		c.Stolen = own
	}
	if r.Usage.ClientSlices > 0 {
		c.RunDelay = r.Usage.ClientDelay / time.Duration(r.Usage.ClientSlices)
	}
	c.ClockStep = r.Usage.ClockStep
	c.Throttled = r.Usage.Throttled
	if wall := float64(r.Usage.Wall); wall > 0 {
		c.GCPauses = float64(r.Usage.GCPauses) / wall
		if r.Usage.HasOwn {
			c.OwnCPU = float64(r.Usage.Own.CPU.Full) / wall
			c.OwnMemory = float64(r.Usage.Own.Memory.Full) / wall
			c.OwnIO = float64(r.Usage.Own.IO.Full) / wall
		}
	}
	// A connection that fails otherwise, or is refused, is the server's doing or the network's.
	c.Exhausted = r.Summary.Errors[engine.PortsExhausted] + r.Summary.Errors[engine.DescriptorsExhausted]
	return c
}

// ServerCost is the server's CPU time a good answer over the whole trial, the warm-up included; 0 where unknown.
func (r *Result) ServerCost() time.Duration {
	return each(r.Whole.ServerCPU, r.Summary.Count(measure.OK))
}

// ClientCost is the client's CPU time a request sent, over the whole trial; 0 where unknown.
func (r *Result) ClientCost() time.Duration { return each(r.Report.ClientCPU, r.Report.Sent) }

func each(cpu time.Duration, requests uint64) time.Duration {
	if requests == 0 {
		return 0
	}
	return max(cpu, 0) / time.Duration(requests)
}

// known turns NaN into nothing.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
