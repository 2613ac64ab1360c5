// Package retry is how AWS SDKs try calls again, as a model without a network: which errors, after what delay, how often,
// and when a client has no more tokens for it. What users see of throttling is what is left after it.
//
// The rules are those of the AWS SDKs and Tools Reference Guide, "Retry behavior"; tokens, prices and the adaptive limit are
// as aws-sdk-go-v2 and botocore implement them. Time and randomness are arguments. A Policy
// is immutable; a Bucket and a Limiter belong to one client and one goroutine. None is started.
package retry

import (
	"fmt"
	"math"
	"time"
)

// Mode is a set of rules by its name in AWS_RETRY_MODE.
type Mode string

// The modes.
const (
	None     Mode = "none"     // a client that does not retry; no SDK's mode
	Legacy   Mode = "legacy"   // botocore's: five attempts, no tokens
	Standard Mode = "standard" // of the guide: three attempts, 1 s, 2 s, …, at most 20 s, tokens
	Adaptive Mode = "adaptive" // standard, and a limit on the client's own rate
	// Standard2026 is what SDKs do under AWS_NEW_RETRIES_2026=true: 50 ms, 100 ms, … but 1 s, 2 s, … after a throttle, and
	// other prices of a retry.
	Standard2026 Mode = "standard-2026"
	// GoStandard and GoAdaptive are aws-sdk-go-v2 as it is: it counts attempts from one where the guide counts from zero, so that its
	// delays are twice as long.
	GoStandard Mode = "go-standard"
	GoAdaptive Mode = "go-adaptive"
)

// Modes lists the modes.
func Modes() []Mode {
	return []Mode{None, Legacy, Standard, Adaptive, Standard2026, GoStandard, GoAdaptive}
}

// Class is what kind of error an attempt ended in.
type Class int

// Classes of errors.
const (
	Final     Class = iota // not tried again: validation, access denied, not found
	Transient              // 5xx, connection errors
	Timeout                // of the attempt
	Throttle               // ThrottlingException and its kin
)

// Policy is the rules of a client.
type Policy struct {
	Mode         Mode
	MaxAttempts  int           // the first one included
	Base         time.Duration // longest delay after the first attempt; it doubles with each further one
	ThrottleBase time.Duration // the same after a throttle
	Cap          time.Duration // longest delay
	// Tokens of the client's bucket, and what a retry takes out of it by class. 0 tokens: no bucket.
	Tokens       float64
	Cost         float64
	TimeoutCost  float64
	ThrottleCost float64
	Income       float64 // put back by a call that needed no retry
	RateLimited  bool    // sends by a Limiter
}

// ByName is the policy of a mode with its defaults. Error: an unknown name.
func ByName(name string) (Policy, error) {
	p := Policy{Mode: Mode(name), MaxAttempts: 3, Base: time.Second, ThrottleBase: time.Second, Cap: 20 * time.Second,
		Tokens: 500, Cost: 5, TimeoutCost: 10, ThrottleCost: 5, Income: 1}
	switch p.Mode {
	case None:
		return Policy{Mode: None, MaxAttempts: 1}, nil
	case Standard:
	case Adaptive:
		p.RateLimited = true
	case Standard2026:
		p.Base, p.Cost, p.TimeoutCost = 50*time.Millisecond, 14, 14
	case GoStandard, GoAdaptive:
		p.Base, p.ThrottleBase = 2*time.Second, 2*time.Second
		p.RateLimited = p.Mode == GoAdaptive
	case Legacy:
		return Policy{Mode: Legacy, MaxAttempts: 5, Base: time.Second, ThrottleBase: time.Second, Cap: 20 * time.Second}, nil
	default:
		return Policy{}, fmt.Errorf("unknown retry mode %q: expected one of %q", name, Modes())
	}
	return p, nil
}

// Retries reports whether a failed attempt is tried again, tokens aside. Attempts count from 1.
func (p Policy) Retries(attempt int, c Class) bool {
	return c != Final && attempt < p.MaxAttempts
}

// Backoff is the longest delay after an attempt (from 1) that failed in a certain way: base × 2^(attempt−1), at most the cap.
func (p Policy) Backoff(attempt int, c Class) time.Duration {
	base := p.Base
	if c == Throttle {
		base = p.ThrottleBase
	}
	if attempt < 1 {
		return 0
	}
	return time.Duration(math.Min(float64(base)*math.Pow(2, float64(attempt-1)), float64(p.Cap)))
}

// Delay is how long a client waits after an attempt (from 1) before the next: uniform from 0 to the backoff ("full
// jitter"); u is uniform in [0, 1).
func (p Policy) Delay(attempt int, c Class, u float64) time.Duration {
	return time.Duration(u * float64(p.Backoff(attempt, c)))
}

// MeanDelay is the expectation of Delay.
func (p Policy) MeanDelay(attempt int, c Class) time.Duration { return p.Delay(attempt, c, 0.5) }

// Outcome is what independent attempts with one probability of failure come to, with tokens enough.
type Outcome struct {
	Attempts  float64       // expected number a call
	Failed    float64       // share of calls that fail for good
	MeanDelay time.Duration // expected time spent waiting for retries a call
}

// Expected is what becomes of calls whose every attempt is throttled with probability q, as when a quota is overrun for
// long: attempts = (1 − qᵐ) ÷ (1 − q), failed = qᵐ.
func (p Policy) Expected(q float64) Outcome {
	q = min(max(q, 0), 1)
	o := Outcome{}
	reach := 1.0 // probability that the attempt is made
	for attempt := 1; attempt <= p.MaxAttempts; attempt++ {
		o.Attempts += reach
		reach *= q
		if attempt < p.MaxAttempts {
			o.MeanDelay += time.Duration(reach * float64(p.MeanDelay(attempt, Throttle)))
		}
	}
	o.Failed = reach
	return o
}
