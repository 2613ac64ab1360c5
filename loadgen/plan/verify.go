package plan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/measure"
	"trent/loadgen/plan/queueing"
	"trent/loadgen/plan/sim"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/loadgen/workload"
	"trent/results"
	"trent/results/stats"
)

// Tolerances of a verification: throttled shares within 2 points, percentiles within 15 % inside the trust region.
const (
	shareTolerance = 0.02
	timeTolerance  = 0.15
)

// Verification holds a plan against a server: a calibration at a low rate gives the times of calls, a simulation
// predicts those at the rate asked for, and a run at that rate shows them.
type Verification struct {
	Workload *workload.Workload
	// Try sends a schedule to the server.
	Try     func(ctx context.Context, s schedule.Schedule) (*attack.Result, error)
	Servers int // that serve requests, such as the server's cores
	// Whole: a request keeps its server for all of its time. Otherwise for the server's CPU time a request, and the rest
	// of its time keeps nobody waiting.
	Whole       bool
	Rate        float64 // 0: where the servers are half busy
	Calibration float64 // rate of the calibration; 0: where the servers are a tenth busy, at most 2,000/s
	// CalibrationTime is 15 s and Time 30 s, or as long as 12,000 hits take, where they are 0.
	CalibrationTime, Time time.Duration
	Seed                  uint64
	// Plan predicts throttles: its quotas and how they count. Its demand is not looked at.
	Plan Options
	// Retry and Clients are what the engine does about throttles; the zero value is nothing. Attempts then counts what it
	// sent: a hit is a whole call, with what it waits between its attempts.
	Retry    sim.Policy
	Clients  int
	Attempts func(*attack.Result) (attempts, throttled uint64)
}

// longestRun is where a run for enough hits gives up.
const longestRun = 5 * time.Minute

// Outcome of a verification: what it found, and the run that showed it.
type Outcome struct {
	Verify *results.PlanVerify
	Run    *attack.Result
	Result slo.Outcome
}

// Run calibrates, predicts and measures. Errors: what kept the runs from happening, ctx's.
func (v Verification) Run(ctx context.Context) (*Outcome, error) {
	v.complete()
	first := v.Calibration
	var err error
	if first == 0 {
		if first, err = v.unthrottled(100); err != nil {
			return nil, err
		}
	}
	warm, err := v.Try(ctx, schedule.Poisson(first, v.CalibrationTime/5, v.Seed+1))
	if err != nil {
		return nil, fmt.Errorf("warming up: %w", err)
	}
	if v.Calibration == 0 {
		v.Calibration = v.tenth(warm, first)
		if v.Calibration, err = v.unthrottled(v.Calibration); err != nil {
			return nil, err
		}
	}
	low, err := v.Try(ctx, schedule.Poisson(v.Calibration, v.CalibrationTime, v.Seed+2))
	if err != nil {
		return nil, fmt.Errorf("calibrating: %w", err)
	}
	if warm.Report.Interrupted || low.Report.Interrupted || ctx.Err() != nil {
		return nil, errors.Join(errors.New("interrupted while calibrating"), ctx.Err())
	}
	if low.Summary.Count(measure.OK) == 0 {
		return nil, errors.New("calibrating: no request was answered well")
	}
	m := v.model(low)
	if v.Rate == 0 {
		v.Rate = math.Floor(0.5 * float64(v.Servers) / m.occupancy)
	}
	if v.Time == 0 {
		v.Time = min(max(30*time.Second, time.Duration(12_000/v.Rate*float64(time.Second)).Round(time.Second)), longestRun)
	}
	predicted, err := v.predict(m)
	if err != nil {
		return nil, err
	}
	run, err := v.Try(ctx, schedule.Poisson(v.Rate, v.Time, v.Seed+3))
	if err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	return v.judge(m, predicted, run), nil
}

// tenth is the rate at which the servers are about a tenth busy: a request costs more CPU time on a server that is
// mostly idle.
func (v *Verification) tenth(warm *attack.Result, rate float64) float64 {
	each, least := warm.ServerCost().Seconds(), 500.0
	if h := warm.Summary.Latency(measure.OK); h != nil && (v.Whole || each <= 0) {
		each, least = h.Mean()/1e9, 1
	}
	if each <= 0 {
		return rate
	}
	return math.Round(min(max(0.1*float64(v.Servers)/each, least), 2000))
}

// unthrottled is the rate, or less where more than half of a quota would be used: throttles are no calibration.
func (v *Verification) unthrottled(rate float64) (float64, error) {
	day, err := v.day(rate, 10*time.Second)
	if err != nil {
		return 0, err
	}
	factor := 1.0
	for _, c := range day.meters {
		for _, calls := range c.rates {
			factor = min(factor, 0.5*c.admits()/max(calls, 1e-9))
		}
	}
	return rate * factor, nil
}

func (v *Verification) complete() {
	if v.CalibrationTime == 0 {
		v.CalibrationTime = 15 * time.Second
	}
	v.Servers = max(v.Servers, 1)
}

// station is what the calibration says of the server.
type station struct {
	classes   []sim.Class
	weights   []float64
	occupancy float64 // seconds of a server a request, on average
	text      string
}

// model takes the times of calls, from due, at a low rate.
func (v *Verification) model(low *attack.Result) station {
	var m station
	whole, total := 0.0, 0.0
	var times []*sim.Empirical
	for i := range low.Summary.Entries {
		e := sim.NewEmpirical(nil, nil)
		if h := low.Summary.Entries[i].Outcomes[measure.OK].Latency; h != nil {
			e = sim.FromHistogram(h)
		}
		times = append(times, e)
		weight := v.Workload.Mix[i].Weight
		m.weights = append(m.weights, weight)
		whole += weight * e.Mean()
		total += weight
	}
	whole /= total
	cpu := low.ServerCost().Seconds()
	if v.Whole || cpu <= 0 || cpu >= whole {
		unqueued := v.unqueued(whole, times)
		for i := range times {
			times[i] = times[i].Scaled(unqueued / whole)
		}
		whole = unqueued
	}
	for i := range times {
		class := sim.Class{Name: v.Workload.Mix[i].Name}
		if v.Whole || cpu <= 0 || cpu >= whole {
			class.Service = times[i]
		} else {
			// An entry takes as much of a server as its times are longer than others.
			part := cpu * times[i].Mean() / whole
			class.Service, class.Delay = sim.Constant(part), times[i].Less(part)
		}
		m.classes = append(m.classes, class)
	}
	m.occupancy = min(whole, cpu)
	m.text = fmt.Sprintf("Predicted from %d calls at %s/s: a request keeps one of %d servers for its CPU time, %s on average; the rest of its time keeps nobody waiting.",
		low.Summary.Count(measure.OK), figure(v.Calibration), v.Servers, low.ServerCost())
	if v.Whole || cpu <= 0 || cpu >= whole {
		m.occupancy = whole
		m.text = fmt.Sprintf("Predicted from %d calls at %s/s: a request keeps one of %d servers for all of its time.", low.Summary.Count(measure.OK), figure(v.Calibration), v.Servers)
	}
	return m
}

// unqueued is the mean time without what calls of the calibration waited for each other, by Allen and Cunneen.
func (v *Verification) unqueued(whole float64, times []*sim.Empirical) float64 {
	weights, samplers := make([]float64, len(times)), make([]sim.Sampler, len(times))
	for i := range times {
		weights[i], samplers[i] = v.Workload.Mix[i].Weight, times[i]
	}
	_, scv := sim.Moments(weights, samplers)
	mean := whole
	for range 20 {
		mean = max(whole-queueing.WaitGGC(v.Servers, v.Calibration, min(mean, 0.99*float64(v.Servers)/v.Calibration), 1, scv), whole/2)
	}
	return mean
}

// prediction is what a plan says of the run: percentiles with the quotas enforced and without.
type prediction struct {
	free, limited [2]float64 // p50 and p99
	share, load   float64    // throttled attempts ÷ attempts
}

// predictedCalls is how many calls predict percentiles.
const predictedCalls = 400_000

func (v *Verification) predict(m station) (prediction, error) {
	p := prediction{load: v.Rate * m.occupancy / float64(v.Servers)}
	day, err := v.day(v.Rate, v.Time)
	if err != nil {
		return p, err
	}
	if p.share, p.limited, err = v.limited(m, day); err != nil {
		return p, err
	}
	if p.load >= 0.999 {
		p.free = [2]float64{math.Inf(1), math.Inf(1)}
		return p, nil
	}
	model := sim.Model{Classes: m.classes, Servers: v.Servers}
	length := predictedCalls / v.Rate
	out, err := sim.Run(&model, sim.Poisson(v.Rate, length, m.weights, v.Seed), v.Seed)
	if err != nil {
		return p, err
	}
	q := out.Quantiles(length/20, false, 0.5, 0.99)
	p.free = [2]float64{q[0].Value, q[1].Value}
	return p, nil
}

// day counts the run against the plan's quotas, without retries.
func (v *Verification) day(rate float64, length time.Duration) (*day, error) {
	o := v.Plan
	o.Demand = FromFlows("the run", FlowsOf(v.Workload, rate, 0, 0))
	o.Demand.Seconds = max(int(math.Round(length.Seconds())), 1)
	o.Scale = 1
	o.Retry, _ = sim.PolicyNamed("none")
	if err := o.complete(); err != nil {
		return nil, err
	}
	return newDay(&o, o.Demand, o.Retry)
}

// limited is what the run comes to where the quotas are enforced. It simulates runs of its own length, several where it
// is short: a client's retry quota is full at the start and may run out.
func (v *Verification) limited(m station, d *day) (share float64, q [2]float64, err error) {
	expected, calls := 0.0, 0.0
	for _, c := range d.meters {
		expected += c.spectrum.excess(1, c.admits())
	}
	for f := range d.flows {
		calls += d.flows[f].calls
	}
	share = shareOf(expected, calls)
	if share == 0 && v.Retry.Attempts <= 1 {
		return 0, q, nil
	}
	model := sim.Model{Servers: v.Servers, Retry: v.Retry, Clients: v.Clients}
	for _, c := range d.meters {
		model.Limits = append(model.Limits, c.limit)
	}
	for f, class := range m.classes {
		class.Limits = d.flows[f].quotas
		model.Classes = append(model.Classes, class)
	}
	runs := min(max(predictedCalls/(v.Rate*v.Time.Seconds()), 1), 20)
	attempts, throttled := 0.0, 0.0
	for i := range uint64(runs) {
		out, err := sim.Run(&model, sim.Poisson(v.Rate, v.Time.Seconds(), m.weights, v.Seed+i), v.Seed+i)
		if err != nil {
			return 0, q, err
		}
		attempts += float64(out.Attempts)
		throttled += float64(out.Throttled)
		values := out.Quantiles(0, true, 0.5, 0.99)
		q[0] += values[0].Value / math.Floor(runs)
		q[1] += values[1].Value / math.Floor(runs)
	}
	// Without retries the share in windows is known exactly.
	if v.Retry.Attempts > 1 || d.options.Count == sim.Bucket {
		share = shareOf(throttled, attempts)
	}
	return share, q, nil
}

// judge puts predicted and measured side by side.
func (v *Verification) judge(m station, p prediction, run *attack.Result) *Outcome {
	all := run.Populations[0]
	due, throttled := 0.0, 0.0
	for _, s := range all.Seconds {
		due += float64(s.Due)
		throttled += float64(s.Throttled)
	}
	measured := shareOf(throttled, due)
	if v.Attempts != nil {
		attempts, refused := v.Attempts(run)
		measured, throttled = shareOf(float64(refused), float64(attempts)), float64(refused)
	}
	out := &results.PlanVerify{Workload: v.Workload.Name, Rate: v.Rate, Calibration: v.Calibration, Servers: v.Servers,
		Occupancy: time.Duration(m.occupancy * 1e9), Model: m.text, Load: p.load, Throttles: throttled > 0}
	// A calibrated load is known to half a point.
	out.Trusted = p.load <= trustedLoad+0.005 && measured < 1e-4
	switch {
	case p.load > trustedLoad+0.005:
		out.Why = fmt.Sprintf("The servers are %.0f %% busy by the prediction, outside the trust region of 80 %%: percentiles are not judged.", p.load*100)
	case !out.Trusted:
		out.Why = "There are throttles, so percentiles are outside the trust region and not judged."
		if v.Retry.Attempts > 1 {
			out.Why = "There are throttles and retries: percentiles of whole calls are outside the trust region, shown and not judged."
		}
	}
	share := results.PlanCheck{Name: "throttled attempts ÷ attempts", Unit: "share", Predicted: p.share, Measured: measured, Tolerance: shareTolerance, Outcome: slo.Pass.String()}
	switch {
	case math.Abs(p.share-measured) <= shareTolerance:
	case throttled == 0:
		share.Outcome = notJudged
		out.Why += " The endpoint does not throttle: either it enforces no quotas, or higher ones than the plan has. Give its own by --quotas."
	default:
		share.Outcome = slo.Fail.String()
	}
	out.Checks = append(out.Checks, share)
	out.Checks = append(out.Checks, v.times(out.Trusted, throttled > 0, p, all)...)
	return &Outcome{Verify: out, Run: run, Result: overall(out, run)}
}

const notJudged = "not judged"

// times compares percentiles over all calls; those that were throttled for good rank as infinite.
func (v *Verification) times(trusted, throttled bool, p prediction, all slo.Population) []results.PlanCheck {
	predictions := p.free
	if throttled {
		predictions = p.limited
	}
	qs := []float64{0.5, 0.99}
	blocks := make([]stats.Block, len(all.Seconds))
	for i, s := range all.Seconds {
		blocks[i] = s.Judged(false)
	}
	values := stats.Percentiles(blocks, qs)
	intervals := stats.BootstrapPercentiles(blocks, qs, stats.Options{Seed: v.Seed})
	var out []results.PlanCheck
	for i, predicted := range predictions {
		c := results.PlanCheck{Name: fmt.Sprintf("p%g from due", qs[i]*100), Unit: "ns", Predicted: finite(predicted * 1e9), Measured: finite(float64(values[i])), Tolerance: timeTolerance}
		if len(blocks) >= 20 {
			c.Low, c.High = finite(intervals[i].Low), finite(intervals[i].High)
		}
		switch enough := float64(all.Due()) >= 100/(1-qs[i]); {
		case !trusted || qs[i] != 0.99:
			c.Outcome = notJudged
		case !enough:
			c.Outcome = slo.Inconclusive.String()
		case math.Abs(c.Predicted-c.Measured) <= timeTolerance*c.Measured:
			c.Outcome = slo.Pass.String()
		case c.High > 0 && c.Low*(1-timeTolerance) <= c.Predicted && c.Predicted <= c.High*(1+timeTolerance):
			c.Outcome = slo.Inconclusive.String()
		default:
			c.Outcome = slo.Fail.String()
		}
		out = append(out, c)
	}
	return out
}

// finite keeps what JSON cannot hold out of records; an hour is above any latency.
func finite(ns float64) float64 {
	if math.IsNaN(ns) {
		return 0
	}
	return min(ns, float64(time.Hour))
}

// overall is void where client or machine disturbed the run, else the worst check.
func overall(v *results.PlanVerify, run *attack.Result) slo.Outcome {
	worst := slo.Pass
	judged := false
	for _, c := range v.Checks {
		switch c.Outcome {
		case slo.Fail.String():
			worst = slo.Fail
		case slo.Inconclusive.String():
			if worst != slo.Fail {
				worst = slo.Inconclusive
			}
		}
		judged = judged || c.Outcome != notJudged
	}
	for _, g := range run.Gates {
		if g.Void {
			return slo.Voided
		}
	}
	if !judged || run.Report.Interrupted {
		return slo.Inconclusive
	}
	return worst
}
