package attack

import (
	"errors"
	"math"
	"slices"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/slo"
	"trent/results"
	"trent/results/stats"
)

// modules are the dependencies whose versions a record names.
var modules = []string{"github.com/tsenart/vegeta/v12", "github.com/valyala/fasthttp", "github.com/cockroachdb/pebble/v2", "github.com/HdrHistogram/hdrhistogram-go"}

// percentiles are those of every table.
var percentiles = []float64{0.5, 0.9, 0.99, 0.999}

// Fill puts what a trial found into a record: figures, series, machine, gates, verdicts, outcome. Histograms and
// percentiles are of the judged window.
func Fill(r *results.Record, t *Trial, res *Result, host machine.Host) error {
	r.Schema = results.Schema
	r.Started, r.Elapsed, r.Interrupted = res.Report.Start, res.Report.Elapsed, res.Report.Interrupted
	r.Engine = results.Engine{Name: res.Report.Engine, Connections: res.Report.Connections, Timeout: t.Plan.Timeout, Due: res.Report.Due, Sent: res.Report.Sent,
		Done: res.Report.Done, Reconnects: res.Report.Reconnects, MaxBacklog: res.Report.MaxBacklog, Capped: res.Report.Capped, WorkersAtCap: res.Report.CapHits}
	r.Schedule = results.Schedule{Spec: t.Plan.Schedule.String(), Duration: t.Plan.Schedule.Duration(), MeanRate: t.Plan.Schedule.MeanRate()}
	r.Environment = environment(host, res)
	r.Environment.ClientCPUs = machine.FormatCPUList(t.ClientCPUs)

	exclude := t.Limits.Throttles.Exclude
	var failures []error
	add := func(op results.Operation, err error) results.Operation {
		failures = append(failures, err)
		return op
	}
	r.Total = add(operation("all", "", res.Populations[0], exclude, t.Plan.Seed))
	r.Total.Errors = errorCounts(res.Summary.Errors)
	r.Total.Service = quantiles(res.Summary.Service(measure.OK))
	totalOutcomes(&r.Total, res.Summary)
	r.Operations = nil
	for i := range res.Summary.Entries {
		e := &res.Summary.Entries[i]
		op := add(operation(e.Name, t.Plan.Workload.Mix[i].Operation, res.Populations[i+1], exclude, t.Plan.Seed))
		entry := &t.Plan.Workload.Mix[i]
		op.From, op.Caller, op.Cause, op.Key = entry.Service, entry.Caller, entry.Cause, entry.Keys
		op.Errors = errorCounts(e.Errors)
		op.Service = quantiles(e.Outcomes[measure.OK].Service)
		failures = append(failures, entryOutcomes(&op, e))
		r.Operations = append(r.Operations, op)
	}
	r.Lags = results.Lags{Pacer: quantiles(res.Summary.PacerLag()), Wait: quantiles(res.Summary.WaitLag()),
		Send: quantiles(res.Summary.SendLag()), Client: quantiles(res.Summary.ClientLag())}
	r.Series = series(res.Summary)
	r.Heat = heat(res.Summary)
	r.Machine = samples(res.Samples)
	r.ServerMetrics = res.Metrics
	r.Cost = results.Cost{Requests: res.Report.Sent}
	if c := res.ClientCost(); c > 0 {
		r.Cost.Client = &c
	}
	if c := res.ServerCost(); c > 0 {
		r.Cost.Server = &c
	}
	r.Gates = nil
	for _, g := range res.Gates {
		r.Gates = append(r.Gates, results.Gate(g))
	}
	r.Verdicts = verdicts(res.Verdicts, r.Interrupted)
	failures = append(failures, fillConnections(r, t, res), fillSDK(r, t, res))
	fillLoop(r, t, res)
	conclude(r, res)
	return errors.Join(failures...)
}

// conclude sets outcome and exit code, and says what a reader must know.
func conclude(r *results.Record, res *Result) {
	outcome := res.Outcome
	if r.Interrupted && outcome == slo.Pass {
		outcome = slo.Inconclusive
	}
	r.Outcome, r.ExitCode = outcome.String(), outcome.ExitCode()
	if r.Interrupted {
		r.ExitCode = slo.ExitInterrupted
		r.Notes = append(r.Notes, "The run was interrupted; this is what was measured until then.")
	}
	if res.Populations[0].OK() == 0 && res.Report.Due > 0 {
		r.Notes = append(r.Notes, "No request was answered well; the errors say why.")
	}
	if res.Summary.Clamped > 0 {
		r.Notes = append(r.Notes, "Some values lay beyond the histograms' limits and were clamped.")
	}
	if res.Report.Capped > 0 {
		r.Notes = append(r.Notes, "The cap on requests was reached before the end of the schedule.")
	}
}

func environment(host machine.Host, res *Result) results.Environment {
	f := host.Fingerprint(modules...)
	return results.Environment{CPUModel: f.CPUModel, Cores: f.Cores, Features: f.Features, Kernel: f.Kernel, Governor: f.Governor,
		Hypervisor: f.Hypervisor, MemoryKiB: f.MemoryKiB, CPUQuota: f.CPUQuota, GoVersion: f.GoVersion, GOMAXPROCS: f.GOMAXPROCS,
		Platform: f.Platform, Build: f.Build, Modules: f.Modules, Stolen: known(res.Usage.Stolen(nil))}
}

// operation computes the judged figures of a population.
func operation(name, api string, p slo.Population, exclude bool, seed uint64) (results.Operation, error) {
	op := results.Operation{Name: name, API: api, Due: p.Due()}
	if length := p.Length().Seconds(); length > 0 {
		op.DuePerSec, op.OKPerSec = float64(op.Due)/length, float64(p.OK())/length
	}
	judged, answered := make([]stats.Block, len(p.Seconds)), make([]stats.Block, len(p.Seconds))
	merged := hdr.New(int64(measure.Lowest), int64(measure.Highest), measure.SuccessDigits)
	for i, s := range p.Seconds {
		judged[i], answered[i] = s.Judged(exclude), s.Latency
		if exclude {
			op.Excluded += s.Throttled
		}
		for _, bin := range s.Latency {
			if err := merged.RecordValues(bin.Value, int64(bin.Count)); err != nil {
				return op, err
			}
		}
	}
	if op.Due == 0 {
		return op, nil
	}
	ranked := op.Due - op.Excluded
	values, good := stats.Percentiles(judged, percentiles), stats.Percentiles(answered, percentiles)
	intervals := stats.BootstrapPercentiles(judged, percentiles, stats.Options{Seed: seed})
	for i, q := range percentiles {
		out := results.Percentile{Q: q, Value: results.Latency(values[i])}
		if slo.Conclusive(q, ranked, len(judged)) {
			out.Low, out.High = latency(intervals[i].Low), latency(intervals[i].High)
		}
		if good[i] != stats.Infinite {
			v := results.Latency(good[i])
			out.Answered = &v
		}
		op.Latency = append(op.Latency, out)
	}
	if merged.TotalCount() > 0 {
		op.Mean, op.Max = time.Duration(merged.Mean()), time.Duration(merged.Max())
	}
	packed, err := results.EncodeHistogram(merged)
	op.Outcomes = []results.Outcome{{Name: measure.OK.String(), Count: p.OK(), Latency: packed}}
	return op, err
}

// entryOutcomes adds the outcomes other than OK, with their histograms, over the whole run.
func entryOutcomes(op *results.Operation, e *measure.Entry) error {
	service, err := results.EncodeHistogram(e.Outcomes[measure.OK].Service)
	if err != nil {
		return err
	}
	if len(op.Outcomes) > 0 {
		op.Outcomes[0].Service = service
	}
	for o := measure.Throttled; o < measure.NumOutcomes; o++ {
		d := e.Outcomes[o]
		if d.Count == 0 {
			continue
		}
		lat, err := results.EncodeHistogram(d.Latency)
		if err != nil {
			return err
		}
		srv, err := results.EncodeHistogram(d.Service)
		if err != nil {
			return err
		}
		op.Outcomes = append(op.Outcomes, results.Outcome{Name: o.String(), Count: d.Count, Latency: lat, Service: srv})
	}
	return nil
}

// totalOutcomes counts all entries together; their histograms stand with the entries, and merge exactly.
func totalOutcomes(op *results.Operation, s *measure.Summary) {
	for i := range op.Outcomes {
		op.Outcomes[i].Latency = nil
	}
	for o := measure.Throttled; o < measure.NumOutcomes; o++ {
		if n := s.Count(o); n > 0 {
			op.Outcomes = append(op.Outcomes, results.Outcome{Name: o.String(), Count: n})
		}
	}
}

func latency(v float64) *results.Latency {
	l := results.Never
	switch {
	case math.IsNaN(v):
		return nil
	case !math.IsInf(v, 1) && v < math.MaxInt64:
		l = results.Latency(v)
	}
	return &l
}

// quantiles of a plain histogram, without intervals.
func quantiles(h *hdr.Histogram) []results.Percentile {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	var out []results.Percentile
	for _, q := range percentiles {
		out = append(out, results.Percentile{Q: q, Value: results.Latency(measure.Quantile(h, q))})
	}
	return out
}

func errorCounts(counts map[string]uint64) []results.ErrorCount {
	var out []results.ErrorCount
	for _, name := range measure.ErrorNames(counts) {
		out = append(out, results.ErrorCount{Name: name, Count: counts[name]})
	}
	return out
}

func series(s *measure.Summary) []results.Second {
	var out []results.Second
	blocks := s.Blocks()
	for i := range blocks {
		b := &blocks[i]
		second := results.Second{At: b.Start, Width: s.Width, Due: b.Asked(), OK: b.Outcomes[measure.OK], Throttled: b.Outcomes[measure.Throttled],
			Answered: b.Answered, Max: results.Latency(b.Max)}
		second.Bad = second.Due - second.OK - second.Throttled
		for q, into := range map[float64]**results.Latency{0.5: &second.P50, 0.99: &second.P99} {
			if v, ok := b.Percentile(q); ok {
				l := results.Latency(v)
				*into = &l
			}
		}
		out = append(out, second)
	}
	return out
}

// heat is how latency spread over the whole run.
func heat(s *measure.Summary) *results.Heat {
	var blocks [][]results.LatencyCount
	all := s.Blocks()
	for i := range all {
		for time.Duration(len(blocks))*s.Width < all[i].Start {
			blocks = append(blocks, nil) // nothing was due
		}
		var bins []results.LatencyCount
		for _, bin := range all[i].Latencies {
			bins = append(bins, results.LatencyCount(bin))
		}
		blocks = append(blocks, bins)
	}
	return results.NewHeat(s.Width, blocks)
}

func samples(in []machine.Sample) []results.Sample {
	var out []results.Sample
	for _, s := range in {
		if s.At < 0 {
			continue // before the first hit, while connections were made
		}
		sample := results.Sample{At: s.At, Wall: s.Wall, ClientCPU: s.ClientCPU, ServerCPU: s.ServerCPU,
			Client: process(s.ClientDelay, s.ClientSlices, s.ClientSwitches, s.ClientMemory), GCCycles: s.GCCycles, GCPause: s.GCPauses, ClockStep: s.ClockStep}
		if s.HasServer {
			server := process(s.ServerDelay, s.ServerSlices, s.ServerSwitches, s.ServerMemory)
			sample.Server = &server
		}
		cpus := slices.Clone(s.CPUs)
		slices.SortFunc(cpus, func(a, b machine.CPUShare) int { return a.CPU - b.CPU })
		for _, c := range cpus {
			sample.Busy = append(sample.Busy, c.Busy)
			sample.Stolen += c.Stolen / float64(len(cpus))
		}
		if s.Wall > 0 {
			sample.Pressure = float64(s.System.CPU.Some) / float64(s.Wall)
			sample.System = pressure(s.System, s.Wall)
			if s.HasOwn {
				own := pressure(s.Own, s.Wall)
				sample.Own = &own
			}
		}
		out = append(out, sample)
	}
	return out
}

func process(delay time.Duration, slices uint64, switches machine.Switches, memory machine.Memory) results.Process {
	return results.Process{Delay: delay, Slices: slices, Voluntary: switches.Voluntary, Involuntary: switches.Involuntary,
		Resident: memory.Resident, Anonymous: memory.Anonymous}
}

func pressure(p machine.Pressures, wall time.Duration) results.Pressure {
	share := func(d time.Duration) float64 { return float64(d) / float64(wall) }
	return results.Pressure{CPU: share(p.CPU.Some), Memory: share(p.Memory.Full), IO: share(p.IO.Full)}
}

// verdicts are those of a run; one that was cut short passes nothing.
func verdicts(in []slo.Verdict, interrupted bool) []results.Verdict {
	var out []results.Verdict
	for _, v := range in {
		if interrupted && v.Outcome == slo.Pass {
			v.Outcome, v.Reason = slo.Inconclusive, "kept until the interruption, but the run did not end"
		}
		out = append(out, results.Verdict{Metric: v.Metric, Population: v.Population, Unit: v.Unit, Limit: v.Limit, AtLeast: v.AtLeast,
			Value: known(v.Point), Low: known(v.Low), High: known(v.High), Never: math.IsInf(v.Point, 1), Answered: v.SuccessOnly,
			Outcome: v.Outcome.String(), Reason: v.Reason, Needed: v.Needed})
	}
	return out
}
