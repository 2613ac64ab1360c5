package schedule_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"trent/loadgen/schedule"
)

func all(s schedule.Schedule) []time.Duration {
	var dues []time.Duration
	for it := s.Iterator(); ; {
		hit, ok := it.Next()
		if !ok {
			if _, again := it.Next(); again {
				panic("a hit after the last")
			}
			return dues
		}
		if hit.N != uint64(len(dues)) || hit.Entry != schedule.AnyEntry {
			panic("a hit with another's number")
		}
		dues = append(dues, hit.Due)
	}
}

const (
	ms = time.Millisecond
	s  = time.Second
)

func TestDueTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		schedule schedule.Schedule
		spec     string
		want     []time.Duration
	}{
		{schedule.Constant(4, s), "4/s 1s", []time.Duration{0, 250 * ms, 500 * ms, 750 * ms}},
		{schedule.Constant(0.1, 10*s), "0.1/s 10s", []time.Duration{0}},
		{schedule.Constant(3, s), "3/s 1s", []time.Duration{0, 333333333, 666666667}},
		{schedule.Constant(0, s), "0/s 1s", nil},
		{schedule.Constant(math.NaN(), s), "0/s 1s", nil},
		{schedule.Constant(5, -s), "5/s 0s", nil},
		// N(t) = t²: hits at √n.
		{schedule.Linear(0, 4, 2*s), "linear:0-4 2s", []time.Duration{0, s, 1414213562, 1732050808}},
		// N(t) = 4t − t²: hits at 2 − √(4 − n).
		{schedule.Linear(4, 0, 2*s), "linear:4-0 2s", []time.Duration{0, 267949192, 585786438, s}},
		{schedule.Linear(2, 2, s), "linear:2-2 1s", []time.Duration{0, 500 * ms}},
		// The half hit left by the first step is completed in the third.
		{schedule.Steps([]schedule.Step{{1.5, s}, {0, s}, {2, s}}), "steps:1.5x1s,0x1s,2x1s",
			[]time.Duration{0, 666666667, 2250 * ms, 2750 * ms}},
		{schedule.Bursts(2, s, 1500*ms), "bursts:2x1s 1.5s", []time.Duration{0, 0, s, s}},
		// N(t) = 2t + 2/π·(1 − cos(πt)): N(1) = 2 + 4/π ≈ 3.27, N(2) = 4, symmetric about t = 1 in slope.
		{schedule.Sine(2, 2, 2*s, 2*s), "sine:2~2/2s 2s", []time.Duration{0, 378903890, 640139424, 898404540}},
	} {
		t.Run(c.spec, func(t *testing.T) {
			t.Parallel()
			got := all(c.schedule)
			if len(got) != len(c.want) {
				t.Fatalf("due %v, want %v", got, c.want)
			}
			for i := range got {
				if c.schedule.String()[:4] == "sine" {
					if n := sineHits(got[i].Seconds()); math.Abs(n-float64(i)) > 1e-6 {
						t.Errorf("hit %d due at %v, where the curve is at %v", i, got[i], n)
					}
				} else if d := got[i] - c.want[i]; d < -1 || d > 1 {
					t.Errorf("hit %d due at %v, want %v", i, got[i], c.want[i])
				}
			}
			if c.schedule.String() != c.spec {
				t.Errorf("spec %q, want %q", c.schedule, c.spec)
			}
		})
	}
}

// sineHits is the curve of sine:2~2/2s.
func sineHits(t float64) float64 { return 2*t + 2/math.Pi*(1-math.Cos(math.Pi*t)) }

func TestCounts(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]int{
		"500/s 10s": 5000, "poisson:0.000001 1s": 0, "7/s 1h": 25200, "30/m 10s": 5, "linear:100-1000 30s": 16500,
		"steps:100x5s,200x5s": 1500, "steps:0x5s": 0, "bursts:50x1s 10s": 500, "sine:500~200/10s 1m": 30000, "12345.5/s 2s": 24691,
	} {
		sch, err := schedule.Parse(spec, 1)
		if err != nil {
			t.Fatal(err)
		}
		dues := all(sch)
		if len(dues) != want {
			t.Errorf("%s: %d hits, want %d", spec, len(dues), want)
		}
		for i := range dues {
			if dues[i] < 0 || dues[i] >= sch.Duration() || i > 0 && dues[i] < dues[i-1] {
				t.Fatalf("%s: hit %d due at %v", spec, i, dues[i])
			}
		}
	}
}

func TestPoisson(t *testing.T) {
	t.Parallel()
	a, b, other := all(schedule.Poisson(1000, 20*s, 7)), all(schedule.Poisson(1000, 20*s, 7)), all(schedule.Poisson(1000, 20*s, 8))
	if len(a) != len(b) || a[99] != b[99] || a[0] == other[0] {
		t.Error("a seed must give one realisation of its own")
	}
	// 20,000 ± 141: five standard deviations.
	if n := len(a); n < 19_300 || n > 20_700 {
		t.Errorf("%d hits in 20 s at 1000/s", n)
	}
	// Exponential gaps: mean and standard deviation are equal, and a share 1/e is longer than the mean.
	var sum, squares, longer float64
	for i := 1; i < len(a); i++ {
		gap := (a[i] - a[i-1]).Seconds() * 1000
		sum, squares = sum+gap, squares+gap*gap
		if gap > 1 {
			longer++
		}
	}
	n := float64(len(a) - 1)
	mean := sum / n
	if deviation := math.Sqrt(squares/n - mean*mean); math.Abs(mean-1) > 0.04 || math.Abs(deviation-1) > 0.06 || math.Abs(longer/n-1/math.E) > 0.02 {
		t.Errorf("gaps: mean %v ms, deviation %v ms, share above 1 ms %v", mean, deviation, longer/n)
	}
	// The shape is kept: a quarter of the hits of a ramp from zero lies in its first half.
	ramp := schedule.Randomise(schedule.Linear(0, 2000, 20*s), 1)
	share := float64(schedule.Count(ramp, 0, 10*s)) / float64(schedule.Count(ramp, 0, 20*s))
	if math.Abs(share-0.25) > 0.02 || ramp.String() != "poisson:linear:0-2000 20s" {
		t.Errorf("%v: share %v of the hits in the first half", ramp, share)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	c := schedule.Constant(10, s)
	if n := schedule.Count(c, 100*ms, 300*ms); n != 2 {
		t.Errorf("%d hits in [100 ms, 300 ms), want 2", n)
	}
	if c.MeanRate() != 10 || schedule.Constant(10, 0).MeanRate() != 0 {
		t.Error("mean rate")
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"":                        `schedule "": no duration: expected a space and a duration such as 10s at the end`,
		"500/s":                   `schedule "500/s": no duration: expected a space and a duration such as 10s at the end`,
		"x/s 10s":                 `schedule "x/s 10s": rate "x/s" is no number of hits a second`,
		"-1 10s":                  `schedule "-1 10s": rate "-1" is negative`,
		"0 10s":                   `schedule "0 10s": rate "0" must be above 0`,
		"nan 10s":                 `schedule "nan 10s": rate "nan" is no number of hits a second`,
		"1e9 10s":                 `schedule "1e9 10s": rate "1e9" is above the limit of 10000000 a second`,
		"1e-9 10s":                `schedule "1e-9 10s": rate "1e-9" is below one hit in 1,000,000 s`,
		"5 ten":                   `schedule "5 ten": duration "ten": expected a duration such as 10s or 1m30s`,
		"5 0s":                    `schedule "5 0s": duration "0s" must be above 0`,
		"5 9999h":                 `schedule "5 9999h": duration "9999h" is above the limit of 720h0m0s`,
		"square:5 10s":            `schedule "square:5 10s": unknown kind "square": expected constant, linear, steps, sine, bursts, poisson or trace`,
		"steps:5x1s,6":            `schedule "steps:5x1s,6": step 2 "6": expected RATExDURATION`,
		"linear:5 10s":            `schedule "linear:5 10s": "5": expected FROM-TO`,
		"sine:5~6/1s 10s":         `schedule "sine:5~6/1s 10s": mean 5 must be above 0 and swing 6 at most the mean`,
		"bursts:0x1s 10s":         `schedule "bursts:0x1s 10s": "0x1s": expected HITSxEVERY with 1 to 10000000 hits`,
		"poisson:poisson:5/s 10s": `schedule "poisson:poisson:5/s 10s": poisson: given twice`,
	} {
		if _, err := schedule.Parse(spec, 1); err == nil || err.Error() != want {
			t.Errorf("%q: got  %v\nwant %s", spec, err, want)
		}
	}
}

// What parses has a canonical form that parses to the same schedule, with dues inside the duration.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"500/s 10s", "30/m 1m30s", "linear:100-1000 30s", "steps:100x5s,200x5s", "sine:500~200/10s 1m",
		"bursts:50x1s 10s", "poisson:500 10s", "poisson:linear:0-5 3s", "steps:0x1ns,1e-6x1h", "1e-6 1ns", "poisson:steps:1x1s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		if strings.Contains(spec, "trace:") {
			return // no files by chance; FuzzTrace reads their text
		}
		a, err := schedule.Parse(spec, 3)
		if err != nil {
			return
		}
		b, err := schedule.Parse(a.String(), 3)
		if err != nil {
			t.Fatalf("%q: canonical %q: %v", spec, a, err)
		}
		if a.String() != b.String() || a.Duration() != b.Duration() {
			t.Fatalf("%q: canonical %q, again %q", spec, a, b)
		}
		x, y, last := a.Iterator(), b.Iterator(), time.Duration(0)
		for range 1000 {
			hit, ok := x.Next()
			hit2, ok2 := y.Next()
			if hit != hit2 || ok != ok2 {
				t.Fatalf("%q: hit %v %v, canonical %v %v", spec, hit, ok, hit2, ok2)
			}
			if !ok {
				break
			}
			if hit.Due < last || hit.Due >= a.Duration() {
				t.Fatalf("%q: due %v after %v, duration %v", spec, hit.Due, last, a.Duration())
			}
			last = hit.Due
		}
	})
}
