package engine

import "time"

// lateness learns how late this thread wakes up, so as to sleep that much less and spin for the rest.
type lateness struct {
	error  time.Duration
	target time.Duration // of the sleep under way; 0: none
}

// Bounds, chosen: wake-ups of an idle thread are 50 to 60 µs late on common virtual machines, and nothing is gained by spinning
// longer than longestSpin.
const (
	firstGuess  = 60 * time.Microsecond
	longestSpin = 150 * time.Microsecond
)

func newLateness() lateness { return lateness{error: firstGuess} }

// sleep is how long to sleep towards a moment, spinning at the end for no longer than spin. 0: the moment is so near that it is
// spun for.
func (l *lateness) sleep(now, moment, spin time.Duration) time.Duration {
	target := moment - min(spin, l.error)
	l.target = 0
	if target <= now {
		return 0
	}
	l.target = target
	return target - now
}

// woke says that the thread is awake at a moment. It follows the upper quartile: three steps up for a later wake-up, one down for
// an earlier one. A rarer percentile would spin through every hit for the sake of the few that the kernel delays. One that was
// woken by something else before its time has nothing to learn.
func (l *lateness) woke(now time.Duration) {
	const step = time.Microsecond / 2
	late := now - l.target
	if l.target == 0 || late < 0 {
		return
	}
	l.target = 0
	if late > l.error {
		l.error += 3 * step
	} else {
		l.error -= step
	}
	l.error = min(max(l.error, 0), longestSpin)
}
