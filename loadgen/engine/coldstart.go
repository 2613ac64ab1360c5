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
func (c ColdStart) Iterator() schedule.Iterator { return &atOnce{left: c.Hits} }

type atOnce struct{ left int }

func (a *atOnce) Next() (time.Duration, bool) {
	if a.left == 0 {
		return 0, false
	}
	a.left--
	return 0, true
}
