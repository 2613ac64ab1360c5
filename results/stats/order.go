package stats

import (
	"math"
	"slices"
)

// Median returns the middle value, the mean of the two middle ones for an even count, NaN for none.
func Median(values []float64) float64 { return medianInPlace(slices.Clone(values)) }

// Quantile returns the q-quantile (0 ≤ q ≤ 1) by linear interpolation between order statistics: type 7 of
// Hyndman and Fan (1996), the default of R. NaN for no values.
func Quantile(values []float64, q float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sortedQuantile(sorted, q)
}

func sortedQuantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	position := q * float64(len(sorted)-1)
	below := int(math.Floor(position))
	if below >= len(sorted)-1 {
		return sorted[len(sorted)-1]
	}
	if below < 0 {
		return sorted[0]
	}
	low, high := sorted[below], sorted[below+1]
	if low == high { // also keeps two infinities from giving NaN
		return low
	}
	return low + (position-float64(below))*(high-low)
}

func medianInPlace(values []float64) float64 {
	slices.Sort(values)
	return sortedQuantile(values, 0.5)
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}
