// Package audit accounts for requests: counts and latencies by operation and result, in Prometheus text.
//
// It is not a log of customer data: an Event names an operation, a result and times, never a plaintext,
// a key or an encryption context. Metrics is safe for concurrent use without a lock on the request path:
// every writer names the shard it counts in, and readers add the shards up. It owns no goroutine.
package audit

import (
	"fmt"
	"io"
	"math/bits"
	"sync/atomic"
	"time"
)

// Event is what the chain says of one request when it is answered.
type Event struct {
	Shard     int           // the writer's shard, below Metrics.Shards
	Operation uint8         // index into the operation names; 0: none was known
	Code      uint8         // index into the error codes; 0: success
	Duration  time.Duration // from the request read to the answer handed over
	BytesIn   int           // of the request body
	BytesOut  int           // of the answer's body
}

// bounds are the upper edges of the latency histogram in nanoseconds: four a decade from 10 µs to 10 s.
var bounds = [...]int64{
	10e3, 18e3, 32e3, 56e3, 100e3, 180e3, 320e3, 560e3, 1e6, 1.8e6, 3.2e6, 5.6e6,
	10e6, 18e6, 32e6, 56e6, 100e6, 180e6, 320e6, 560e6, 1e9, 1.8e9, 3.2e9, 5.6e9, 10e9,
}

const numBuckets = len(bounds) + 1

// series are the counters of one operation in one shard.
type series struct {
	codes   []uint64 // by error code; 0: success
	buckets [numBuckets]uint64
	nanos   uint64
	in, out uint64
}

// shard is written by whoever was given its number. Its series lie apart from the next shard's, since
// each is allocated on its own and is larger than a cache line.
type shard struct{ operations []series }

// Metrics holds the counters of all operations.
type Metrics struct {
	operations, codes []string
	shards            []shard
}

// NewMetrics makes counters for the named operations and codes; index 0 of both is reserved ("" for none
// and for success). shards should be about twice the number of cores.
func NewMetrics(operations, codes []string, shards int) *Metrics {
	m := &Metrics{operations: operations, codes: codes, shards: make([]shard, max(1, shards))}
	for i := range m.shards {
		m.shards[i].operations = make([]series, len(operations))
		for j := range operations {
			m.shards[i].operations[j].codes = make([]uint64, len(codes))
		}
	}
	return m
}

// Shards is how many shards there are.
func (m *Metrics) Shards() int { return len(m.shards) }

// Record counts one answered request. It allocates nothing and takes no lock.
func (m *Metrics) Record(e *Event) {
	s := &m.shards[e.Shard].operations[e.Operation]
	atomic.AddUint64(&s.codes[e.Code], 1)
	atomic.AddUint64(&s.buckets[bucketOf(int64(e.Duration))], 1)
	atomic.AddUint64(&s.nanos, uint64(max(0, e.Duration)))
	atomic.AddUint64(&s.in, uint64(e.BytesIn))
	atomic.AddUint64(&s.out, uint64(e.BytesOut))
}

// bucketOf finds the first bound not below ns: a jump by the power of two, then at most four steps.
func bucketOf(ns int64) int {
	if ns <= bounds[0] {
		return 0
	}
	i := firstBound[min(bits.Len64(uint64(ns)), len(firstBound)-1)]
	for i < len(bounds) && ns > bounds[i] {
		i++
	}
	return i
}

// firstBound[n] is the first bucket that a value of n bits can fall into.
var firstBound = func() (first [36]int) {
	for n := range first {
		least := int64(0)
		if n > 0 {
			least = 1 << (n - 1)
		}
		for first[n] < len(bounds) && least > bounds[first[n]] {
			first[n]++
		}
	}
	return first
}()

// Requests adds up the counts of one operation and code over the shards.
func (m *Metrics) Requests(operation, code uint8) uint64 {
	var n uint64
	for i := range m.shards {
		n += atomic.LoadUint64(&m.shards[i].operations[operation].codes[code])
	}
	return n
}

// WritePrometheus writes the counters that are not zero, in Prometheus text format.
func (m *Metrics) WritePrometheus(w io.Writer) {
	fmt.Fprintln(w, "# TYPE trent_requests_total counter")
	for op, name := range m.operations {
		for code, result := range m.codes {
			if n := m.Requests(uint8(op), uint8(code)); n > 0 {
				fmt.Fprintf(w, "trent_requests_total{operation=%q,result=%q} %d\n", label(name, "none"), label(result, "ok"), n)
			}
		}
	}
	fmt.Fprintln(w, "# TYPE trent_request_duration_seconds histogram")
	for op, name := range m.operations {
		m.writeHistogram(w, uint8(op), label(name, "none"))
	}
	fmt.Fprintln(w, "# TYPE trent_request_body_bytes_total counter")
	for op, name := range m.operations {
		m.writeBytes(w, uint8(op), label(name, "none"))
	}
}

func (m *Metrics) writeBytes(w io.Writer, op uint8, name string) {
	var in, out uint64
	for i := range m.shards {
		s := &m.shards[i].operations[op]
		in, out = in+atomic.LoadUint64(&s.in), out+atomic.LoadUint64(&s.out)
	}
	if in+out == 0 {
		return
	}
	fmt.Fprintf(w, "trent_request_body_bytes_total{operation=%q,direction=\"in\"} %d\n", name, in)
	fmt.Fprintf(w, "trent_request_body_bytes_total{operation=%q,direction=\"out\"} %d\n", name, out)
}

func (m *Metrics) writeHistogram(w io.Writer, op uint8, name string) {
	var buckets [numBuckets]uint64
	var nanos, count uint64
	for i := range m.shards {
		s := &m.shards[i].operations[op]
		for b := range s.buckets {
			n := atomic.LoadUint64(&s.buckets[b])
			buckets[b] += n
			count += n
		}
		nanos += atomic.LoadUint64(&s.nanos)
	}
	if count == 0 {
		return
	}
	var below uint64
	for b, bound := range bounds {
		below += buckets[b]
		fmt.Fprintf(w, "trent_request_duration_seconds_bucket{operation=%q,le=\"%g\"} %d\n", name, float64(bound)/1e9, below)
	}
	fmt.Fprintf(w, "trent_request_duration_seconds_bucket{operation=%q,le=\"+Inf\"} %d\n", name, count)
	fmt.Fprintf(w, "trent_request_duration_seconds_sum{operation=%q} %g\n", name, float64(nanos)/1e9)
	fmt.Fprintf(w, "trent_request_duration_seconds_count{operation=%q} %d\n", name, count)
}

func label(name, none string) string {
	if name == "" {
		return none
	}
	return name
}
