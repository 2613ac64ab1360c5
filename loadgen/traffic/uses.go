package traffic

import "math"

// capped is the expectation of min(most, 1 + N) with N Poisson of the given mean: how many messages a data key serves
// that ends after a number of uses or an age, when uses come at random. Its first use is what makes it.
//
// With m = most − 1, it is 1 + m − Σ (m − j)·P(N = j) over j < m.
func capped(most, mean float64) float64 {
	m := math.Floor(most) - 1
	spread := 12*math.Sqrt(mean) + 30
	switch {
	case m <= 0 || mean <= 0:
		return 1
	case mean > 1e6: // where the two differ by less than 0.1 %
		return 1 + math.Min(m, mean)
	case m > mean+spread:
		return 1 + mean
	case m < mean-spread:
		return 1 + m
	}
	missing := 0.0
	for j := math.Max(math.Floor(mean-spread), 0); j < m; j++ {
		factorial, _ := math.Lgamma(j + 1)
		missing += (m - j) * math.Exp(j*math.Log(mean)-mean-factorial)
	}
	return 1 + m - missing
}

// expiring is the misses a second of holders that keep what they fetched for some seconds, when uses arrive at random
// and spread evenly over them: each fetches, holds it, and waits for the next use, 1 ÷ (hold + 1 ÷ λ).
func expiring(holders, uses, hold float64) float64 {
	if holders <= 0 || uses <= 0 {
		return 0
	}
	each := uses / holders
	return holders * each / (1 + each*hold)
}
