package sim_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"trent/loadgen/plan/queueing"
	"trent/loadgen/plan/sim"
)

// steady simulates one class on a pool with Poisson arrivals.
func steady(t *testing.T, servers int, rate, seconds float64, service sim.Sampler) *sim.Outcome {
	t.Helper()
	m := sim.Model{Servers: servers, Classes: []sim.Class{{Service: service}}}
	o, err := sim.Run(&m, sim.Poisson(rate, seconds, []float64{1}, 11), 12)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func within(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if !(math.Abs(got-want) <= share*want) {
		t.Errorf("%s: got %.6g, want %.6g ± %.3g %%", what, got, want, share*100)
	}
}

func mean(o *sim.Outcome) float64 {
	sum := 0.0
	for _, c := range o.Calls {
		sum += c.Latency
	}
	return sum / float64(len(o.Calls))
}

// The simulation against known answers: mean by Erlang C and Pollaczek-Khinchine, percentiles of M/M/c in closed form.
func TestKnownQueues(t *testing.T) {
	t.Parallel()
	const service = 0.01
	hyper := sim.NewEmpirical([]float64{0.005, 0.055}, []float64{9, 1}) // mean 10 ms, SCV 2.25
	if math.Abs(hyper.Mean()-service) > 1e-12 || math.Abs(hyper.SCV()-2.25) > 1e-9 {
		t.Fatalf("mean %g, SCV %g", hyper.Mean(), hyper.SCV())
	}
	for _, c := range []struct {
		name    string
		servers int
		load    float64
		service sim.Sampler
		mean    float64 // wait
		p99     bool
	}{
		{"M/M/1 at 0.5", 1, 0.5, sim.Exponential(service), queueing.WaitMMC(1, 50, service), true},
		{"M/M/1 at 0.8", 1, 0.8, sim.Exponential(service), queueing.WaitMMC(1, 80, service), true},
		{"M/M/4 at 0.8", 4, 0.8, sim.Exponential(service), queueing.WaitMMC(4, 320, service), true},
		{"M/M/16 at 0.9", 16, 0.9, sim.Exponential(service), queueing.WaitMMC(16, 1440, service), true},
		{"M/D/1 at 0.8", 1, 0.8, sim.Constant(service), queueing.WaitMG1(80, service, 0), false},
		{"M/G/1 at 0.7", 1, 0.7, hyper, queueing.WaitMG1(70, service, 2.25), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rate := c.load * float64(c.servers) / service
			n := 300_000.0
			if c.p99 {
				n = 1_500_000
			}
			o := steady(t, c.servers, rate, n/rate, c.service)
			within(t, "mean", mean(o), c.mean+service, 0.03)
			within(t, "load", o.Load(), c.load, 0.01)
			if c.p99 {
				q := o.Quantiles(0, false, 0.5, 0.99)
				within(t, "p50", q[0].Value, queueing.QuantileMMC(c.servers, rate, service, 0.5), 0.02)
				want := queueing.QuantileMMC(c.servers, rate, service, 0.99)
				within(t, "p99", q[1].Value, want, 0.05)
				if q[1].Low > 1.01*want || q[1].High < 0.99*want || q[1].High-q[1].Low > 0.3*want {
					t.Errorf("interval of p99 %v … %v, want it around %v", q[1].Low, q[1].High, want)
				}
			}
		})
	}
}

// In a window of a second with a Poisson number N of requests and a quota of Q, E[(N − Q)⁺] are throttled.
func TestWindow(t *testing.T) {
	t.Parallel()
	const quota, seconds = 100, 4000
	for _, rate := range []float64{80, 100, 150} {
		excess, p := 0.0, math.Exp(-rate)
		for n := 1.0; n < 400; n++ {
			p *= rate / n
			excess += max(n-quota, 0) * p
		}
		m := sim.Model{Limits: []sim.Limit{{Kind: sim.Window, PerSecond: quota}}, Classes: []sim.Class{{Limits: []int{0}}}}
		o, err := sim.Run(&m, sim.Poisson(rate, seconds, []float64{1}, 3), 4)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.ThrottledShare(); math.Abs(got-excess/rate) > 0.003 || o.Failed != o.Throttled {
			t.Errorf("rate %g: share %.4f, want %.4f; %d failed of %d throttled", rate, got, excess/rate, o.Failed, o.Throttled)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	count := func(l sim.Limit, times ...float64) (admitted int) {
		m := sim.Model{Limits: []sim.Limit{l}, Classes: []sim.Class{{Limits: []int{0}}}}
		n := 0
		o, err := sim.Run(&m, func() (float64, int, bool) {
			if n == len(times) {
				return 0, 0, false
			}
			n++
			return times[n-1], 0, true
		}, 1)
		if err != nil {
			t.Fatal(err)
		}
		return int(o.Attempts - o.Throttled)
	}
	for _, c := range []struct {
		name  string
		limit sim.Limit
		times []float64
		want  int
	}{
		{"window's end", sim.Limit{Kind: sim.Window, PerSecond: 2}, []float64{0.9, 0.95, 0.99, 1.0, 1.1, 1.2}, 4},
		{"half a request a second", sim.Limit{Kind: sim.Window, PerSecond: 0.5}, []float64{0, 1, 2.1, 3, 4.1}, 3},
		{"bucket starts full", sim.Limit{Kind: sim.Bucket, PerSecond: 2}, []float64{0, 0, 0, 0.5, 0.6}, 3},
		{"bucket with burst", sim.Limit{Kind: sim.Bucket, PerSecond: 2, Burst: 4}, []float64{0, 0, 0, 0, 0, 0.5}, 5},
		{"slow bucket", sim.Limit{Kind: sim.Bucket, PerSecond: 0.1}, []float64{0, 5, 10, 15}, 2},
	} {
		if got := count(c.limit, c.times...); got != c.want {
			t.Errorf("%s: %d admitted, want %d", c.name, got, c.want)
		}
	}
}

// A call that counts in two quotas takes from both or from neither.
func TestTwoQuotas(t *testing.T) {
	t.Parallel()
	m := sim.Model{
		Limits:  []sim.Limit{{Kind: sim.Window, PerSecond: 10}, {Kind: sim.Window, PerSecond: 3}},
		Classes: []sim.Class{{Limits: []int{0, 1}}, {Limits: []int{0}}},
	}
	order := []int{0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1} // 3 of the first pass; 7 are left for the second
	n := 0
	o, err := sim.Run(&m, func() (float64, int, bool) {
		if n == len(order) {
			return 0, 0, false
		}
		n++
		return 0.01 * float64(n), order[n-1], true
	}, 1)
	if err != nil || o.ByClass[0].Throttled != 2 || o.ByClass[1].Throttled != 1 {
		t.Errorf("%+v, %v", o.ByClass, err)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	throttle := func(p sim.Policy, clients int) *sim.Outcome {
		m := sim.Model{Limits: []sim.Limit{{Kind: sim.Window, PerSecond: 100}}, Classes: []sim.Class{{Limits: []int{0}, Delay: sim.Constant(0.01)}},
			Retry: p, Clients: clients}
		o, err := sim.Run(&m, sim.Poisson(120, 600, []float64{1}, 5), 6)
		if err != nil {
			t.Fatal(err)
		}
		var attempts, failed uint64
		for _, c := range o.Calls {
			attempts += uint64(c.Attempts)
			if c.Failed {
				failed++
			}
			if int(c.Attempts) > max(p.Attempts, 1) || c.Latency < 0.01-1e-9 {
				t.Fatalf("%s: %+v", p.Name, c)
			}
		}
		// Every attempt is answered once: well or throttled.
		if attempts != o.Attempts || failed != o.Failed || o.Attempts-o.Throttled != uint64(len(o.Calls))-failed {
			t.Fatalf("%s: the counts do not add up: %+v", p.Name, o.ByClass)
		}
		return o
	}
	results := map[string]*sim.Outcome{}
	for _, name := range sim.PolicyNames() {
		p, err := sim.PolicyNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		results[name] = throttle(p, 1)
	}
	share := func(name string) float64 { return results[name].ThrottledShare() }
	// At 1.2 × the quota one call in six is too many: without retries that is the share.
	if math.Abs(share("none")-1.0/6) > 0.02 {
		t.Errorf("without retries %.3f are throttled", share("none"))
	}
	if !(share("immediate") > share("none")+0.1 && share("standard") > share("none")) {
		t.Errorf("retries add load: immediate %.3f, standard %.3f, none %.3f", share("immediate"), share("standard"), share("none"))
	}
	// An empty retry quota fails calls at once; many clients have more of it.
	standard, _ := sim.PolicyNamed("standard")
	if one, many := results["standard"], throttle(standard, 1000); one.Failed <= many.Failed || one.Attempts >= many.Attempts {
		t.Errorf("one client: %d failed, %d attempts; many: %d, %d", one.Failed, one.Attempts, many.Failed, many.Attempts)
	}
	if _, err := sim.PolicyNamed("hope"); err == nil {
		t.Error("an unknown policy was taken")
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	p, _ := sim.PolicyNamed("standard")
	for n, most := range map[int]float64{1: 1, 2: 2, 3: 4, 9: 20} {
		if got := p.Longest(n); got != most {
			t.Errorf("after attempt %d the longest wait is %g s, want %g", n, got, most)
		}
		for range 100 {
			if w := p.Wait(n, random); w < 0 || w > most {
				t.Fatalf("wait %g beyond %g", w, most)
			}
		}
	}
	f, _ := sim.PolicyNamed("fixed")
	if f.Wait(4, random) != 0.1 {
		t.Error("a fixed wait grew")
	}
}

func TestSeedsAndSeconds(t *testing.T) {
	t.Parallel()
	counts := func(s int) []int { return []int{s % 3, 1} }
	var times []float64
	next := sim.Seconds(1000, counts, 9)
	perSecond, early := map[int]int{}, 0
	for at, _, ok := next(); ok; at, _, ok = next() {
		if len(times) > 0 && at < times[len(times)-1] {
			t.Fatal("times go back")
		}
		times = append(times, at)
		perSecond[int(at)]++
		if at-math.Floor(at) < 0.5 {
			early++
		}
	}
	for s := range 1000 {
		if perSecond[s] != s%3+1 {
			t.Fatalf("second %d has %d calls", s, perSecond[s])
		}
	}
	if share := float64(early) / float64(len(times)); math.Abs(share-0.5) > 0.04 {
		t.Errorf("%.3f lie in the first half of their second", share)
	}
	a, b := steady(t, 2, 100, 50, sim.Exponential(0.01)), steady(t, 2, 100, 50, sim.Exponential(0.01))
	if len(a.Calls) != len(b.Calls) || a.Calls[len(a.Calls)-1] != b.Calls[len(b.Calls)-1] {
		t.Error("the same seed gave other calls")
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	m := sim.Model{Classes: []sim.Class{{}}, Most: 1000}
	n := 0
	_, err := sim.Run(&m, func() (float64, int, bool) { n++; return float64(n), 0, true }, 1)
	var long *sim.TooLongError
	if !errors.As(err, &long) {
		t.Errorf("error %v", err)
	}
	o, err := sim.Run(&m, func() (float64, int, bool) { return 0, 0, false }, 1)
	if err != nil || o.ThrottledShare() != 0 || !math.IsNaN(o.Quantiles(0, true, 0.5)[0].Value) || !math.IsNaN(o.Load()) {
		t.Errorf("nothing simulated: %+v, %v", o, err)
	}
	if e := sim.NewEmpirical(nil, nil); e.Draw(rand.New(rand.NewPCG(1, 1))) != 0 || e.Count() != 0 {
		t.Error("an empty distribution")
	}
}
