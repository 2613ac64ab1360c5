package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"trent/results/stats"
)

// Student's sleep data (Student, "The probable error of a mean", Biometrika 6, 1908): hours gained by ten patients under two
// drugs. Of the nine differences that are not zero all have one sign, so 2 of 2^9 patterns are as extreme, and the tenth, zero,
// doubles both counts.
func TestSignFlipStudentSleep(t *testing.T) {
	t.Parallel()
	first := []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}
	second := []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
	differences := make([]float64, len(first))
	for i := range first {
		differences[i] = second[i] - first[i]
	}
	near(t, "p", stats.SignFlip(differences, stats.Options{}), 4.0/1024, 1e-15)
	near(t, "median gain", stats.MedianEstimate(differences, stats.Options{}).Point, 1.3, 1e-12)
}

// The whole distribution for three pairs of 1, 2 and 4: the eight sums are ±7, ±5, ±3, ±1.
func TestSignFlipExactDistribution(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		differences []float64
		want        float64
	}{{[]float64{1, 2, 4}, 2.0 / 8}, {[]float64{-1, 2, 4}, 4.0 / 8}, {[]float64{1, -2, 4}, 6.0 / 8}, {[]float64{1, 2, -4}, 1}} {
		near(t, "p", stats.SignFlip(c.differences, stats.Options{}), c.want, 1e-15)
	}
	for pairs := 1; pairs <= 12; pairs++ {
		same := make([]float64, pairs)
		for i := range same {
			same[i] = 1
		}
		near(t, "smallest p", stats.SmallestSignFlip(pairs), stats.SignFlip(same, stats.Options{}), 1e-15)
	}
}

// Under the null hypothesis an exact test rejects at 5 % in at most 5 % of experiments, and in nearly as many.
func TestSignFlipSize(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	const runs = 1500
	rejected := 0
	for range runs {
		differences := make([]float64, 10)
		for i := range differences {
			differences[i] = random.NormFloat64()
		}
		if stats.SignFlip(differences, stats.Options{}) <= 0.05 {
			rejected++
		}
	}
	if share := float64(rejected) / runs; share > 0.067 || share < 0.035 {
		t.Errorf("rejected %v of true null hypotheses, want about 0.05", share)
	}
}

func TestPairsFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ tests, want int }{{1, 6}, {2, 7}, {35, 11}, {50, 11}, {51, 11}, {52, 12}} {
		if got := stats.PairsFor(c.tests, 0.05); got != c.want {
			t.Errorf("PairsFor(%d) = %d, want %d", c.tests, got, c.want)
		}
		if p := float64(c.tests) * stats.SmallestSignFlip(c.want); p > 0.05 {
			t.Errorf("%d pairs for %d tests: smallest corrected p is %v", c.want, c.tests, p)
		}
		if p := float64(c.tests) * stats.SmallestSignFlip(c.want-1); p <= 0.05 {
			t.Errorf("%d pairs would do for %d tests", c.want-1, c.tests)
		}
	}
}

// A 95 % interval of the ratio of paired rounds covers the truth in about 95 of a hundred experiments, although a drift of
// the machine moves both rounds of a pair.
func TestPairedRatioCoverage(t *testing.T) {
	t.Parallel()
	const runs, pairs, truth = 600, 12, 1.10
	random := rand.New(rand.NewPCG(11, 12))
	covered := 0
	for run := range runs {
		a, b := make([]float64, pairs), make([]float64, pairs)
		for i := range a {
			drift := math.Exp(0.3 * random.NormFloat64())
			b[i] = 100 * drift * math.Exp(0.05*random.NormFloat64())
			a[i] = truth * 100 * drift * math.Exp(0.05*random.NormFloat64())
		}
		e := stats.PairedRatio(a, b, stats.Options{Replicates: 500, Seed: uint64(run)})
		if e.Low <= truth && truth <= e.High {
			covered++
		}
	}
	if share := float64(covered) / runs; share < 0.91 || share > 0.985 {
		t.Errorf("the interval covered the true ratio in %v of runs, want about 0.95", share)
	}
}

func TestMedianEstimateInfinite(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	e := stats.MedianEstimate([]float64{inf, inf, inf, 1, 1, inf, inf, inf, inf, inf}, stats.Options{Seed: 1})
	if !math.IsInf(e.Point, 1) || !math.IsInf(e.High, 1) {
		t.Errorf("mostly infinite: %v, want an infinite median", e)
	}
	if e := stats.MedianEstimate([]float64{1, math.NaN()}, stats.Options{}); !math.IsNaN(e.Point) || !math.IsNaN(e.Low) {
		t.Errorf("with a NaN: %v, want NaN", e)
	}
}

func TestMedianDifference(t *testing.T) {
	t.Parallel()
	const runs = 400
	random := rand.New(rand.NewPCG(5, 6))
	covered := 0
	for run := range runs {
		a, b := make([]float64, 12), make([]float64, 20)
		for i := range a {
			a[i] = 0.2 + 0.1*random.NormFloat64()
		}
		for i := range b {
			b[i] = 0.3 * random.NormFloat64()
		}
		if e := stats.MedianDifference(a, b, stats.Options{Replicates: 400, Seed: uint64(run)}); e.Low <= 0.2 && 0.2 <= e.High {
			covered++
		}
	}
	if share := float64(covered) / runs; share < 0.91 || share > 0.99 {
		t.Errorf("the interval covered the true difference in %v of runs, want about 0.95", share)
	}
	if e := stats.MedianDifference(nil, []float64{1}, stats.Options{}); !math.IsNaN(e.Point) {
		t.Errorf("without values: %v, want NaN", e)
	}
}

// Mann and Whitney (1947), table I: for samples of 4 and 4 the probability of U ≤ 1 is 2 of 70, of U ≤ 2 it is 4 of 70.
func TestMannWhitneyTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b []float64
		u, p float64
	}{
		{[]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 0, 2.0 / 70},
		{[]float64{1, 2, 3, 5}, []float64{4, 6, 7, 8}, 1, 4.0 / 70},
		{[]float64{1, 2, 3, 6}, []float64{4, 5, 7, 8}, 2, 8.0 / 70},
		{[]float64{1, 2, 3}, []float64{4, 5}, 0, 2.0 / 10},
	} {
		u, p := stats.MannWhitney(c.a, c.b)
		near(t, "U", u, c.u, 0)
		near(t, "p", p, c.p, 1e-12)
	}
}

// The p-values are those of García-Arenzana and others (2014) as McDonald's "Handbook of Biological Statistics" uses them to
// show corrections. Holm (1979): the smallest times the number of tests, the next times one less, and never falling.
func TestHolmMonotonic(t *testing.T) {
	t.Parallel()
	got := stats.Holm([]float64{0.001, 0.008, 0.039, 0.041, 0.042, 0.060, 0.074, 0.205, 0.212, 0.216, 0.222, 0.251, 0.269, 0.275, 0.34})
	want := []float64{0.015, 0.112, 0.507, 0.507, 0.507, 0.600, 0.666, 1, 1, 1, 1, 1, 1, 1, 1}
	for i := range want {
		near(t, "adjusted", got[i], want[i], 1e-9)
	}
}
