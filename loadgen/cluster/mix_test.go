package cluster_test

import (
	"testing"
	"time"

	"trent/loadgen/schedule"
	"trent/loadgen/workload"
)

// Who sends a hit says nothing about what is sent: each agent's mix is the run's. χ² of owner against entry, over 100,000 hits.
func TestEachAgentHasTheMix(t *testing.T) {
	t.Parallel()
	w, err := workload.Parse("t", []byte("name: t\nmix: [{name: a, operation: ListKeys}, {name: b, operation: ListKeys, weight: 2}, {name: c, operation: ListKeys, weight: 5}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	const agents, hits = 4, 100_000
	for _, s := range []schedule.Schedule{schedule.Constant(1000, 100*time.Second), schedule.Poisson(1000, 100*time.Second, 5)} {
		var counts [agents][3]float64
		p, sequence := schedule.Partition{Seed: 5, Agents: agents}, w.Sequence(5)
		for n := range uint64(hits) {
			var h workload.Hit
			sequence.Hit(n, &h)
			counts[p.Owner(s, n)][h.Entry]++
		}
		var chi float64
		for agent := range counts {
			for entry := range counts[agent] {
				var row, column float64
				for i := range 3 {
					row += counts[agent][i]
				}
				for i := range agents {
					column += counts[i][entry]
				}
				expected := row * column / hits
				chi += (counts[agent][entry] - expected) * (counts[agent][entry] - expected) / expected
			}
		}
		// χ² of (4 − 1) × (3 − 1) = 6 degrees of freedom exceeds 22.46 with a probability of 0.1 % (standard table).
		if chi > 22.46 {
			t.Errorf("%v: χ² %.1f of %v", s, chi, counts)
		}
	}
}
