package stats

import "math"

// studentT is the 0.975 quantile of Student's t by degrees of freedom from 1 (tables: Fisher and Yates 1963, III).
var studentT = [...]float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
	2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
	2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042}

// MeanInterval is the mean of a few independent values with Student's 95 % interval, for numbers too small to resample.
// NaN bounds with fewer than two.
func MeanInterval(values []float64) Estimate {
	n := float64(len(values))
	if n == 0 {
		return Estimate{Point: math.NaN(), Interval: undefined()}
	}
	mean := sum(values) / n
	if n == 1 {
		return Estimate{Point: mean, Interval: undefined()}
	}
	t := 1.96 + 2.4/(n-1) // above the table, good to 0.002
	if len(values)-2 < len(studentT) {
		t = studentT[len(values)-2]
	}
	half := t * Deviation(values) / math.Sqrt(n)
	return Estimate{Point: mean, Interval: Interval{Low: mean - half, High: mean + half}}
}

// Deviation is the sample standard deviation; NaN with fewer than two values.
func Deviation(values []float64) float64 {
	n := float64(len(values))
	if n < 2 {
		return math.NaN()
	}
	mean, total := sum(values)/n, 0.0
	for _, v := range values {
		total += (v - mean) * (v - mean)
	}
	return math.Sqrt(total / (n - 1))
}
