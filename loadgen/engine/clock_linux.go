package engine

import (
	"context"
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// kernelClock sleeps by clock_nanosleep to an absolute time of CLOCK_MONOTONIC (which is the clock of Go's monotonic times too) on
// a thread of its own, and spins for as long as it has learned that wake-ups come late.
type kernelClock struct {
	timerClock
	raw   int64 // CLOCK_MONOTONIC at the origin, ns
	error time.Duration
}

// Bounds of the clock, chosen: wake-ups on an idle thread are 50 to 60 µs late on common virtual machines, and nothing is gained
// by spinning longer than longestSpin. Far moments are waited for by a timer, which listens to the context.
const (
	firstGuess  = 60 * time.Microsecond
	longestSpin = 150 * time.Microsecond
	timerSlack  = 2 * time.Millisecond
	pacerNice   = -15
)

// newClock makes the best clock of the platform, counting from origin.
func newClock(origin time.Time) clock {
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &at); err != nil {
		return timerClock{origin}
	}
	return &kernelClock{timerClock: timerClock{origin}, raw: at.Nano() - int64(time.Since(origin)), error: firstGuess}
}

// begin binds the goroutine to its thread, which ends with it: neither the binding nor the timer slack of 1 ns leaks to others.
func (c *kernelClock) begin() {
	runtime.LockOSThread()
	// Without the precise slack the kernel may be 50 µs later; the learned error covers it.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	// On a busy core the pacer must not queue behind the workers it wakes. Without the privilege it stays as it is, and the
	// pacer lag tells.
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), pacerNice)
}

func (c *kernelClock) until(ctx context.Context, moment, spin time.Duration) bool {
	now := c.now()
	if moment-now > 2*timerSlack {
		if !c.timerClock.until(ctx, moment-timerSlack, 0) {
			return false
		}
		now = c.now()
	}
	if ctx.Err() != nil {
		return false
	}
	target := moment - min(spin, c.error)
	if target > now {
		c.sleep(target)
		now = c.now()
		c.learn(now - target)
	}
	for spin > 0 && now < moment {
		now = c.now()
	}
	return true
}

func (c *kernelClock) sleep(target time.Duration) {
	at := unix.NsecToTimespec(c.raw + int64(target))
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// learn follows the upper quartile of the wake-up error: three steps up for a later wake-up, one down for an earlier one. A rarer
// percentile would spin through every hit for the sake of the few that the kernel delays.
func (c *kernelClock) learn(late time.Duration) {
	const step = time.Microsecond / 2
	if late > c.error {
		c.error += 3 * step
	} else {
		c.error -= step
	}
	c.error = min(max(c.error, 0), longestSpin)
}

// processCPU is the CPU time of this process so far.
func processCPU() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
