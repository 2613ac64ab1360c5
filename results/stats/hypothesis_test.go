package stats_test

import (
	"math"
	"testing"

	"trent/results/stats"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance {
		t.Errorf("%s = %v, want %v ± %v", what, got, want, tolerance)
	}
}

// Darwin's maize: Fisher, The Design of Experiments (1935), section 21: of the 2^15 sign patterns of the 15
// differences 863 give a sum of 314 or more, so 1,726 in both directions.
func TestSignFlipFisherMaize(t *testing.T) {
	t.Parallel()
	differences := []float64{49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48}
	near(t, "p", stats.SignFlip(differences, stats.Options{}), 1726.0/32768, 1e-15)
}

func TestSignFlipRandomPatterns(t *testing.T) {
	t.Parallel()
	same := make([]float64, 30)
	mixed := make([]float64, 30)
	for i := range same {
		same[i] = 1
		mixed[i] = float64(1 - i%2*2)
	}
	if p := stats.SignFlip(same, stats.Options{Seed: 1}); p > 0.001 {
		t.Errorf("thirty equal differences: p = %v, want it tiny", p)
	}
	if p := stats.SignFlip(mixed, stats.Options{Seed: 1}); p != 1 {
		t.Errorf("differences that cancel: p = %v, want 1", p)
	}
	if p := stats.SignFlip(nil, stats.Options{}); !math.IsNaN(p) {
		t.Errorf("no differences: p = %v, want NaN", p)
	}
}

// Hollander and Wolfe (1973), p. 69: permeability of membranes; R's wilcox.test documentation gives W = 35 and a
// one-sided exact p of 0.1272.
func TestMannWhitneyExact(t *testing.T) {
	t.Parallel()
	term := []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}
	early := []float64{1.15, 0.88, 0.90, 0.74, 1.21}
	u, p := stats.MannWhitney(term, early)
	near(t, "U", u, 35, 0)
	near(t, "p", p, 2*0.1272, 2e-4)
	u, q := stats.MannWhitney(early, term)
	near(t, "U of the other", u, 15, 0)
	near(t, "p of the other", q, p, 1e-12)
}

// Motor Trend (1974) miles per gallon by transmission; R: wilcox.test(mpg ~ am, mtcars) gives W = 42,
// p = 0.001871 with ties and the continuity correction.
func TestMannWhitneyTies(t *testing.T) {
	t.Parallel()
	automatic := []float64{21.4, 18.7, 18.1, 14.3, 24.4, 22.8, 19.2, 17.8, 16.4, 17.3, 15.2, 10.4, 10.4, 14.7, 21.5, 15.5, 15.2, 13.3, 19.2}
	manual := []float64{21.0, 21.0, 22.8, 32.4, 30.4, 33.9, 27.3, 26.0, 30.4, 15.8, 19.7, 15.0, 21.4}
	u, p := stats.MannWhitney(automatic, manual)
	near(t, "U", u, 42, 0)
	near(t, "p", p, 0.001871, 5e-7)
}

func TestMannWhitneyAllEqual(t *testing.T) {
	t.Parallel()
	if _, p := stats.MannWhitney([]float64{1, 1, 1}, []float64{1, 1}); p != 1 {
		t.Errorf("p = %v, want 1", p)
	}
}

func TestHolm(t *testing.T) {
	t.Parallel()
	// R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
	got := stats.Holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		near(t, "adjusted", got[i], want, 1e-12)
	}
	if got := stats.Holm([]float64{0.9, 0.8}); got[0] != 1 || got[1] != 1 {
		t.Errorf("adjusted = %v, want them capped at 1", got)
	}
}
