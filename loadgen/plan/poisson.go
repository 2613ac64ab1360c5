package plan

import (
	"math"
	"math/rand/v2"
)

// far is how many standard deviations from the mean are beyond any second of a month.
const far = 9

// excess is the expected number above the quota of a Poisson number with the given mean: E[(N − Q)⁺]. The relative
// error is that of the logarithm of the gamma function, below 1e-9.
func excess(mean float64, quota float64) float64 {
	if mean <= 0 {
		return 0
	}
	q := math.Floor(quota)
	spread := far*math.Sqrt(mean) + far
	switch {
	case mean+spread < q:
		return 0
	case mean-spread > q:
		return mean - q
	case mean > q:
		// (N − Q)⁺ = N − Q + (Q − N)⁺, whose terms fall off downwards.
		sum, p := 0.0, probability(mean, q)
		for n := q; n >= 0 && (p > 1e-18 || n > mean); n-- {
			sum += (q - n) * p
			p *= n / mean
		}
		return mean - q + sum
	}
	sum, p := 0.0, probability(mean, q+1)
	for n := q + 1; ; n++ {
		term := (n - q) * p
		sum += term
		if term < 1e-15*sum || p < 1e-300 {
			return sum
		}
		p *= mean / (n + 1)
	}
}

// probability of n under a Poisson distribution.
func probability(mean, n float64) float64 {
	lg, _ := math.Lgamma(n + 1)
	return math.Exp(n*math.Log(mean) - mean - lg)
}

// poisson draws a Poisson number: by inversion for small means, else by transformed rejection (Hörmann, The transformed
// rejection method for generating Poisson random variables, 1993, algorithm PTRS).
func poisson(mean float64, random *rand.Rand) float64 {
	switch {
	case !(mean > 0):
		return 0
	case mean < 12:
		n, p := 0.0, math.Exp(-mean)
		for u := random.Float64(); u > p && n < 200; n++ {
			u -= p
			p *= mean / (n + 1)
		}
		return n
	}
	log := math.Log(mean)
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	inverse := 1.1239 + 1.1328/(b-3.4)
	accept := 0.9277 - 3.6224/(b-2)
	for {
		u, v := random.Float64()-0.5, random.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= accept {
			return k
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		lg, _ := math.Lgamma(k + 1)
		if math.Log(v)+math.Log(inverse)-math.Log(a/(us*us)+b) <= k*log-mean-lg {
			return k
		}
	}
}
