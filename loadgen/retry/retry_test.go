package retry_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"trent/loadgen/retry"
)

func policy(t *testing.T, name retry.Mode) retry.Policy {
	t.Helper()
	p, err := retry.ByName(string(name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const ms = time.Millisecond

func TestBackoff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode  retry.Mode
		class retry.Class
		want  []time.Duration // after attempts 1, 2, …
	}{
		{retry.Standard, retry.Throttle, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 20 * time.Second, 20 * time.Second}},
		{retry.Legacy, retry.Transient, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}},
		{retry.GoStandard, retry.Throttle, []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}},
		// "verifying exponential backoff timing" of the SDKs' shared test cases for 2026, with the random factor at 1.
		{retry.Standard2026, retry.Transient, []time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms}},
		{retry.Standard2026, retry.Throttle, []time.Duration{time.Second, 2 * time.Second}},
		{retry.None, retry.Throttle, []time.Duration{0}},
	} {
		p := policy(t, c.mode)
		for i, want := range c.want {
			if got := p.Backoff(i+1, c.class); got != want {
				t.Errorf("%s: backoff after attempt %d: %v, want %v", c.mode, i+1, got, want)
			}
			if p.Delay(i+1, c.class, 0.25) != want/4 || p.MeanDelay(i+1, c.class) != want/2 {
				t.Errorf("%s: jitter after attempt %d", c.mode, i+1)
			}
		}
	}
	p := policy(t, retry.Standard)
	if !p.Retries(1, retry.Throttle) || !p.Retries(2, retry.Timeout) || p.Retries(3, retry.Throttle) || p.Retries(1, retry.Final) || policy(t, retry.None).Retries(1, retry.Throttle) {
		t.Error("attempts")
	}
	if _, err := retry.ByName("eager"); err == nil {
		t.Error("an unknown mode was taken")
	}
}

// The shared test cases of the SDKs for the retry quota in 2026: tokens left after each answer.
func TestBucket(t *testing.T) {
	t.Parallel()
	p := policy(t, retry.Standard2026)
	b := p.NewBucket()
	b.SetLeft(30)
	take := func(c retry.Class, ok bool, left float64) (taken float64) {
		t.Helper()
		taken, got := b.Take(c)
		if got != ok || b.Left() != left {
			t.Errorf("taken %v, left %v; want %v, %v", got, b.Left(), ok, left)
		}
		return taken
	}
	// "retry quota recovery after successful responses"
	take(retry.Transient, true, 16)
	last := take(retry.Transient, true, 2)
	b.Retried(last)
	if b.Left() != 16 {
		t.Errorf("left %v after success, want 16", b.Left())
	}
	b.Retried(take(retry.Transient, true, 2))
	// "retry stops after retry quota exhaustion"
	b.SetLeft(20)
	take(retry.Transient, true, 6)
	take(retry.Transient, false, 6)
	// "throttling error token bucket drain"
	b.SetLeft(500)
	b.Retried(take(retry.Throttle, true, 495))
	b.Succeeded()
	if b.Left() != 500 {
		t.Errorf("left %v, want no more than it holds", b.Left())
	}
	// Standard: a timeout costs twice what another error does; 100 retries empty it, and 5 first successes pay for one.
	b = policy(t, retry.Standard).NewBucket()
	take(retry.Timeout, true, 490)
	for b.Left() > 0 {
		b.Take(retry.Throttle)
	}
	take(retry.Throttle, false, 0)
	for range 5 {
		b.Succeeded()
	}
	take(retry.Throttle, true, 0)
	if _, ok := policy(t, retry.Legacy).NewBucket().Take(retry.Throttle); !ok {
		t.Error("legacy has no bucket to be empty")
	}
}

// The shared test case of the SDKs for the adaptive mode: time, throttled or not, measured rate, rate of the bucket.
func TestLimiter(t *testing.T) {
	t.Parallel()
	var l retry.Limiter
	if !math.IsInf(l.Rate(), 1) || l.Wait(0) != 0 {
		t.Error("it limits before the first throttle")
	}
	for _, step := range []struct {
		at             time.Duration
		throttled      bool
		measured, fill float64
	}{
		{200 * ms, false, 0, 0}, {400 * ms, false, 0, 0}, {600 * ms, false, 4.8, 0}, {800 * ms, false, 4.8, 0}, {1000 * ms, false, 4.16, 0},
		{1200 * ms, false, 4.16, 0}, {1400 * ms, false, 4.16, 0}, {1600 * ms, false, 5.632, 0}, {1800 * ms, false, 5.632, 0},
		{2000 * ms, true, 4.3264, 3.02848}, {2200 * ms, false, 4.3264, 3.4866391734702598}, {2400 * ms, false, 4.3264, 3.8218744160402554},
		{2600 * ms, false, 5.66528, 4.053385727709987}, {2800 * ms, false, 5.66528, 4.200373108479455}, {3000 * ms, false, 4.333056, 4.282036558348658},
		{3200 * ms, true, 4.333056, 2.99742559084406}, {3400 * ms, false, 4.333056, 3.4522263943863463},
	} {
		l.Answered(step.at, step.throttled)
		if math.Abs(l.Measured()-step.measured) > 1e-12 || step.fill > 0 && math.Abs(l.Rate()-step.fill) > 1e-12 {
			t.Errorf("at %v: measured %v, rate %v; want %v, %v", step.at, l.Measured(), l.Rate(), step.measured, step.fill)
		}
	}
	// Attempts beyond the tokens wait in turn, a second ÷ rate apart.
	var waits []time.Duration
	for range 12 {
		waits = append(waits, l.Wait(3400*ms))
	}
	if gap := waits[11] - waits[10]; math.Abs(gap.Seconds()-1/l.Rate()) > 1e-6 {
		t.Errorf("gap %v at %v/s", gap, l.Rate())
	}
}

// Expected is what a simulation of many calls comes to.
func TestExpected(t *testing.T) {
	t.Parallel()
	for _, mode := range retry.Modes() {
		p := policy(t, mode)
		for _, q := range []float64{0, 0.2, 0.5, 1} {
			want := p.Expected(q)
			random := rand.New(rand.NewPCG(1, 2))
			const calls = 40_000
			var attempts, failed, delay float64
			for range calls {
				for attempt := 1; ; attempt++ {
					attempts++
					if random.Float64() >= q {
						break
					}
					if !p.Retries(attempt, retry.Throttle) {
						failed++
						break
					}
					delay += p.Delay(attempt, retry.Throttle, random.Float64()).Seconds()
				}
			}
			if math.Abs(attempts/calls-want.Attempts) > 0.02 || math.Abs(failed/calls-want.Failed) > 0.01 || math.Abs(delay/calls-want.MeanDelay.Seconds()) > 0.02*(1+want.MeanDelay.Seconds()) {
				t.Errorf("%s at %v: attempts %v, failed %v, delay %v s; want %+v", mode, q, attempts/calls, failed/calls, delay/calls, want)
			}
		}
	}
}
