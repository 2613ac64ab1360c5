package soak

import (
	"testing"
	"time"

	"trent/loadgen/slo"
	"trent/results/stats"
)

// Blocks are joined until a percentile is known in them: the fewer hits a second, the fewer points, none without enough hits.
func TestLatencySeries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		q      float64
		each   uint64
		points int
	}{{0.5, 100, 120}, {0.5, 25, 60}, {0.99, 1000, 60}, {0.99, 10, 0}} {
		blocks := make([]slo.Second, 120)
		for i := range blocks {
			blocks[i] = slo.Second{Length: time.Second, Latency: stats.Block{{Value: 1000, Count: c.each - c.each/50}, {Value: 9000, Count: c.each / 50}}}
		}
		s := latencySeries("x", c.q, blocks, time.Second)
		if len(s.Points) != c.points {
			t.Errorf("q %v, %d a second: %d points, want %d", c.q, c.each, len(s.Points), c.points)
		}
		for _, p := range s.Points {
			if want := map[float64]float64{0.5: 1000, 0.99: 9000}[c.q]; p.Value != want {
				t.Errorf("q %v: %v, want %v", c.q, p.Value, want)
			}
		}
	}
}
