package plan

import (
	"fmt"
	"math"
	"time"

	"trent/loadgen/traffic"
)

// Day is the horizon of a plan from curves, in seconds.
const Day = 86400

// Bounds of what is counted second by second.
const (
	maxSeconds = 31 * Day
	maxCells   = 64 << 20 // seconds × flows of known counts
	maxFlows   = 4096
)

// Demand is what is asked of the service over a horizon that starts at midnight.
type Demand struct {
	Source  string // what it comes from, for people
	Flows   []traffic.Flow
	Seconds int
	// WholeSeconds: arrival times were known to the second only.
	WholeSeconds bool
	// KeyCounts is how many keys a name of the flows stands for; 1 where it is not there.
	KeyCounts map[string]float64
	// Assumptions are what the demand rests on and nobody published.
	Assumptions []string

	factors []float64  // by flow, of a remedy; nil: 1
	counts  [][]uint32 // by flow and second; nil: by the flows' curves and storms
}

// Arrivals gives single calls in order of time from midnight, each of a flow; ok is false after the last.
type Arrivals interface {
	Next() (at time.Duration, flow int, ok bool)
}

// FromFlows is the demand of a day.
func FromFlows(source string, flows []traffic.Flow) *Demand {
	return &Demand{Source: source, Flows: flows, Seconds: Day}
}

// FromArrivals counts single calls by second, up to the last. Errors: times below 0 or beyond 31 days, a flow that does
// not exist, more seconds × flows than fit.
func FromArrivals(source string, flows []traffic.Flow, arrivals Arrivals, wholeSeconds bool) (*Demand, error) {
	d := &Demand{Source: source, Flows: flows, WholeSeconds: wholeSeconds, counts: make([][]uint32, len(flows))}
	for {
		at, flow, ok := arrivals.Next()
		if !ok {
			break
		}
		second := int(at / time.Second)
		switch {
		case at < 0 || second >= maxSeconds:
			return nil, fmt.Errorf("a call at %v is outside the %d days that a plan counts", at, maxSeconds/Day)
		case flow < 0 || flow >= len(flows):
			return nil, fmt.Errorf("a call of flow %d of %d", flow, len(flows))
		case (second+1)*len(flows) > maxCells:
			return nil, fmt.Errorf("%d flows over %d seconds are more than a plan can count: plan a shorter window", len(flows), second+1)
		}
		d.Seconds = max(d.Seconds, second+1)
		if missing := second + 1 - len(d.counts[flow]); missing > 0 {
			d.counts[flow] = append(d.counts[flow], make([]uint32, missing)...)
		}
		d.counts[flow][second]++
	}
	if d.Seconds == 0 {
		return nil, fmt.Errorf("%s holds no calls", source)
	}
	return d, nil
}

// random says whether counts must be drawn around what is expected.
func (d *Demand) random() bool { return d.counts == nil }

// expected fills in the calls of a flow by second, times scale. Curves are taken at the middle of each second.
func (d *Demand) expected(flow int, scale float64, into []float64) {
	clear(into)
	if d.factors != nil {
		scale *= d.factors[flow]
	}
	if d.counts != nil {
		for s, n := range d.counts[flow] {
			into[s] = float64(n) * scale
		}
		return
	}
	f := &d.Flows[flow]
	c := f.Rate
	for s := range into {
		into[s] = c.Mean * scale
		if c.Swing != 0 && c.Period > 0 {
			phase := 2 * math.Pi * (float64(s) + 0.5 - c.Peak.Seconds()) / c.Period.Seconds()
			into[s] += c.Swing * scale * math.Cos(phase)
		}
		into[s] = max(into[s], 0)
	}
	for _, storm := range f.Storms {
		addStorm(storm, scale, into)
	}
}

// addStorm spreads a storm's calls over the seconds that it touches, each time it comes.
func addStorm(s traffic.Storm, scale float64, into []float64) {
	every := s.Every.Seconds()
	within := max(s.Within.Seconds(), 1e-9)
	for begin := s.At.Seconds(); begin < float64(len(into)); begin += every {
		end := begin + within
		for second := max(int(begin), 0); second < len(into) && float64(second) < end; second++ {
			overlap := min(end, float64(second+1)) - max(begin, float64(second))
			into[second] += s.Calls * scale * min(max(overlap, 0)/within, 1)
		}
		if every <= 0 {
			return
		}
	}
}
