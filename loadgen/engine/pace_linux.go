package engine

import (
	"context"
	"time"
)

// threadClock waits in the kernel, on a thread that its user has locked: nothing else runs on it, so no one is kept from running.
type threadClock struct {
	timerClock
	poller  *poller
	late    lateness
	unwatch func()
}

// newThreadClock is the clock of a locked thread, as exact as the platform has it. Its waits end with ctx.
func newThreadClock(ctx context.Context, origin time.Time) clock {
	p, err := newPoller()
	if err != nil {
		return newClock(origin)
	}
	exactTimers()
	return &threadClock{timerClock{origin}, p, newLateness(), whenDone(ctx, p.ring)}
}

func (c *threadClock) close() {
	c.unwatch()
	c.poller.close()
}

func (c *threadClock) until(ctx context.Context, moment, spin time.Duration) bool {
	for now := c.now(); now < moment && ctx.Err() == nil; now = c.now() {
		if most := c.late.sleep(now, moment, spin); most > 0 {
			if events, err := c.poller.wait(most); err != nil || len(events) > 0 {
				continue
			}
			c.late.woke(c.now())
		}
	}
	return ctx.Err() == nil
}

// whenDone calls f when ctx ends. After stop f is not called any more, and does not run.
func whenDone(ctx context.Context, f func()) (stop func()) {
	over := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() { f(); close(over) })
	return func() {
		if !unwatch() {
			<-over
		}
	}
}
