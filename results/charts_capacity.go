package results

import (
	"cmp"
	"math"
	"slices"
)

// curveOf joins the steps that count, by rate: the curve of latency against rate. Where long runs measured it (curve and
// confirm) only they are joined, else the steps of the search; several at one rate count by their median.
func curveOf(steps []Step, of func(Step) Latency, top float64) []point {
	long := slices.ContainsFunc(steps, func(s Step) bool { return s.Purpose == Curve })
	byRate := map[float64][]float64{}
	for _, s := range steps {
		joined := s.Purpose == Curve || s.Purpose == Confirm
		if !long {
			joined = joined || s.Purpose == Search || s.Purpose == Repeat
		}
		if joined && (s.Outcome == "pass" || s.Outcome == "fail" || s.Outcome == "inconclusive") {
			byRate[s.Rate] = append(byRate[s.Rate], edge(of(s), top))
		}
	}
	var points []point
	for rate, values := range byRate {
		slices.Sort(values)
		points = append(points, point{rate, values[(len(values)-1)/2]})
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.x, b.x) })
	if len(points) < 2 {
		return nil
	}
	return points
}

// drawCurve draws the curves of p50 and p99, and the intervals of p99 where there are any.
func drawCurve(p *plot, steps []Step) {
	p.line("s0", curveOf(steps, func(s Step) Latency { return s.P50 }, p.y.high))
	p.line("s1", curveOf(steps, func(s Step) Latency { return s.P99 }, p.y.high))
	for _, s := range steps {
		if s.P99Low == nil || s.P99High == nil || s.Outcome == "void" {
			continue
		}
		low, high := edge(*s.P99Low, p.y.high), edge(*s.P99High, p.y.high)
		if !math.IsNaN(low) {
			p.whisker("s1", s.Rate, low, high)
		}
	}
}
