package traffic

import (
	"slices"
	"time"
)

// Busiest is the stretch of the given length within the first day that has the most expected calls, and its mean rate.
// It looks at the begin and end of every storm and at the peaks of all curves, and each minute between.
func Busiest(flows []Flow, length time.Duration) (from time.Duration, rate float64) {
	length = max(length, time.Millisecond)
	best := -1.0
	for _, at := range moments(flows, length) {
		if calls := Calls(flows, at, at+length); calls > best*(1+1e-9) {
			best, from = calls, at
		}
	}
	return from, best / length.Seconds()
}

// Peak is when in the first day the expected rate is highest, and that rate, over any one second.
func Peak(flows []Flow) (at time.Duration, rate float64) { return Busiest(flows, time.Second) }

// momentsLimit bounds the look at storms that return often.
const momentsLimit = 10_000

// moments are the candidates for the begin of the busiest stretch, in order.
func moments(flows []Flow, length time.Duration) []time.Duration {
	var all []time.Duration
	add := func(t time.Duration) {
		if t >= 0 && t < Day {
			all = append(all, t)
		}
	}
	for t := time.Duration(0); t < Day; t += time.Minute {
		add(t)
	}
	for i := range flows {
		if c := flows[i].Rate; c.Period > 0 {
			add((c.Peak - length/2 + c.Period) % c.Period)
		}
		for _, s := range flows[i].Storms {
			for k := range min(s.begun(Day), int64(momentsLimit/len(flows)+1)) {
				add(s.start(k))
				add(s.start(k) + s.window() - length)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
