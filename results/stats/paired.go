package stats

import (
	"math"
	"slices"
)

// MedianEstimate estimates the median of independent values with a bootstrap interval. Infinite values are allowed and rank
// as such; a NaN makes the result NaN. For log-ratios of paired rounds it is PairedRatio before the exponential.
func MedianEstimate(values []float64, o Options) Estimate {
	if len(values) == 0 || slices.ContainsFunc(values, math.IsNaN) {
		return Estimate{Point: math.NaN(), Interval: undefined()}
	}
	random := o.random()
	replicates := make([]float64, o.replicates())
	draw := make([]float64, len(values))
	for r := range replicates {
		for i := range draw {
			draw[i] = values[random.IntN(len(values))]
		}
		replicates[r] = medianInPlace(draw)
	}
	return Estimate{Point: Median(values), Interval: percentileInterval(replicates, o)}
}

// MedianDifference estimates median(a) − median(b) of two independent samples, for example of log-ratios that were measured
// in different runs. Both samples are resampled on their own. NaN without values in one of them.
func MedianDifference(a, b []float64, o Options) Estimate {
	if len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, math.IsNaN) || slices.ContainsFunc(b, math.IsNaN) {
		return Estimate{Point: math.NaN(), Interval: undefined()}
	}
	random := o.random()
	replicates := make([]float64, o.replicates())
	drawA, drawB := make([]float64, len(a)), make([]float64, len(b))
	for r := range replicates {
		for i := range drawA {
			drawA[i] = a[random.IntN(len(a))]
		}
		for i := range drawB {
			drawB[i] = b[random.IntN(len(b))]
		}
		replicates[r] = medianInPlace(drawA) - medianInPlace(drawB)
	}
	return Estimate{Point: Median(a) - Median(b), Interval: percentileInterval(replicates, o)}
}

// SmallestSignFlip is the smallest p-value that SignFlip can give for so many pairs: 2 ÷ 2^pairs.
func SmallestSignFlip(pairs int) float64 { return math.Exp2(float64(1 - pairs)) }

// PairsFor is the fewest pairs with which a test among so many, corrected by Holm, can reach a two-sided level at all.
func PairsFor(tests int, level float64) int {
	return int(math.Ceil(1 + math.Log2(float64(max(tests, 1))/level) - 1e-9))
}
