package capacity

import (
	"fmt"
	"math"

	"trent/results"
)

// conclude finds bracket, label and ceiling, and what limits.
func (s *Search) conclude() {
	r := &s.result
	r.HighestPass, _ = s.bracket()
	for _, rate := range s.fails {
		if r.LowestFail == 0 || rate < r.LowestFail {
			r.LowestFail = rate
		}
	}
	cost := s.cost
	if s.confirm != nil && s.confirm.ServerCost() > 0 {
		cost = s.confirm.ServerCost()
	}
	if estimate := ceiling(s.ServerCPUs, cost); !math.IsInf(estimate, 1) {
		r.Ceiling = estimate
	}
	if r.Sustained == 0 {
		if s.edge != nil {
			bound := Bounds(unknown(), evidenceOf(s.edge, s.ClientCPUs, s.ServerCPUs))
			r.Bound = &bound
		}
		r.Label, r.Why = results.NotReached, "No rate passed a confirming run, so there is no result; the steps say why."
		return
	}
	bound := Bounds(evidenceOf(s.confirm, s.ClientCPUs, s.ServerCPUs), evidenceOf(s.edge, s.ClientCPUs, s.ServerCPUs))
	r.Bound = &bound
	r.Label, r.Why = s.label(&bound)
}

// label says what limited the sustained rate. It is the server's own only where the server's CPUs were full or a queue
// in it is named, and the client had CPUs to spare.
func (s *Search) label(bound *results.Bound) (label, why string) {
	server, client := math.NaN(), s.confirm.Usage.Busy(s.ClientCPUs)
	if len(s.ServerCPUs) > 0 {
		server = s.confirm.Usage.Busy(s.ServerCPUs)
	}
	busy := fmt.Sprintf("At that rate the server's CPUs were %s busy and the client's %s.", percent(server), percent(client))
	switch {
	case bound.Server && client < busyClient:
		if bound.Name != results.BoundCPU {
			busy += " " + bound.Text
		}
		return results.ServerBound, busy
	case bound.Name == results.BoundQuota:
		return results.QuotaBound, busy + " " + bound.Text
	case s.MaxRate > 0 && s.result.Sustained >= s.MaxRate*(1-1e-9):
		return results.NotReached, "The highest rate allowed passed. " + busy
	case math.IsNaN(server):
		return results.Unattributed, "The server's CPUs are not visible from here, so what limited it is not known. " + fmt.Sprintf("The client's CPUs were %s busy.", percent(client))
	case client >= busyClient:
		return results.ClientBound, busy + " The client had no more to give."
	case len(s.voids) > 0 && s.result.LowestFail == 0:
		return results.ClientBound, busy + " Higher rates did not count, because client or machine disturbed them; the steps say how."
	default:
		return results.ClientBound, busy + " Neither was full: what limited the rate is not shown to be the server, so this is a lower bound."
	}
}

func percent(v float64) string {
	if math.IsNaN(v) {
		return "to an unknown share"
	}
	return fmt.Sprintf("%.0f %%", v*100)
}
