package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/loadgen/machine"
	"trent/loadgen/slo"
	"trent/results"
)

// modules are the dependencies whose versions a record names.
var modules = []string{"github.com/valyala/fasthttp", "github.com/HdrHistogram/hdrhistogram-go"}

// base is what every record of a comparison says.
func (r *run) base(begun time.Time) *results.Record {
	c := r.result
	c.A, c.B = r.sides[0].subject(), r.sides[1].subject()
	if c.A.Kind == results.FloorSubject {
		c.A.Settings = FloorSettings
	}
	c.Rate, c.Round, c.Asked, c.SelfAsked = r.Rate, r.Round, r.Pairs, r.SelfPairs
	c.Margin, c.ErrorMargin = r.Margin, r.ErrorMargin
	f := r.host.Fingerprint(modules...)
	record := &results.Record{
		Schema: results.Schema, Kind: results.Compare, Tool: r.Tool, Command: r.Command, Seed: r.Seed, Started: begun, Elapsed: time.Since(begun),
		Environment: results.Environment{CPUModel: f.CPUModel, Cores: f.Cores, Features: f.Features, Kernel: f.Kernel, Governor: f.Governor,
			Hypervisor: f.Hypervisor, MemoryKiB: f.MemoryKiB, CPUQuota: f.CPUQuota, GoVersion: f.GoVersion, GOMAXPROCS: f.GOMAXPROCS,
			Platform: f.Platform, Build: f.Build, Modules: f.Modules, ClientCPUs: machine.FormatCPUList(r.client), Pinned: r.pinned},
		Target:     results.Target{URL: c.B.URL, Region: r.sides[1].Target.Region, Spawned: r.B.starts()},
		Engine:     results.Engine{Name: r.Engine, Connections: r.Connections, Timeout: r.Timeout},
		Workload:   r.workload,
		Schedule:   results.Schedule{Spec: fmt.Sprintf("poisson:%g/s %s", r.Rate, r.Round), Duration: r.Round, MeanRate: r.Rate},
		Comparison: c, Notes: r.notes,
	}
	if r.pinned {
		record.Environment.ServerCPUs = machine.FormatCPUList(r.server)
	}
	return record
}

// barren is the record of two sides that have nothing in common: it says what each lacks.
func (r *run) barren(begun time.Time) *results.Record {
	record := r.base(begun)
	record.Outcome, record.ExitCode = slo.Inconclusive.String(), slo.Inconclusive.ExitCode()
	record.Notes = append(record.Notes, "Nothing was measured: "+ErrNothingInCommon.Error()+".")
	return record
}

// record computes the effects and writes everything down.
func (r *run) record(pairs []Pair, begun time.Time, interrupted bool) (*results.Record, error) {
	record := r.base(begun)
	c := r.result
	floor := r.A.Kind == results.FloorSubject
	j := Judge{Metrics: r.Metrics, Margin: r.Margin, ErrorMargin: r.ErrorMargin, Seed: r.Seed, Describe: floor}
	c.Effects = j.Effects(pairs)
	c.Discarded = discards(pairs)
	stolen, rounds := 0.0, 0
	for i := range pairs {
		for _, m := range []*Measured{&pairs[i].A, &pairs[i].B, pairs[i].SatA, pairs[i].SatB} {
			if m == nil {
				continue
			}
			c.Rounds = append(c.Rounds, m.Round)
			record.Engine.Due += m.Due
			record.Engine.Done += m.Due
			if m.Stolen != nil {
				stolen += *m.Stolen
				rounds++
			}
		}
	}
	if rounds > 0 {
		mean := stolen / float64(rounds)
		record.Environment.Stolen = &mean
	}
	var err error
	if c.A.Latency, c.B.Latency, err = distributions(pairs); err != nil {
		return nil, err
	}
	record.Notes = append(record.Notes, r.missing(c.Effects)...)
	if secure := [2]bool{strings.HasPrefix(c.A.URL, "https:"), strings.HasPrefix(c.B.URL, "https:")}; secure[0] != secure[1] {
		plain, tls := c.A.Name, c.B.Name
		if secure[0] {
			plain, tls = tls, plain
		}
		record.Notes = append(record.Notes, fmt.Sprintf("%s is reached in plaintext and %s over TLS: what TLS costs is on one side only.", plain, tls))
	}
	if r.Baseline != nil {
		c.Against = against(r.Baseline, r.BaselineName, record, r.Margin, r.Seed)
	}
	conclude(record, interrupted)
	if record.Outcome == slo.Voided.String() && slices.ContainsFunc(c.Discarded, func(d results.Discard) bool { return d.Latency }) {
		record.Notes = append(record.Notes, "Latencies need a machine that nobody else uses; CPU a request does not: --metrics cpu,goodput,errors judges without them.")
	}
	return record, nil
}

// missing says which metrics there was no evidence on, and what to do.
func (r *run) missing(effects []results.Effect) []string {
	has := map[string]bool{}
	for _, e := range effects {
		has[e.Metric] = true
	}
	var notes []string
	for _, metric := range r.Metrics {
		switch {
		case has[metric]:
		case metric == results.MetricCPU:
			notes = append(notes, "CPU a request is not compared: it needs the process of both servers, which are known where the comparison starts them or their --a-pid and --b-pid are given.")
		case metric == results.MetricP99 && r.Rate > 0:
			need := math.Ceil(beyond/0.01/r.Rate - 1e-9)
			notes = append(notes, fmt.Sprintf("p99 is not compared: it wants 1,000 hits a round; give --round %.0fs or a higher --rate.", max(need, r.Round.Seconds()+1)))
		case metric == results.MetricSaturation && !r.Saturate:
		case metric == results.MetricP50 || metric == results.MetricMean:
			notes = append(notes, metric+" is not compared: no round had enough hits; give --round or --rate more.")
		}
	}
	return notes
}

// discards counts the pairs left out, by reason.
func discards(pairs []Pair) []results.Discard {
	all, latency := map[string]int{}, map[string]int{}
	for i := range pairs {
		p := &pairs[i]
		for _, reason := range p.Void {
			all[reason]++
		}
		for _, reason := range p.Disturbed {
			latency[reason]++
		}
		for _, reason := range p.SatDisturbed {
			latency["saturated: "+reason]++
		}
	}
	var out []results.Discard
	for _, reason := range slices.Sorted(maps.Keys(all)) {
		out = append(out, results.Discard{Reason: reason, Pairs: all[reason]})
	}
	for _, reason := range slices.Sorted(maps.Keys(latency)) {
		out = append(out, results.Discard{Reason: reason, Pairs: latency[reason], Latency: true})
	}
	return out
}

// distributions merges the latencies of all pairs that count, by side and operation.
func distributions(pairs []Pair) (a, b []results.Operation, err error) {
	merged := [2]map[string]*hdr.Histogram{{}, {}}
	due := [2]map[string]uint64{{}, {}}
	var names []string
	for i := range pairs {
		p := &pairs[i]
		if p.Self || !p.CountsFor(results.MetricP50) {
			continue
		}
		for side, m := range []*Measured{&p.A, &p.B} {
			for k, f := range m.Figures {
				if !contains(names, f.Operation) {
					names = append(names, f.Operation)
				}
				due[side][f.Operation] += f.Due
				if m.Latency[k] == nil {
					continue
				}
				if into := merged[side][f.Operation]; into != nil {
					into.Merge(m.Latency[k])
				} else {
					merged[side][f.Operation] = hdr.Import(m.Latency[k].Export())
				}
			}
		}
	}
	out := [2][]results.Operation{}
	for side := range out {
		for _, name := range names {
			h := merged[side][name]
			packed, err := results.EncodeHistogram(h)
			if err != nil {
				return nil, nil, err
			}
			op := results.Operation{Name: name, Due: due[side][name]}
			if packed != nil {
				op.Outcomes = []results.Outcome{{Name: "ok", Count: uint64(h.TotalCount()), Latency: packed}}
			}
			out[side] = append(out[side], op)
		}
	}
	return out[0], out[1], nil
}

// conclude sets the outcome: the first in the order void, regression, inconclusive, pass that an effect has.
func conclude(r *results.Record, interrupted bool) {
	c := r.Comparison
	all := c.Effects
	if c.Against != nil {
		all = slices.Concat(all, c.Against.Effects)
	}
	outcome := slo.Pass
	if len(all) == 0 || c.Against != nil && len(c.Against.Effects) == 0 {
		outcome = slo.Inconclusive
	}
	for i := range all {
		switch all[i].Verdict {
		case results.Unmeasured:
			outcome = min(outcome, slo.Voided)
		case results.Regressed:
			outcome = min(outcome, slo.Regression)
		case results.Undecided:
			outcome = min(outcome, slo.Inconclusive)
		}
	}
	r.Outcome, r.ExitCode = outcome.String(), outcome.ExitCode()
	if interrupted {
		r.Interrupted, r.ExitCode = true, slo.ExitInterrupted
		if outcome == slo.Pass {
			r.Outcome = slo.Inconclusive.String()
		}
		r.Notes = append(r.Notes, "The comparison was interrupted; this is what was measured until then.")
	}
}
