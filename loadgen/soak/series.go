package soak

import (
	"math"
	"slices"
	"time"

	"trent/results/stats"
)

// maxBlocks is how many blocks a series has.
const maxBlocks = 300

// point is one block of a series.
type point struct {
	At    float64 `json:"at_s"` // middle of the block, seconds of the load
	Value float64 `json:"value"`
	Life  int     `json:"life,omitempty"` // of the process that it is of; 0 where that does not matter
}

// Series is a figure over time, in blocks.
type Series struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`           // "bytes", "ns" or "count"
	Anew   bool    `json:"anew,omitempty"` // begins anew with each process
	Points []point `json:"points"`

	block  int
	values []float64
	life   int
}

// collector gathers readings into blocks. It belongs to whoever holds the run's lock.
type collector struct {
	width time.Duration
	all   []*Series
}

func newCollector(length time.Duration, old []Series) *collector {
	c := &collector{width: max((length+maxBlocks-1)/maxBlocks, time.Second)}
	for i := range old {
		s := old[i]
		s.block = -1
		c.all = append(c.all, &s)
	}
	return c
}

// add takes a reading at a moment of the load.
func (c *collector) add(kind Series, at time.Duration, life int, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	i := slices.IndexFunc(c.all, func(s *Series) bool { return s.Name == kind.Name })
	if i < 0 {
		i = len(c.all)
		kind.block = -1
		c.all = append(c.all, &kind)
	}
	s, block := c.all[i], min(int(at/c.width), maxBlocks-1)
	switch {
	case block != s.block:
		s.flush(c.width)
	case life != s.life:
		s.values = s.values[:0] // a block belongs to one process: the newest
	}
	s.block, s.life = block, life
	s.values = append(s.values, value)
}

// flush closes the block that is open.
func (s *Series) flush(width time.Duration) {
	if len(s.values) == 0 {
		return
	}
	// The lowest: what a block needs at the least, without what waits for the next collection.
	s.Points = append(s.Points, point{(float64(s.block) + 0.5) * width.Seconds(), slices.Min(s.values), s.life})
	s.values = s.values[:0]
}

// snapshot is the blocks that are closed; with all, the open ones are closed too.
func (c *collector) snapshot(all bool) []Series {
	var out []Series
	for _, s := range c.all {
		if all {
			s.flush(c.width)
		}
		out = append(out, Series{Name: s.Name, Unit: s.Unit, Anew: s.Anew, Points: slices.Clone(s.Points)})
	}
	return out
}

// Budget is how much a series may grow over the horizon.
type Budget struct {
	Absolute float64 // in the series' unit; 0: Share counts
	Share    float64 // of the series' median
}

// DefaultBudgets are the budgets where the user gives none, by series.
func DefaultBudgets() map[string]Budget {
	const mib = 1 << 20
	return map[string]Budget{
		"client-heap": {Absolute: 32 * mib}, "client-rss": {Absolute: 64 * mib}, "client-goroutines": {Absolute: 100}, "client-descriptors": {Absolute: 100},
		"server-heap": {Absolute: 64 * mib}, "server-rss": {Absolute: 128 * mib}, "server-goroutines": {Absolute: 100}, "server-descriptors": {Absolute: 100},
		"server-threads": {Absolute: 50}, "server-disk": {Absolute: 1024 * mib}, "latency-p50": {Share: 0.25}, "latency-p99": {Share: 0.5},
	}
}

// Trend is the judgement of a series.
type Trend struct {
	Series
	stats.Trend
	Adjusted float64        // p after Holm
	Budget   float64        // in the series' unit, over the horizon
	Growth   stats.Estimate // slope × horizon
	Outcome  string         // pass, fail or inconclusive
	Why      string
}

// wantedBlocks is how many blocks after the warm-up a verdict rests on.
const wantedBlocks = 20

// JudgeTrends judges all series together. What lies in the first warm of a series is left out; where a series begins anew with each
// process, the process with the most blocks counts.
func JudgeTrends(all []Series, budgets map[string]Budget, warm, horizon time.Duration) []Trend {
	var out []Trend
	var ps []float64
	var judged []int
	for _, s := range all {
		t := Trend{Series: s, Outcome: "inconclusive", Adjusted: math.NaN()}
		x, y := s.judged(warm)
		t.Trend = stats.FindTrend(x, y, 0.95)
		h := horizon.Seconds()
		t.Growth = stats.Estimate{Point: t.Slope.Point * h, Interval: stats.Interval{Low: t.Slope.Low * h, High: t.Slope.High * h}}
		budget, ok := budgets[s.Name]
		t.Budget = budget.Absolute
		if budget.Absolute == 0 && len(y) > 0 {
			t.Budget = budget.Share * math.Abs(stats.Median(y))
		}
		switch {
		case !ok:
			t.Outcome, t.Why = "pass", "no budget"
		case len(y) < wantedBlocks:
			t.Why = "fewer than 20 blocks after the warm-up"
		default:
			judged, ps = append(judged, len(out)), append(ps, t.P)
		}
		out = append(out, t)
	}
	for i, p := range stats.Holm(ps) {
		t := &out[judged[i]]
		t.Adjusted, t.Outcome = p, "pass"
		switch {
		case p <= 0.05 && t.Growth.Low > t.Budget:
			t.Outcome, t.Why = "fail", "grows, and by more than its budget"
		case p <= 0.05 && t.Slope.Low > 0:
			t.Why = "grows, within its budget"
		}
	}
	return out
}

// judged are the points that a verdict rests on.
func (s *Series) judged(warm time.Duration) (x, y []float64) {
	lives := map[int]int{}
	best := 0
	for _, p := range s.Points {
		lives[p.Life]++
		if lives[p.Life] > lives[best] {
			best = p.Life
		}
	}
	begin := math.NaN()
	for _, p := range s.Points {
		if s.Anew && p.Life != best {
			continue
		}
		if math.IsNaN(begin) {
			begin = p.At
		}
		if p.At-begin >= warm.Seconds() {
			x, y = append(x, p.At), append(y, p.Value)
		}
	}
	return x, y
}
