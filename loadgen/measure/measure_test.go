package measure_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
	"trent/loadgen/measure"
)

const (
	us = time.Microsecond
	ms = time.Millisecond
)

// ok is a good hit that was handed over 10 µs late, waited 20 µs and was written 30 µs after that.
func ok(n uint64, entry uint16, due, latency time.Duration) measure.Sample {
	return measure.Sample{N: n, Entry: entry, Due: due, Handed: due + 10*us, ConnFree: due + 30*us, FirstWrite: due + 60*us,
		FirstByte: due + latency, Done: due + latency, Status: 200}
}

func never(n uint64, entry uint16, due time.Duration, o measure.Outcome, name uint16) measure.Sample {
	return measure.Sample{N: n, Entry: entry, Due: due, Handed: measure.Never, ConnFree: measure.Never, FirstWrite: measure.Never,
		FirstByte: measure.Never, Done: measure.Never, Outcome: o, ErrorName: name}
}

func recorder(entries ...string) *measure.Recorder {
	return measure.NewRecorder(measure.Config{Entries: entries})
}

func record(r *measure.Recorder, samples ...measure.Sample) *measure.Summary {
	shard := r.NewShard()
	for i := range samples {
		shard.Record(&samples[i])
	}
	return r.Summary()
}

func TestTimesAreKeptApart(t *testing.T) {
	t.Parallel()
	s := record(recorder("a"), ok(0, 0, time.Second, 5*ms))
	for what, c := range map[string]struct {
		h    *hdr.Histogram
		want time.Duration
	}{
		"latency": {s.Latency(measure.OK), 5 * ms}, "service": {s.Service(measure.OK), 5*ms - 60*us},
		"pacer": {s.PacerLag(), 10 * us}, "wait": {s.WaitLag(), 20 * us}, "send": {s.SendLag(), 30 * us}, "client": {s.ClientLag(), 40 * us},
	} {
		if got := measure.Quantile(c.h, 1); got < c.want || got > c.want+c.want/64 {
			t.Errorf("%s %v, want %v", what, got, c.want)
		}
	}
	if measure.Quantile(s.Latency(measure.Failed), 0.5) != 0 || s.Entries[0].Outcomes[measure.Failed].Latency != nil {
		t.Error("a histogram without values")
	}
}

// Judged percentiles rank what was not good as infinite; the successes' percentile stands beside it.
func TestJudged(t *testing.T) {
	t.Parallel()
	r := recorder("a", "b")
	var samples []measure.Sample
	for n := range uint64(90) {
		samples = append(samples, ok(n, uint16(n%2), 0, time.Duration(n+1)*ms))
	}
	throttled := r.Intern([]byte("ThrottlingException"))
	for n := range uint64(6) {
		samples = append(samples, never(90+n, 0, 0, measure.Throttled, throttled))
	}
	for n := range uint64(4) {
		samples = append(samples, never(96+n, 1, 0, measure.NeverSent, 0))
	}
	s := record(r, samples...)
	for _, c := range []struct {
		q       float64
		without bool
		want    time.Duration
	}{
		{0.5, false, 50 * ms}, {0.9, false, 90 * ms}, {0.901, false, measure.Infinite}, {0.99, false, measure.Infinite},
		// 94 hits without the throttled: rank 90 of 94 is the last good one.
		{90.0 / 94, true, 90 * ms}, {91.0 / 94, true, measure.Infinite}, {0.5, true, 47 * ms},
	} {
		got := s.Judged(c.q, c.without)
		if c.want == measure.Infinite && got != c.want || c.want != measure.Infinite && (got < c.want || got > c.want+c.want/1000) {
			t.Errorf("judged %v (without throttled: %v) %v, want %v", c.q, c.without, got, c.want)
		}
	}
	if got := measure.Quantile(s.Latency(measure.OK), 0.99); got < 90*ms || got > 91*ms {
		t.Errorf("99th percentile of successes %v", got)
	}
	if b := &s.Entries[1]; b.Judged(0.9, false) == measure.Infinite || b.Judged(0.99, false) != measure.Infinite || b.Asked() != 49 {
		t.Errorf("entry: %v %v of %d", b.Judged(0.9, false), b.Judged(0.99, false), b.Asked())
	}
	if diff := cmp.Diff(map[string]uint64{"ThrottlingException": 6, "unnamed": 4}, s.Errors); diff != "" {
		t.Error(diff)
	}
	if (&measure.Summary{}).Judged(0.5, false) != 0 {
		t.Error("judged nothing")
	}
}

func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	r := recorder("a")
	x, again, y := r.Intern([]byte("x")), r.Intern([]byte("x")), r.Intern([]byte("y"))
	if r.Intern(nil) != 0 || x != again || x == y {
		t.Errorf("interned as %d, %d, %d", x, again, y)
	}
	for n := range 1000 {
		r.Intern(fmt.Appendf(nil, "name%d", n))
	}
	s := record(r, never(0, 0, 0, measure.Failed, r.Intern([]byte("one more"))), never(1, 0, 0, measure.Failed, r.Intern([]byte("x"))))
	if diff := cmp.Diff(map[string]uint64{"other": 1, "x": 1}, s.Errors); diff != "" {
		t.Error(diff)
	}
	if got := measure.ErrorNames(map[string]uint64{"a": 1, "b": 5, "c": 1}); !slices.Equal(got, []string{"b", "a", "c"}) {
		t.Error(got)
	}
}

// For any partition of samples over recorders and shards the merged measurement equals that of a single one.
func TestMergeIsExact(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 0))
		single := recorder("a", "b")
		parts := []*measure.Recorder{recorder("a", "b"), recorder("a", "b"), recorder("a", "b")}
		shards := []*measure.Shard{parts[0].NewShard(), parts[1].NewShard(), parts[1].NewShard(), parts[2].NewShard()}
		all := single.NewShard()
		limit := []time.Duration{3 * time.Second, 3000 * time.Second}[seed%2] // the longer ones widen blocks, perhaps unequally
		for n := range 200 * seed {
			due := time.Duration(random.Int64N(int64(limit)))
			sample := ok(n, uint16(random.IntN(2)), due, time.Duration(random.ExpFloat64()*float64(20*ms)))
			if random.IntN(5) == 0 {
				sample = never(n, 1, due, measure.Outcome(1+random.IntN(int(measure.NumOutcomes)-1)), 0)
			}
			all.Record(&sample)
			shards[random.IntN(len(shards))].Record(&sample)
		}
		want, got := single.Summary(), parts[0].Summary()
		for _, p := range parts[1:] {
			if err := got.Merge(p.Summary()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(sameHistogram)); diff != "" {
			t.Fatalf("seed %d: merged differs (-single +merged):\n%s", seed, diff)
		}
	}
}

func sameHistogram(a, b *hdr.Histogram) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(a.Export().Counts, b.Export().Counts)
}

func TestMergeRefusesOthers(t *testing.T) {
	t.Parallel()
	a := record(recorder("a"))
	for _, b := range []*measure.Summary{record(recorder("b")), record(recorder("a", "b")),
		record(measure.NewRecorder(measure.Config{Entries: []string{"a"}, MaxBlocks: 7}))} {
		if a.Merge(b) == nil {
			t.Errorf("merged %v", b.Entries)
		}
	}
}

// Blocks agree with the histograms, stay bounded over a long run, and lose nothing when they widen.
func TestBlocks(t *testing.T) {
	t.Parallel()
	r := measure.NewRecorder(measure.Config{Entries: []string{"a"}, MaxBlocks: 10})
	var samples []measure.Sample
	for n := range uint64(10_000) {
		samples = append(samples, ok(n, 0, time.Duration(n)*3500*us, time.Duration(1+n%100)*ms)) // 35 s
	}
	samples = append(samples, never(1, 0, 0, measure.Timeout, 0))
	s := record(r, samples...)
	if s.Width != 4*time.Second || len(s.Blocks()) != 9 {
		t.Fatalf("width %v, %d blocks", s.Width, len(s.Blocks()))
	}
	merged, asked, answered := map[time.Duration]uint64{}, uint64(0), uint64(0)
	for i, b := range s.Blocks() {
		if b.Start != time.Duration(i)*s.Width || b.Max > 100*ms {
			t.Errorf("block %d starts at %v, max %v", i, b.Start, b.Max)
		}
		asked, answered = asked+b.Asked(), answered+b.Answered
		for j, bin := range b.Latencies {
			merged[bin.Value] += bin.Count
			if j > 0 && bin.Value <= b.Latencies[j-1].Value {
				t.Fatalf("block %d: bins do not ascend", i)
			}
		}
	}
	if asked != 10_001 || answered != 10_000 {
		t.Errorf("%d asked, %d answered", asked, answered)
	}
	// Wide blocks have bins of 0.8 % or less, whose edges are edges of the histogram's.
	var total, last uint64
	bars := s.Latency(measure.OK).Distribution()
	for _, value := range slices.Sorted(maps.Keys(merged)) {
		total += merged[value]
		var below uint64
		for _, bar := range bars {
			if time.Duration(bar.To) <= value {
				below += uint64(bar.Count)
			}
		}
		if below != total || merged[value] == 0 {
			t.Fatalf("up to %v: %d in the blocks, %d in the histogram", value, total, below)
		}
		last = uint64(value)
	}
	if last < uint64(100*ms) || last > uint64(100*ms+100*ms/100) {
		t.Errorf("the last bin ends at %v", time.Duration(last))
	}
}

// A bin's value is the highest that the library counts as equal, over the whole range.
func TestBinsAreTheLibrarysBuckets(t *testing.T) {
	t.Parallel()
	values := []time.Duration{measure.Lowest, measure.Highest}
	random := rand.New(rand.NewPCG(1, 1))
	for bits := 7; bits < 42; bits++ {
		edge := time.Duration(1) << bits
		values = append(values, edge-1, edge, edge+1, edge+time.Duration(random.Int64N(int64(edge))))
	}
	r := measure.NewRecorder(measure.Config{Entries: []string{"a"}, MaxBlocks: 4000})
	shard := r.NewShard()
	var want []time.Duration
	h := hdr.New(int64(measure.Lowest), int64(measure.Highest), measure.SuccessDigits)
	for i, v := range values {
		v = min(max(v, measure.Lowest), measure.Highest)
		sample := ok(0, 0, time.Duration(i)*time.Second, v)
		sample.Done = sample.Due + v
		shard.Record(&sample)
		h.Reset()
		if err := h.RecordValue(int64(v)); err != nil {
			t.Fatal(err)
		}
		want = append(want, time.Duration(h.ValueAtQuantile(100)))
	}
	s := r.Summary()
	if s.Width != time.Second {
		t.Fatalf("width %v: 3,700 s lie within 4,000 blocks", s.Width)
	}
	got := map[time.Duration]bool{}
	for _, b := range s.Blocks() {
		for _, bin := range b.Latencies {
			got[bin.Value] = true
		}
	}
	for i, v := range want {
		if !got[v] {
			t.Errorf("%d ns: the library's bucket ends at %d ns, no bin does", values[i], v)
		}
	}
	slices.Sort(want)
	if n := len(slices.Compact(want)); len(got) != n {
		t.Errorf("%d bins for %d buckets of the library", len(got), n)
	}
}

func TestBlockPercentileNeedsExceedances(t *testing.T) {
	t.Parallel()
	var samples []measure.Sample
	for n := range uint64(1000) {
		samples = append(samples, ok(n, 0, 0, time.Duration(n+1)*ms))
	}
	b := record(recorder("a"), samples...).Blocks()[0]
	if v, known := b.Percentile(0.98); !known || v < 980*ms || v > 981*ms {
		t.Errorf("98th percentile %v %v", v, known)
	}
	if v, known := b.Percentile(0.99); known {
		t.Errorf("99th percentile %v of 1,000 values is known", v)
	}
	if b.Max != time.Second {
		t.Errorf("max %v", b.Max)
	}
}

func TestClamping(t *testing.T) {
	t.Parallel()
	s := record(recorder("a"), ok(0, 0, 0, 2*time.Hour), ok(1, 0, 0, 1))
	// Latency and service time of the first are above an hour.
	if s.Clamped != 2 || s.Count(measure.OK) != 2 || measure.Quantile(s.Latency(measure.OK), 1) < time.Hour {
		t.Errorf("clamped %d", s.Clamped)
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	r := recorder("a")
	shard := r.NewShard()
	for n := range uint64(100) {
		sample := ok(n, 0, 0, time.Duration(n+1)*ms)
		shard.Record(&sample)
	}
	c := r.Counts()
	if c.Done != 100 || c.Outcomes[measure.OK] != 100 || c.P50 < 50*ms || c.P50 > 51*ms || c.P99 != 0 || c.Max != 100*ms {
		t.Errorf("%+v", c)
	}
	if c = r.Counts(); c.Done != 100 || c.P50 != 0 || c.Max != 0 {
		t.Errorf("the next second: %+v", c)
	}
}

// Workers record while others count and summarise; nothing is lost.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	r := recorder("a")
	var wg sync.WaitGroup
	for w := range uint64(8) {
		shard := r.NewShard()
		wg.Go(func() {
			for n := range uint64(2000) {
				sample := ok(w*2000+n, 0, time.Duration(n)*ms, ms)
				sample.ErrorName = r.Intern(fmt.Appendf(nil, "n%d", n%50))
				shard.Record(&sample)
			}
		})
	}
	for range 20 {
		r.Counts()
		r.Summary()
	}
	wg.Wait()
	if n := r.Summary().Count(measure.OK); n != 16_000 {
		t.Errorf("%d samples of 16000", n)
	}
}
