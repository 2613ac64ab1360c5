package engine

import (
	"context"
	"time"
)

// clock is what the pacer waits by. It has one user at a time.
type clock interface {
	// now is the time since the origin.
	now() time.Duration
	// until waits until about the moment, or returns false as soon as ctx has ended. It may return early, and may spin at the end,
	// no longer than spin.
	until(ctx context.Context, moment, spin time.Duration) bool
	// close frees what the clock holds.
	close()
}

// timerClock waits by the runtime's timers, which wake an idle process up to 1 ms late. It is the whole clock where the kernel's
// timers are not to be had, and in virtual time.
type timerClock struct{ origin time.Time }

func (c timerClock) now() time.Duration { return time.Since(c.origin) }
func (c timerClock) close()             {}

func (c timerClock) until(ctx context.Context, moment, _ time.Duration) bool {
	wait := moment - c.now()
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
