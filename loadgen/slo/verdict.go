package slo

import (
	"fmt"
	"math"
	"slices"
	"time"

	"trent/results/stats"
)

// Outcome is the result of a limit or of a whole run.
type Outcome uint8

// The outcomes, the one that wins first.
const (
	HarnessError Outcome = iota
	Usage
	Voided
	Fail
	Regression
	Inconclusive
	Pass
)

var outcomeNames = [...]string{"harness error", "usage", "void", "fail", "regression", "inconclusive", "pass"}

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// ExitInterrupted is the exit code of an interrupted run, whatever it had measured.
const ExitInterrupted = 130

// ExitCode is the process's exit code for an outcome.
func (o Outcome) ExitCode() int {
	switch o {
	case Pass:
		return 0
	case Usage:
		return 2
	case Fail:
		return 3
	case Regression:
		return 4
	case Voided:
		return 5
	case Inconclusive:
		return 6
	}
	return 1
}

// minBlocks is the fewest one-second blocks that a verdict on a percentile rests on.
const minBlocks = 20

// exceedances is how many hits a percentile wants beyond it for a verdict.
const exceedances = 100

// Second is the hits of one population that were due in one block, and what became of them.
type Second struct {
	Length    time.Duration // of the block, 1 s but for the last
	Due       uint64
	OK        uint64
	Throttled uint64
	Latency   stats.Block // of the OK hits, in ns
}

// Population is the hits that a limit judges.
type Population struct {
	Name    string // entry of the workload; "" for all hits
	Seconds []Second
}

// Due is the number of hits of the population.
func (p Population) Due() uint64 {
	n := uint64(0)
	for _, s := range p.Seconds {
		n += s.Due
	}
	return n
}

// OK is the number of its good answers.
func (p Population) OK() uint64 {
	n := uint64(0)
	for _, s := range p.Seconds {
		n += s.OK
	}
	return n
}

// Length is the time its seconds cover.
func (p Population) Length() time.Duration {
	d := time.Duration(0)
	for _, s := range p.Seconds {
		d += s.Length
	}
	return d
}

// Verdict is the judgement of one limit over one population. Value and bounds are in nanoseconds for latency, a
// share for throughput shares, errors and throttles, and a rate for throughput rates.
type Verdict struct {
	Metric     string // "p99 latency", "throughput", "errors", "throttled"
	Unit       string // "ns", "share" or "rate"
	Population string
	Limit      float64
	AtLeast    bool // the limit is a minimum
	stats.Estimate
	// SuccessOnly is the percentile over good answers alone, beside the judged one; 0 for other metrics.
	SuccessOnly time.Duration
	Outcome     Outcome
	Reason      string        // why, where it is inconclusive
	Needed      time.Duration // how long a run would have to be for a verdict; 0 where that is not the problem
}

// Judge judges every limit. populations holds all hits under "" and each entry under its name.
func (l Limits) Judge(populations []Population, seed uint64) []Verdict {
	byName := map[string]Population{}
	var names []string
	for _, p := range populations {
		byName[p.Name] = p
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	options := stats.Options{Seed: seed}
	all := byName[""]
	var verdicts []Verdict
	for _, limit := range l.Latency {
		for _, name := range limit.AppliesTo(names) {
			verdicts = append(verdicts, judgeLatency(limit, byName[name], name, l.Throttles.Exclude, options))
		}
	}
	if l.Throughput != nil {
		verdicts = append(verdicts, judgeThroughput(*l.Throughput, all, l.Throttles.Exclude, options))
	}
	if l.Errors != nil {
		bad := func(s Second) float64 { return float64(s.Due - s.OK - s.excluded(l.Throttles.Exclude)) }
		due := func(s Second) float64 { return float64(s.Due - s.excluded(l.Throttles.Exclude)) }
		verdicts = append(verdicts, judgeShare("errors", *l.Errors, false, all, bad, due, options))
	}
	if l.Throttles.Maximum != nil {
		throttled := func(s Second) float64 { return float64(s.Throttled) }
		due := func(s Second) float64 { return float64(s.Due) }
		verdicts = append(verdicts, judgeShare("throttled", *l.Throttles.Maximum, false, all, throttled, due, options))
	}
	return verdicts
}

func (s Second) excluded(exclude bool) uint64 {
	if exclude {
		return s.Throttled
	}
	return 0
}

// Judged is the latencies that a limit ranks: what had no good answer counts as infinite, and with exclude,
// throttled hits are left out.
func (s Second) Judged(exclude bool) stats.Block {
	block := slices.Clone(s.Latency)
	if lost := s.Due - s.OK - s.excluded(exclude); lost > 0 {
		block = append(block, stats.Bin{Value: stats.Infinite, Count: lost})
	}
	return block
}

func judgeLatency(limit LatencyLimit, p Population, name string, exclude bool, o stats.Options) Verdict {
	v := Verdict{Metric: PercentileName(limit.Percentile) + " latency", Unit: "ns", Population: name, Limit: float64(limit.Limit)}
	judged := make([]stats.Block, len(p.Seconds))
	answered := make([]stats.Block, len(p.Seconds))
	hits, length := uint64(0), time.Duration(0)
	for i, s := range p.Seconds {
		judged[i], answered[i] = s.Judged(exclude), s.Latency
		hits += judged[i].Count()
		length += s.Length
	}
	q := []float64{limit.Percentile}
	v.Estimate = stats.Estimate{Point: math.NaN(), Interval: stats.Interval{Low: math.NaN(), High: math.NaN()}}
	if hits == 0 {
		v.Outcome, v.Reason = Inconclusive, "no hits"
		return v
	}
	v.Point = float(stats.Percentiles(judged, q)[0])
	if success := stats.Percentiles(answered, q)[0]; success != stats.Infinite {
		v.SuccessOnly = time.Duration(success)
	}
	v.Interval = stats.BootstrapPercentiles(judged, q, o)[0]
	wanted, blocks := HitsNeeded(limit.Percentile), p.blocks()
	if hits < wanted || blocks < minBlocks {
		v.Outcome = Inconclusive
		v.Reason = fmt.Sprintf("%s wants %d hits and %d seconds, the run had %d and %d",
			PercentileName(limit.Percentile), wanted, minBlocks, hits, blocks)
		seconds := max(float64(wanted)/float64(hits)*length.Seconds(), minBlocks)
		v.Needed = time.Duration(math.Ceil(seconds)) * time.Second
		return v
	}
	return v.decide()
}

// HitsNeeded is how many hits a verdict on a percentile (as a share) rests on at the least: a hundred beyond it.
func HitsNeeded(percentile float64) uint64 {
	return uint64(math.Ceil(exceedances/(1-percentile) - 1e-6))
}

// Conclusive tells whether hits over so many whole blocks are enough for an interval and a verdict on a percentile.
func Conclusive(percentile float64, hits uint64, blocks int) bool {
	return hits >= HitsNeeded(percentile) && blocks >= minBlocks
}

// blocks counts the whole blocks: a last one that is shorter than a second is not one to resample by.
func (p Population) blocks() int {
	n := 0
	for _, s := range p.Seconds {
		if s.Length >= time.Second {
			n++
		}
	}
	return n
}

func judgeThroughput(limit ThroughputLimit, p Population, exclude bool, o stats.Options) Verdict {
	answered := func(s Second) float64 { return float64(s.OK) }
	if limit.Share > 0 {
		due := func(s Second) float64 { return float64(s.Due - s.excluded(exclude)) }
		return judgeShare("throughput", limit.Share, true, p, answered, due, o)
	}
	v := Verdict{Metric: "throughput", Unit: "rate", Limit: limit.PerSecond, AtLeast: true}
	var part, whole []float64
	for _, s := range p.Seconds {
		part, whole = append(part, answered(s)), append(whole, s.Length.Seconds())
	}
	v.Estimate = stats.BootstrapShare(part, whole, o)
	if blocks := p.blocks(); blocks < minBlocks {
		v.Outcome, v.Needed = Inconclusive, minBlocks*time.Second
		v.Reason = fmt.Sprintf("an interval of a rate wants %d seconds, the run had %d", minBlocks, blocks)
		return v
	}
	return v.decide()
}

// judgeShare judges a share of hits. Its interval is the wider of the block bootstrap's and Wilson's (1927): the
// bootstrap alone would call 0 errors in 10 hits a certain 0.
func judgeShare(metric string, limit float64, atLeast bool, p Population, part, whole func(Second) float64, o stats.Options) Verdict {
	v := Verdict{Metric: metric, Unit: "share", Limit: limit, AtLeast: atLeast}
	var parts, wholes []float64
	hits, good := 0.0, 0.0
	for _, s := range p.Seconds {
		parts, wholes = append(parts, part(s)), append(wholes, whole(s))
		good += part(s)
		hits += whole(s)
	}
	v.Estimate = stats.BootstrapShare(parts, wholes, o)
	// Where none at all is allowed (or all are wanted), the count itself decides: no interval of a share ends there.
	absolute := limit == 0 && !atLeast || limit == 1 && atLeast
	if hits > 0 && !absolute {
		low, high := wilson(good, hits)
		v.Low, v.High = min(v.Low, low), max(v.High, high)
	}
	return v.decide()
}

// wilson is the 95 % score interval of a share.
func wilson(part, whole float64) (low, high float64) {
	const z = 1.959964
	share := part / whole
	centre := (share + z*z/(2*whole)) / (1 + z*z/whole)
	half := z / (1 + z*z/whole) * math.Sqrt(share*(1-share)/whole+z*z/(4*whole*whole))
	return max(centre-half, 0), min(centre+half, 1)
}

// decide compares the bounds with the limit: pass where the whole interval keeps it, fail where the whole
// interval breaks it.
func (v Verdict) decide() Verdict {
	low, high := v.Low, v.High
	if math.IsNaN(low) || math.IsNaN(high) {
		v.Outcome, v.Reason = Inconclusive, "too few seconds for an interval"
		return v
	}
	keeps, breaks := high <= v.Limit, low > v.Limit
	if v.AtLeast {
		keeps, breaks = low >= v.Limit, high < v.Limit
	}
	switch {
	case keeps:
		v.Outcome = Pass
	case breaks:
		v.Outcome = Fail
	default:
		v.Outcome, v.Reason = Inconclusive, "the 95 % interval contains the limit; a longer run narrows it"
	}
	return v
}

func float(v int64) float64 {
	if v == stats.Infinite {
		return math.Inf(1)
	}
	return float64(v)
}

// Overall is the outcome of a run: the first in the order harness error, usage, void, fail, regression,
// inconclusive, pass that applies.
func Overall(gates []Gate, verdicts []Verdict) Outcome {
	if Void(gates) {
		return Voided
	}
	overall := Pass
	for _, v := range verdicts {
		overall = min(overall, v.Outcome)
	}
	return overall
}
