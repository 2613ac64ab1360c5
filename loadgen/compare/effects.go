package compare

import (
	"fmt"
	"math"
	"slices"

	"trent/results"
	"trent/results/stats"
)

// significance is the family-wise error rate of a comparison, power what the minimum detectable effect is stated for.
const (
	significance = 0.05
	power        = 0.80
)

// Judge are the rules by which effects are judged.
type Judge struct {
	Metrics     []string
	Margin      float64 // of ratios
	ErrorMargin float64 // of shares
	Seed        uint64
	// Describe leaves out the verdicts: against the floor there is nothing to regress.
	Describe bool
}

// measured is one metric of one operation over the pairs that count.
type measured struct {
	operation, metric string
	a, b              []float64 // by A/B pair
	selfA, selfB      []float64 // by A/A pair
	counted           int       // A/B pairs that were not disturbed, with figures or without
}

// Effects computes every effect that the pairs have evidence on, all operations together first.
func (j Judge) Effects(pairs []Pair) []results.Effect {
	var out []results.Effect
	var between [][]float64 // differences of pairs, by effect
	var intervals []stats.Interval
	var counted []int
	for _, operation := range operations(pairs) {
		for _, metric := range j.Metrics {
			m := measured{operation: operation, metric: metric}
			m.collect(pairs)
			if len(m.a) == 0 {
				if operation == "all" && m.lost(pairs) {
					e := results.Effect{Operation: operation, Metric: metric, Unit: unit(metric), Verdict: results.Unmeasured, Reason: "every pair was disturbed"}
					out, between, intervals, counted = append(out, e), append(between, nil), append(intervals, stats.Interval{}), append(counted, 0)
				}
				continue
			}
			e, differences, interval := j.effect(&m)
			out, between, intervals, counted = append(out, e), append(between, differences), append(intervals, interval), append(counted, m.counted)
		}
	}
	j.correct(out, between)
	for i := range out {
		e := &out[i]
		if j.decide(e, intervals[i]); e.Verdict == results.Unmeasured && counted[i] >= MinPairs {
			// Nothing was disturbed: the operation is rare.
			e.Verdict, e.Reason = results.Undecided, "too few hits in most rounds; longer rounds or a higher rate bring more"
		}
	}
	return out
}

// operations names what figures there are, "all" first.
func operations(pairs []Pair) []string {
	var names []string
	for i := range pairs {
		for _, f := range pairs[i].A.Figures {
			if !contains(names, f.Operation) {
				names = append(names, f.Operation)
			}
		}
	}
	return names
}

func (m *measured) collect(pairs []Pair) {
	for i := range pairs {
		p := &pairs[i]
		if !p.CountsFor(m.metric) {
			continue
		}
		if !p.Self {
			m.counted++
		}
		a, okA := m.value(p, "A")
		b, okB := m.value(p, "B")
		switch {
		case !okA || !okB:
		case p.Self:
			m.selfA, m.selfB = append(m.selfA, a), append(m.selfB, b)
		default:
			m.a, m.b = append(m.a, a), append(m.b, b)
		}
	}
}

// lost tells that there were pairs with the metric, of which none counts.
func (m *measured) lost(pairs []Pair) bool {
	for i := range pairs {
		p := &pairs[i]
		if p.Self || m.metric == results.MetricSaturation && p.SatA == nil {
			continue
		}
		if _, ok := m.value(p, "A"); ok {
			return true
		}
	}
	return false
}

// whole tells metrics that exist for all operations together only.
func whole(metric string) bool {
	return metric == results.MetricCPU || metric == results.MetricSaturation
}

func (m *measured) value(p *Pair, side string) (float64, bool) {
	round, saturated := &p.A, p.SatA
	if side == "B" {
		round, saturated = &p.B, p.SatB
	}
	if whole(m.metric) && m.operation != "all" {
		return 0, false
	}
	switch m.metric {
	case results.MetricCPU:
		if round.ServerCPU == nil || *round.ServerCPU <= 0 {
			return 0, false
		}
		return float64(*round.ServerCPU), true
	case results.MetricSaturation:
		if saturated == nil {
			return 0, false
		}
		return saturated.OKRate, saturated.OKRate > 0
	}
	at := slices.IndexFunc(round.Figures, func(f results.Figure) bool { return f.Operation == m.operation })
	if at < 0 || round.Figures[at].Due == 0 {
		return 0, false
	}
	return figureValue(&round.Figures[at], m.metric)
}

func figureValue(f *results.Figure, metric string) (float64, bool) {
	latency := func(l *results.Latency) (float64, bool) {
		switch {
		case l == nil:
			return 0, false
		case *l == results.Never:
			return math.Inf(1), true
		}
		return float64(max(*l, 1)), true
	}
	switch metric {
	case results.MetricP50:
		return latency(f.P50)
	case results.MetricP99:
		return latency(f.P99)
	case results.MetricMean:
		if f.Mean == nil || *f.Mean <= 0 {
			return 0, false
		}
		return float64(*f.Mean), true
	case results.MetricGoodput:
		return float64(f.OK) / float64(f.Due), true
	case results.MetricErrors:
		return 1 - float64(f.OK)/float64(f.Due), true
	}
	return 0, false
}

// effect computes one row but for its correction and verdict, the pairs' differences, and the interval of their median.
func (j Judge) effect(m *measured) (results.Effect, []float64, stats.Interval) {
	e := results.Effect{Operation: m.operation, Metric: m.metric, Unit: unit(m.metric), Pairs: len(m.a), SelfPairs: len(m.selfA),
		HigherWins: m.metric == results.MetricGoodput || m.metric == results.MetricSaturation, Difference: m.metric == results.MetricErrors}
	options := stats.Options{Seed: j.Seed}
	e.A, e.B = finite(stats.Median(m.a)), finite(stats.Median(m.b))
	between, self := differences(e.Difference, m.a, m.b), differences(e.Difference, m.selfA, m.selfB)
	typical := stats.MedianEstimate(between, options)
	e.Ratio, e.Low, e.High = present(&e, typical)
	e.Self, e.SelfLow, e.SelfHigh = present(&e, stats.MedianEstimate(self, options))
	if shift := stats.MinimumDetectable(bounded(self), len(m.a), significance, power); shift > 0 {
		if !e.Difference {
			shift = math.Expm1(shift)
		}
		e.Detectable = finite(shift)
	}
	p := stats.SignFlip(bounded(between), options)
	e.SignFlip = finite(p)
	u, q := stats.MannWhitney(m.b, m.a)
	e.U, e.MannWhitney = finite(u), finite(q)
	return e, between, typical.Interval
}

func unit(metric string) string {
	switch metric {
	case results.MetricGoodput, results.MetricErrors:
		return "share"
	case results.MetricSaturation:
		return "rate"
	}
	return "ns"
}

// differences are those of pairs: logarithms of ratios, or plain for shares of errors.
func differences(difference bool, a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		switch {
		case a[i] == b[i]: // two infinite ones too
			out[i] = 0
		case difference:
			out[i] = b[i] - a[i]
		default:
			out[i] = math.Log(b[i] / a[i])
		}
	}
	return out
}

// bounded replaces infinite differences by ones beyond all others, which keeps what a permutation test ranks.
func bounded(values []float64) []float64 {
	largest := 1.0
	for _, v := range values {
		if !math.IsInf(v, 0) {
			largest = max(largest, math.Abs(v))
		}
	}
	out := slices.Clone(values)
	for i, v := range out {
		if math.IsInf(v, 0) {
			out[i] = math.Copysign(2*largest, v)
		}
	}
	return out
}

// present turns an estimate of differences into figures of the row.
func present(e *results.Effect, of stats.Estimate) (point, low, high *float64) {
	scale := math.Exp
	if e.Difference {
		scale = func(v float64) float64 { return v }
	}
	return finite(scale(of.Point)), finite(scale(of.Low)), finite(scale(of.High))
}

func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// correct applies Holm's correction over the effects that differ in any pair: one that does in none tells nothing under any
// exchange of the sides, whatever its p.
func (j Judge) correct(effects []results.Effect, all [][]float64) {
	var family []int
	var ps []float64
	for i := range effects {
		if slices.ContainsFunc(all[i], func(d float64) bool { return d != 0 }) && effects[i].SignFlip != nil {
			family, ps = append(family, i), append(ps, *effects[i].SignFlip)
		}
	}
	for k, p := range stats.Holm(ps) {
		effects[family[k]].Holm = finite(p)
	}
	needed := stats.PairsFor(len(family), significance)
	for _, i := range family {
		if effects[i].Pairs < needed {
			effects[i].Reason = fmt.Sprintf("%d tests want %d pairs, there are %d", len(family), needed, effects[i].Pairs)
		}
	}
}

// decide sets the verdict: the interval of the differences against the margin, and for a claim of a change the corrected test.
func (j Judge) decide(e *results.Effect, interval stats.Interval) {
	if e.Verdict != "" {
		return
	}
	tooFew := e.Reason
	e.Reason = ""
	if e.Pairs < MinPairs {
		e.Verdict, e.Reason = results.Unmeasured, fmt.Sprintf("%d pairs counted, %d are needed", e.Pairs, MinPairs)
		return
	}
	if math.IsNaN(interval.Low) || math.IsNaN(interval.High) {
		e.Verdict, e.Reason = results.Undecided, "there is no interval"
		return
	}
	low, high, margin := j.worse(e, interval)
	significant := e.Holm != nil && *e.Holm <= significance
	unproven := "the interval is beyond the margin, the corrected test is not at 0.05"
	if tooFew != "" {
		unproven = tooFew
	}
	switch {
	case j.Describe:
		e.Verdict = results.Described
	case low > margin && significant:
		e.Verdict = results.Regressed
	case low > margin:
		e.Verdict, e.Reason = results.Undecided, unproven
	case high > margin:
		e.Verdict, e.Reason = results.Undecided, "the interval holds the margin"
	case high < -margin && significant:
		e.Verdict = results.Improved
	case low >= -margin:
		e.Verdict = results.Unchanged
	default:
		e.Verdict = results.NotWorse
	}
	if e.Ratio == nil && e.Reason == "" {
		e.Reason = "of one side so many hits had no good answer that the percentile is never"
	}
}

// worse is an interval of differences as "by how much B is worse": logarithms, or a difference of shares.
func (j Judge) worse(e *results.Effect, interval stats.Interval) (low, high, margin float64) {
	low, high, margin = interval.Low, interval.High, math.Log1p(j.Margin)
	if e.HigherWins {
		low, high = -high, -low
	}
	if e.Difference {
		margin = j.ErrorMargin
	}
	return low, high, margin
}
