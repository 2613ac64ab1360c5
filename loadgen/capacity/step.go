package capacity

import (
	"context"
	"fmt"
	"math"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/results"
	"trent/results/stats"
)

// attempt sends one Poisson step at a rate and appends it to the result.
func (s *Search) attempt(ctx context.Context, purpose string, rate float64, judged time.Duration) (*attack.Result, results.Step, error) {
	s.attempts++
	a := Attempt{Purpose: purpose, Number: s.attempts, Warm: warm, Schedule: schedule.Poisson(rate, warm+judged, s.Seed+uint64(s.attempts))}
	res, err := s.Try(ctx, a)
	if err != nil {
		return nil, results.Step{}, err
	}
	s.spent += max(res.Report.Elapsed, warm+judged)
	if cost := res.ServerCost(); cost > 0 {
		s.cost = cost
	}
	s.shares = sharesOf(res.Populations)
	step := s.describe(purpose, rate, res)
	if step.Outcome == failed && purpose != results.Calibrate && purpose != results.OneFewer && (s.edge == nil || rate < s.edgeRate) {
		s.edge, s.edgeRate = res, rate
	}
	s.result.Steps = append(s.result.Steps, step)
	if res.Report.Interrupted {
		return res, step, context.Cause(ctx)
	}
	return res, step, nil
}

// describe judges an attempt and puts it into a step.
func (s *Search) describe(purpose string, rate float64, res *attack.Result) results.Step {
	all := res.Populations[0]
	step := results.Step{Purpose: purpose, Rate: rate, Judged: res.Judged, ClientLag: max(res.Conditions.ClientLagP99, 0),
		ServerCost: res.ServerCost(), ClientCost: res.ClientCost()}
	if length := all.Length().Seconds(); length > 0 {
		step.DueRate, step.OKRate = float64(all.Due())/length, float64(all.OK())/length
	}
	judged := make([]stats.Block, len(all.Seconds))
	for i, second := range all.Seconds {
		judged[i] = second.Judged(s.Limits.Throttles.Exclude)
	}
	values := stats.Percentiles(judged, []float64{0.5, 0.99})
	step.P50, step.P99 = results.Latency(values[0]), results.Latency(values[1])
	if slo.Conclusive(0.99, hitsOf(judged), len(judged)) {
		interval := stats.BootstrapPercentiles(judged, []float64{0.99}, stats.Options{Seed: s.Seed})[0]
		low, high := latencyOf(interval.Low), latencyOf(interval.High)
		step.P99Low, step.P99High = &low, &high
	}
	step.ClientBusy = share(res.Usage.Busy(s.ClientCPUs))
	if len(s.ServerCPUs) > 0 {
		step.ServerBusy = share(res.Usage.Busy(s.ServerCPUs))
	}
	step.Outcome = passed
	if purpose == results.Confirm || purpose == results.Curve || purpose == results.OneFewer {
		step.Outcome = slo.Overall(nil, res.Verdicts).String()
		if s.Limits.Empty() {
			step.Outcome = passed
		}
	} else {
		step.Thirds = s.thirds(res)
		if !s.keeps(res.Populations) {
			step.Outcome = failed
		}
	}
	if slo.Void(res.Gates) {
		step.Outcome = voided
		for _, g := range res.Gates {
			if g.Void {
				step.Note = fmt.Sprintf("%s %s", g.Name, g.Figure)
				break
			}
		}
	}
	return step
}

// thirds judges each third of the judged window by itself.
func (s *Search) thirds(res *attack.Result) []string {
	n := len(res.Populations[0].Seconds) / 3
	if n == 0 {
		return nil
	}
	var out []string
	for i := range 3 {
		part := make([]slo.Population, len(res.Populations))
		for k, p := range res.Populations {
			part[k] = slo.Population{Name: p.Name, Seconds: p.Seconds[min(i*n, len(p.Seconds)):min((i+1)*n, len(p.Seconds))]}
		}
		outcome := failed
		if s.keeps(part) {
			outcome = passed
		}
		out = append(out, outcome)
	}
	return out
}

// keeps compares point estimates with the limits: a step of the search is too short for intervals, which the
// confirming run has.
func (s *Search) keeps(populations []slo.Population) bool {
	for _, v := range s.Limits.Judge(populations, 0) {
		if math.IsNaN(v.Point) {
			continue // no hits of that population
		}
		if v.AtLeast && v.Point < v.Limit || !v.AtLeast && v.Point > v.Limit {
			return false
		}
	}
	return true
}

func share(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

// okWithin counts good answers within a latency, over seconds.
func okWithin(seconds []slo.Second, limit time.Duration) uint64 {
	n := uint64(0)
	for _, second := range seconds {
		for _, bin := range second.Latency {
			if limit == 0 || bin.Value <= int64(limit) {
				n += bin.Count
			}
		}
	}
	return n
}

// answeredIn counts good answers that came in within a window, whenever they were due.
func answeredIn(res *attack.Result, from, to time.Duration) uint64 {
	n := uint64(0)
	for _, b := range res.Summary.Blocks() {
		if b.Start >= from && b.Start < to {
			n += b.Answered
		}
	}
	return n
}

// sharesOf is what part of the hits each population has; that of all hits is 1.
func sharesOf(populations []slo.Population) map[string]float64 {
	shares := map[string]float64{}
	for _, p := range populations {
		if all := populations[0].Due(); all > 0 {
			shares[p.Name] = float64(p.Due()) / float64(all)
		}
	}
	return shares
}

func hitsOf(blocks []stats.Block) (n uint64) {
	for _, b := range blocks {
		n += b.Count()
	}
	return n
}

func latencyOf(v float64) results.Latency {
	if math.IsInf(v, 1) || v >= math.MaxInt64 {
		return results.Never
	}
	return results.Latency(v)
}
