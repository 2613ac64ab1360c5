package compare

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/results"
)

// beyond is how many hits must lie beyond a percentile of a round for it to be given.
const beyond = 10

// provision makes each side's keys; the floor takes the other side's.
func (r *run) provision(ctx context.Context) error {
	for _, side := range r.sides {
		if side.Kind == results.FloorSubject {
			continue
		}
		r.Display.Phase("making %d keys on %s", r.Workload.KeyCount(), side.Name)
		keys, err := engine.Provision(ctx, side.Target, r.Workload, engine.ProvisionOptions{Keep: r.KeepKeys || side.starts()})
		if err != nil {
			return fmt.Errorf("making the workload's keys on %s: %w", side.Name, err)
		}
		side.keys = keys
	}
	if r.A.Kind == results.FloorSubject {
		return r.startFloor(ctx)
	}
	return nil
}

// load is one stretch of load on a side.
func (r *run) load(ctx context.Context, side *running, times schedule.Schedule, seed uint64, timeout time.Duration) (*attack.Result, *cpuSpan, error) {
	span := &cpuSpan{Schedule: times, pid: side.PID, host: r.host}
	// The engine asks for the iterator once its connections stand, so that their handshakes are not counted as the requests'.
	trial := attack.Trial{
		Engine: r.sender, Limits: slo.None(), ClientCPUs: r.client,
		Meter: attack.NewMeter(machine.NewProbe(r.host, side.PID, r.sides[0].PID, r.sides[1].PID), max(times.Duration()/8, 100*time.Millisecond)),
		Plan: engine.Plan{Target: side.Target, Workload: r.Workload, Keys: side.keys, Schedule: span, Seed: seed,
			Connections: r.Connections, Timeout: timeout, Progress: r.Display.Update(times.Duration())},
	}
	res, err := trial.Run(ctx)
	span.finish()
	if err != nil {
		if gone := side.died(); gone != nil {
			err = gone
		}
		return nil, nil, fmt.Errorf("measuring %s: %w", side.Name, err)
	}
	return res, span, nil
}

// cpuSpan is a schedule that reads a process's CPU time when its hits begin.
type cpuSpan struct {
	schedule.Schedule
	host       machine.Host
	pid        int
	tree       *machine.Tree
	begin, end time.Duration
	known      bool
}

// Iterator notes the CPU time used so far.
func (s *cpuSpan) Iterator() schedule.Iterator {
	if s.pid > 0 {
		s.tree = machine.NewTree(s.host, s.pid)
		used, err := s.tree.CPU()
		s.begin, s.known = used, err == nil
	}
	return s.Schedule.Iterator()
}

func (s *cpuSpan) finish() {
	if !s.known {
		return
	}
	used, err := s.tree.CPU()
	s.end, s.known = used, err == nil
}

// each is the CPU time a request; nil where it is not known.
func (s *cpuSpan) each(requests uint64) *time.Duration {
	if !s.known || requests == 0 || s.end <= s.begin {
		return nil
	}
	v := (s.end - s.begin) / time.Duration(requests)
	return &v
}

// try measures one round.
func (r *run) try(ctx context.Context, a Attempt) (Measured, error) {
	side := r.sides[0]
	if a.On() == "B" {
		side = r.sides[1]
	}
	rate, timeout := r.Rate, r.Timeout
	if a.Saturated {
		rate, timeout = overload*side.top, min(r.Timeout, r.Round)
	}
	r.Display.Prefix(r.prefix(a, side))
	res, span, err := r.load(ctx, side, schedule.Poisson(rate, r.Round, a.Seed), a.Seed, timeout)
	r.done++
	if err == nil && res.Report.Capped > 0 {
		err = fmt.Errorf("measuring %s: %w", side.Name, engine.ErrRequestCap)
	}
	if err != nil {
		return Measured{}, err
	}
	return r.measured(a, rate, res, span), nil
}

// prefix tells how far the comparison is.
func (r *run) prefix(a Attempt, side *running) string {
	what := ""
	switch {
	case a.Self:
		what = " (A/A)"
	case a.Saturated:
		what = " (saturated)"
	}
	left := ""
	if r.done > 0 && r.total > r.done {
		each := time.Since(r.began) / time.Duration(r.done)
		left = fmt.Sprintf(", about %s to go", (each * time.Duration(r.total-r.done)).Round(time.Second))
	}
	return fmt.Sprintf("round %d of %d%s: %s%s  ", r.done+1, max(r.total, r.done+1), left, side.Name, what)
}

// severe are the gates that make a whole round worthless: the machine was not this run's, or its clocks are not to be trusted.
// The others disturb latencies; CPU a request does not depend on them.
var severe = []string{"CPU stolen", "clock step", "descriptors or ports exhausted", "CPU quota used up, periods"}

// Gates of a comparison's own.
const (
	gateOthers      = "other work on the servers' CPUs"
	gateOwn         = "client full"
	gateUnsaturated = "not saturated"
	maxOthers       = 0.10 // of the servers' CPUs
	maxOwn          = 0.80 // of the client's CPUs, used by the client itself
)

// measured turns a trial into a round.
func (r *run) measured(a Attempt, rate float64, res *attack.Result, span *cpuSpan) Measured {
	m := Measured{Round: results.Round{Pair: a.Pair, Self: a.Self, Side: a.Side, Second: a.Second, Saturated: a.Saturated,
		Due: res.Summary.Asked(), OK: res.Summary.Count(measure.OK)}}
	m.OKRate = float64(m.OK) / r.Round.Seconds()
	if a.Saturated {
		m.OKRate = answeredRate(res.Summary, r.Round)
	}
	m.ServerCPU = span.each(m.OK)
	if c := res.ClientCost(); c > 0 {
		m.ClientCPU = &c
	}
	if stolen := res.Usage.Stolen(nil); !math.IsNaN(stolen) {
		m.Stolen = &stolen
	}
	for _, g := range res.Gates {
		switch {
		case !g.Void:
		case slices.Contains(severe, g.Name):
			m.Void = append(m.Void, g.Name)
		case !a.Saturated: // under saturation hits are late whoever is to blame
			m.Disturbed = append(m.Disturbed, g.Name)
		}
	}
	if r.others(&res.Usage) > maxOthers {
		m.Disturbed = append(m.Disturbed, gateOthers)
	}
	if a.Saturated {
		if r.own(&res.Usage) > maxOwn {
			m.Disturbed = append(m.Disturbed, gateOwn) // the rate would be the client's
		}
		if m.OKRate > answered*rate {
			m.Disturbed = append(m.Disturbed, gateUnsaturated)
		}
	}
	if a.Saturated {
		return m
	}
	m.add("all", res.Summary.Asked(), res.Summary.Errors, res.Summary.Latency(measure.OK))
	for i := range res.Summary.Entries {
		e := &res.Summary.Entries[i]
		m.add(e.Name, e.Asked(), e.Errors, e.Outcomes[measure.OK].Latency)
	}
	return m
}

// others is the share of the servers' CPUs that neither server used, as far as it was used; 0 where the servers are not kept to
// CPUs of their own.
func (r *run) others(u *machine.Usage) float64 {
	if !r.pinned || !u.HasServer || u.Wall <= 0 {
		return 0
	}
	busy := u.Busy(r.server)
	if math.IsNaN(busy) {
		return 0
	}
	return busy - float64(u.ServerCPU)/float64(u.Wall)/float64(len(r.server))
}

// own is the share of the client's CPUs that the client itself used.
func (r *run) own(u *machine.Usage) float64 {
	if u.Wall <= 0 || len(r.client) == 0 {
		return 0
	}
	return float64(u.ClientCPU) / float64(u.Wall) / float64(len(r.client))
}

// add puts an operation's figures into the round.
func (m *Measured) add(name string, due uint64, errors map[string]uint64, ok *hdr.Histogram) {
	f := results.Figure{Operation: name, Due: due}
	for _, e := range measure.ErrorNames(errors) {
		f.Errors = append(f.Errors, results.ErrorCount{Name: e, Count: errors[e]})
	}
	if ok != nil {
		f.OK = uint64(ok.TotalCount())
		if f.OK > 0 {
			mean := time.Duration(ok.Mean())
			f.Mean = &mean
		}
	}
	for q, into := range map[float64]**results.Latency{0.5: &f.P50, 0.99: &f.P99} {
		if float64(due)*(1-q) >= beyond-1e-9 {
			v := judged(ok, due, q)
			*into = &v
		}
	}
	m.Figures = append(m.Figures, f)
	m.Latency = append(m.Latency, ok)
}

// judged is a percentile over hits due: those without a good answer rank as infinite.
func judged(ok *hdr.Histogram, due uint64, q float64) results.Latency {
	rank := uint64(math.Ceil(q*float64(due) - 1e-9))
	if ok == nil || rank > uint64(ok.TotalCount()) {
		return results.Never
	}
	return results.Latency(measure.Rank(ok, max(rank, 1)))
}

// answeredRate is good answers that came while hits were due, a second.
func answeredRate(s *measure.Summary, length time.Duration) float64 {
	n := uint64(0)
	blocks := s.Blocks()
	for i := range blocks {
		if blocks[i].Start+s.Width <= length {
			n += blocks[i].Answered
		}
	}
	return float64(n) / length.Seconds()
}
