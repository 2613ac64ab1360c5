package plan

import (
	"fmt"
	"math"
	"slices"

	"trent/results"
)

// spectrum is how many windows have which expected number of calls. It answers questions about other scales and quotas
// without going through the day again. Poisson means are gathered in bins of equal ratio, each with its own mean.
type spectrum struct {
	random bool
	means  []float64 // ascending
	counts []float64 // windows
}

// finest is the ratio of two neighbouring bins less 1.
const finest = 2e-4

func newSpectrum(rates []float64, random bool) spectrum {
	sorted := slices.Clone(rates)
	slices.Sort(sorted)
	s := spectrum{random: random}
	for i := 0; i < len(sorted); {
		end, sum := i, 0.0
		for ; end < len(sorted) && sorted[end] <= sorted[i]*(1+finest); end++ {
			sum += sorted[end]
		}
		if sum > 0 {
			n := float64(end - i)
			s.means, s.counts = append(s.means, sum/n), append(s.counts, n)
		}
		i = end
	}
	return s
}

// excess is the expected number of calls beyond a quota a window, over the horizon, at a scale and without retries.
func (s *spectrum) excess(scale, quota float64) float64 {
	sum := 0.0
	for i := len(s.means) - 1; i >= 0; i-- {
		mean := s.means[i] * scale
		e := max(mean-math.Floor(quota+1e-9), 0)
		if s.random {
			e = excess(mean, quota)
		}
		if e == 0 && mean < quota {
			break // all smaller ones have none either
		}
		sum += e * s.counts[i]
	}
	return sum
}

// tolerated is the throttled calls a day that still count as none.
const tolerated = 1.0

// begins is the highest scale at which at most one call a day is expected to be throttled; 1e12 without calls.
func (s *spectrum) begins(quota, days float64) float64 {
	if len(s.means) == 0 {
		return 1e12
	}
	top := s.means[len(s.means)-1]
	low, high := 0.0, 2*quota/top+1/top
	for s.excess(high, quota) <= tolerated*days && high < 1e12 {
		high *= 2
	}
	for range 60 {
		middle := (low + high) / 2
		if s.excess(middle, quota) <= tolerated*days {
			low = middle
		} else {
			high = middle
		}
		if high-low < 1e-4*high {
			break
		}
	}
	return low
}

// needed is the smallest quota a window at which at most one call a day is expected to be throttled.
func (s *spectrum) needed(days float64) float64 {
	if len(s.means) == 0 {
		return 0
	}
	top := s.means[len(s.means)-1]
	low, high := 0.0, math.Ceil(top+far*math.Sqrt(top)+far)
	for high-low > 1 {
		middle := math.Floor((low + high) / 2)
		if s.excess(1, middle) <= tolerated*days {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// ask is the quota to ask for, 0 where the present one will do.
func (o *Options) ask(q results.PlanQuota) (rate float64, why string) {
	wanted := q.Needed / (1 - o.Reserve)
	if q.Needed <= q.Quota {
		if wanted > q.Quota {
			return 0, fmt.Sprintf("enough, but the reserve of %.0f %% is used: %s/s are needed", o.Reserve*100, figure(q.Needed))
		}
		return 0, "enough"
	}
	rate = roundUp(wanted)
	why = fmt.Sprintf("%s/s keep throttling to one call a day; with %.0f %% left free and rounded up, %s/s", figure(q.Needed), o.Reserve*100, figure(rate))
	if !q.Adjustable {
		return 0, "not adjustable: " + figure(q.Needed) + "/s are needed; spread the keys over more key stores, cache data keys, or use keys outside the store"
	}
	return rate, why
}

// roundUp gives two significant digits, upwards.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return math.Ceil(v/unit-1e-9) * unit
}

// figure writes a rate with at most four digits.
func figure(v float64) string {
	switch {
	case v >= 1000:
		text := fmt.Sprintf("%.0f", v)
		for i := len(text) - 3; i > 0; i -= 3 {
			text = text[:i] + "," + text[i:]
		}
		return text
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
