//go:build !race

package measure_test

import (
	"testing"
	"time"

	"trent/loadgen/measure"
)

// Recording settles: after the first seconds a sample costs far less than one allocation (compacting a block makes a few in 4,096
// samples).
func TestRecordHardlyAllocates(t *testing.T) {
	r := recorder("a")
	shard := r.NewShard()
	n := uint64(0)
	one := func() {
		sample := ok(n, 0, time.Duration(n)*20*us, time.Duration(1+n%1000)*us)
		shard.Record(&sample)
		n++
	}
	for range 200_000 {
		one()
	}
	if allocs := testing.AllocsPerRun(20, func() {
		for range 10_000 {
			one()
		}
	}); allocs > 100 {
		t.Errorf("%v allocations in 10,000 samples", allocs)
	}
}

func BenchmarkRecord(b *testing.B) {
	r := measure.NewRecorder(measure.Config{Entries: []string{"a"}})
	shard := r.NewShard()
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		sample := ok(n, 0, time.Duration(n)*20*us, time.Duration(1+n%1000)*us)
		shard.Record(&sample)
		n++
	}
}
