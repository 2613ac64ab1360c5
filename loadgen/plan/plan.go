// Package plan answers, before any request is sent: will the service's quotas throttle us, how often and when; which
// quota increase to ask for; how many HSMs keep a latency limit; what it costs a month, and who causes it; what remedies
// would change. Verify then holds a plan against a server.
//
// Demand is what is asked of the service: flows with day curves and storms, a workload's mix at a rate, or known counts
// by second, as a replay has them. Quotas, prices and HSM profiles are data with sources and dates; files can replace
// them. Throttling is counted second by second over the whole horizon; percentiles come from loadgen/plan/sim.
//
// A plan is a pure function of its options and seed. Only Verify sends anything and waits. Nothing here is safe for
// concurrent use by several goroutines unless it says so, and only Verify's engine starts any.
package plan

import (
	"errors"
	"fmt"
	"time"

	"trent/loadgen/plan/sim"
	"trent/loadgen/quota"
	"trent/results"
)

// Options of a plan.
type Options struct {
	Demand *Demand
	Scale  float64 // everything × this; 0: 1
	Quotas *quota.Table
	Origin Origin // of quotas that replace published ones
	Prices *Prices
	Keys   float64 // customer managed keys; 0: the distinct keys that the flows name
	// KeyStores names keys in custom key stores, which have a quota of their own.
	KeyStores []string
	Count     sim.Kind // how quotas are counted; "": by windows of a second
	Retry     sim.Policy
	Clients   int // processes that call, each with a retry quota; 0: 1
	// CallTime is the time of a call that is not throttled, without the wait for an HSM.
	CallTime Times
	Reserve  float64 // share of a quota to leave free in what to ask for; 0: 0.2
	Profiles []Profile
	Limit    time.Duration // on a percentile of the calls' time with HSMs; 0: no sizing
	Quantile float64       // that the limit is on; 0: 0.99
	Remedies []Remedy
	Rotated  float64 // rotations of keys a month that are billed
	Seed     uint64
	// Progress is told what is done next; may be nil.
	Progress func(format string, args ...any)
}

// Times is what a call takes, by operation.
type Times struct {
	ByOperation map[string]sim.Sampler
	Other       sim.Sampler // nil: 5 ms
	Text        string      // where the figures come from
}

// callTime is used where nothing was recorded.
const callTime = 5 * time.Millisecond

func (t *Times) of(operation string) sim.Sampler {
	if s := t.ByOperation[operation]; s != nil {
		return s
	}
	if t.Other != nil {
		return t.Other
	}
	return sim.Constant(callTime.Seconds())
}

// answerTime is the mean time of a call over the flows, which a throttled answer takes too.
func (o *Options) answerTime(d *Demand) float64 {
	sum := 0.0
	for i := range d.Flows {
		sum += o.CallTime.of(d.Flows[i].Operation).Mean()
	}
	return sum / float64(len(d.Flows))
}

func (o *Options) complete() error {
	if o.Scale == 0 {
		o.Scale = 1
	}
	if o.Count == "" {
		o.Count = sim.Window
	}
	if o.Reserve == 0 {
		o.Reserve = 0.2
	}
	if o.Quantile == 0 {
		o.Quantile = 0.99
	}
	if o.Retry.Name == "" {
		o.Retry, _ = sim.PolicyNamed("standard")
	}
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	switch {
	case o.Demand == nil || len(o.Demand.Flows) == 0:
		return errors.New("a plan needs at least one flow of calls")
	case !(o.Scale > 0 && o.Scale <= 1e6):
		return fmt.Errorf("scale %g is not from above 0 to 1e6", o.Scale)
	case !(o.Reserve > 0 && o.Reserve < 1):
		return fmt.Errorf("reserve %g is not between 0 and 1", o.Reserve)
	case !(o.Quantile > 0 && o.Quantile < 1):
		return fmt.Errorf("percentile %g is not between 0 and 100", o.Quantile*100)
	case o.Quotas == nil || o.Prices == nil:
		return errors.New("a plan needs quotas and prices")
	case o.Limit < 0:
		return fmt.Errorf("a latency limit of %v", o.Limit)
	}
	return nil
}

// Make works the plan out. Errors: options that make no sense, demand that is too large to count by second.
func Make(o Options) (*results.PlanResult, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	o.Progress("counting calls by second against quotas")
	p, err := newDay(&o, o.Demand, o.Retry)
	if err != nil {
		return nil, err
	}
	r := &results.PlanResult{
		Region: o.Quotas.Region, Scale: o.Scale, Source: o.Demand.Source, Horizon: time.Duration(o.Demand.Seconds) * time.Second,
		Counting: string(o.Count), Retry: o.Retry.Name, Clients: max(o.Clients, 1), WholeSeconds: o.Demand.WholeSeconds,
		MeanRate: p.meanRate, Unknown: p.unknown,
	}
	r.Quotas = p.report()
	r.Cost = o.cost(o.Demand)
	r.Causes = p.causes(&r.Cost)
	o.Progress("simulating calls of the busiest stretch")
	if r.Tail, err = o.tail(p, o.Demand, o.Retry); err != nil {
		return nil, err
	}
	if o.Limit > 0 {
		if r.HSMs, err = o.sizes(p); err != nil {
			return nil, err
		}
	}
	if r.Remedies, err = o.remedies(p, r); err != nil {
		return nil, err
	}
	r.Sources, r.Assumptions = o.sources(), o.Demand.Assumptions
	r.Cautions = o.cautions(r)
	return r, nil
}

// sources names where the figures come from.
func (o *Options) sources() []results.PlanSource {
	out := []results.PlanSource{
		{What: "request quotas", Source: QuotaSource, Date: QuotaDate},
		{What: "prices", Source: o.Prices.Source, Date: o.Prices.Date},
		{What: "retries", Source: `AWS SDKs and Tools Reference Guide, "Retry behavior"`, Date: "2026"},
	}
	if o.Origin.Source != "" {
		out = append(out, results.PlanSource{What: "own quotas", Source: o.Origin.Source, Date: o.Origin.Date})
	}
	if o.Limit > 0 {
		for _, p := range o.Profiles {
			out = append(out, results.PlanSource{What: "HSM " + p.Title, Source: p.Source, Date: p.Date})
		}
	}
	return out
}

// cautions is what a reader must know before believing the plan.
func (o *Options) cautions(r *results.PlanResult) []string {
	out := []string{"Quotas are documented as counted over each second. Whether the service uses fixed windows or token buckets is not published; " +
		"--quota-model shows the other one."}
	if o.Demand.counts == nil {
		out = append(out, "Arrivals are Poisson around their curves and storms: independent callers. Real traffic may come in denser bursts; a recorded run or a replay shows them.")
	}
	if o.Demand.WholeSeconds {
		out = append(out, "Arrival times are whole seconds. Within a second calls were placed evenly at random, by the seed; nothing here says what happens below a second.")
	}
	if r.Tail != nil && !r.Tail.Trusted {
		out = append(out, "Times of whole calls are outside the trust region (within 15 % holds without throttling only); compare throttled shares, not percentiles, with what you measure.")
	}
	if len(o.KeyStores) > 0 {
		out = append(out, "Calls on keys in custom key stores count in two quotas, each counted by itself: a call that both throttle is counted twice.")
	}
	if o.Count == sim.Bucket && o.Retry.Attempts > 1 && !o.Retry.Jitter {
		out = append(out, "Retries without jitter fall into step with a token bucket: counts by the day may be up to 12 points too high; the busiest stretch is simulated call by call.")
	}
	if len(r.Unknown) > 0 {
		out = append(out, fmt.Sprintf("No quota is known for %v; their calls are not judged.", r.Unknown))
	}
	return append(out, "Throttled requests are taken as not billed, which the price list leaves open.")
}
