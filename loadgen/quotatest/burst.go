package quotatest

import (
	"context"
	"math"
	"time"

	"trent/loadgen/quota"
	"trent/results"
)

// burst rests, then offers three times the quota, and tells from the order of what is admitted what kind of limiter it is.
func (v *Verifier) burst(ctx context.Context, row *results.QuotaRow, c quota.Call) {
	first, ok := v.afterRest(ctx, row.Expected, c, 0)
	if !ok {
		return
	}
	// A bucket that holds more than the rest gives back showed it when the draining run began.
	row.InARow, row.Burst, row.Shape = first.inARow, max(row.Burst, first.allowance), first.shape(row.Expected)
	if row.Shape != results.AnyWindow {
		return
	}
	// Where the second lies in relation to the first request tells a clock's second from the limiter's own.
	second, ok := v.afterRest(ctx, row.Expected, c, 400*time.Millisecond)
	if !ok {
		return
	}
	row.Shape = results.FixedWindow
	if near(first.reopened, time.Second) && near(second.reopened, time.Second) {
		row.Shape = results.OwnWindow
	}
}

func near(a, b time.Duration) bool { return (a - b).Abs() < 80*time.Millisecond }

// pattern is what one burst showed.
type pattern struct {
	inARow    int           // admitted before the first was throttled
	allowance float64       // of those, beyond what the rate itself gave in that time
	longest   int           // most admitted in a row after that
	reopened  time.Duration // when, from the first request, one was admitted again
	throttled bool
}

// afterRest runs one burst, after two seconds (or two requests' time) of rest and the offset.
func (v *Verifier) afterRest(ctx context.Context, rate float64, c quota.Call, offset time.Duration) (p pattern, ok bool) {
	pause := max(rest, time.Duration(2*float64(time.Second)/rate)) + offset
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return p, false
	}
	length := max(burstRun, time.Duration(math.Ceil(3/rate))*time.Second)
	answers := run(ctx, []stream{{way: v.Way, call: c, rate: rate * burstFactor, first: 500_000}}, length)
	return patternOf(answers, rate), ctx.Err() == nil
}

func patternOf(answers []answer, rate float64) pattern {
	var p pattern
	current := 0
	for i := range answers {
		a := &answers[i]
		switch {
		case a.failed:
		case !p.throttled && !a.throttled:
			p.inARow++
		case !p.throttled:
			p.throttled = true
			p.allowance = max(float64(p.inARow)-rate*a.due.Seconds(), 0)
		case a.throttled:
			current = 0
		default:
			if p.reopened == 0 {
				p.reopened = a.due
			}
			current++
			p.longest = max(p.longest, current)
		}
	}
	return p
}

// shape tells a bucket, which lets one through as a token comes back, from a window, which lets a second's worth through at once.
// Below five a second both look alike.
func (p pattern) shape(rate float64) string {
	switch {
	case !p.throttled || rate < 5:
		return results.UnknownKind
	case p.longest > 3 && float64(p.longest) >= 0.6*rate:
		return results.AnyWindow
	case float64(p.longest) <= max(3, rate/10):
		return results.Bucket
	}
	return results.UnknownKind
}
