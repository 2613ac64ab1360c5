package engine_test

import (
	"context"
	"testing"
	"time"

	"trent/loadgen/engine"
)

// Waiting ends, however close the moment is when it begins: no expiry of the timer is lost, and none comes before its moment for good.
func TestClockWakes(t *testing.T) {
	t.Parallel()
	now, until, stop := engine.NewClock(time.Now())
	defer stop()
	deadline := time.Now().Add(time.Second / 2)
	for n := 0; time.Now().Before(deadline); n++ {
		moment := now() + time.Duration(n%64)*time.Microsecond/2
		for now() < moment {
			if !until(t.Context(), moment, 0) {
				t.Fatal("a wait ended by a context that had not")
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if until(ctx, now()+time.Hour, 0) || until(ctx, now(), 0) {
		t.Error("a wait went on although its context had ended")
	}
}
