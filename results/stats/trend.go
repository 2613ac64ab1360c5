package stats

import (
	"math"
	"slices"
)

// Trend is a monotonic trend in a series and how fast it runs.
type Trend struct {
	N        int
	S        float64  // Kendall's score: rising pairs less falling ones
	Variance float64  // of S without a trend, corrected for ties and autocorrelation
	Inflated float64  // what autocorrelation multiplied the variance by; at least 1
	Z, P     float64  // two-sided
	Slope    Estimate // Sen's, a unit of time, with its interval
	Middle   float64  // the line's value at time 0: the median of y − slope × t
}

// minTrend is the fewest values that a trend is looked for in: below, the normal approximation of S is poor (Kendall, "Rank
// Correlation Methods", 1975, ch. 4).
const minTrend = 10

// FindTrend tests whether y rises or falls over the times t, which ascend, and estimates the slope.
//
// The test is Mann's (1945) on Kendall's S, with ties in y as Kendall (1975) corrects for them. Neighbouring values of a running
// system are not independent, which makes S vary more than that: its variance is multiplied as Hamed and Rao do ("A modified
// Mann-Kendall trend test for autocorrelated data", Journal of Hydrology 204, 1998) from the autocorrelation of the ranks of what
// the line leaves over. Deviating from them, only the lags up to the first that is not significant count, since far ones are
// noise in a short series, and the factor never falls below 1: an autocorrelation that makes a trend look surer is not believed.
//
// The slope is Sen's (1968), the median of the slopes of all pairs; its interval takes the order statistics (N ∓ z·√Var S) ÷ 2 of
// the N slopes (Hollander and Wolfe, "Nonparametric Statistical Methods", 2nd ed. 1999, section 9.3) with the corrected variance.
// With fewer than 10 values everything but N is NaN.
func FindTrend(t, y []float64, level float64) Trend {
	if len(t) != len(y) {
		panic("stats: FindTrend: slices of different length")
	}
	r := Trend{N: len(y), S: math.NaN(), Variance: math.NaN(), Inflated: math.NaN(), Z: math.NaN(), P: math.NaN(), Middle: math.NaN(),
		Slope: Estimate{Point: math.NaN(), Interval: undefined()}}
	if len(y) < minTrend {
		return r
	}
	r.fit(t, y, level, inflation)
	return r
}

// fit fills the trend in, with a correction of the variance that sees the residuals.
func (r *Trend) fit(t, y []float64, level float64, correct func(residuals []float64) float64) {
	slopes := pairSlopes(t, y)
	r.S = kendallScore(y)
	r.Slope.Point = sortedQuantile(slopes, 0.5)
	residuals := make([]float64, len(y))
	for i := range y {
		residuals[i] = y[i] - r.Slope.Point*t[i]
	}
	r.Middle = Median(residuals)
	r.Inflated = correct(residuals)
	r.Variance = kendallVariance(y) * r.Inflated
	if r.Variance > 0 {
		r.Z = (r.S - sign(r.S)) / math.Sqrt(r.Variance)
	} else {
		r.Z = 0
	}
	r.P = math.Erfc(math.Abs(r.Z) / math.Sqrt2)
	r.Slope.Interval = slopeInterval(slopes, r.Variance, level)
}

func sign(v float64) float64 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// pairSlopes are the slopes of all pairs at different times, ascending.
func pairSlopes(t, y []float64) []float64 {
	slopes := make([]float64, 0, len(y)*(len(y)-1)/2)
	for i := range y {
		for j := i + 1; j < len(y); j++ {
			if t[j] != t[i] {
				slopes = append(slopes, (y[j]-y[i])/(t[j]-t[i]))
			}
		}
	}
	slices.Sort(slopes)
	return slopes
}

func kendallScore(y []float64) float64 {
	s := 0.0
	for i := range y {
		for j := i + 1; j < len(y); j++ {
			s += sign(y[j] - y[i])
		}
	}
	return s
}

// kendallVariance is that of S for independent values, less what ties take away.
func kendallVariance(y []float64) float64 {
	n := float64(len(y))
	total := n * (n - 1) * (2*n + 5)
	sorted := slices.Sorted(slices.Values(y))
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		ties := float64(j - i)
		total -= ties * (ties - 1) * (2*ties + 5)
		i = j
	}
	return total / 18
}

// slopeInterval takes the ranks outwards to whole numbers, so that the interval never covers less than its level.
func slopeInterval(slopes []float64, variance, level float64) Interval {
	if len(slopes) == 0 || !(variance >= 0) {
		return undefined()
	}
	n := float64(len(slopes))
	half := normalQuantile(1-(1-level)/2) * math.Sqrt(variance)
	low := int(math.Floor((n - half) / 2)) // rank from 1
	low = min(max(low, 1), len(slopes))
	return Interval{Low: slopes[low-1], High: slopes[len(slopes)-low]}
}

func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// inflation is Hamed and Rao's factor n ÷ n* for residuals.
func inflation(residuals []float64) float64 {
	n := float64(len(residuals))
	ranks := midranks(residuals)
	significant := normalQuantile(0.975) / math.Sqrt(n)
	total := 0.0
	for lag := 1; lag < len(ranks)-2; lag++ {
		r := autocorrelation(ranks, lag)
		if math.Abs(r) <= significant {
			break
		}
		k := float64(lag)
		total += (n - k) * (n - k - 1) * (n - k - 2) * r
	}
	return max(1+2/(n*(n-1)*(n-2))*total, 1)
}

// midranks are the ranks from 1; equal values share the mean of theirs.
func midranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(sign(values[a] - values[b])) })
	ranks := make([]float64, len(values))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for _, index := range order[i:j] {
			ranks[index] = float64(i+1+j) / 2
		}
		i = j
	}
	return ranks
}

// autocorrelation at a lag, by the biased estimator; 0 for a constant series.
func autocorrelation(values []float64, lag int) float64 {
	mean := sum(values) / float64(len(values))
	var covariance, variance float64
	for i, v := range values {
		variance += (v - mean) * (v - mean)
		if i+lag < len(values) {
			covariance += (v - mean) * (values[i+lag] - mean)
		}
	}
	if variance == 0 {
		return 0
	}
	return covariance / variance
}
