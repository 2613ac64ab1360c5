package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"trent/results/stats"
)

// Sen (1968), section 6: seven pairs, slope 4, and at 93 % the interval from 26/7 to 35/8. FindTrend wants ten values, so
// the example goes through its inner half.
func TestSlopeOfSen(t *testing.T) {
	t.Parallel()
	r := stats.UncorrectedTrend([]float64{1, 2, 3, 4, 10, 12, 18}, []float64{9, 15, 19, 20, 45, 55, 78}, 0.93)
	if r.Slope.Point != 4 || math.Abs(r.Slope.Low-26.0/7) > 1e-9 || math.Abs(r.Slope.High-35.0/8) > 1e-9 {
		t.Errorf("slope %+v, want 4 in [3.714, 4.375]", r.Slope)
	}
	if r.Middle != 6 { // the median of 5, 7, 7, 4, 5, 7, 6
		t.Errorf("middle %v", r.Middle)
	}
}

// The runoff series of Maxau in the vignette of R's package trend (Pohlert, 2023): 45 values without ties, S = −144,
// Var S = 10450, z = −1.3989, p = 0.1618. Any series with that S gives the same.
func TestKendallOfMaxau(t *testing.T) {
	t.Parallel()
	y, x := make([]float64, 45), make([]float64, 45)
	for i := range y {
		y[i], x[i] = float64(i), float64(i)
	}
	score := 45 * 44 / 2
	for score > -144 { // a swap of neighbours that ascend costs 2
		for i := 0; i+1 < len(y) && score > -144; i++ {
			if y[i] < y[i+1] {
				y[i], y[i+1] = y[i+1], y[i]
				score -= 2
			}
		}
	}
	r := stats.UncorrectedTrend(x, y, 0.95)
	if r.S != -144 || r.Variance != 10450 || math.Abs(r.Z+1.3989) > 5e-5 || math.Abs(r.P-0.1618) > 1e-4 {
		t.Errorf("S %v, variance %v, z %v, p %v", r.S, r.Variance, r.Z, r.P)
	}
}

// Ties: Gilbert, "Statistical Methods for Environmental Pollution Monitoring" (1987), section 16.4.2, counts groups of
// two, three and three ties among nine values (23, 24, trace, 6, trace, 24, 24, trace, 23), which leave
// (9·8·23 − 2·1·9 − 3·2·11 − 3·2·11) ÷ 18.
func TestTies(t *testing.T) {
	t.Parallel()
	x := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	r := stats.UncorrectedTrend(x, []float64{23, 24, 1, 6, 1, 24, 24, 1, 23}, 0.95)
	if want := (1656.0 - 18 - 66 - 66) / 18; math.Abs(r.Variance-want) > 1e-9 {
		t.Errorf("variance %v, want %v", r.Variance, want)
	}
	same := stats.FindTrend(make12(func(i int) float64 { return float64(i) }), make12(func(int) float64 { return 7 }), 0.95)
	if same.P != 1 || same.Slope.Point != 0 || same.Slope.Low != 0 || same.Slope.High != 0 {
		t.Errorf("a constant series has a trend: %+v", same)
	}
}

func make12(f func(int) float64) []float64 {
	out := make([]float64, 12)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func TestTooFewValues(t *testing.T) {
	t.Parallel()
	r := stats.FindTrend([]float64{1, 2, 3}, []float64{1, 2, 3}, 0.95)
	if r.N != 3 || !math.IsNaN(r.P) || !math.IsNaN(r.Slope.Low) {
		t.Errorf("%+v", r)
	}
}

// ar1 is a series of φ with a slope under it.
func ar1(random *rand.Rand, n int, phi, slope float64) (x, y []float64) {
	v := random.NormFloat64() / math.Sqrt(1-phi*phi)
	for i := range n {
		x, y = append(x, float64(i)), append(y, v+slope*float64(i))
		v = phi*v + random.NormFloat64()
	}
	return x, y
}

// Without a trend an autocorrelated series must not be called one: the plain test is wrong in half the cases at φ = 0.7, the
// corrected one near its level. The slope's interval must cover as often.
func TestFalseAlarmsUnderAutocorrelation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ phi, most, plain float64 }{{0, 0.09, 0}, {0.4, 0.11, 0.10}, {0.7, 0.14, 0.28}} {
		random := rand.New(rand.NewPCG(1, 2))
		const rounds = 200
		corrected, plain, missed := 0, 0, 0
		for range rounds {
			x, y := ar1(random, 100, c.phi, 0)
			r, u := stats.FindTrend(x, y, 0.95), stats.UncorrectedTrend(x, y, 0.95)
			if r.P < 0.05 {
				corrected++
			}
			if u.P < 0.05 {
				plain++
			}
			if r.Slope.Low > 0 || r.Slope.High < 0 {
				missed++
			}
		}
		if share := float64(corrected) / rounds; share > c.most {
			t.Errorf("φ %v: %.3f false alarms", c.phi, share)
		}
		if share := float64(missed) / rounds; share > c.most {
			t.Errorf("φ %v: %.3f intervals without the true slope", c.phi, share)
		}
		if share := float64(plain) / rounds; share < c.plain {
			t.Errorf("φ %v: the plain test has only %.3f false alarms; the case shows nothing", c.phi, share)
		}
	}
}

func TestTrendIsFound(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	x, y := ar1(random, 300, 0.6, 0.05)
	r := stats.FindTrend(x, y, 0.95)
	if r.P > 1e-4 || r.Slope.Low > 0.05 || r.Slope.High < 0.05 || r.Inflated < 2 || math.Abs(r.Slope.Point-0.05) > 0.01 {
		t.Errorf("%+v", r)
	}
}
