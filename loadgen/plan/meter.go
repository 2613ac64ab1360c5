package plan

import (
	"math"

	"trent/loadgen/plan/sim"
)

// meter counts attempts against one quota, window after window, with clients that try again. It moves numbers of
// attempts through slices of a window, not single ones, so that a day of any rate takes a moment. Within a slice what
// is admitted is taken evenly from all attempts. loadgen/plan/sim does the same call by call, and tests hold the two
// together.
type meter struct {
	kind        sim.Kind
	width       float64 // seconds of a window
	most, burst float64 // requests that a window admits; a bucket's size
	retry       sim.Policy
	answer      float64 // slices until a throttled answer is back
	tokens      float64 // of the bucket
	allowance   float64 // of all clients' retry quotas together
	full        float64
	at          int         // slice
	points      [][]float64 // by attempt: retries that land in a slice ahead
	changes     [][]float64 // by attempt: changes of the rate at which retries come, by slice ahead
	rates       []float64   // by attempt: that rate
	waiting     float64     // retries that are still to land
}

// tally is what became of the attempts of a window.
type tally struct{ attempts, throttled, failed float64 }

const (
	parts = 64   // of a window
	ring  = 2048 // slices ahead that retries can land in: more than the longest wait, 20 s
)

// newMeter counts a limit. answer is the seconds until a throttled answer is back.
func newMeter(limit sim.Limit, retry sim.Policy, clients int, answer float64) *meter {
	m := &meter{kind: limit.Kind, retry: retry}
	m.width, m.most = limit.WindowLength()
	m.burst = m.most
	if limit.Burst > 0 {
		m.burst = max(limit.Burst, 1)
	}
	m.answer = answer * parts / m.width
	m.tokens = m.burst
	m.full = retry.Tokens * float64(max(clients, 1))
	m.allowance = m.full
	attempts := max(retry.Attempts, 1)
	m.points, m.changes, m.rates = make([][]float64, attempts), make([][]float64, attempts), make([]float64, attempts)
	for a := range m.points {
		m.points[a], m.changes[a] = make([]float64, ring), make([]float64, ring)
	}
	return m
}

// window counts one window with so many fresh calls.
func (m *meter) window(fresh float64) tally {
	if m.waiting < 1e-9 && m.quiet(fresh) {
		return tally{attempts: fresh}
	}
	var out tally
	left := m.most
	for range parts {
		if m.kind == sim.Bucket {
			// What does not fit in the bucket is lost, but what comes in the slice is drawn from it meanwhile.
			left = m.tokens + m.most/parts
		}
		used := m.slice(fresh/parts, left, &out)
		left -= used
		if m.kind == sim.Bucket {
			m.tokens = min(left, m.burst)
		}
		m.at++
	}
	return out
}

// quiet takes a window without throttles or retries at once.
func (m *meter) quiet(fresh float64) bool {
	if m.kind == sim.Bucket {
		if fresh > m.most {
			return false
		}
		m.tokens = min(m.tokens+m.most-fresh, m.burst)
	} else if fresh > m.most {
		return false
	}
	m.allowance = min(m.allowance+fresh*m.retry.Gain, m.full)
	// Nothing waits: whatever is left in the ring is rounding.
	for a := range m.points {
		if m.rates[a] != 0 {
			clear(m.points[a])
			clear(m.changes[a])
			m.rates[a] = 0
		}
	}
	m.waiting = 0
	m.at += parts
	return true
}

// slice counts the attempts of one slice, of which so many can be admitted, and returns how many were.
func (m *meter) slice(fresh, left float64, out *tally) float64 {
	now := m.at % ring
	var mine [16]float64
	total := fresh
	mine[0] = fresh
	for a := 1; a < len(m.points); a++ {
		m.rates[a] += m.changes[a][now]
		mine[a] = max(m.points[a][now]+m.rates[a], 0)
		m.points[a][now], m.changes[a][now] = 0, 0
		m.waiting -= mine[a]
		total += mine[a]
	}
	out.attempts += total
	if total <= 0 {
		return 0
	}
	share := min(left/total, 1)
	m.credit(&mine, share)
	if share < 1 {
		m.refuse(&mine, share, out)
	}
	return total * share
}

// credit gives the retry quota what good answers give back.
func (m *meter) credit(mine *[16]float64, share float64) {
	if m.full == 0 {
		return
	}
	m.allowance += mine[0] * share * m.retry.Gain
	for a := 1; a < len(m.points); a++ {
		m.allowance += mine[a] * share * m.retry.Cost
	}
	m.allowance = min(m.allowance, m.full)
}

// refuse sends the throttled attempts into later slices, as far as the policy lets them. In a window that is used up,
// retries within the same slice are throttled as well.
func (m *meter) refuse(mine *[16]float64, share float64, out *tally) {
	again := 0.0
	for a := range m.points {
		throttled := mine[a]*(1-share) + again
		out.attempts += again
		out.throttled += throttled
		again = 0
		if throttled <= 0 {
			continue
		}
		retried := throttled
		if a == len(m.points)-1 {
			retried = 0
		}
		if m.full > 0 {
			retried = min(retried, m.allowance/m.retry.Cost)
			m.allowance -= retried * m.retry.Cost
		}
		out.failed += throttled - retried
		if retried > 0 {
			again = m.later(a+1, retried)
		}
	}
}

// later puts retries where they land, and returns those that come in this slice again.
func (m *meter) later(attempt int, n float64) (again float64) {
	wait := m.retry.Longest(attempt) * parts / m.width
	if !m.retry.Jitter || wait < 1 {
		ahead := m.answer + wait
		whole := math.Floor(ahead)
		part := ahead - whole
		return m.land(attempt, int(whole), n*(1-part)) + m.land(attempt, int(whole)+1, n*part)
	}
	// Evenly over the slices from the answer to the longest wait.
	from := int(m.answer) + 1
	length := min(max(int(math.Round(wait)), 1), ring-from-2)
	rate := n / float64(length)
	m.changes[attempt][(m.at+from)%ring] += rate
	m.changes[attempt][(m.at+from+length)%ring] -= rate
	m.waiting += n
	return 0
}

func (m *meter) land(attempt, ahead int, n float64) (again float64) {
	switch {
	case n == 0:
		return 0
	case ahead == 0 && m.kind != sim.Bucket:
		return n
	}
	m.points[attempt][(m.at+min(max(ahead, 1), ring-1))%ring] += n
	m.waiting += n
	return 0
}
