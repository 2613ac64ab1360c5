package capacity

import (
	"context"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/results"
)

// overload runs 1.5 × the sustained rate and then 0.5 ×, in one go; not where that is more than may be asked for.
func (s *Search) overload(ctx context.Context) error {
	high, low := round(1.5*s.result.Sustained), round(0.5*s.result.Sustained)
	if s.MaxRate > 0 && high > s.MaxRate {
		return nil
	}
	s.attempts++
	times := schedule.Randomise(schedule.Steps([]schedule.Step{
		{Rate: low, Duration: warm}, {Rate: high, Duration: overloadTime}, {Rate: low, Duration: recoverTime},
	}), s.Seed+uint64(s.attempts))
	res, err := s.Try(ctx, Attempt{Purpose: results.Overloads, Number: s.attempts, Warm: warm, Schedule: times})
	if err != nil {
		return err
	}
	s.spent += res.Report.Elapsed
	if res.Report.Interrupted {
		return context.Cause(ctx)
	}
	seconds := int(overloadTime / time.Second)
	if len(res.Populations[0].Seconds) <= seconds {
		return nil // blocks wider than a second: a budget of hours; nothing to tell apart
	}
	during, after := split(res, seconds)
	o := &results.Overload{
		Rate:     high,
		Goodput:  float64(okWithin(during.Populations[0].Seconds, deadline(s.Limits))) / overloadTime.Seconds(),
		Answered: float64(answeredIn(res, warm, warm+overloadTime)) / overloadTime.Seconds(),
	}
	o.Half, o.After = low, float64(okWithin(after.Populations[0].Seconds, deadline(s.Limits)))/max(after.Populations[0].Length().Seconds(), 1e-9)
	o.Recovery, o.Recovered = s.recovery(after.Populations)
	s.result.Overload = o
	for _, part := range []struct {
		purpose string
		rate    float64
		result  *attack.Result
	}{{results.Overloads, high, during}, {results.Recovery, low, after}} {
		step := s.describe(part.purpose, part.rate, part.result)
		// Not judged: it is meant to break the limits. CPU shares are of both halves together, so left out.
		if step.Thirds, step.ClientBusy, step.ServerBusy = nil, nil, nil; step.Outcome == voided {
			o.Note = "client or machine disturbed it: " + step.Note
		}
		step.Outcome = "not judged"
		s.result.Steps = append(s.result.Steps, step)
	}
	return nil
}

// split cuts a result's judged seconds in two.
func split(res *attack.Result, at int) (head, tail *attack.Result) {
	a, b := *res, *res
	a.Populations, b.Populations = nil, nil
	for _, p := range res.Populations {
		a.Populations = append(a.Populations, slo.Population{Name: p.Name, Seconds: p.Seconds[:at]})
		b.Populations = append(b.Populations, slo.Population{Name: p.Name, Seconds: p.Seconds[at:]})
	}
	a.Judged = time.Duration(at) * time.Second
	b.Judged = res.Judged - a.Judged
	return &a, &b
}

// recovery is the number of whole seconds, counted by when hits were due, until all later ones keep the limits.
func (s *Search) recovery(populations []slo.Population) (time.Duration, bool) {
	n := len(populations[0].Seconds)
	for start := range n {
		rest := make([]slo.Population, len(populations))
		for i, p := range populations {
			rest[i] = slo.Population{Name: p.Name, Seconds: p.Seconds[start:]}
		}
		each := true
		for k := range n - start {
			second := make([]slo.Population, len(rest))
			for i, p := range rest {
				second[i] = slo.Population{Name: p.Name, Seconds: p.Seconds[k : k+1]}
			}
			each = each && s.keeps(second)
		}
		if each {
			return time.Duration(start) * time.Second, true
		}
	}
	return 0, false
}

// deadline is when an answer counts as in time: the limit of the highest percentile. One of a median is none for each hit.
func deadline(l slo.Limits) (limit time.Duration) {
	highest := 0.0
	for _, latency := range l.Latency {
		if latency.Percentile > highest || latency.Percentile == highest && latency.Limit < limit {
			highest, limit = latency.Percentile, latency.Limit
		}
	}
	return limit
}
