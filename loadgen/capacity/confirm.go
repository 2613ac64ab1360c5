package capacity

import (
	"context"
	"math"
	"time"

	"trent/loadgen/slo"
	"trent/results"
)

// reserve is the time kept for the confirming run and the overload step. What a slow service needs beyond twenty seconds
// comes beside the budget: it would leave nothing for the search.
const reserve = warm + confirmJudged + warm + overloadTime + recoverTime

// confirmTime is the 20 blocks that a verdict on a percentile wants, or as long as it takes at this rate to have the
// hits that the verdicts want; bounded, because a percentile that is too high for a slow service would take hours.
func (s *Search) confirmTime(rate float64) time.Duration {
	wanted := 0.0 // seconds
	for _, limit := range s.Limits.Latency {
		names := make([]string, 0, len(s.shares))
		for name := range s.shares {
			if name != "" {
				names = append(names, name)
			}
		}
		for _, name := range limit.AppliesTo(names) {
			if share := s.shares[name]; share > 0 && rate > 0 {
				wanted = max(wanted, enough(float64(slo.HitsNeeded(limit.Percentile)))/(rate*share))
			}
		}
	}
	if s.Limits.Errors != nil && *s.Limits.Errors > 0 && rate > 0 {
		wanted = max(wanted, enough(noneSeen / *s.Limits.Errors)/rate)
	}
	longest := max(longestConfirm, s.Budget)
	return min(max(time.Duration(math.Ceil(wanted))*time.Second, confirmJudged), longest)
}

// noneSeen ÷ n is the upper 95 % bound of a share that was never seen in n hits (Wilson 1927).
const noneSeen = 3.85

// enough is how many hits must be expected so that a Poisson run has n of them but for one in a thousand.
func enough(n float64) float64 { return n + 3.1*math.Sqrt(n) }

func (s *Search) affordable(judged time.Duration) bool {
	return s.Budget == 0 || s.spent+warm+judged+reserve <= s.Budget
}

// confirmHighest confirms the highest pass by a long run, five percent lower each time it does not hold. A
// void run is repeated once at its rate, for it says nothing of the server, unless the client had no CPU left.
func (s *Search) confirmHighest(ctx context.Context) error {
	rate, _ := s.bracket()
	if rate == 0 {
		rate = s.highestVoid()
	}
	repeated := false
	for range maxConfirms {
		if rate < lowestRate {
			return nil
		}
		res, step, err := s.attempt(ctx, results.Confirm, rate, s.confirmTime(rate))
		if err != nil {
			return err
		}
		if step.Outcome == passed {
			s.result.Sustained, s.confirm = rate, res
			s.passes = append(s.passes, rate)
			return nil
		}
		if step.Outcome == failed {
			s.fails = append(s.fails, rate)
		}
		full := utilisation(res.Usage.ClientCPU, res, s.ClientCPUs) >= busyClient
		if step.Outcome == voided && !repeated && !full {
			repeated = true
			continue
		}
		factor := retryFactor
		if len(s.passes) == 0 {
			factor = 1 / shrink // nothing is known of the rates below either
		}
		rate = round(rate * factor)
	}
	return nil
}
