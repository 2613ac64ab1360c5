package results_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"trent/results"
)

// causesRecord is a run with three causes of two callers, the last of which was throttled for a twentieth.
func causesRecord(t *testing.T) *results.Record {
	t.Helper()
	r := attackRecord(t)
	random := rand.New(rand.NewPCG(3, 3))
	r.Operations, r.Total = nil, results.Operation{Name: "all"}
	for _, c := range []struct {
		cause, caller, key string
		n                  int
		median             time.Duration
		throttled          uint64
	}{{"a", "web", "k", 1000, time.Millisecond, 0}, {"a", "web", "k", 3000, time.Millisecond, 0}, {"b", "jobs", "k", 950, 5 * time.Millisecond, 50}, {"c", "jobs", "k", 0, 0, 0}} {
		op := results.Operation{Name: c.cause, API: "Decrypt", From: "s3", Caller: c.caller, Cause: c.cause, Key: c.key, Due: uint64(c.n) + c.throttled, DuePerSec: 10}
		if c.n > 0 {
			packed, h := encoded(t, random, c.n, c.median)
			op.Latency = percentiles(h)
			op.Outcomes = []results.Outcome{{Name: "ok", Count: uint64(c.n), Latency: packed, Service: packed}}
		}
		if c.throttled > 0 {
			op.Outcomes = append(op.Outcomes, results.Outcome{Name: "throttled", Count: c.throttled})
		}
		r.Operations = append(r.Operations, op)
		r.Total.Due += op.Due
	}
	return r
}

func TestAttribution(t *testing.T) {
	t.Parallel()
	r := causesRecord(t)
	list, err := r.Attribute(func(o *results.Operation) string { return o.Cause })
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	a, b, c := list[0], list[1], list[2]
	if a.Due != 4000 || a.OK != 4000 || a.DuePerSec != 20 || a.P99 <= a.P50 || a.P50 < results.Latency(900*time.Microsecond) || a.P50 > results.Latency(1100*time.Microsecond) {
		t.Errorf("%+v", a)
	}
	// One in twenty was not answered well, so the slowest hundredth never was.
	if b.Due != 1000 || b.Throttled != 50 || b.Bad != 0 || b.P99 != results.Never || b.P50 == results.Never {
		t.Errorf("%+v", b)
	}
	if c.Due != 0 {
		t.Errorf("%+v", c)
	}
	var terminal, page bytes.Buffer
	if err := results.RenderTerminal(&terminal, r); err != nil {
		t.Fatal(err)
	}
	if err := results.RenderHTML(&page, r); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{terminal.String(), page.String()} {
		if !strings.Contains(out, "By cause") || !strings.Contains(out, "By caller") || strings.Contains(out, "By key") || strings.Contains(out, "By service") {
			t.Errorf("sections: %s", out[:min(len(out), 2000)])
		}
	}
	if !strings.Contains(terminal.String(), "c              0") && !strings.Contains(terminal.String(), "–") {
		t.Errorf("%s", terminal.String())
	}
	// A mix has nobody to name.
	terminal.Reset()
	if err := results.RenderTerminal(&terminal, attackRecord(t)); err != nil || strings.Contains(terminal.String(), "By cause") {
		t.Errorf("%v %s", err, terminal.String())
	}
	// A histogram that does not add up is said, and the rest is shown.
	r.Operations[0].Outcomes[0].Latency = &results.Histogram{Encoded: "garbage"}
	terminal.Reset()
	if err := results.RenderTerminal(&terminal, r); err != nil || !strings.Contains(terminal.String(), "Not shown") {
		t.Errorf("%v %s", err, terminal.String())
	}
}
