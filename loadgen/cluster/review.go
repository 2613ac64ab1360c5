package cluster

import (
	"fmt"
	"slices"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/results"
)

// findHoles names the hits that nobody measured: all of a lost agent, and those after the end of one that was stopped by itself.
func (g *Group) findHoles(interrupted bool) {
	p := partition(g.plan.Seed, g.options.Agents)
	whole := schedule.Count(g.plan.Schedule, 0, g.window)
	for _, m := range g.members {
		var from time.Duration
		reason := ""
		switch {
		case m.lost != nil:
			reason = fmt.Sprintf("lost after %v: %v", max(m.lostAt, 0).Round(time.Millisecond), m.lost)
		case m.result.Interrupted && !interrupted:
			from, reason = m.result.Elapsed, fmt.Sprintf("stopped by itself after %v", m.result.Elapsed.Round(time.Millisecond))
		default:
			continue
		}
		hole := results.AgentHole{Agent: m.index + 1, From: min(from, g.window), To: g.window, Reason: reason,
			Hits: schedule.Count(p.Share(g.plan.Schedule, m.index), from, g.window), Which: g.which(m.index)}
		if whole > 0 {
			hole.Share = float64(hole.Hits) / float64(whole)
		}
		g.holes = append(g.holes, hole)
	}
}

// rule says how hits are dealt.
func (g *Group) rule() string {
	if schedule.GoesRound(g.plan.Schedule) {
		return "hit n to agent n modulo the number of agents"
	}
	return "hit n to the agent that a hash of seed and n names"
}

// which names the hits of agent i.
func (g *Group) which(i int) string {
	if schedule.GoesRound(g.plan.Schedule) {
		return fmt.Sprintf("n ≡ %d (mod %d)", i, g.options.Agents)
	}
	return fmt.Sprintf("hash(%d, n) names %d of %d", g.plan.Seed, i+1, g.options.Agents)
}

// Review completes what a trial made of the run: gates of every agent, of which any voids the run, and of their clocks; with
// holes, less was asked of the server than the schedule says, so no limit is passed and nothing is said about rates, unless the
// group may shrink.
func (g *Group) Review(r *attack.Result) {
	if !g.options.Transport.Local() {
		// The coordinator's machine had no part in the load.
		r.Gates = slices.DeleteFunc(r.Gates, func(gate slo.Gate) bool { return gate.Name != "client lag p99" })
	}
	for _, m := range g.members {
		if m.lost == nil {
			r.Gates = append(r.Gates, g.gateOf(m))
		}
	}
	r.Gates = append(r.Gates, g.clockGate())
	shrunk := len(g.holes) > 0 && !g.options.Shrink
	if shrunk {
		for i := range r.Verdicts {
			v := &r.Verdicts[i]
			if v.Outcome == slo.Pass || v.Metric == "throughput" {
				v.Outcome, v.Reason = slo.Inconclusive, "agents were lost, so the server had less to do than asked; --shrink judges the load that was left"
			}
		}
	}
	outcome := slo.Overall(r.Gates, r.Verdicts)
	if shrunk {
		outcome = min(outcome, slo.Inconclusive)
	}
	if r.Outcome != slo.HarnessError {
		r.Outcome = outcome
	}
}

// gateOf is one gate for all gates of an agent; the record has them one by one.
func (g *Group) gateOf(m *member) slo.Gate {
	gate := slo.Gate{Name: m.String(), Figure: "none beyond its limit", Limit: "its gates", Known: true}
	for _, own := range m.result.Gates {
		if own.Void {
			if gate.Void {
				gate.Figure += ", "
			} else {
				gate.Figure = ""
			}
			gate.Void = true
			gate.Figure += own.Name + " " + own.Figure + " (" + own.Limit + ")"
			gate.Advice = own.Advice
		}
	}
	return gate
}

func (g *Group) clockGate() slo.Gate {
	worst, unsure := time.Duration(0), time.Duration(0)
	for _, m := range g.members {
		if m.lost == nil {
			worst = max(worst, m.drift().Abs())
			unsure = max(unsure, m.before.uncertainty(), m.after.uncertainty())
		}
	}
	gate := slo.Gate{Name: "agents' clocks", Known: true, Limit: "≤ " + g.limit.String(),
		Figure: fmt.Sprintf("%v apart, known to ± %v", worst.Round(time.Microsecond), unsure.Round(time.Microsecond))}
	switch {
	case worst > g.limit:
		gate.Void, gate.Advice = true, "a clock moved against the coordinator's during the run; let NTP settle and repeat"
	case unsure > 10*time.Millisecond:
		gate.Void, gate.Advice = true, "the way to an agent is too long to tell its clock; bring coordinator, etcd and agents closer"
	}
	return gate
}

// drift is how far the agent's clock moved against the coordinator's between the two measurements. The run's origin was agreed by the
// first.
func (m *member) drift() time.Duration { return m.after.offset - m.before.offset }

// Result is the agents for the record, after Run.
func (g *Group) Result() *results.AgentsResult {
	r := &results.AgentsResult{Transport: g.options.Transport.Name(), Rule: g.rule(), Shrunk: g.options.Shrink && len(g.holes) > 0,
		OffsetLimit: g.limit, Holes: g.holes}
	for _, m := range g.members {
		a := results.Agent{Number: m.index + 1, Host: m.hello.Host, PID: m.hello.PID, CPUs: m.hello.CPUs,
			OffsetBefore: m.before.offset, BeforeWithin: m.before.uncertainty()}
		if m.lost != nil {
			at := max(m.lostAt, 0)
			a.Lost, a.LostAfter = m.lost.Error(), &at
		} else {
			a.Due, a.Sent, a.OK, a.CPU, a.Lag = m.result.Due, m.result.Sent, m.ok, m.result.CPU, m.result.LagP99
			a.OffsetAfter, a.AfterWithin, a.Interrupted = m.after.offset, m.after.uncertainty(), m.result.Interrupted
			for _, gate := range m.result.Gates {
				a.Gates = append(a.Gates, results.Gate(gate))
			}
		}
		r.Agents = append(r.Agents, a)
	}
	return r
}
