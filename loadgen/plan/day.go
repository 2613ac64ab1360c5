package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"trent/loadgen/plan/sim"
	"trent/loadgen/quota"
	"trent/results"
)

// day is the demand counted second by second against the quotas.
type day struct {
	options  *Options
	demand   *Demand
	meters   []*counted // by quota, the most used first
	meanRate float64
	unknown  []string // operations without a quota
	seconds  int
	flows    []flowUse
}

// flowUse is what a flow asks for.
type flowUse struct {
	quotas    []int // indexes into day.meters
	calls     float64
	throttled float64 // attempts, its share of what is throttled
}

// counted is one quota with what it sees.
type counted struct {
	quota    quota.Quota
	key      string // of a custom key store's
	limit    sim.Limit
	rates    []float64 // expected or known calls by window
	fresh    []float64 // drawn or known calls by window
	width    int       // seconds of a window
	tallies  []tally
	total    tally
	flows    []int
	spectrum spectrum
}

// maxWindows bounds quotas × seconds, and so memory to 640 MB.
const maxWindows = 16 << 20

// newDay counts the demand. The scale of the options is in it.
func newDay(o *Options, d *Demand, retry sim.Policy) (*day, error) {
	if d.Seconds <= 0 || d.Seconds > maxSeconds || len(d.Flows) > maxFlows {
		return nil, fmt.Errorf("%d flows over %d seconds: a plan counts up to %d flows and %d days", len(d.Flows), d.Seconds, maxFlows, maxSeconds/Day)
	}
	p := &day{options: o, demand: d, seconds: d.Seconds, flows: make([]flowUse, len(d.Flows))}
	p.assign()
	if cells := len(p.meters) * d.Seconds; cells > maxWindows {
		return nil, fmt.Errorf("%d quotas over %d seconds are more than a plan counts: plan a shorter window", len(p.meters), d.Seconds)
	}
	series := make([]float64, d.Seconds)
	for f := range d.Flows {
		d.expected(f, o.Scale, series)
		for s, n := range series {
			p.flows[f].calls += n
			for _, m := range p.flows[f].quotas {
				c := p.meters[m]
				c.rates[s/c.width] += n
			}
		}
		p.meanRate += p.flows[f].calls / float64(d.Seconds)
	}
	for i, c := range p.meters {
		random := rand.New(rand.NewPCG(o.Seed, uint64(i)+0x646179))
		c.run(d.random(), newMeter(c.limit, retry, o.Clients, o.answerTime(d)), random)
	}
	p.attribute(series)
	return p, nil
}

// assign finds the quotas of each flow.
func (p *day) assign() {
	index := map[string]int{}
	for f := range p.demand.Flows {
		flow := &p.demand.Flows[f]
		inStore := flow.Key != "" && slices.Contains(p.options.KeyStores, flow.Key)
		names := p.options.Quotas.Names(quota.Call{Operation: flow.Operation, KeySpec: flow.KeySpec, KeyStore: inStore})
		if len(names) == 0 && !slices.Contains(p.unknown, flow.Operation) {
			p.unknown = append(p.unknown, flow.Operation)
		}
		for _, name := range names {
			q, ok := p.options.Quotas.Named(name)
			if !ok {
				p.unknown = append(p.unknown, flow.Operation)
				continue
			}
			id, key := name, ""
			if q.Scope == quota.PerKeyStore {
				id, key = name+"\x00"+flow.Key, flow.Key
			}
			i, known := index[id]
			if !known {
				i = len(p.meters)
				index[id] = i
				p.meters = append(p.meters, p.newCounted(q, key))
			}
			p.flows[f].quotas = append(p.flows[f].quotas, i)
			p.meters[i].flows = append(p.meters[i].flows, f)
		}
	}
}

func (p *day) newCounted(q quota.Quota, key string) *counted {
	c := &counted{quota: q, key: key, limit: sim.Limit{Name: q.Name, Kind: p.options.Count, PerSecond: q.PerSecond}}
	width, _ := c.limit.WindowLength()
	c.width = max(int(math.Round(width)), 1)
	windows := (p.seconds + c.width - 1) / c.width
	c.rates, c.fresh, c.tallies = make([]float64, windows), make([]float64, windows), make([]tally, windows)
	return c
}

// run draws the calls of each window and counts them.
func (c *counted) run(random bool, m *meter, source *rand.Rand) {
	for w, rate := range c.rates {
		c.fresh[w] = rate
		if random {
			c.fresh[w] = poisson(rate, source)
		}
		t := m.window(c.fresh[w])
		c.tallies[w] = t
		c.total.attempts += t.attempts
		c.total.throttled += t.throttled
		c.total.failed += t.failed
	}
	c.spectrum = newSpectrum(c.rates, random)
}

// attribute shares out what is throttled in each window among the flows that ask for something in it.
func (p *day) attribute(series []float64) {
	for f := range p.demand.Flows {
		throttles := slices.ContainsFunc(p.flows[f].quotas, func(m int) bool { return p.meters[m].total.throttled > 0 })
		if !throttles {
			continue
		}
		p.demand.expected(f, p.options.Scale, series)
		for _, m := range p.flows[f].quotas {
			c := p.meters[m]
			for s, n := range series {
				if w := s / c.width; c.tallies[w].throttled > 0 {
					p.flows[f].throttled += c.tallies[w].throttled * shareOf(n, c.rates[w])
				}
			}
		}
	}
	// Retries may land in windows that nobody asks for anew; what is left goes by volume.
	for _, c := range p.meters {
		rest, calls := 0.0, 0.0
		for w, t := range c.tallies {
			if c.rates[w] == 0 {
				rest += t.throttled
			}
		}
		for _, f := range c.flows {
			calls += p.flows[f].calls
		}
		for _, f := range c.flows {
			p.flows[f].throttled += rest * shareOf(p.flows[f].calls, calls)
		}
	}
}

func shareOf(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
}

// report is the quotas, the fullest first.
func (p *day) report() []results.PlanQuota {
	var out []results.PlanQuota
	for _, c := range p.meters {
		out = append(out, p.quotaReport(c))
	}
	slices.SortStableFunc(out, func(a, b results.PlanQuota) int {
		switch {
		case a.BeginsAtScale < b.BeginsAtScale:
			return -1
		case a.BeginsAtScale > b.BeginsAtScale:
			return 1
		}
		return 0
	})
	return out
}

func (p *day) quotaReport(c *counted) results.PlanQuota {
	width := float64(c.width)
	q := results.PlanQuota{
		Name: c.quota.Name, KeyStore: c.key, Operations: p.operations(c), Quota: c.quota.PerSecond, Scope: string(c.quota.Scope), Adjustable: c.quota.Adjustable,
		Attempts: c.total.attempts, Throttled: c.total.throttled, Failed: c.total.failed, Window: time.Duration(c.width) * time.Second,
	}
	peak, sorted := 0, slices.Clone(c.fresh)
	for w, n := range c.fresh {
		q.Calls += n
		if n > c.fresh[peak] {
			peak = w
		}
	}
	slices.Sort(sorted)
	q.PeakRate, q.PeakAt = c.fresh[peak]/width, time.Duration(peak*c.width)*time.Second
	q.P999Rate = sorted[max(int(math.Ceil(0.999*float64(len(sorted))))-1, 0)] / width
	q.MeanRate = q.Calls / float64(p.seconds)
	q.Headroom = 1 - q.PeakRate/c.quota.PerSecond
	q.ThrottledShare = shareOf(q.Throttled, q.Attempts)
	q.Expected = c.spectrum.excess(1, c.admits())
	horizon := float64(p.seconds) / Day
	q.BeginsAtScale = p.options.Scale * c.spectrum.begins(c.admits(), horizon)
	q.Needed = c.spectrum.needed(horizon) / width
	q.Ask, q.AskWhy = p.options.ask(q)
	q.Hours = p.hours(c)
	return q
}

// admits is the requests that a window admits.
func (c *counted) admits() float64 {
	_, most := c.limit.WindowLength()
	return most
}

// operations are those that the demand asks of the quota.
func (p *day) operations(c *counted) []string {
	var out []string
	for _, f := range c.flows {
		if op := p.demand.Flows[f].Operation; !slices.Contains(out, op) {
			out = append(out, op)
		}
	}
	slices.Sort(out)
	return out
}

// chartPoints is how many blocks of the horizon are kept for charts and the table by hour.
const chartPoints = 24

// hours are equal parts of the horizon, an hour each for a day.
func (p *day) hours(c *counted) []results.PlanHour {
	windows := len(c.fresh)
	per := max((windows+chartPoints-1)/chartPoints, 1)
	if p.seconds > Day { // hours of a longer horizon
		per = max(3600/c.width, 1)
	}
	var out []results.PlanHour
	for from := 0; from < windows; from += per {
		to := min(from+per, windows)
		h := results.PlanHour{At: time.Duration(from*c.width) * time.Second, Width: time.Duration((to-from)*c.width) * time.Second}
		for w := from; w < to; w++ {
			rate := c.fresh[w] / float64(c.width)
			h.MeanRate += rate / float64(to-from)
			h.PeakRate = max(h.PeakRate, rate)
			h.Attempts += c.tallies[w].attempts
			h.Throttled += c.tallies[w].throttled
		}
		out = append(out, h)
	}
	return out
}
