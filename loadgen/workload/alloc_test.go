//go:build !race

package workload_test

import (
	"testing"

	"trent/loadgen/workload"
)

func TestHitAndBodyDoNotAllocate(t *testing.T) {
	w, err := workload.Load(workload.Default)
	if err != nil {
		t.Fatal(err)
	}
	sequence, bodies := w.Sequence(1), w.Bodies(fixed{})
	buffer := make([]byte, 0, 16<<10)
	var hit workload.Hit
	var n uint64
	if allocs := testing.AllocsPerRun(5000, func() {
		sequence.Hit(n, &hit)
		buffer = bodies.Append(buffer[:0], &hit)
		n++
	}); allocs > 0 {
		t.Errorf("%v allocations a request", allocs)
	}
}

type fixed struct{}

func (fixed) KeyID(int, int) string                          { return "1234abcd-12ab-34cd-56ef-1234567890ab" }
func (fixed) Artifact(int, int, int) (value, payload string) { return "QUJD", "QUJD" }
func (fixed) Artifacts(int) int                              { return 1 }
