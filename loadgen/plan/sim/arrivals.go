package sim

import (
	"math/rand/v2"
	"slices"
)

// Poisson gives calls at a steady rate until a moment, each of a class drawn by weight.
func Poisson(rate, until float64, weights []float64, seed uint64) Arrivals {
	random := rand.New(rand.NewPCG(seed, 0x706f6973))
	pick := chooser(weights)
	at := 0.0
	return func() (float64, int, bool) {
		at += random.ExpFloat64() / rate
		if !(rate > 0) || at >= until {
			return 0, 0, false
		}
		return at, pick(random), true
	}
}

// chooser draws an index in proportion to its weight.
func chooser(weights []float64) func(*rand.Rand) int {
	cumulative := make([]float64, len(weights))
	total := 0.0
	for i, w := range weights {
		total += w
		cumulative[i] = total
	}
	return func(random *rand.Rand) int {
		if len(weights) == 1 {
			return 0
		}
		u := random.Float64() * total
		i, exact := slices.BinarySearch(cumulative, u)
		if exact {
			i++
		}
		return min(i, len(weights)-1)
	}
}

// Seconds gives calls of which only the second is known: counts(second) says how many of each class, and within the
// second they come at independent, evenly distributed moments. It ends after the given number of seconds.
func Seconds(seconds int, counts func(second int) []int, seed uint64) Arrivals {
	random := rand.New(rand.NewPCG(seed, 0x7365636f))
	type arrival struct {
		at    float64
		class int
	}
	var pending []arrival
	second, next := 0, 0
	return func() (float64, int, bool) {
		for next >= len(pending) {
			if second >= seconds {
				return 0, 0, false
			}
			pending, next = pending[:0], 0
			for class, n := range counts(second) {
				for range n {
					pending = append(pending, arrival{float64(second) + random.Float64(), class})
				}
			}
			slices.SortFunc(pending, func(a, b arrival) int {
				switch {
				case a.at < b.at:
					return -1
				case a.at > b.at:
					return 1
				}
				return a.class - b.class
			})
			second++
		}
		a := pending[next]
		next++
		return a.at, a.class, true
	}
}
