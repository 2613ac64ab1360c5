package sim

import "math"

// Kind is how a quota is counted.
type Kind string

// Kinds of quotas. The service documents one-second intervals; how it really counts is not published.
const (
	Window Kind = "window" // fixed windows: after the quota is used, all further requests of that second are throttled
	Bucket Kind = "bucket" // a token bucket that fills steadily
)

// Limit is a request quota.
type Limit struct {
	Name      string
	Kind      Kind
	PerSecond float64
	Burst     float64 // of a bucket, in requests; 0: one second's worth, at least 1
}

// burst is the bucket's size.
func (l Limit) burst() float64 {
	if l.Burst > 0 {
		return max(l.Burst, 1)
	}
	return max(l.PerSecond, 1)
}

// WindowLength is the width of a window in seconds and the requests that it admits: a second, or for quotas below one a
// second as long as one request takes to be earned.
func (l Limit) WindowLength() (width, requests float64) {
	if l.PerSecond < 1 {
		return 1 / l.PerSecond, 1
	}
	return 1, math.Floor(l.PerSecond + 1e-9)
}

// limiter is a quota in use.
type limiter struct {
	limit       Limit
	width, most float64
	window      float64 // number of the current window
	used        float64
	tokens, at  float64
}

func newLimiter(l Limit) limiter {
	width, most := l.WindowLength()
	return limiter{limit: l, width: width, most: most, window: math.Inf(-1), tokens: l.burst(), at: math.Inf(-1)}
}

// free says whether a request at that moment is within the quota. Moments never go back.
func (l *limiter) free(at float64) bool {
	if l.limit.Kind == Bucket {
		if !math.IsInf(l.at, -1) {
			l.tokens = min(l.tokens+(at-l.at)*l.limit.PerSecond, l.limit.burst())
		}
		l.at = at
		return l.tokens >= 1-1e-9
	}
	if n := math.Floor(at / l.width); n != l.window {
		l.window, l.used = n, 0
	}
	return l.used < l.most
}

// take counts the request that free admitted.
func (l *limiter) take() {
	l.tokens--
	l.used++
}

// pool is servers with one queue. As calls come in the order of time, each starts when the earliest server falls free
// (Kiefer and Wolfowitz, 1955).
type pool struct {
	free  []float64 // a heap of the times at which servers fall free
	busy  float64
	until float64
	open  bool
}

func newPool(servers int) pool { return pool{free: make([]float64, servers), open: servers <= 0} }

// serve returns when a call that comes at that moment is done.
func (p *pool) serve(at, service float64) float64 {
	p.busy += service
	if p.open {
		return at + service
	}
	done := max(at, p.free[0]) + service
	p.free[0] = done
	p.until = max(p.until, done)
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(p.free) && p.free[child] < p.free[least] {
				least = child
			}
		}
		if least == i {
			return done
		}
		p.free[i], p.free[least] = p.free[least], p.free[i]
		i = least
	}
}
