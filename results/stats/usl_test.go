package stats_test

import (
	"errors"
	"math"
	"testing"

	"trent/results/stats"
)

// The published example of the R package usl (Möding): a Sun SPARCcenter 2000 in the SPEC SDM91 benchmark. Its summary
// gives gamma 89.995, alpha 0.0277285, beta 0.0001044, and a peak of 1,884 at a load of 96.52.
func TestUSLOfSPECSDM91(t *testing.T) {
	t.Parallel()
	levels := []float64{1, 18, 36, 72, 108, 144, 216}
	rates := []float64{64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2}
	u, err := stats.FitUSL(levels, rates)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "lambda", u.Lambda, 89.995, 0.01)
	near(t, "sigma", u.Sigma, 0.0277285, 1e-6)
	near(t, "kappa", u.Kappa, 0.0001044, 1e-7)
	near(t, "peak", u.Peak(), 96.52, 0.01)
	near(t, "rate at the peak", u.At(u.Peak()), 1884, 1)
}

func TestUSLExact(t *testing.T) {
	t.Parallel()
	for _, want := range []stats.USL{{Lambda: 1000, Sigma: 0.05, Kappa: 0.001}, {Lambda: 3, Sigma: 0.2}, {Lambda: 50}} {
		var levels, rates []float64
		for n := 1.0; n <= 64; n *= 2 {
			levels, rates = append(levels, n), append(rates, want.At(n))
		}
		got, err := stats.FitUSL(levels, rates)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "lambda", got.Lambda/want.Lambda, 1, 1e-4)
		near(t, "sigma", got.Sigma, want.Sigma, 1e-4)
		near(t, "kappa", got.Kappa, want.Kappa, 1e-5)
		near(t, "R²", got.R2, 1, 1e-6)
	}
}

func TestUSLWantsSixLevels(t *testing.T) {
	t.Parallel()
	if _, err := stats.FitUSL([]float64{1, 2, 4, 8, 16, 16, 16}, []float64{1, 2, 3, 4, 5, 5, 5}); !errors.Is(err, stats.ErrLevels) {
		t.Errorf("five levels: %v", err)
	}
}

func TestMeanInterval(t *testing.T) {
	t.Parallel()
	// R: t.test(c(19.8, 18.5, 17.6, 16.7, 15.8))$conf.int is 15.75…19.61 to two digits: mean 17.68, s 1.5547, t 2.776.
	got := stats.MeanInterval([]float64{19.8, 18.5, 17.6, 16.7, 15.8})
	near(t, "mean", got.Point, 17.68, 1e-9)
	near(t, "low", got.Low, 17.68-2.776*1.554670/math.Sqrt(5), 1e-4)
	near(t, "high", got.High, 17.68+2.776*1.554670/math.Sqrt(5), 1e-4)
	if one := stats.MeanInterval([]float64{3}); one.Point != 3 || !math.IsNaN(one.Low) {
		t.Errorf("of one value: %+v", one)
	}
	if none := stats.MeanInterval(nil); !math.IsNaN(none.Point) || !math.IsNaN(stats.Deviation([]float64{1})) {
		t.Errorf("of nothing: %+v", none)
	}
}
