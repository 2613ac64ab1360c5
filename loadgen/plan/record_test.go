package plan_test

import (
	"math/rand/v2"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/loadgen/plan"
	"trent/loadgen/plan/queueing"
	"trent/loadgen/workload"
	"trent/results"
)

// recorded is a run of Decrypts with exponential service times.
func recorded(t *testing.T, rate float64, mean time.Duration) *results.Record {
	t.Helper()
	h := hdr.New(100, int64(time.Hour), 3)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		if err := h.RecordValue(int64(random.ExpFloat64() * float64(mean))); err != nil {
			t.Fatal(err)
		}
	}
	packed, err := results.EncodeHistogram(h)
	if err != nil {
		t.Fatal(err)
	}
	return &results.Record{Kind: results.Attack, Started: time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC), Total: results.Operation{DuePerSec: rate},
		Environment: results.Environment{Cores: 8, ServerCPUs: "3"},
		Operations: []results.Operation{
			{Name: "read", API: "Decrypt", From: "s3", Caller: "web", Cause: "pictures", DuePerSec: rate, Outcomes: []results.Outcome{{Name: "ok", Count: 200_000, Service: packed}}},
			{Name: "idle", API: "Encrypt"}}}
}

// Servers like the recorded one are sized as M/M/c, whose percentiles are known: the fewest that keep the limit with one
// down.
func TestRecordedServers(t *testing.T) {
	t.Parallel()
	const rate, mean, limit = 900.0, 0.002, 0.0125
	r := recorded(t, rate, 2*time.Millisecond)
	d, times, err := plan.FromRecord(r, nil)
	if err != nil || len(d.Flows) != 1 || d.Flows[0].Cause != "pictures" || d.Flows[0].Caller != "web" {
		t.Fatalf("%+v, %v", d, err)
	}
	profile, ok := plan.RecordedProfile(r, times)
	if !ok || profile.Engines != 1 {
		t.Fatalf("%+v", profile)
	}
	o := options(t)
	o.Demand, o.CallTime, o.Profiles, o.Limit = d, times, []plan.Profile{profile}, time.Duration(limit*1e9)
	got := makePlan(t, o).HSMs.Profiles[0]
	want := 2
	for queueing.QuantileMMC(want-1, rate, mean, 0.99) > limit {
		want++
	}
	if got.Needed != want || want < 4 {
		t.Errorf("%d servers, want %d: %+v", got.Needed, want, got)
	}
	for _, s := range got.Sizes {
		tolerance := 0.06
		if s.LoadOne > 0.85 {
			tolerance = 0.15 // the drawn times make it a little fuller
		}
		within(t, "p99 with one down", float64(s.OneDown), queueing.QuantileMMC(s.HSMs-1, rate, mean, 0.99)*1e9, tolerance)
	}
}

// Where the record has the server's CPU time a request, only that is queued for.
func TestRecordedCPUTime(t *testing.T) {
	t.Parallel()
	r := recorded(t, 900, 2*time.Millisecond)
	cpu := 100 * time.Microsecond
	r.Cost.Server, r.Environment.ServerCPUs = &cpu, "0-1,4"
	d, times, err := plan.FromRecord(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	profile, _ := plan.RecordedProfile(r, times)
	o := options(t)
	o.Demand, o.CallTime, o.Profiles, o.Limit = d, times, []plan.Profile{profile}, 20*time.Millisecond
	got := makePlan(t, o).HSMs.Profiles[0]
	if profile.Engines != 3 || got.Needed != 2 || got.Service < 99*time.Microsecond || got.Service > 101*time.Microsecond {
		t.Errorf("%d engines, %+v", profile.Engines, got)
	}
}

func TestRecordsRefused(t *testing.T) {
	t.Parallel()
	r := recorded(t, 10, time.Millisecond)
	for name, spoil := range map[string]func(){
		"histogram": func() { r.Operations[0].Outcomes[0].Service = &results.Histogram{Encoded: "%%%"} },
		"no rate":   func() { r.Operations[0].DuePerSec = 0 },
		"empty":     func() { r.Operations = nil },
	} {
		r = recorded(t, 10, time.Millisecond)
		spoil()
		if _, _, err := plan.FromRecord(r, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A mix of which nobody knows the causes can still be asked what caches would spare.
func TestCachingOfAMix(t *testing.T) {
	t.Parallel()
	w, err := workload.Load("envelope")
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Demand = plan.FromWorkload(w, 20_000, 0.5, 14*time.Hour)
	o.Remedies = plan.Caching(o.Demand)
	rows := makePlan(t, o).Remedies
	if !rows[1].Applies || rows[2].Applies || rows[0].ThrottledShare < 0.3 || rows[1].ThrottledShare != 0 {
		t.Errorf("%+v", rows)
	}
	within(t, "calls", rows[1].Calls, rows[0].Calls/100, 1e-9)
	within(t, "keys of the mix", rows[1].Amount-rows[1].Calls/1e4*0.03+0.06, 16, 1e-3)
}
