package plan

import (
	"math"
	"math/rand/v2"
	"time"

	"trent/loadgen/plan/sim"
	"trent/results"
)

// The busiest stretch is simulated call by call: up to a minute, as far as so many calls reach. What is still more is
// thinned, rates and quotas alike, which makes it fluctuate more than the real thing.
const (
	longest  = 60
	shortest = 5
	budget   = 300_000
)

// tailQuantiles are those of whole calls.
var tailQuantiles = []float64{0.5, 0.9, 0.99, 0.999}

// tail simulates whole calls of the busiest stretch.
func (o *Options) tail(p *day, d *Demand, retry sim.Policy) (*results.PlanTail, error) {
	stretch := p.busiest(d)
	m := sim.Model{Retry: retry, Clients: o.Clients}
	for _, c := range p.meters {
		limit := c.limit
		limit.PerSecond /= stretch.thin
		m.Limits = append(m.Limits, limit)
	}
	for f := range d.Flows {
		m.Classes = append(m.Classes, sim.Class{Name: d.Flows[f].Operation, Limits: p.flows[f].quotas, Delay: o.CallTime.of(d.Flows[f].Operation)})
	}
	random := rand.New(rand.NewPCG(o.Seed, 0x7461696c))
	counts := make([]int, len(d.Flows))
	arrivals := sim.Seconds(stretch.seconds, func(s int) []int {
		for f := range counts {
			mean := stretch.rates[f][s] / stretch.thin
			switch {
			case d.random() || stretch.thin > 1:
				counts[f] = int(poisson(mean, random))
			default:
				counts[f] = int(mean)
				if random.Float64() < mean-math.Floor(mean) { // a scale that is no whole number
					counts[f]++
				}
			}
		}
		return counts
	}, o.Seed)
	out, err := sim.Run(&m, arrivals, o.Seed)
	if err != nil {
		return nil, err
	}
	t := &results.PlanTail{At: time.Duration(stretch.from) * time.Second, Width: time.Duration(stretch.seconds) * time.Second,
		Calls: uint64(len(out.Calls)), Attempts: out.Attempts, ThrottledShare: out.ThrottledShare(),
		CallTime: o.CallTime.Text, Trusted: out.Throttled == 0 && !d.WholeSeconds}
	if stretch.thin > 1 {
		t.Thinned = stretch.thin
	}
	if len(out.Calls) > 0 {
		t.FailedShare = float64(out.Failed) / float64(len(out.Calls))
	}
	for i, q := range out.Quantiles(0, true, tailQuantiles...) {
		if float64(len(out.Calls))*(1-tailQuantiles[i]) < 100 {
			continue // too few calls beyond it
		}
		t.Latency = append(t.Latency, results.Percentile{Q: tailQuantiles[i], Value: latencyOf(q.Value), Low: interval(q.Low), High: interval(q.High)})
	}
	return t, nil
}

func latencyOf(seconds float64) results.Latency {
	if math.IsInf(seconds, 1) || math.IsNaN(seconds) || seconds > 1e9 {
		return results.Never
	}
	return results.Latency(math.Round(seconds * 1e9))
}

func interval(seconds float64) *results.Latency {
	if math.IsNaN(seconds) || math.IsInf(seconds, 0) {
		return nil
	}
	l := latencyOf(seconds)
	return &l
}

// stretch is a part of the horizon.
type stretch struct {
	from, seconds int
	thin          float64
	rates         [][]float64 // by flow and second
}

// busiest finds the seconds around the worst one: that in which most is throttled, or where nothing is, that with most
// calls beside its quota.
func (p *day) busiest(d *Demand) stretch {
	worst, at := -1.0, 0
	for _, c := range p.meters {
		for w, n := range c.rates {
			badness := n / c.admits()
			if t := c.tallies[w]; t.throttled > 0 {
				badness += t.throttled / c.admits() * 1000
			}
			if badness > worst {
				worst, at = badness, w*c.width
			}
		}
	}
	series := make([]float64, p.seconds)
	all := make([][]float64, len(d.Flows))
	from := max(min(at-longest/2, p.seconds-longest), 0)
	to := min(from+longest, p.seconds)
	for f := range d.Flows {
		d.expected(f, p.options.Scale, series)
		all[f] = append([]float64(nil), series[from:to]...)
	}
	s := stretch{from: from, seconds: to - from, thin: 1, rates: all}
	total := func() (sum float64) {
		for f := range s.rates {
			for _, n := range s.rates[f] {
				sum += n
			}
		}
		return sum
	}
	for s.seconds > shortest && total() > budget {
		// Keep the worst second in the middle.
		head := 0
		if at-s.from > s.seconds/2 {
			head = 1
		}
		s.from, s.seconds = s.from+head, s.seconds-1
		for f := range s.rates {
			s.rates[f] = s.rates[f][head : head+s.seconds]
		}
	}
	if n := total(); n > budget {
		s.thin = n / budget
	}
	return s
}
