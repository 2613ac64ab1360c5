package retry

import (
	"math"
	"time"
)

// Limiter is the adaptive mode's limit on a client's own rate: a token bucket whose rate falls to 7/10 of what was sent when
// attempts are throttled, and comes back along a cubic curve, as TCP's window does by CUBIC (RFC 9438). Until the first
// throttle nothing is limited. Constants and order of steps are those of aws-sdk-go-v2, which botocore shares.
//
// Times count from any origin and do not go back. The zero value is ready.
type Limiter struct {
	limiting bool
	fill     float64 // tokens a second
	most     float64 // tokens that it holds
	tokens   float64
	filled   time.Duration // when tokens were last counted
	begun    bool          // tokens were counted before

	measured float64 // attempts a second, smoothed
	bucket   float64 // begin of the half second being counted, seconds
	count    float64
	before   float64 // rate at the last throttle
	dropped  time.Duration
}

const (
	beta    = 0.7 // share of the rate that a throttle leaves
	cubic   = 0.4 // steepness of the recovery
	minFill = 0.5 // tokens a second
	smooth  = 0.8 // weight of the newest half second
)

// Rate is the limit in attempts a second, +Inf before the first throttle.
func (l *Limiter) Rate() float64 {
	if !l.limiting {
		return math.Inf(1)
	}
	return l.fill
}

// Measured is the client's own rate as the limiter sees it, in attempts a second.
func (l *Limiter) Measured() float64 { return l.measured }

// Wait takes a token for an attempt at a moment and returns how long the attempt waits for it. Attempts are served in turn.
func (l *Limiter) Wait(now time.Duration) time.Duration {
	if !l.limiting {
		return 0
	}
	l.refill(now)
	l.tokens--
	return max(time.Duration(-l.tokens/l.fill*float64(time.Second)), 0)
}

func (l *Limiter) refill(now time.Duration) {
	if l.begun {
		l.tokens = min(l.most, l.tokens+max(now-l.filled, 0).Seconds()*l.fill)
	}
	l.filled, l.begun = max(now, l.filled), true
}

// Answered tells of an attempt's answer at a moment.
func (l *Limiter) Answered(now time.Duration, throttled bool) {
	l.measure(now)
	rate := 0.0
	if throttled {
		l.before = l.measured
		if l.limiting {
			l.before = min(l.measured, l.fill)
		}
		l.dropped, l.limiting = now, true
		rate = l.before * beta
	} else {
		rate = recovered(l.before, (now - l.dropped).Seconds())
	}
	rate = min(rate, 2*l.measured)
	l.refill(now)
	l.fill = max(rate, minFill)
	l.most = max(rate, 1)
	l.tokens = min(l.tokens, l.most)
}

// recovered is the rate some seconds after a throttle at a rate: that curve is back at the rate after ∛(rate × 0.3 ÷ 0.4) seconds.
func recovered(rate, since float64) float64 {
	t := since - math.Cbrt(rate*(1-beta)/cubic)
	return cubic*t*t*t + rate
}

// measure counts attempts in half seconds and smooths them.
func (l *Limiter) measure(now time.Duration) {
	half := math.Floor(now.Seconds()*2) / 2
	l.count++
	if half > l.bucket {
		l.measured = l.count/(half-l.bucket)*smooth + l.measured*(1-smooth)
		l.count, l.bucket = 0, half
	}
}
