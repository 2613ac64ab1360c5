package traffic_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"trent/loadgen/traffic"
)

func TestCurve(t *testing.T) {
	t.Parallel()
	c := traffic.Curve{Mean: 100, Swing: 60, Period: day, Peak: 14 * time.Hour}
	for at, want := range map[time.Duration]float64{14 * time.Hour: 160, 2 * time.Hour: 40, 8 * time.Hour: 100, 20 * time.Hour: 100, 3*day + 14*time.Hour: 160, 17 * time.Hour: 100 + 60/math.Sqrt2} {
		if got := c.At(at); math.Abs(got-want) > 1e-9 {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
	// A whole period is the mean; the half around the peak has 2·60·86400/2π more than half of it.
	if got := c.Integral(5*time.Hour, 5*time.Hour+day); math.Abs(got-8_640_000) > 1e-3 {
		t.Errorf("a day: %v", got)
	}
	if got, want := c.Integral(8*time.Hour, 20*time.Hour), 4_320_000+60*86400/math.Pi; math.Abs(got-want) > 1e-3 {
		t.Errorf("the busy half: %v, want %v", got, want)
	}
	if flat := (traffic.Curve{Mean: 3}); flat.At(time.Hour) != 3 || flat.Integral(time.Second, 3*time.Second) != 6 || flat.Max() != 3 {
		t.Error("flat curve")
	}
}

func TestStorm(t *testing.T) {
	t.Parallel()
	once := traffic.Storm{At: time.Minute, Within: 10 * time.Second, Calls: 50}
	nightly := traffic.Storm{At: 2 * time.Hour, Within: time.Minute, Every: day, Calls: 120}
	overlapping := traffic.Storm{At: 0, Within: 30 * time.Second, Every: 10 * time.Second, Calls: 30}
	instant := traffic.Storm{At: time.Second, Calls: 7}
	for _, c := range []struct {
		storm traffic.Storm
		a, b  time.Duration
		want  float64
	}{
		{once, 0, time.Minute, 0}, {once, 0, 65 * time.Second, 25}, {once, 62 * time.Second, 64 * time.Second, 10}, {once, 0, 10 * day, 50},
		{nightly, 0, 10 * day, 1200}, {nightly, day, day + 2*time.Hour + 30*time.Second, 60}, {nightly, 3 * time.Hour, day, 0},
		// 1/s from each of those under way: one in the first 10 s, two in the next, then three.
		{overlapping, 0, 10 * time.Second, 10}, {overlapping, 10 * time.Second, 20 * time.Second, 20}, {overlapping, 60 * time.Second, 65 * time.Second, 15},
		{instant, 0, time.Second, 0}, {instant, 0, 2 * time.Second, 7},
	} {
		if got := c.storm.Integral(c.a, c.b); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%+v in [%v, %v): %v, want %v", c.storm, c.a, c.b, got, c.want)
		}
	}
	if once.Rate(65*time.Second) != 5 || once.Rate(time.Second) != 0 || overlapping.Rate(25*time.Second) != 3 {
		t.Errorf("rates %v %v %v", once.Rate(65*time.Second), once.Rate(time.Second), overlapping.Rate(25*time.Second))
	}
}

type arrival struct {
	at   time.Duration
	flow int
}

func arrivals(flows []traffic.Flow, from, to time.Duration, seed uint64) []arrival {
	var out []arrival
	for at, flow := range traffic.Arrivals(flows, from, to, seed) {
		out = append(out, arrival{at, flow})
	}
	return out
}

var mixed = []traffic.Flow{
	{Operation: "Decrypt", Rate: traffic.Curve{Mean: 20, Swing: 15, Period: time.Hour, Peak: 10 * time.Minute}},
	{Operation: "Encrypt", Rate: traffic.Curve{Mean: 0.01}, Storms: []traffic.Storm{{At: 5 * time.Minute, Within: time.Minute, Every: 20 * time.Minute, Calls: 400.5}}},
	{Operation: "Sign", Storms: []traffic.Storm{{At: time.Second, Within: 90 * time.Second, Every: 30 * time.Second, Calls: 10}, {At: 7 * time.Minute, Calls: 3}}},
	{Operation: "Verify"},
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	all := arrivals(mixed, 0, 3*time.Hour, 1)
	if !slices.IsSortedFunc(all, func(a, b arrival) int { return int(a.at - b.at) }) {
		t.Fatal("not in the order of time")
	}
	if !slices.Equal(all, arrivals(mixed, 0, 3*time.Hour, 1)) || slices.Equal(all, arrivals(mixed, 0, 3*time.Hour, 2)) {
		t.Error("a seed must give one realisation of its own")
	}
	// A window has the calls that the whole has in it, wherever it begins: amid storms, at their ends, far in.
	for _, w := range [][2]time.Duration{{0, time.Second}, {5*time.Minute + 30*time.Second, 6 * time.Minute}, {7 * time.Minute, 7*time.Minute + 1}, {time.Hour, time.Hour + time.Minute},
		{2*time.Hour + 17*time.Minute, 3 * time.Hour}} {
		var want []arrival
		for _, a := range all {
			if a.at >= w[0] && a.at < w[1] {
				want = append(want, a)
			}
		}
		if got := arrivals(mixed, w[0], w[1], 1); !slices.Equal(got, want) {
			t.Errorf("window %v: %d calls, of the whole %d", w, len(got), len(want))
		}
	}
	// As many of each as expected: five standard deviations of a Poisson count, and storms exactly but for the half.
	counts := map[int]float64{}
	for _, a := range all {
		counts[a.flow]++
	}
	for i := range mixed {
		want := mixed[i].Calls(0, 3*time.Hour)
		if math.Abs(counts[i]-want) > 5*math.Sqrt(want)+5 {
			t.Errorf("flow %d: %v calls, expected %v", i, counts[i], want)
		}
	}
}

// Poisson: the counts of equal stretches have a variance equal to their mean, and gaps that are exponential.
func TestArrivalsArePoisson(t *testing.T) {
	t.Parallel()
	flow := []traffic.Flow{{Rate: traffic.Curve{Mean: 50}}}
	all := arrivals(flow, 0, 2000*time.Second, 3)
	perSecond, longer := make([]float64, 2000), 0.0
	for i, a := range all {
		perSecond[int(a.at/time.Second)]++
		if i > 0 && a.at-all[i-1].at > 20*time.Millisecond {
			longer++
		}
	}
	mean := float64(len(all)) / 2000
	variance := 0.0
	for _, n := range perSecond {
		variance += (n - mean) * (n - mean) / 1999
	}
	// The index of dispersion of 2,000 stretches has a standard deviation of √(2 ÷ 2000) = 0.032.
	if math.Abs(variance/mean-1) > 0.16 || math.Abs(mean-50) > 5*math.Sqrt(50.0/2000) {
		t.Errorf("mean %v, dispersion %v", mean, variance/mean)
	}
	if share := longer / float64(len(all)); math.Abs(share-1/math.E) > 0.01 {
		t.Errorf("share of gaps above their mean: %v", share)
	}
}

// The calls of a storm are spread evenly: a Kolmogorov-Smirnov distance of 1.95 ÷ √n has probability 0.001.
func TestStormsAreEven(t *testing.T) {
	t.Parallel()
	flow := []traffic.Flow{{Storms: []traffic.Storm{{At: time.Hour, Within: 800 * time.Second, Calls: 20_000}}}}
	all := arrivals(flow, 0, day, 5)
	if len(all) != 20_000 {
		t.Fatalf("%d calls", len(all))
	}
	worst := 0.0
	for i, a := range all {
		x := (a.at - time.Hour).Seconds() / 800
		worst = max(worst, math.Abs(x-float64(i)/20_000), math.Abs(x-float64(i+1)/20_000))
	}
	if worst > 1.95/math.Sqrt(20_000) {
		t.Errorf("distance %v from even", worst)
	}
}

// The day curve holds in the realisation: the half around the peak has 1/2 + swing ÷ (π·mean) of the calls.
func TestArrivalsFollowTheDay(t *testing.T) {
	t.Parallel()
	flow := []traffic.Flow{{Rate: traffic.Curve{Mean: 2, Swing: 1.6, Period: day, Peak: 14 * time.Hour}}}
	all := arrivals(flow, 0, day, 9)
	busy := 0.0
	for _, a := range all {
		if a.at >= 8*time.Hour && a.at < 20*time.Hour {
			busy++
		}
	}
	if share, want := busy/float64(len(all)), 0.5+0.8/math.Pi; math.Abs(share-want) > 0.005 {
		t.Errorf("%v of the calls in the busy half, want %v", share, want)
	}
}

func TestSums(t *testing.T) {
	t.Parallel()
	flows := []traffic.Flow{{Rate: traffic.Curve{Mean: 3}}, {Rate: traffic.Curve{Mean: 1, Swing: 1, Period: day, Peak: 6 * time.Hour}, Storms: []traffic.Storm{
		{At: 20 * time.Hour, Within: time.Minute, Every: day, Calls: 864}}}}
	if got := traffic.Mean(flows); math.Abs(got-4.01) > 1e-9 {
		t.Errorf("mean %v", got)
	}
	at, rate := traffic.Peak(flows)
	if at < 20*time.Hour || at >= 20*time.Hour+time.Minute || math.Abs(rate-(864.0/60+3+1-math.Cos(math.Pi/6))) > 0.2 {
		t.Errorf("peak %v at %v", rate, at)
	}
	calm := []traffic.Flow{{Rate: flows[1].Rate}}
	if at, rate := traffic.Busiest(calm, 2*time.Hour); at != 5*time.Hour || rate > 2 {
		t.Errorf("busiest %v at %v", rate, at)
	}
	doubled := traffic.Scale(flows, 2)
	if math.Abs(traffic.Calls(doubled, 0, day)-2*traffic.Calls(flows, 0, day)) > 1e-6 || doubled[1].Rate.Swing != 2 {
		t.Error("scaled")
	}
	if math.Abs(traffic.Rate(flows, 6*time.Hour)-5) > 1e-9 {
		t.Errorf("rate %v", traffic.Rate(flows, 6*time.Hour))
	}
}
