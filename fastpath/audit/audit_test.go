package audit_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"trent/fastpath/audit"
)

func metrics() *audit.Metrics {
	return audit.NewMetrics([]string{"", "Encrypt", "Decrypt"}, []string{"", "NotFoundException"}, 4)
}

func TestCountsAddUpOverShards(t *testing.T) {
	t.Parallel()
	m := metrics()
	var wg sync.WaitGroup
	for shard := range m.Shards() {
		wg.Go(func() {
			for range 1000 {
				m.Record(&audit.Event{Shard: shard, Operation: 1, Duration: 50 * time.Microsecond, BytesIn: 3, BytesOut: 5})
				m.Record(&audit.Event{Shard: shard, Operation: 2, Code: 1, Duration: 2 * time.Second})
			}
		})
	}
	wg.Wait()
	if n := m.Requests(1, 0); n != 4000 {
		t.Errorf("Encrypt ok: %d", n)
	}
	if n := m.Requests(2, 1); n != 4000 {
		t.Errorf("Decrypt not found: %d", n)
	}
	var b strings.Builder
	m.WritePrometheus(&b)
	for _, want := range []string{
		`trent_requests_total{operation="Encrypt",result="ok"} 4000`,
		`trent_requests_total{operation="Decrypt",result="NotFoundException"} 4000`,
		`trent_request_duration_seconds_bucket{operation="Encrypt",le="3.2e-05"} 0`,
		`trent_request_duration_seconds_bucket{operation="Encrypt",le="5.6e-05"} 4000`,
		`trent_request_duration_seconds_sum{operation="Decrypt"} 8000`,
		`trent_request_body_bytes_total{operation="Encrypt",direction="out"} 20000`,
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("missing %s in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), `operation="none"`) {
		t.Error("an operation that nobody called is shown")
	}
}

// Every duration lands in the first bucket whose bound is not below it.
func TestBuckets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d  time.Duration
		le string
	}{
		{-time.Second, "1e-05"}, {0, "1e-05"}, {10 * time.Microsecond, "1e-05"}, {10*time.Microsecond + 1, "1.8e-05"},
		{time.Millisecond, "0.001"}, {time.Millisecond + 1, "0.0018"}, {10 * time.Second, "10"}, {time.Hour, "+Inf"},
		{1 << 62, "+Inf"},
	} {
		m := metrics()
		m.Record(&audit.Event{Operation: 1, Duration: c.d})
		var b strings.Builder
		m.WritePrometheus(&b)
		first := ""
		for line := range strings.Lines(b.String()) {
			if strings.Contains(line, "_bucket{") && strings.HasSuffix(line, " 1\n") {
				first = line
				break
			}
		}
		if !strings.Contains(first, `le="`+c.le+`"`) {
			t.Errorf("%v is counted first in %q, want le=%s", c.d, first, c.le)
		}
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	m := metrics()
	e := audit.Event{Shard: 1, Operation: 1, Duration: time.Millisecond}
	if n := testing.AllocsPerRun(1000, func() { m.Record(&e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	m := metrics()
	e := audit.Event{Shard: 1, Operation: 1, Duration: 123 * time.Microsecond}
	b.ReportAllocs()
	for b.Loop() {
		m.Record(&e)
	}
}
