//go:build !race

package schedule_test

import (
	"strings"
	"testing"
	"time"

	"trent/loadgen/schedule"
)

// Iterators run in the pacer: they do not allocate, whatever the schedule.
func TestIteratorsDoNotAllocate(t *testing.T) {
	trace, err := schedule.OpenTrace(writeTrace(t, strings.Repeat("0.5 1\n", 100_000), true), 2)
	if err != nil {
		t.Fatal(err)
	}
	p := schedule.Partition{Seed: 1, Agents: 3}
	for _, sch := range []schedule.Schedule{
		schedule.Constant(1e6, time.Hour), schedule.Linear(1, 1e6, time.Hour), schedule.Sine(1e5, 1e5, time.Minute, time.Hour),
		schedule.Bursts(100, time.Millisecond, time.Hour), schedule.Poisson(1e6, time.Hour, 1), schedule.Trace(make([]time.Duration, 50_000)), trace,
	} {
		for _, s := range []schedule.Schedule{sch, p.Share(sch, 1)} {
			it := s.Iterator()
			if allocs := testing.AllocsPerRun(10_000, func() { it.Next() }); allocs > 0 {
				t.Errorf("%v: %v allocations a hit", s, allocs)
			}
		}
	}
}
