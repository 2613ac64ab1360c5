package results_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"trent/results"
)

func planRecord() *results.Record {
	p := &results.PlanResult{Source: "causes of shop", Region: "eu-central-1", Scale: 3, Horizon: 24 * time.Hour, Counting: "window", Retry: "standard", Clients: 100}
	q := results.PlanQuota{Name: "Cryptographic operations (ECC) request rate", Scope: "account and Region", Operations: []string{"Sign"}, Quota: 1000, Adjustable: true,
		PeakRate: 1200, PeakAt: 14 * time.Hour, Headroom: -0.2, Attempts: 1e6, Throttled: 25_000, ThrottledShare: 0.025, Expected: 20_000, BeginsAtScale: 2.4, Needed: 1500, Ask: 1900, AskWhy: "because"}
	for h := range 24 {
		hour := results.PlanHour{At: time.Duration(h) * time.Hour, Width: time.Hour, MeanRate: 700, PeakRate: 800, Attempts: 1000}
		if h >= 13 && h < 16 {
			hour.PeakRate, hour.Throttled = 1200, 8000
		}
		q.Hours = append(q.Hours, hour)
	}
	p.Quotas = []results.PlanQuota{q}
	p.Causes = []results.PlanCause{{Cause: "tokens <script>", Service: "application", Caller: "web", Key: "k", Operation: "Sign", Calls: 1e9, Throttled: 25_000, Amount: 15_000}}
	p.Cost = results.PlanCost{Currency: "USD", Month: 730 * time.Hour, Total: 15_001, Requests: 1e9, Keys: 1, KeyAmount: 1, Classes: []results.PlanPrice{{Class: "asymmetric", Requests: 1e9, Per10000: 0.15, Amount: 15_000}}}
	p.HSMs = &results.PlanHSMs{Limit: 10 * time.Millisecond, Q: 0.99, PeakRate: 1200, Profiles: []results.PlanProfile{
		{Name: "a", Title: "Model A", Needed: 4, Engines: 2, Service: time.Millisecond, Sizes: []results.PlanSize{{HSMs: 3, Load: 0.6, OneDown: results.Never}, {HSMs: 4, Load: 0.5, P50: 1e6, Tail: 2e6, OneDown: 3e6, Holds: true}}},
		{Name: "b", Title: "Model B", Missing: []string{"aes"}, MissingShare: 1, Why: "no rate is published for aes"}}}
	p.Remedies = []results.PlanRemedy{{Name: "as planned", Applies: true, P99: 5e6}, {Name: "2 Regions", Applies: true, P99: 4e6}, {Name: "useless"}}
	p.Tail = &results.PlanTail{Width: time.Minute, Calls: 100, Attempts: 120, Latency: []results.Percentile{{Q: 0.5, Value: 5e6}, {Q: 0.99, Value: results.Never}}}
	p.Verify = &results.PlanVerify{Workload: "shop", Rate: 100, Model: "Predicted.", Checks: []results.PlanCheck{{Name: "p99 from due", Unit: "ns", Predicted: 1e6, Measured: 1.1e6, Tolerance: 0.15, Outcome: "pass"}, {Name: "throttled share", Unit: "share", Outcome: "not judged"}}}
	p.Sources = []results.PlanSource{{What: "prices", Source: "price list", Date: "2026-10"}}
	return &results.Record{Kind: results.Plan, Started: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC), Outcome: "fail", ExitCode: 3, Plan: p}
}

// The two questions that a plan answers come first, in plain words.
func TestPlanAnswers(t *testing.T) {
	t.Parallel()
	r := planRecord()
	for got, want := range map[string]string{
		r.Plan.ThrottleAnswer(): "Yes, 3 × this load is throttled in eu-central-1: 25,000 requests a day (2.5 % of attempts), between 13:00 and 16:00, by the ECC cryptographic quota of 1,000/s",
		r.Plan.HSMAnswer():      "For p99 within 10.0 ms at 1,200 operations/s you need 4 × Model A, one of them to spare.",
		r.Plan.CostAnswer():     "A month costs about 15,001 USD for 1 billion requests and 1 key.",
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	r.Plan.Quotas[0].Throttled, r.Plan.Quotas[0].Expected, r.Plan.Scale = 0, 0.2, 1
	if got := r.Plan.ThrottleAnswer(); got != "No, this load is not throttled in eu-central-1; throttling begins at 2.4 ×, by the ECC cryptographic quota of 1,000/s" || r.Plan.Throttles() {
		t.Error(got)
	}
	r.Plan.HSMs.Profiles = r.Plan.HSMs.Profiles[1:]
	if got := r.Plan.HSMAnswer(); !strings.Contains(got, "there is no answer: Model B (no rate is published for aes)") || !r.Plan.HSMs.Lacking() {
		t.Error(got)
	}
}

func TestPlanReport(t *testing.T) {
	t.Parallel()
	r := planRecord()
	var file, page, text bytes.Buffer
	if err := results.Write(&file, r); err != nil {
		t.Fatal(err)
	}
	back, err := results.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if err := results.RenderTerminal(&text, back); err != nil {
		t.Fatal(err)
	}
	if err := results.RenderHTML(&page, back); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(text.String(), "\n")
	if !strings.HasPrefix(first, "FAIL  Yes, 3 × this load") {
		t.Errorf("first line %q", first)
	}
	for _, want := range []string{"Model A", "2 Regions", "Predicted and measured", "NOT JUDGED", "price list", "service", "never", "Nothing to change here: useless"} {
		if !strings.Contains(text.String(), want) || !strings.Contains(page.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, want := range []string{"<svg", "class=\"over\"", "class=\"bar\""} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("page without %s", want)
		}
	}
	if strings.Contains(page.String(), "<script>") || strings.Contains(page.String(), "connections") {
		t.Error("the page has a script, or facts of an engine that was none")
	}
	// Nothing known, nothing asked: still a page.
	empty := &results.Record{Kind: results.Plan, Outcome: "pass", Plan: &results.PlanResult{Region: "x", Scale: 1, Horizon: time.Hour}}
	if err := results.RenderHTML(&page, empty); err != nil {
		t.Error(err)
	}
	if err := results.RenderTerminal(&text, empty); err != nil {
		t.Error(err)
	}
}
