package soak

import (
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/measure"
	"trent/loadgen/slo"
	"trent/results/stats"
)

// beyond is how many hits must lie beyond a percentile of a block.
const beyond = 20

// latencies are the series of latency, of good answers by when they were due, without the blocks that actions fall into.
func (r *run) latencies(s *measure.Summary) []Series {
	blocks := attack.Populations(s, 0, r.length)[0].Seconds
	leave := r.leave()
	for i := range blocks {
		if from := time.Duration(i) * s.Width; leave(from, from+s.Width) {
			blocks[i].Latency = nil
		}
	}
	return []Series{latencySeries("latency-p50", 0.5, blocks, s.Width), latencySeries("latency-p99", 0.99, blocks, s.Width)}
}

// latencySeries joins as many blocks as it takes for the percentile to be known in nearly all of them, and no more than leave
// enough for a verdict.
func latencySeries(name string, q float64, blocks []slo.Second, width time.Duration) Series {
	series := Series{Name: name, Unit: "ns"}
	for join := (len(blocks) + maxBlocks - 1) / maxBlocks; join > 0; join *= 2 {
		var points []point
		filled := 0
		for from := 0; from < len(blocks); from += join {
			var list []stats.Block
			hits := uint64(0)
			for _, b := range blocks[from:min(from+join, len(blocks))] {
				list = append(list, b.Latency)
				hits += b.Latency.Count()
			}
			if hits > 0 {
				filled++
			}
			if float64(hits)*(1-q) < beyond {
				continue
			}
			at := (float64(from) + float64(join)/2) * width.Seconds()
			points = append(points, point{At: at, Value: float64(stats.Percentiles(list, []float64{q})[0])})
		}
		if len(points) >= len(series.Points) {
			series.Points = points
		}
		if len(points)*10 >= filled*9 || len(blocks)/join < 2*wantedBlocks {
			break
		}
	}
	return series
}
