package capacity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/results"
)

// Attempt is one rate to try.
type Attempt struct {
	Purpose  string // of results.Step
	Schedule schedule.Schedule
	Warm     time.Duration
	Number   int // from 1, for progress and seeds
}

// Search finds the highest sustained rate. It holds no clock and no goroutine: time passes inside Try.
type Search struct {
	// Try sends one attempt and returns once the server is idle again.
	Try    func(ctx context.Context, a Attempt) (*attack.Result, error)
	Limits slo.Limits
	// Start is the first rate of the search; 0 derives it from CPU a request, or is 100/s where that is not known.
	Start   float64
	MaxRate float64       // never exceeded; 0: none
	Budget  time.Duration // for all attempts; the search stops where what is left is needed to confirm
	Noise   float64       // relative A/A noise, where known; the search stops at max(2 %, Noise)
	// MeasureNoise measures it before the bisection, by repeating a rate; Curve measures the curve of latency against rate last. Both
	// take time beside the budget.
	MeasureNoise, Curve bool
	SkipOverload        bool // no step at 1.5 ×
	Fleet               Fleet
	Seed                uint64
	// CostOnly measures CPU a request and searches nothing: client and server share their only CPU.
	CostOnly bool
	// ClientCPUs and ServerCPUs are the CPUs each side has; no ServerCPUs where the server's are not visible.
	ClientCPUs, ServerCPUs []int

	spent    time.Duration
	attempts int
	result   results.CapacityResult
	passes   []float64
	fails    []float64
	voids    []float64 // rates that never gave a step that counts
	confirm  *attack.Result
	edge     *attack.Result // the lowest rate that failed
	edgeRate float64
	shares   map[string]float64 // of the hits, by population
	cost     time.Duration      // server CPU a request at the latest step
}

// How long things take. Every step is a second of warm-up and whole thirds of whole seconds, the blocks of the
// recorder; a confirming run has the 20 blocks that a verdict on a percentile wants.
const (
	warm           = time.Second
	stepJudged     = 3 * time.Second
	quickJudged    = time.Second // of a step far below the edge
	confirmJudged  = 20 * time.Second
	longestConfirm = 2 * time.Minute // or the budget, if that is longer
	overloadTime   = 3 * time.Second
	recoverTime    = 8 * time.Second // half the rate leaves half the capacity for a backlog of one and a half seconds' worth
	calibrateRate  = 200
	calibrateTime  = time.Second
	resolution     = 0.02
	leastGrowth    = 1.25 // of the geometric steps up
	mostGrowth     = 4.0
	shrink         = 1.6 // of those down
	aim            = 0.9 // share of its CPUs that a step up aims at for the side that is fuller
	retryFactor    = 0.95
	maxConfirms    = 5
	lowestRate     = 1.0
	farFromEdge    = 0.60 // share of its CPUs that the fuller side is expected to use
	busyServer     = 0.90
	busyClient     = 0.80
)

// outcomes of a step.
const (
	passed = "pass"
	failed = "fail"
	voided = "void"
)

// Run searches and returns the result with the confirming run, nil if none passed; then the calibrating run stands
// in. When ctx ends, what was found so far is returned with the context's error.
func (s *Search) Run(ctx context.Context) (*results.CapacityResult, *attack.Result, error) {
	s.result.Resolution = max(resolution, s.Noise)
	calibration, err := s.calibrate(ctx)
	if s.CostOnly {
		s.result.Label = results.CostOnly
		s.result.Why = "Client and server share the only CPU, so a rate would be that of both together."
		s.result.Resolution = 0
		return &s.result, calibration, err
	}
	if err == nil {
		err = s.climb(ctx)
	}
	if err == nil && s.MeasureNoise {
		spent := s.spent
		err = s.measureNoise(ctx)
		s.spent = spent
	}
	if err == nil {
		err = s.bisect(ctx)
	}
	if err == nil {
		err = s.confirmHighest(ctx)
	}
	if err == nil && s.result.Sustained > 0 && !s.SkipOverload {
		err = s.overload(ctx)
	}
	if err == nil && s.result.Sustained > 0 && s.Curve {
		err = s.curve(ctx)
	}
	if s.result.Headroom = s.Fleet.headroom(s.result.Sustained); err == nil {
		err = s.measureHeadroom(ctx, s.Fleet, s.result.Headroom)
	}
	s.conclude()
	best := s.confirm
	if best == nil {
		best = calibration
	}
	return &s.result, best, err
}

// calibrate measures CPU a request at a low rate, for the first guess.
func (s *Search) calibrate(ctx context.Context) (*attack.Result, error) {
	rate := float64(calibrateRate)
	if s.MaxRate > 0 {
		rate = min(rate, s.MaxRate)
	}
	judged := calibrateTime
	if s.CostOnly {
		judged = confirmJudged
	}
	res, _, err := s.attempt(ctx, results.Calibrate, rate, judged)
	if err != nil {
		return res, err
	}
	if res.Populations[0].OK() == 0 {
		return res, fmt.Errorf("no request was answered well at %g/s: %w", rate, errNothing)
	}
	if s.Start == 0 {
		// An idle side wakes up for each request, which makes it look dearer than it is under load: half is a good start.
		s.Start = min(ceiling(s.ServerCPUs, s.cost), ceiling(s.ClientCPUs, res.ClientCost())) / 2
		if math.IsInf(s.Start, 1) || len(s.ServerCPUs) == 0 {
			s.Start = calibrateRate / 2
		}
		s.Start = max(s.Start, lowestRate)
	}
	return res, nil
}

// ceiling is the rate at which CPUs would be full; infinite where the cost is not known.
func ceiling(cpus []int, cost time.Duration) float64 {
	if len(cpus) == 0 || cost <= 0 {
		return math.Inf(1)
	}
	return float64(len(cpus)) * float64(time.Second) / float64(cost)
}

// errNothing: the endpoint answers nothing at all.
var errNothing = errors.New("the errors are in the record")

// climb goes up in geometric steps until one does not pass, then, or at once, down until one does. How wide a step up is depends on
// how much of their CPUs the two sides used: far from the edge it would only cost time to be careful.
func (s *Search) climb(ctx context.Context) error {
	rate, expected, wentUp, wentDown := s.bounded(s.Start), 0.5, false, false
	for s.affordable(stepJudged) {
		if expected < farFromEdge && !wentDown && len(s.ServerCPUs) > 0 {
			res, step, err := s.attempt(ctx, results.Search, rate, quickJudged)
			if err != nil {
				return err
			}
			// A void step far from the edge says that something disturbed it, not that this rate is too much.
			if used := s.used(res); used > 0 && (step.Outcome == passed || step.Outcome == voided && used < farFromEdge) {
				if step.Outcome == passed {
					s.passes = append(s.passes, rate)
				}
				next := s.bounded(rate * widened(used))
				if next != rate {
					wentUp, expected, rate = true, used*next/rate, next
					continue
				}
				if step.Outcome == passed {
					return nil
				}
			}
			// Whatever the reason, it is looked at properly.
		}
		expected = 1
		outcome, used, err := s.decide(ctx, rate)
		if err != nil {
			return err
		}
		factor := 1 / shrink
		highest := s.bounded(rate*leastGrowth) == rate
		if outcome == passed || outcome == voided && !highest && !wentDown && used > 0 && used < farFromEdge {
			factor = widened(used)
		}
		wentUp, wentDown = wentUp || factor > 1, wentDown || factor < 1
		next := s.bounded(rate * factor)
		if wentUp && wentDown && len(s.passes) > 0 || next == rate || next < lowestRate {
			return nil
		}
		rate = next
	}
	return nil
}

// widened is the factor of a step up after one that used this share of the CPUs.
func widened(used float64) float64 { return min(max(aim/used, leastGrowth), mostGrowth) }

func (s *Search) bounded(rate float64) float64 {
	if s.MaxRate > 0 {
		rate = min(rate, s.MaxRate)
	}
	return round(rate)
}

// round keeps three to four digits: rates are shown to people, and steps closer than that mean nothing.
func round(rate float64) float64 {
	unit := math.Pow(10, math.Max(math.Floor(math.Log10(rate))-3, -2))
	return math.Round(rate/unit) * unit
}

// bisect halves the bracket on a logarithmic scale.
func (s *Search) bisect(ctx context.Context) error {
	for {
		low, high := s.bracket()
		if low == 0 || high == 0 || high/low-1 <= s.result.Resolution || !s.affordable(stepJudged) {
			return nil
		}
		middle := round(math.Sqrt(low * high))
		if middle <= low || middle >= high {
			return nil
		}
		if _, _, err := s.decide(ctx, middle); err != nil {
			return err
		}
	}
}

// bracket is the highest pass below every fail, and the lowest rate above it that did not pass; 0 for what is
// missing. A void rate with a pass above it bounds nothing.
func (s *Search) bracket() (low, high float64) {
	for _, rate := range s.fails {
		if high == 0 || rate < high {
			high = rate
		}
	}
	for _, rate := range s.passes {
		if rate > low && (high == 0 || rate < high) {
			low = rate
		}
	}
	for _, rate := range s.voids {
		if rate > low && (high == 0 || rate < high) {
			high = rate
		}
	}
	return low, high
}

// highestVoid is the highest rate below every fail that no step could decide: where nothing passed, on a machine
// that is disturbed all the time, the long run may still count. 0: none.
func (s *Search) highestVoid() (highest float64) {
	for _, rate := range s.voids {
		if rate > highest && (len(s.fails) == 0 || rate < slices.Min(s.fails)) {
			highest = rate
		}
	}
	return highest
}

// maxTries is how often a rate is tried where one step does not decide it.
const maxTries = 3

// decide tries a rate; where its thirds disagree it is tried twice more and the majority of the steps that count wins.
// A void step counts for nothing and is repeated, unless the client itself had no CPU left: it will have none the
// next time. used is the share of its CPUs that the fuller side used.
func (s *Search) decide(ctx context.Context, rate float64) (outcome string, used float64, err error) {
	votes := map[string]int{}
	purpose := results.Search
	for try := 1; try <= maxTries && (try == 1 || s.affordable(stepJudged)); try++ {
		res, step, err := s.attempt(ctx, purpose, rate, stepJudged)
		if err != nil {
			return "", 0, err
		}
		purpose = results.Repeat
		votes[step.Outcome]++
		used = s.used(res)
		full := step.Outcome == voided && utilisation(res.Usage.ClientCPU, res, s.ClientCPUs) >= busyClient
		first := votes[passed]+votes[failed] == 1 && step.Outcome != voided
		if full || first && !disagree(step.Thirds) || votes[passed] == 2 || votes[failed] == 2 {
			break
		}
	}
	switch {
	case votes[passed] > votes[failed]:
		s.passes = append(s.passes, rate)
		return passed, used, nil
	case votes[failed] > 0:
		s.fails = append(s.fails, rate)
		return failed, used, nil
	}
	s.voids = append(s.voids, rate)
	return voided, used, nil
}

// used is the share of its CPUs that the fuller side used.
func (s *Search) used(res *attack.Result) float64 {
	return max(utilisation(res.Usage.ClientCPU, res, s.ClientCPUs), utilisation(res.Usage.ServerCPU, res, s.ServerCPUs))
}

// utilisation is the share of CPUs that a process used of what it has; 0 where that is not known.
func utilisation(cpu time.Duration, res *attack.Result, cpus []int) float64 {
	if res.Usage.Wall <= 0 || len(cpus) == 0 {
		return 0
	}
	return float64(cpu) / float64(res.Usage.Wall) / float64(len(cpus))
}

func disagree(thirds []string) bool {
	for _, third := range thirds {
		if third != thirds[0] {
			return true
		}
	}
	return false
}
