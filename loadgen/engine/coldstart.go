package engine

import (
	"fmt"
	"time"

	"trent/loadgen/schedule"
)

// ColdStart is the schedule of a cold-start storm: all hits are due at once, at the beginning. With as many connections and
// Connect.Late, each hit makes its connection first, as when a fleet starts.
type ColdStart struct {
	schedule.Schedule // gives the length

	Hits int
}

// stormSecond is the length that a storm is given, which rates are computed by.
const stormSecond = time.Second

// NewColdStart makes a storm.
func NewColdStart(hits int) ColdStart {
	hits = max(hits, 1)
	return ColdStart{Schedule: schedule.Constant(float64(hits), stormSecond), Hits: hits}
}

// String describes the storm.
func (c ColdStart) String() string { return fmt.Sprintf("cold start: %d connections at once", c.Hits) }

// Iterator gives every hit as due at 0.
func (c ColdStart) Iterator() schedule.Iterator { return &atOnce{hits: uint64(c.Hits)} }

type atOnce struct{ next, hits uint64 }

func (a *atOnce) Next() (schedule.Hit, bool) {
	if a.next == a.hits {
		return schedule.Hit{}, false
	}
	a.next++
	return schedule.Hit{N: a.next - 1, Entry: schedule.AnyEntry}, true
}
