package results_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"trent/results"
)

func soakRecord(lost uint64) *results.Record {
	f := func(v float64) *float64 { return &v }
	var points []results.SoakPoint
	for i := range 40 {
		points = append(points, results.SoakPoint{At: float64(i) * 100, Value: 50e6 + 1e5*float64(i), Life: 1 + i/20})
	}
	s := &results.SoakResult{Planned: 2 * time.Hour, Horizon: 2 * time.Hour, Lost: lost,
		Checks:  []results.SoakCheck{{Name: "nothing is lost", Figure: "0 lost", Outcome: "pass"}, {Name: "nothing creeps", Figure: "0 of 1", Outcome: "fail", Why: "server-rss grows"}},
		Samples: results.SoakSamples{Offered: 1_000_000, Kept: 100_000, After: 10 * time.Minute, Checks: 300_000, Later: 100_000, AfterRestart: 99_999, Rotatable: 80_000, AfterRotation: 80_000, Lost: lost},
		Writes:  []results.SoakWrites{{Kind: "keys", Acknowledged: 200, Ambiguous: 3, Applied: 1, NotApplied: 2, Found: 201}},
		Counts:  []results.SoakCount{{Read: true, Server: 1000, Low: 998, High: 1002, Outcome: "pass"}, {Outcome: "its counts died with it"}},
		Trends: []results.SoakTrend{{Name: "server-rss", Unit: "bytes", Points: points, Judged: 20, From: 2000, Slope: f(3.6e6), Low: f(3e6), High: f(4e6), Middle: f(50e6),
			P: f(0.001), Adjusted: f(0.002), Growth: f(7.2e6), GrowthLo: f(6e6), Budget: 5e6, Outcome: "fail", Why: "grows, and by more than its budget"},
			{Name: "latency-p99", Unit: "ns", Budget: 1e6, Outcome: "inconclusive", Why: "fewer than 20 blocks after the warm-up"}},
		Events:  []results.SoakEvent{{Name: "midnight", How: "real", Detail: "the date changed"}, {Name: "disk-full", How: "absent"}},
		Actions: []results.SoakAction{{Kind: "kill", At: time.Minute, From: time.Minute, Until: 90 * time.Second, Outcome: "done", Detail: "down for 1s", Bad: 55}},
		Legs:    []results.SoakLeg{{To: time.Hour, Ended: "killed", Down: time.Minute, Unmeasured: 7}, {From: time.Hour, To: 2 * time.Hour, Ended: "completed"}}}
	for range lost {
		s.Losses = append(s.Losses, results.SoakLoss{What: "Encrypt by hit <7>", Why: "Decrypt: InvalidCiphertextException"})
	}
	return &results.Record{Schema: results.Schema, Kind: results.Soak, Tool: "trent", Started: time.Unix(1e9, 0).UTC(), Elapsed: 2 * time.Hour, Outcome: "fail", ExitCode: 3, Soak: s}
}

func TestSoakIsShownAlike(t *testing.T) {
	t.Parallel()
	for _, lost := range []uint64{0, 2} {
		r := soakRecord(lost)
		var stored bytes.Buffer
		if err := results.Write(&stored, r); err != nil {
			t.Fatal(err)
		}
		again, err := results.Read(&stored)
		if err != nil {
			t.Fatal(err)
		}
		var terminal, page, junit, markdown bytes.Buffer
		if err := errors.Join(results.RenderTerminal(&terminal, again), results.RenderHTML(&page, again), results.WriteJUnit(&junit, again), results.WriteMarkdown(&markdown, again)); err != nil {
			t.Fatal(err)
		}
		want := []string{"2h of load, ", "100,000", "3.43 MiB", "5.72 MiB", "the date changed", "killed", "998", "server-rss grows"}
		if lost == 0 {
			want = append(want, "nothing lost", "Nothing.")
		} else {
			want = append(want, "2 lost", "InvalidCiphertextException")
		}
		for _, text := range want {
			if !strings.Contains(terminal.String(), text) || !strings.Contains(page.String(), text) {
				t.Errorf("%q is missing in terminal (%v) or page (%v)", text, strings.Contains(terminal.String(), text), strings.Contains(page.String(), text))
			}
		}
		if !strings.Contains(page.String(), "Anonymous memory of the server") || strings.Contains(page.String(), "hit <7>") || strings.Contains(page.String(), "NaN") {
			t.Error("the page lacks the chart, or shows what it must not")
		}
		if !strings.Contains(junit.String(), "soak: nothing creeps") || !strings.Contains(markdown.String(), "nothing creeps") {
			t.Error("the files for CI lack the soak's conditions")
		}
	}
}
