package slo_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"trent/loadgen/slo"
	"trent/results/stats"
)

func TestExclusionWantsALimit(t *testing.T) {
	t.Parallel()
	if _, err := slo.Parse("x.yaml", []byte("throttles: {rule: exclude}\nerrors: {maximum: 1%}\n")); err == nil {
		t.Error("throttles may be left out without a limit on their share")
	}
}

func TestHitsNeeded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		q    float64
		want uint64
	}{{0.5, 200}, {0.9, 1000}, {0.99, 10_000}, {0.999, 100_000}, {0.9999, 1_000_000}} {
		if got := slo.HitsNeeded(c.q); got != c.want {
			t.Errorf("p%g: %d, want %d", c.q*100, got, c.want)
		}
		if slo.Conclusive(c.q, c.want-1, 20) || slo.Conclusive(c.q, c.want, 19) || !slo.Conclusive(c.q, c.want, 20) {
			t.Errorf("p%g: not conclusive exactly from %d hits and 20 blocks", c.q*100, c.want)
		}
	}
}

// Nineteen seconds and a bit are not twenty blocks, for percentiles and for rates.
func TestPartOfASecondIsNoBlock(t *testing.T) {
	t.Parallel()
	p := population(20, 1000, func(int, uint64) int { return 5 })
	p.Seconds[19].Length = 300 * time.Millisecond
	limits := slo.Limits{Latency: []slo.LatencyLimit{{Percentile: 0.99, Limit: time.Second}}, Throughput: &slo.ThroughputLimit{PerSecond: 10}}
	for _, v := range limits.Judge([]slo.Population{p}, 1) {
		if v.Outcome != slo.Inconclusive || v.Needed < 20*time.Second {
			t.Errorf("%s: %v, needed %v", v.Metric, v.Outcome, v.Needed)
		}
	}
	p.Seconds[19].Length = time.Second
	for _, v := range limits.Judge([]slo.Population{p}, 1) {
		if v.Outcome != slo.Pass {
			t.Errorf("%s of twenty whole seconds: %v", v.Metric, v.Outcome)
		}
	}
}

// A server exactly at its limit must seldom be called passing or failing: the verdict's two-sided 95 % interval lets
// either happen in about one run in forty, a little more with only twenty blocks.
func TestVerdictsAtTheLimit(t *testing.T) {
	t.Parallel()
	const truth = 10 * time.Millisecond
	runs, most := 80, 0.14
	if testing.Short() {
		runs, most = 15, 0.27
	}
	random := rand.New(rand.NewPCG(3, 5))
	limits := slo.Limits{Latency: []slo.LatencyLimit{{Percentile: 0.99, Limit: truth}}}
	outcomes := map[slo.Outcome]int{}
	for range runs {
		var p slo.Population
		for range 25 {
			s := slo.Second{Length: time.Second, Due: 500, OK: 500}
			counts := map[int64]uint64{}
			for range 500 {
				// Exponential, its 99th percentile at the limit, in steps of 50 µs.
				v := random.ExpFloat64() / 4.605170186 * float64(truth)
				counts[int64(v)/50_000*50_000]++
			}
			s.Latency = stats.BlockOf(counts)
			p.Seconds = append(p.Seconds, s)
		}
		outcomes[limits.Judge([]slo.Population{p}, 1)[0].Outcome]++
	}
	if wrong := float64(outcomes[slo.Pass]+outcomes[slo.Fail]) / float64(runs); wrong > most {
		t.Errorf("outcomes %v: %.0f %% decided, want about 5 %%", outcomes, wrong*100)
	}
}
