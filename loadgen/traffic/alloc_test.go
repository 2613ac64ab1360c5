//go:build !race

package traffic_test

import (
	"testing"

	"trent/loadgen/traffic"
)

func TestSourceDoesNotAllocate(t *testing.T) {
	flow := []traffic.Flow{{Rate: traffic.Curve{Mean: 1e6}}, {Rate: traffic.Curve{Mean: 3, Swing: 2, Period: day}}}
	s := traffic.NewSource(flow, 100*day, 101*day, 1)
	if allocs := testing.AllocsPerRun(10_000, func() { s.Next() }); allocs > 0 {
		t.Errorf("%v allocations a call", allocs)
	}
}
