package quota

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Limiter counts requests against request quotas. A quota is counted over each second of real time: once it is used up,
// all other requests of that second are refused (AWS KMS Developer Guide, "Throttling AWS KMS requests"). Rates that are no
// whole number admit in some seconds one more than in others; of rates below 1, what was admitted keeps all else out for
// as many seconds as it is worth: 0.1 a second is one in ten seconds, whenever the first one comes.
//
// Safe for concurrent use. Admit takes no lock and allocates nothing once an account has been seen; it owns no goroutine.
type Limiter struct {
	quotas Requests
	start  time.Time // of the count of seconds; its monotonic reading makes clock steps harmless

	accounts atomic.Pointer[map[place]*counters]
	mu       sync.Mutex // of whoever adds a place
}

// place is whose counters: an account in a Region, or a custom key store.
type place struct{ partition, account, region, store string }

// counters are the windows of one place, one a group.
type counters struct {
	limits  []float64 // by group; negative: none
	windows []window
}

// window packs the second (from 1, upper 32 bits) and how many requests it has admitted. refused is apart, for metrics.
type window struct {
	state   atomic.Uint64
	refused atomic.Uint64
}

// NewLimiter makes a limiter whose first second begins now.
func NewLimiter(q Requests, now time.Time) *Limiter {
	l := &Limiter{quotas: q, start: now}
	l.accounts.Store(&map[place]*counters{})
	return l
}

// On tells whether any quota is held.
func (l *Limiter) On() bool { return l.quotas.On }

// Admit counts n requests of an account in a Region against a group, all or none. False: the second has no room for them.
// store is the custom key store of CustomKeyStore, else empty.
func (l *Limiter) Admit(now time.Time, partition, account, region, store string, g Group, n int) bool {
	if !l.quotas.On || g == NoGroup {
		return true
	}
	p := place{partition, account, region, store}
	c := (*l.accounts.Load())[p]
	if c == nil {
		c = l.add(p)
	}
	limit := c.limits[g]
	if limit < 0 {
		return true
	}
	second := uint64(now.Sub(l.start)/time.Second) + 1
	w := &c.windows[g]
	for {
		old := w.state.Load()
		next, ok := admitted(old, limit, second, uint64(n))
		if !ok {
			w.refused.Add(1)
			return false
		}
		if w.state.CompareAndSwap(old, next) {
			return true
		}
	}
}

const rounding = 1e-9 // of a product such as 0.1 × 10

// admitted is the state of a window after n more requests in a second; false: they are refused.
func admitted(state uint64, rate float64, second, n uint64) (next uint64, ok bool) {
	at, used := state>>32, state&math.MaxUint32
	switch {
	case at > second: // a slow request of an earlier second counts in the newer one
		second = at
	case at < second && (rate >= 1 || float64(second-at)*rate+rounding >= float64(used)):
		used = 0
	}
	room := n // below 1: nothing while what was admitted has not worn off, then whatever asks first
	if rate >= 1 {
		room = uint64(rate*float64(second)+rounding) - uint64(rate*float64(second-1)+rounding)
	} else if used > 0 {
		room = 0
	}
	if used+n > room {
		return state, false
	}
	return second<<32 | (used + n), true
}

func (l *Limiter) add(p place) *counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := *l.accounts.Load()
	if c := old[p]; c != nil {
		return c
	}
	c := &counters{limits: make([]float64, NumGroups), windows: make([]window, NumGroups)}
	for g := range c.limits {
		rate, held := l.quotas.Rate(Group(g), p.region)
		if c.limits[g] = rate; !held {
			c.limits[g] = -1
		}
	}
	all := make(map[place]*counters, len(old)+1)
	for k, v := range old {
		all[k] = v
	}
	all[p] = c
	l.accounts.Store(&all)
	return c
}

// Refused adds up by group, over all places, how many requests were refused, and calls f for those that are not zero.
func (l *Limiter) Refused(f func(g Group, n uint64)) {
	sums := make([]uint64, NumGroups)
	for _, c := range *l.accounts.Load() {
		for g := range c.windows {
			sums[g] += c.windows[g].refused.Load()
		}
	}
	for g, n := range sums {
		if n > 0 {
			f(Group(g), n)
		}
	}
}
