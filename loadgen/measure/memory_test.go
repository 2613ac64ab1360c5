package measure_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"trent/loadgen/measure"
)

// lifetime feeds a recorder of three operations with samples over a virtual time, and calls at for each of the moments when it has
// come. A batch of samples is due at once, so that blocks fill up as densely as they would at a high rate without there being
// billions of samples; the latencies are lognormal about 1 ms, with errors among them.
func lifetime(r *measure.Recorder, step time.Duration, batch int, moments []time.Duration, at func(i int)) {
	random := rand.New(rand.NewPCG(7, 7))
	shard := r.NewShard()
	names := [][]byte{[]byte("ThrottlingException"), []byte("KMSInternalException"), []byte("Timeout")}
	n := uint64(0)
	for now, i := time.Duration(0), 0; i < len(moments); now += step {
		for ; i < len(moments) && now >= moments[i]; i++ {
			at(i)
		}
		for range batch {
			latency := time.Duration(float64(ms) * math.Exp(0.5*random.NormFloat64()))
			sample := ok(n, uint16(n%3), now, max(latency, 100*us))
			if n%1000 == 999 {
				sample.Outcome, sample.ErrorName = measure.Failed, r.Intern(names[n/1000%3])
			}
			shard.Record(&sample)
			n++
		}
	}
}

func liveHeap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// A day and a month of samples leave the recorder as large as it was after an hour. No other test runs meanwhile: it looks at the
// whole heap.
func TestMemoryIsBounded(t *testing.T) {
	const day = 24 * time.Hour
	moments := []time.Duration{time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 14 * day, 30 * day}
	before := liveHeap()
	r := measure.NewRecorder(measure.Config{Entries: []string{"a", "b", "c"}})
	heap := make([]float64, len(moments))
	lifetime(r, time.Second, 150, moments[:1], func(int) { heap[0] = liveHeap() - before })
	lifetime(r, 30*time.Minute, 1200, moments[1:], func(i int) { heap[i+1] = liveHeap() - before })
	for i, mb := range heap {
		t.Logf("after %v: %.2f MB", moments[i], mb)
		if mb > 32 || mb-heap[0] > 1 {
			t.Errorf("after %v: %.2f MB live, %.2f MB after an hour", moments[i], mb, heap[0])
		}
	}
	s := r.Summary()
	if blocks := s.Blocks(); s.Width != 4096*time.Second || len(blocks) > 900 || blocks[len(blocks)-1].Start < 29*day {
		t.Errorf("%d blocks of %v", len(blocks), s.Width)
	}
	runtime.KeepAlive(r)
}

// Many operations fill the room sooner: their blocks become wider, and nothing is lost.
func TestBlocksWidenForWantOfRoom(t *testing.T) {
	t.Parallel()
	names := make([]string, 40)
	r := measure.NewRecorder(measure.Config{Entries: names})
	shard := r.NewShard()
	n := uint64(0)
	for second := range 600 {
		for i := range 2000 {
			sample := ok(n, uint16(i%len(names)), time.Duration(second)*time.Second, time.Duration(1+(n*7919)%100_000)*10*us)
			shard.Record(&sample)
			n++
		}
	}
	s := r.Summary()
	var asked uint64
	for _, b := range s.Blocks() {
		asked += b.Asked()
	}
	if s.Width < 2*time.Second || s.Width > 16*time.Second || asked != n {
		t.Errorf("width %v, %d of %d hits", s.Width, asked, n)
	}
}
