package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"trent/results/stats"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	// R: quantile(c(15, 20, 35, 40, 50), type = 7).
	values := []float64{50, 15, 40, 20, 35}
	for _, c := range []struct{ q, want float64 }{{0, 15}, {0.05, 16}, {0.3, 23}, {0.4, 29}, {0.5, 35}, {1, 50}} {
		near(t, "quantile", stats.Quantile(values, c.q), c.want, 1e-9)
	}
	near(t, "median of four", stats.Median([]float64{4, 1, 3, 2}), 2.5, 0)
	if values[0] != 50 {
		t.Error("Quantile sorted its argument")
	}
	if !math.IsNaN(stats.Median(nil)) {
		t.Error("median of nothing is not NaN")
	}
}

func TestPercentilesNearestRank(t *testing.T) {
	t.Parallel()
	blocks := []stats.Block{
		{{Value: 1, Count: 50}, {Value: 3, Count: 40}},
		{{Value: 2, Count: 9}, {Value: stats.Infinite, Count: 1}},
	}
	got := stats.Percentiles(blocks, []float64{0.5, 0.51, 0.59, 0.60, 0.99, 0.991, 1})
	want := []int64{1, 2, 2, 3, 3, stats.Infinite, stats.Infinite}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("quantile %d = %d, want %d", i, got[i], want[i])
		}
	}
	if got := stats.Percentiles(nil, []float64{0.5}); got[0] != stats.Infinite {
		t.Errorf("percentile of nothing = %d, want Infinite", got[0])
	}
}

// The defining property of a 95 % interval: over many runs it covers the truth about 95 times in a hundred, also
// where values within a second go up and down together.
func TestBootstrapPercentilesCoverage(t *testing.T) {
	t.Parallel()
	const seconds, perSecond, truth = 40, 100, 1000
	runs := 200
	if testing.Short() {
		runs = 60
	}
	random := rand.New(rand.NewPCG(7, 7))
	covered := 0
	for run := range runs {
		blocks := make([]stats.Block, seconds)
		for i := range blocks {
			shift := random.NormFloat64() * 200 // common to the second
			counts := map[int64]uint64{}
			for range perSecond {
				counts[int64(truth+shift+random.NormFloat64()*50)]++
			}
			blocks[i] = stats.BlockOf(counts)
		}
		interval := stats.BootstrapPercentiles(blocks, []float64{0.5}, stats.Options{Replicates: 300, Seed: uint64(run)})[0]
		if interval.Low <= truth && truth <= interval.High {
			covered++
		}
	}
	if share := float64(covered) / float64(runs); share < 0.88 || share > 0.99 {
		t.Errorf("the interval covered the true median in %v of runs, want about 0.95", share)
	}
}

func TestBootstrapPercentilesEdges(t *testing.T) {
	t.Parallel()
	one := []stats.Block{{{Value: 1, Count: 10}}}
	if got := stats.BootstrapPercentiles(one, []float64{0.5}, stats.Options{})[0]; !math.IsNaN(got.Low) {
		t.Errorf("one block: %v, want no interval", got)
	}
	var lost []stats.Block
	for range 20 {
		lost = append(lost, stats.Block{{Value: 5, Count: 50}, {Value: stats.Infinite, Count: 50}})
	}
	got := stats.BootstrapPercentiles(lost, []float64{0.5, 0.99}, stats.Options{Seed: 3})
	if got[0].Low != 5 || got[0].High != 5 || !math.IsInf(got[1].Low, 1) {
		t.Errorf("half lost: %v, want 5 for the median and +Inf for p99", got)
	}
	again := stats.BootstrapPercentiles(lost, []float64{0.5, 0.99}, stats.Options{Seed: 3})
	if got[0] != again[0] {
		t.Error("the same seed gave another interval")
	}
}

func TestPairedRatio(t *testing.T) {
	t.Parallel()
	b := []float64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}
	a := make([]float64, len(b))
	for i := range b {
		a[i] = 1.5 * b[i]
	}
	exact := stats.PairedRatio(a, b, stats.Options{Seed: 1})
	for _, v := range []float64{exact.Point, exact.Low, exact.High} {
		near(t, "constant ratio", v, 1.5, 1e-12)
	}
	a[0] *= 100 // one wild round moves a mean, not this
	wild := stats.PairedRatio(a, b, stats.Options{Seed: 1})
	near(t, "with a wild round", wild.Point, 1.5, 1e-12)
	a[1] = 0
	if got := stats.PairedRatio(a, b, stats.Options{}); !math.IsNaN(got.Point) {
		t.Errorf("a round of zero gave %v, want NaN", got)
	}
}

func TestBootstrapShare(t *testing.T) {
	t.Parallel()
	bad := []float64{0, 2, 0, 2, 0, 2, 0, 2}
	all := []float64{100, 100, 100, 100, 100, 100, 100, 100}
	got := stats.BootstrapShare(bad, all, stats.Options{Seed: 1})
	near(t, "share", got.Point, 0.01, 1e-12)
	if !(got.Low < 0.01 && got.High > 0.01 && got.Low >= 0 && got.High <= 0.02) {
		t.Errorf("interval %v does not surround 0.01", got)
	}
	if got := stats.BootstrapShare(nil, nil, stats.Options{}); !math.IsNaN(got.Point) {
		t.Errorf("share of nothing = %v, want NaN", got.Point)
	}
	near(t, "mean", stats.BootstrapMean([]float64{1, 2, 3}, stats.Options{}).Point, 2, 1e-12)
}
