package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"trent/results/stats"
)

// Quantiles of the standard normal distribution as printed in any table.
func TestNormalQuantile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ q, want float64 }{{0.5, 0}, {0.8, 0.841621}, {0.9, 1.281552}, {0.95, 1.644854}, {0.975, 1.959964}, {0.995, 2.575829}} {
		near(t, "quantile", stats.NormalQuantile(c.q), c.want, 1e-6)
		near(t, "quantile of the other side", stats.NormalQuantile(1-c.q), -c.want, 1e-6)
	}
}

// Lehr's rule ("Sixteen s-squared over d-squared", Statistics in Medicine 11, 1992) is the rounded form for two samples:
// 2 · (1.96 + 0.84)² = 15.7. For pairs it is half of it, and the median multiplies the variance by π/2.
func TestMinimumDetectableFormula(t *testing.T) {
	t.Parallel()
	null := []float64{0.1, -0.1, 0.1, -0.1} // σ = 0.1
	got := stats.MinimumDetectable(null, 16, 0.05, 0.8)
	near(t, "detectable", got, math.Sqrt(15.698/2*math.Pi/2/16)*0.1, 1e-5)
	near(t, "four times the pairs, half the shift", stats.MinimumDetectable(null, 64, 0.05, 0.8), got/2, 1e-12)
	for _, bad := range []float64{stats.MinimumDetectable(null[:1], 12, 0.05, 0.8), stats.MinimumDetectable(null, 0, 0.05, 0.8), stats.MinimumDetectable(null, 12, 0, 0.8)} {
		if !math.IsNaN(bad) {
			t.Errorf("%v, want NaN", bad)
		}
	}
}

// What is called detectable with a power of 80 % is found about that often: the interval of the median leaves 0 out.
func TestMinimumDetectablePower(t *testing.T) {
	t.Parallel()
	const runs, pairs, sigma = 500, 24, 0.05
	random := rand.New(rand.NewPCG(21, 22))
	null := make([]float64, 2000)
	for i := range null {
		null[i] = sigma * random.NormFloat64()
	}
	shift := stats.MinimumDetectable(null, pairs, 0.05, 0.8)
	found := 0
	for run := range runs {
		differences := make([]float64, pairs)
		for i := range differences {
			differences[i] = shift + sigma*random.NormFloat64()
		}
		if stats.MedianEstimate(differences, stats.Options{Replicates: 400, Seed: uint64(run)}).Low > 0 {
			found++
		}
	}
	if share := float64(found) / runs; share < 0.72 || share > 0.90 {
		t.Errorf("found in %v of runs, want about 0.8", share)
	}
}
