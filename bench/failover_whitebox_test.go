package bench

import (
	"slices"
	"testing"
)

func TestRecovery(t *testing.T) {
	t.Parallel()
	before := slices.Repeat([]float64{100}, failoverBefore)
	for name, c := range map[string]struct {
		after   []float64
		seconds float64
		lowest  float64
	}{
		"not felt":          {slices.Repeat([]float64{100}, failoverAfter), 0, 1},
		"one bin lost":      {append([]float64{0}, slices.Repeat([]float64{100}, failoverAfter-1)...), 0.1, 0},
		"half for a second": {append(slices.Repeat([]float64{50}, 10), slices.Repeat([]float64{100}, failoverAfter-10)...), 1, 0.5},
		"never again":       {slices.Repeat([]float64{90}, failoverAfter), 3, 0.9},
	} {
		seconds, lowest := recovery(append(slices.Clone(before), c.after...))
		if seconds != c.seconds || lowest != c.lowest {
			t.Errorf("%s: full rate after %g s, lowest %g; want %g s and %g", name, seconds, lowest, c.seconds, c.lowest)
		}
	}
}
