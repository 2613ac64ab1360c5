package capacity

import (
	"context"
	"math"
	"slices"
	"time"

	"trent/results"
	"trent/results/stats"
)

// noiseRuns are the runs alike of an A/A measurement; noiseJudged is how long each is judged.
const (
	noiseRuns   = 6
	noiseJudged = 3 * time.Second
	noiseShare  = 0.7 // of the highest rate that passed: where a queue is short, and CPU a request as it is under load
)

// measureNoise repeats one rate and sees how far CPU a request lies apart, which a capacity is inversely proportional
// to. The search then stops no finer. Without the server's CPU time there is nothing to measure.
func (s *Search) measureNoise(ctx context.Context) error {
	rate, _ := s.bracket()
	if rate = s.bounded(noiseShare * rate); rate < lowestRate {
		return nil // nothing passed
	}
	noise := results.Noise{Rate: rate}
	var logs []float64
	for range noiseRuns {
		res, step, err := s.attempt(ctx, results.NoiseRun, rate, noiseJudged)
		if err != nil {
			return err
		}
		if cost := res.ServerCost(); cost > 0 && step.Outcome != voided {
			noise.Costs = append(noise.Costs, cost)
			logs = append(logs, math.Log(float64(cost)))
		}
	}
	if len(logs) < 3 {
		return nil
	}
	noise.Relative = math.Exp(2*stats.Deviation(logs)) - 1
	s.result.Noise = &noise
	s.result.Resolution = max(resolution, s.Noise, noise.Relative)
	return nil
}

// curveShares are the points of the curve, as shares of the sustained rate.
var curveShares = []float64{0.2, 0.4, 0.6, 0.8, 0.9}

// curve runs at shares of the sustained rate, long enough for intervals; the confirming run is its last point.
func (s *Search) curve(ctx context.Context) error {
	for _, part := range curveShares {
		rate := s.bounded(part * s.result.Sustained)
		if _, _, err := s.attempt(ctx, results.Curve, rate, s.confirmTime(rate)); err != nil {
			return err
		}
	}
	return nil
}

// trialsOf puts several sustained rates together; an interval wants five.
func trialsOf(rates []float64) *results.Trials {
	if len(rates) < 2 {
		return nil
	}
	t := &results.Trials{Rates: slices.Clone(rates), Median: stats.Median(rates)}
	if len(rates) >= leastTrials {
		e := stats.MeanInterval(rates)
		t.Low, t.High = share(max(e.Low, 0)), share(e.High)
	}
	return t
}

// leastTrials is the fewest trials that have an interval.
const leastTrials = 5

// Fleet is the HSMs behind a service.
type Fleet struct {
	Modules int     // 0: nothing is said of it
	Asked   float64 // rate that must still be served with one fewer; 0: none
	// TakeOut removes one module and returns what brings it back; nil: the headroom is arithmetic only.
	TakeOut func(ctx context.Context) (restore func(context.Context) error, err error)
}

// headroom is what is left of the sustained rate with one module fewer.
func (f Fleet) headroom(sustained float64) *results.Headroom {
	if f.Modules < 2 || sustained <= 0 {
		return nil
	}
	h := &results.Headroom{Modules: f.Modules, Sustained: sustained, Asked: f.Asked, Remaining: round(sustained * float64(f.Modules-1) / float64(f.Modules))}
	if f.Asked > 0 {
		fits := f.Asked <= h.Remaining
		h.Fits = &fits
	}
	return h
}

// measureHeadroom runs at the rate that arithmetic leaves, with one module out, and says whether it holds.
func (s *Search) measureHeadroom(ctx context.Context, f Fleet, h *results.Headroom) error {
	if h == nil || f.TakeOut == nil {
		return nil
	}
	restore, err := f.TakeOut(ctx)
	if err != nil {
		return err
	}
	_, step, err := s.attempt(ctx, results.OneFewer, h.Remaining, s.confirmTime(h.Remaining))
	if restoreErr := restore(context.WithoutCancel(ctx)); err == nil {
		err = restoreErr
	}
	if err != nil {
		return err
	}
	h.Measured, h.P99 = true, &step.P99
	if f.Asked > 0 {
		fits := step.Outcome == passed && f.Asked <= h.Remaining
		h.Fits = &fits
	}
	return nil
}

// FitScalability fits the Universal Scalability Law to rates measured in a closed loop with so many clients each. Errors:
// stats.ErrLevels with fewer than six levels.
func FitScalability(levels []int, rates []float64) (*results.Scalability, error) {
	clients := make([]float64, len(levels))
	for i, n := range levels {
		clients[i] = float64(n)
	}
	law, err := stats.FitUSL(clients, rates)
	if err != nil {
		return nil, err
	}
	return &results.Scalability{Levels: slices.Clone(levels), Rates: slices.Clone(rates), Lambda: law.Lambda, Sigma: law.Sigma, Kappa: law.Kappa,
		Peak: law.Peak(), R2: law.R2}, nil
}

// modulesOf counts the HSMs that tell of themselves apart, by the label module; 0 where none does.
func modulesOf(m *results.ServerMetrics) int {
	names := map[string]bool{}
	for _, s := range m.Find("trent_hsm_module_up", "module=") {
		names[s.Name] = true
	}
	return len(names)
}
