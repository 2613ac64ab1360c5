// Package sim is a discrete-event simulation of calls to a key service: clients that may try again, request quotas in
// front, and a pool of equal servers behind them, first come first served.
//
// Times are seconds. A run is a pure function of its model, its arrivals and its seed: it reads no clock, starts no
// goroutine and shares nothing. Percentiles of plans come from here; loadgen/plan/queueing has the formulas that its
// tests are held against.
package sim

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Class is a kind of call.
type Class struct {
	Name    string
	Limits  []int   // indexes into Model.Limits that the call counts in
	Service Sampler // time on a server of the pool; nil: none
	Delay   Sampler // time that no other call waits for: network, the service's own latency; nil: none
}

// Model is the system.
type Model struct {
	Classes []Class
	Limits  []Limit
	Servers int // of the pool; 0: as many as needed
	Retry   Policy
	Clients int // processes with a retry quota of their own; 0: 1
	Most    int // calls; more are an error; 0: MaxCalls
}

// Arrivals gives calls in order of time: when and of which class; ok is false after the last.
type Arrivals func() (at float64, class int, ok bool)

// Call is what became of one call.
type Call struct {
	At       float64
	Latency  float64 // until the last answer, good or not
	Class    int32
	Attempts int32
	Failed   bool // its last attempt was throttled
}

// Outcome is what became of all calls, in order of arrival.
type Outcome struct {
	Calls     []Call
	Attempts  uint64
	Throttled uint64 // attempts
	Failed    uint64 // calls
	Busy      float64
	Until     float64 // when the last server fell idle
	Servers   int
	ByClass   []Count
}

// Count is the attempts of a class.
type Count struct{ Calls, Attempts, Throttled, Failed uint64 }

// MaxCalls bounds a run by default, and so its memory (32 bytes a call).
const MaxCalls = 20_000_000

// TooLongError is a run of more calls than allowed.
type TooLongError struct{ Limit int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the simulation has more than %d calls", e.Limit)
}

// event is an attempt that reaches the service, or (credit above 0) a good answer that fills a client's retry quota.
type event struct {
	at     float64
	call   int
	credit float64
	order  uint64 // ties are resolved by the order of making
}

type events []event

func (h events) Len() int { return len(h) }
func (h events) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h events) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *events) Push(x any)   { *h = append(*h, x.(event)) }
func (h *events) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	*h = (*h)[:last]
	return e
}

type run struct {
	model   *Model
	random  *rand.Rand
	limits  []limiter
	pool    pool
	quota   []float64 // tokens left of each client
	queue   events
	made    uint64
	outcome Outcome
}

// Run simulates until every call has its last answer. Error: *TooLongError.
func Run(m *Model, arrivals Arrivals, seed uint64) (*Outcome, error) {
	r := &run{model: m, random: rand.New(rand.NewPCG(seed, 0x706c616e)), pool: newPool(m.Servers)}
	for _, l := range m.Limits {
		r.limits = append(r.limits, newLimiter(l))
	}
	r.quota = make([]float64, max(m.Clients, 1))
	for i := range r.quota {
		r.quota[i] = m.Retry.Tokens
	}
	r.outcome.ByClass = make([]Count, len(m.Classes))
	most := m.Most
	if most <= 0 {
		most = MaxCalls
	}
	at, class, more := arrivals()
	for more || len(r.queue) > 0 {
		if more && (len(r.queue) == 0 || at <= r.queue[0].at) {
			if len(r.outcome.Calls) >= most {
				return nil, &TooLongError{most}
			}
			r.outcome.Calls = append(r.outcome.Calls, Call{At: at, Class: int32(class)})
			r.outcome.ByClass[class].Calls++
			r.attempt(at, len(r.outcome.Calls)-1)
			at, class, more = arrivals()
			continue
		}
		e := heap.Pop(&r.queue).(event)
		if e.credit > 0 {
			q := &r.quota[r.client(e.call)]
			*q = min(*q+e.credit, m.Retry.Tokens)
			continue
		}
		r.attempt(e.at, e.call)
	}
	r.outcome.Busy, r.outcome.Until, r.outcome.Servers = r.pool.busy, r.pool.until, m.Servers
	return &r.outcome, nil
}

func (r *run) client(call int) int { return call % len(r.quota) }

func (r *run) push(e event) {
	e.order = r.made
	r.made++
	heap.Push(&r.queue, e)
}

// attempt is a request that reaches the service.
func (r *run) attempt(at float64, index int) {
	call := &r.outcome.Calls[index]
	class := &r.model.Classes[call.Class]
	count := &r.outcome.ByClass[call.Class]
	call.Attempts++
	r.outcome.Attempts++
	count.Attempts++
	delay := draw(class.Delay, r.random)
	if !r.admit(class, at) {
		r.outcome.Throttled++
		count.Throttled++
		r.refused(at+delay, index)
		return
	}
	done := r.pool.serve(at, draw(class.Service, r.random)) + delay
	call.Latency = done - call.At
	if credit := r.model.Retry.credit(int(call.Attempts)); credit > 0 && r.quota[r.client(index)] < r.model.Retry.Tokens {
		r.push(event{at: done, call: index, credit: credit})
	}
}

// admit counts the request in all its quotas, or in none where one of them is used up.
func (r *run) admit(class *Class, at float64) bool {
	for _, l := range class.Limits {
		if !r.limits[l].free(at) {
			return false
		}
	}
	for _, l := range class.Limits {
		r.limits[l].take()
	}
	return true
}

// refused is a throttled answer that reaches its client.
func (r *run) refused(at float64, index int) {
	call := &r.outcome.Calls[index]
	p := &r.model.Retry
	q := &r.quota[r.client(index)]
	if int(call.Attempts) >= max(p.Attempts, 1) || p.Tokens > 0 && *q < p.Cost {
		call.Latency, call.Failed = at-call.At, true
		r.outcome.Failed++
		r.outcome.ByClass[call.Class].Failed++
		return
	}
	if p.Tokens > 0 {
		*q -= p.Cost
	}
	r.push(event{at: at + p.Wait(int(call.Attempts), r.random), call: index})
}

// Load is the busy share of the servers, NaN without a pool.
func (o *Outcome) Load() float64 {
	if o.Servers == 0 || o.Until <= 0 {
		return math.NaN()
	}
	return o.Busy / (o.Until * float64(o.Servers))
}

// ThrottledShare is throttled attempts ÷ attempts.
func (o *Outcome) ThrottledShare() float64 {
	if o.Attempts == 0 {
		return 0
	}
	return float64(o.Throttled) / float64(o.Attempts)
}

// Quantile is one percentile with its 95 % interval, in seconds.
type Quantile struct{ Value, Low, High float64 }

// batches cut a run for its intervals.
const batches = 20

// t19 is the 97.5 % quantile of Student's t with 19 degrees of freedom.
const t19 = 2.093

// Quantiles are nearest-rank quantiles of whole calls that arrived at or after a moment; calls that failed in the end
// rank as infinite where never is set, otherwise by the time until they gave up. Intervals are by batch means over 20
// batches in order of arrival (Law, Simulation Modeling and Analysis, chapter 9); NaN with fewer than 50 calls a batch.
func (o *Outcome) Quantiles(from float64, never bool, qs ...float64) []Quantile {
	var all []float64
	for i := range o.Calls {
		if c := &o.Calls[i]; c.At >= from {
			v := c.Latency
			if never && c.Failed {
				v = math.Inf(1)
			}
			all = append(all, v)
		}
	}
	out := make([]Quantile, len(qs))
	for i := range out {
		out[i] = Quantile{math.NaN(), math.NaN(), math.NaN()}
	}
	if len(all) == 0 {
		return out
	}
	parts := make([][]float64, len(qs))
	if size := len(all) / batches; size >= 50 {
		for b := range batches {
			batch := slices.Clone(all[b*size : (b+1)*size])
			slices.Sort(batch)
			for i, q := range qs {
				parts[i] = append(parts[i], rank(batch, q))
			}
		}
	}
	slices.Sort(all)
	for i, q := range qs {
		out[i].Value = rank(all, q)
		if len(parts[i]) == batches {
			mean, dev := moments(parts[i])
			half := t19 * dev / math.Sqrt(batches)
			if !math.IsNaN(half) && !math.IsInf(mean, 0) {
				out[i].Low, out[i].High = max(out[i].Value-half, 0), out[i].Value+half
			}
		}
	}
	return out
}

func rank(sorted []float64, q float64) float64 {
	return sorted[min(max(int(math.Ceil(q*float64(len(sorted))-1e-9)), 1), len(sorted))-1]
}

func moments(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(values)-1))
}
