package stats

import "math"

// MinimumDetectable is the smallest shift (for log-ratios: of the logarithm) that a comparison by the median of so many pairs
// finds with a given power, where null holds the differences of pairs in which nothing differed (A/A rounds). alpha is
// two-sided.
//
// It is (z(1−α⁄2) + z(power)) · σ · √(π⁄2 ⁄ pairs): the usual formula for a mean of normal differences (for example Chow, Shao,
// Wang: "Sample Size Calculations in Clinical Research", section 3.1), with the median's larger standard error. σ is the root
// mean square of null, whose mean is known to be 0. NaN for fewer than two null pairs or without pairs.
func MinimumDetectable(null []float64, pairs int, alpha, power float64) float64 {
	if len(null) < 2 || pairs < 1 || !(alpha > 0 && alpha < 1) || !(power > 0 && power < 1) {
		return math.NaN()
	}
	squares := 0.0
	for _, v := range null {
		squares += v * v
	}
	sigma := math.Sqrt(squares / float64(len(null)))
	return (NormalQuantile(1-alpha/2) + NormalQuantile(power)) * sigma * math.Sqrt(math.Pi/2/float64(pairs))
}

// NormalQuantile is the quantile of the standard normal distribution, 0 < q < 1.
func NormalQuantile(q float64) float64 { return math.Sqrt2 * math.Erfinv(2*q-1) }
