package attack_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/slo"
	"trent/results"
)

// An interruption while keys are made gives a record too, and no key stays.
func TestInterruptedWhileKeysAreMade(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.refuse = func(operation string, n uint64) (int, string) {
		if n == 5 {
			cancel()
		}
		return 0, ""
	}
	r, err := attack.Run(ctx, options(t, s, "200/s 60s"))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.ExitCode != 130 || r.Outcome == "pass" || r.Total.Due != 0 || !strings.Contains(strings.Join(r.Notes, " "), "keys were made") {
		t.Errorf("%+v", r)
	}
	if s.deleted.Load() != s.keys.Load() || s.keys.Load() == 0 {
		t.Errorf("made %d keys and deleted %d after the interruption", s.keys.Load(), s.deleted.Load())
	}
	if err := results.Write(&strings.Builder{}, r); err != nil {
		t.Error(err)
	}
}

// A closed loop says so everywhere, and no limit that needs a due time passes.
func TestClosedLoopIsLabelled(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	limits, err := slo.Parse("x", []byte("latency: [{percentile: 50, limit: 10s}]\nerrors: {maximum: 50%}\nthroughput: {minimum: 90%}\n"))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, s, "1/s 1s")
	o.Workload, o.Limits = small(t), limits
	o.Schedule = engine.NewClosedLoop(4, engine.Think{Mean: 10 * time.Millisecond, Exponential: true}, time.Second, 1)
	r, err := attack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Verdicts {
		if needsDue := v.Metric != "errors"; needsDue != strings.Contains(v.Reason, "closed loop") || needsDue && v.Outcome != "inconclusive" {
			t.Errorf("%s: %s, %s", v.Metric, v.Outcome, v.Reason)
		}
	}
	c := r.ClosedLoop
	if c == nil || c.Clients != 4 || !c.Exponential || c.Think != 10*time.Millisecond || c.Throughput == 0 || c.Law == 0 || c.Thought == 0 {
		t.Errorf("%+v", c)
	}
	var terminal, page strings.Builder
	if err := results.RenderTerminal(&terminal, r); err != nil {
		t.Fatal(err)
	}
	if err := results.RenderHTML(&page, r); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{terminal.String(), page.String()} {
		if strings.Count(text, "losed loop") < 3 {
			t.Errorf("not labelled:\n%.600s", text)
		}
	}
}

func TestConnectionsInTheRecord(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		set   func(o *attack.Options)
		check func(r *results.Record) bool
		title string
	}{
		{"handshakes", func(o *attack.Options) { o.Connect.Requests = 1 }, func(r *results.Record) bool {
			return r.Connections.During.Made == 30 && r.Connections.Rate > 20 && len(r.Connections.During.TLS) == 4 && r.Connections.During.TLSHistogram != nil
		}, "new connections/s"},
		{"cold start", func(o *attack.Options) {
			o.Schedule, o.Connections, o.Connect.Late = engine.NewColdStart(10), 10, true
		}, func(r *results.Record) bool {
			s := r.Connections.ColdStart
			return s != nil && s.Clients == 10 && s.Served == 10 && s.First != nil && *s.First <= s.AllServed && s.AllServed != results.Never
		}, "Cold start of 10 clients: all served after"},
		{"the SDK's", func(o *attack.Options) { o.Engine = "sdk" }, func(r *results.Record) bool {
			return r.Engine.SDK != nil && r.Engine.SDK.Calls == 30 && r.Engine.SDK.Attempts >= 30 && len(r.Engine.SDK.Latency) == 4
		}, "What the SDK did"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newKeyService(t)
			o := options(t, s, "30/s 1s")
			o.Workload = small(t)
			c.set(&o)
			r, err := attack.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			var terminal strings.Builder
			if err := results.RenderTerminal(&terminal, r); err != nil {
				t.Fatal(err)
			}
			if !c.check(r) || !strings.Contains(terminal.String(), c.title) {
				t.Errorf("%+v\n%s", r.Connections, terminal.String())
			}
		})
	}
}
