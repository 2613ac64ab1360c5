package attack

import (
	"math"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/slo"
	"trent/results"
)

// withoutDue takes back the verdicts that need a moment at which a request was due. In a closed loop nothing is due, so its latency
// leaves out the waits that a limit is about, and its throughput is what the clients make of the server.
func withoutDue(verdicts []slo.Verdict) []slo.Verdict {
	out := make([]slo.Verdict, len(verdicts))
	for i, v := range verdicts {
		if v.Unit == "ns" || v.AtLeast && v.Unit == "share" {
			v.Outcome, v.Needed = slo.Inconclusive, 0
			v.Reason = "nothing is due in a closed loop, so that waits before sending are missing; judge this limit at a rate (--rate or --schedule)"
		}
		out[i] = v
	}
	return out
}

// fillLoop labels a closed loop.
func fillLoop(r *results.Record, t *Trial, res *Result) {
	l, ok := t.Plan.Schedule.(engine.ClosedLoop)
	if !ok {
		return
	}
	c := &results.ClosedLoop{Clients: l.Clients, Think: l.Think.Mean, Exponential: l.Think.Exponential, Response: meanResponse(res.Summary)}
	if loop := res.Report.Loop; loop != nil && loop.Pauses > 0 {
		c.Thought = loop.Thought / time.Duration(loop.Pauses)
	}
	if length := min(l.Duration(), res.Report.Elapsed).Seconds(); length > 0 {
		c.Throughput = float64(res.Report.Done) / length
	}
	if cycle := (c.Response + c.Thought).Seconds(); cycle > 0 {
		c.Law = float64(l.Clients) / cycle
	}
	r.ClosedLoop = c
	r.Notes = append(r.Notes, "A closed loop: latency counts from sending, not from when a request was due.")
}

// meanResponse is the mean latency of all requests that have one.
func meanResponse(s *measure.Summary) time.Duration {
	sum, count := 0.0, 0.0
	for o := range measure.NumOutcomes {
		if h := s.Latency(o); h != nil && h.TotalCount() > 0 {
			sum += h.Mean() * float64(h.TotalCount())
			count += float64(h.TotalCount())
		}
	}
	return time.Duration(math.Round(sum / max(count, 1)))
}
