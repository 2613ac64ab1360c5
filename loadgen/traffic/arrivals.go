package traffic

import (
	"container/heap"
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// Source gives the calls of flows at random, in the order of time: a Poisson process of the flow's rate for each flow,
// and for each storm its calls at independent, evenly distributed moments. The same seed gives the same calls, whatever
// window of them is asked for. It holds a few words for each flow and each storm under way.
type Source struct {
	flows   []Flow
	from    time.Duration
	to      time.Duration
	seed    uint64
	streams streams
}

// NewSource gives the calls in [from, to). Negative times hold none.
func NewSource(flows []Flow, from, to time.Duration, seed uint64) *Source {
	s := &Source{flows: flows, from: max(from, 0), to: to, seed: seed}
	for i := range flows {
		if rate := flows[i].Rate.Max(); rate > 0 {
			p := &poissonStream{source: s, flow: i, block: blockLength(rate)}
			p.number = int64(s.from / p.block)
			p.enter()
			s.add(p)
		}
		for n := range flows[i].Storms {
			storm := &flows[i].Storms[n]
			if storm.Calls > 0 {
				s.add(&outlook{source: s, flow: i, storm: n, k: storm.over(s.from)})
			}
		}
	}
	return s
}

// Next is the next call: when, and the index of its flow. ok is false after the last.
func (s *Source) Next() (at time.Duration, flow int, ok bool) {
	for len(s.streams) > 0 {
		top := s.streams[0]
		at, flow, isCall := top.at, top.stream.index(), top.stream.calls()
		if next, more := top.stream.advance(); more && next < s.to {
			s.streams[0].at = next
			heap.Fix(&s.streams, 0)
		} else {
			heap.Pop(&s.streams)
		}
		if isCall {
			return at, flow, true
		}
	}
	return 0, 0, false
}

// Arrivals ranges over the calls in [from, to): when, and the index of the flow. See NewSource.
func Arrivals(flows []Flow, from, to time.Duration, seed uint64) iter.Seq2[time.Duration, int] {
	return func(yield func(time.Duration, int) bool) {
		for s := NewSource(flows, from, to, seed); ; {
			if at, flow, ok := s.Next(); !ok || !yield(at, flow) {
				return
			}
		}
	}
}

// add takes a stream in at its first call in the window.
func (s *Source) add(stream stream) {
	for {
		at, more := stream.advance()
		if !more || at >= s.to {
			return
		}
		// An outlook before the window is about a storm that may reach into it.
		if at >= s.from || !stream.calls() {
			heap.Push(&s.streams, event{at: at, stream: stream, order: s.order(stream)})
			return
		}
	}
}

// order breaks ties by flow, so that equal times come in one order always.
func (s *Source) order(stream stream) int { return stream.index() }

// stream is one ascending series of moments.
type stream interface {
	advance() (time.Duration, bool)
	index() int  // of the flow
	calls() bool // false: the moments are the begins of storms
}

type event struct {
	at     time.Duration
	stream stream
	order  int
}

type streams []event

func (h streams) Len() int { return len(h) }
func (h streams) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h streams) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *streams) Push(x any)   { *h = append(*h, x.(event)) }
func (h *streams) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	*h = (*h)[:last]
	return e
}

// poissonStream is a flow's rate by thinning (Lewis and Shedler, 1979). Time is cut in blocks with a generator each, as
// what happens in one is independent of the others: so that it can be entered anywhere.
type poissonStream struct {
	source *Source
	flow   int
	block  time.Duration
	number int64 // of the block
	at     float64
	random rand.PCG
}

// blockLength is a function of the rate alone: some hundred calls, as those of a block before the window are drawn for nothing.
func blockLength(rate float64) time.Duration {
	return time.Duration(min(max(256/rate, 0.001), 3600) * float64(time.Second))
}

func (p *poissonStream) index() int  { return p.flow }
func (p *poissonStream) calls() bool { return true }

func (p *poissonStream) enter() {
	p.random = generator(p.source.seed, p.flow, 0, p.number)
	p.at = 0
}

func (p *poissonStream) advance() (time.Duration, bool) {
	rate := &p.source.flows[p.flow].Rate
	most := rate.Max()
	for {
		start := time.Duration(p.number) * p.block
		if start >= p.source.to {
			return 0, false
		}
		p.at -= math.Log(unit(&p.random)) / most
		at := start + time.Duration(p.at*float64(time.Second))
		if at >= start+p.block {
			p.number++
			p.enter()
			continue
		}
		if rate.Swing == 0 || unit(&p.random)*most <= rate.At(at) {
			return at, true
		}
	}
}

// outlook waits for a storm's begins and lets each loose.
type outlook struct {
	source      *Source
	flow, storm int
	k           int64 // the next time
}

func (o *outlook) index() int  { return o.flow }
func (o *outlook) calls() bool { return false }

// advance returns when the storm begins next. That storm is taken in by then, as its calls come no earlier.
func (o *outlook) advance() (time.Duration, bool) {
	s := &o.source.flows[o.flow].Storms[o.storm]
	if o.k > 0 && s.Every <= 0 {
		return 0, false
	}
	at := s.start(o.k)
	if at >= o.source.to {
		return 0, false
	}
	b := &stormStream{flow: o.flow, start: at, window: s.window(), random: generator(o.source.seed, o.flow, o.storm+1, o.k)}
	b.left = int64(s.Calls)
	if unit(&b.random) < s.Calls-float64(b.left) {
		b.left++
	}
	o.k++
	o.source.add(b)
	return at, true
}

// stormStream is the calls of one storm: the order statistics of evenly distributed moments, one after the other. Given
// the last, the next of m is at the minimum of m on what is left.
type stormStream struct {
	flow          int
	start, window time.Duration
	left          int64
	remains       float64 // share of the window that lies ahead, as a logarithm
	random        rand.PCG
}

func (b *stormStream) index() int  { return b.flow }
func (b *stormStream) calls() bool { return true }

func (b *stormStream) advance() (time.Duration, bool) {
	if b.left <= 0 {
		return 0, false
	}
	b.remains += math.Log(unit(&b.random)) / float64(b.left)
	b.left--
	return b.start + min(time.Duration(-math.Expm1(b.remains)*float64(b.window)), b.window-1), true
}

// generator is independent for each flow, its curve (0) or storm (from 1), and block or time.
func generator(seed uint64, flow, part int, number int64) rand.PCG {
	return *rand.NewPCG(mix(seed^mix(uint64(flow)<<20|uint64(part))), mix(uint64(number)+0x74726166666963))
}

// mix is SplitMix64's finaliser, a bijection on 64 bits.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// unit is uniform in (0, 1]: its logarithm is finite.
func unit(r *rand.PCG) float64 { return (float64(r.Uint64()>>11) + 1) / (1 << 53) }
