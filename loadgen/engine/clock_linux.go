package engine

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// kernelClock waits by a timerfd set to an absolute time of CLOCK_MONOTONIC (which is the clock of Go's monotonic times too). The
// descriptor is read through the runtime's poller: the thread that polls the connections sleeps until an answer comes or a hit is
// due, whichever is first, and goes on with either, so that a wake-up costs no switch of threads. Go's own timers share that
// property but are rounded up to a millisecond there. The clock spins for as long as it has learned that wake-ups come late.
type kernelClock struct {
	timerClock
	raw   int64 // CLOCK_MONOTONIC at the origin, ns
	late  lateness
	file  *os.File
	timer syscall.RawConn
}

// near bounds the waits by the kernel's timer: far moments are waited for by Go's timers, which listen to the context.
const near = 2 * time.Millisecond

// newClock makes the best clock of the platform, counting from origin.
func newClock(origin time.Time) clock {
	simple := timerClock{origin}
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &at); err != nil {
		return simple
	}
	c := &kernelClock{timerClock: simple, raw: at.Nano() - int64(time.Since(origin)), late: newLateness()}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return simple
	}
	c.file = os.NewFile(uintptr(fd), "timer")
	if c.timer, err = c.file.SyscallConn(); err != nil {
		c.file.Close()
		return simple
	}
	return c
}

func (c *kernelClock) close() { c.file.Close() }

func (c *kernelClock) until(ctx context.Context, moment, spin time.Duration) bool {
	now := c.now()
	if moment-now > 2*near {
		if !c.timerClock.until(ctx, moment-near, 0) {
			return false
		}
		now = c.now()
	}
	if ctx.Err() != nil {
		return false
	}
	if most := c.late.sleep(now, moment, spin); most > 0 {
		c.sleep(now + most)
		now = c.now()
		c.late.woke(now)
	}
	for spin > 0 && now < moment {
		now = c.now()
	}
	return true
}

// sleep returns about at the target. It may return early, as by an expiry of the setting before, or where the timer cannot be set:
// the caller reads the clock and sleeps again.
func (c *kernelClock) sleep(target time.Duration) {
	set := unix.ItimerSpec{Value: unix.NsecToTimespec(c.raw + int64(target))}
	armed := false
	// The timer is set between the poller's reset and its wait, so that no expiry is lost. The descriptor is never read: each
	// expiry is an edge of its own, and setting the timer anew empties it.
	_ = c.timer.Read(func(fd uintptr) bool {
		if armed {
			return true // whether or not the target has come by Go's reading of the clock: there is no second edge
		}
		armed = true
		return unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &set, nil) != nil
	})
}

// oneThreadPerCPU lowers GOMAXPROCS to the CPUs that the process may use, and returns how to undo it. A process that was pinned
// after its start, or told to, has more: then goroutines are handed from thread to thread on the same core.
func oneThreadPerCPU() (undo func()) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return func() {}
	}
	before := runtime.GOMAXPROCS(0)
	if n := set.Count(); n == 0 || n >= before {
		return func() {}
	}
	runtime.GOMAXPROCS(set.Count())
	return func() { runtime.GOMAXPROCS(before) }
}

// processCPU is the CPU time of this process so far.
func processCPU() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
