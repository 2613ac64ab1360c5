package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"trent/loadgen/plan"
	"trent/loadgen/plan/queueing"
	"trent/loadgen/plan/sim"
	"trent/loadgen/traffic"
)

// With one kind of operation and one engine the pool is M/D/c; with exponential times it would be M/M/c. The number of
// HSMs is checked against the smallest that keeps the limit with one down, by simulation of each.
func TestHSMs(t *testing.T) {
	t.Parallel()
	o := options(t, flow("Sign", "RSA_2048", 900))
	o.Limit = 30 * time.Millisecond
	o.Profiles = plan.DefaultProfiles()
	r := makePlan(t, o).HSMs
	within(t, "operations", r.PeakRate, 900, 1e-9)
	by := map[string]int{}
	for i, p := range r.Profiles {
		by[p.Name] = i
	}
	hsm1 := r.Profiles[by["cloudhsm-hsm1"]]
	// 900/s of the 1,000/s that one does: 90 % busy, which keeps 30 ms; with one to spare that is 2.
	if hsm1.Needed != 2 || hsm1.Service != 2*time.Millisecond || len(hsm1.Sizes) < 2 {
		t.Fatalf("%+v", hsm1)
	}
	for _, s := range hsm1.Sizes {
		if s.HSMs == 1 {
			within(t, "mean wait of one", s.MeanWait.Seconds(), queueing.WaitGGC(2, 900, 0.002, 1, 0), 1e-6)
			within(t, "load of one", s.Load, 0.9, 1e-9)
		}
		if s.Holds != (s.HSMs >= 2) {
			t.Errorf("%+v", s)
		}
	}
	// At the same load with less delay allowed, more are needed, never fewer.
	last := 0
	for _, limit := range []time.Duration{30, 6, 4, 3} {
		o.Limit = limit * time.Millisecond
		n := makePlan(t, o).HSMs.Profiles[by["cloudhsm-hsm1"]].Needed
		if n < last {
			t.Errorf("limit %v: %d HSMs, fewer than with a looser one (%d)", o.Limit, n, last)
		}
		last = n
	}
	o.Limit = time.Millisecond
	if none := makePlan(t, o).HSMs.Profiles[by["cloudhsm-hsm1"]]; none.Needed != 0 || none.Why == "" {
		t.Errorf("an operation of 2 ms within 1 ms: %+v", none)
	}
}

func TestHSMsThatLackFigures(t *testing.T) {
	t.Parallel()
	o := options(t, flow("Decrypt", "SYMMETRIC_DEFAULT", 100), flow("Sign", "ECC_NIST_P256", 10))
	o.Limit = 50 * time.Millisecond
	o.Profiles = plan.DefaultProfiles()
	for _, p := range makePlan(t, o).HSMs.Profiles {
		lacks := strings.HasPrefix(p.Name, "cloudhsm") || strings.HasPrefix(p.Name, "yubikey")
		if lacks != slices.Contains(p.Missing, "aes") || lacks != (p.MissingShare > 0.9) {
			t.Errorf("%s: %d, %s", p.Name, p.Needed, p.Why)
		}
	}
	o.Demand = plan.FromFlows("aes alone", o.Demand.Flows[:1])
	for _, p := range makePlan(t, o).HSMs.Profiles {
		if slices.Contains(p.Missing, "aes") && (p.Needed > 0 || p.Why != "no rate is published for aes") {
			t.Errorf("%+v", p)
		}
	}
	o = options(t, traffic.Flow{Cause: "list", Caller: "x", Operation: "ListKeys", Rate: traffic.Curve{Mean: 5}})
	o.Limit, o.Profiles = time.Millisecond, plan.DefaultProfiles()
	if p := makePlan(t, o).HSMs.Profiles[0]; p.Why != "the calls need no HSM" {
		t.Errorf("%+v", p)
	}
}

func TestRemedies(t *testing.T) {
	t.Parallel()
	file, err := traffic.Parse("lake.yaml", []byte(`
name: lake
keys: [{name: data}]
causes:
  - {name: objects, model: s3, key: data, gets: 12000/s, puts: 1000/s, requesters: 2000}
  - {name: queues, model: sqs, key: data, queues: 300, producers: 3, consumers: 2}
`))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Demand = plan.FromCauses(file)
	for _, c := range plan.Changes() {
		remedy, err := c.Remedy(file)
		if err != nil {
			t.Fatal(err)
		}
		o.Remedies = append(o.Remedies, remedy)
	}
	o.Remedies = append(o.Remedies, plan.Standard(2)...)
	rows := makePlan(t, o).Remedies
	before := rows[0]
	if before.ThrottledShare < 0.2 || len(rows) != 7 {
		t.Fatalf("%+v", rows)
	}
	for _, row := range rows[1:] {
		switch row.Name {
		case "S3 bucket keys":
			if !row.Applies || row.Throttled != 0 || row.Calls > 0.01*before.Calls || row.Amount > 0.02*before.Amount {
				t.Errorf("%+v", row)
			}
		case "SQS reuse of an hour": // 8/s become 0.67/s of 13,008/s
			within(t, "calls", before.Calls-row.Calls, (8-8.0/12)*2.628e6, 0.001)
		case "data key caching", "DynamoDB keep-alive":
			if row.Applies {
				t.Errorf("%+v applies to nothing here", row)
			}
		case "2 Regions":
			if row.Throttled != 0 {
				t.Errorf("%+v", row)
			}
			within(t, "a replica of each key", row.Amount-before.Amount, 1, 0.001)
		case "retry with jitter":
			if row.ThrottledShare <= before.ThrottledShare || row.Failed >= before.Failed {
				t.Errorf("retries add attempts and save calls: %+v", row)
			}
		}
	}
}

// The published example of data key caching: 500 producers at 1 request a second, 100 uses of a key: 500 calls/s are 5.
func TestCachingExample(t *testing.T) {
	t.Parallel()
	file, err := traffic.Parse("sdk.yaml", []byte("name: sdk\ncauses: [{name: m, model: encryption-sdk, key: k, messages: 500/s, producers: 500}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	remedy, err := plan.Changes()[0].Remedy(file)
	if err != nil || !remedy.Applies {
		t.Fatal(err)
	}
	within(t, "calls", traffic.Mean(remedy.Flows), 5, 1e-9)
}

func TestTail(t *testing.T) {
	t.Parallel()
	o := options(t, flow("Sign", "ECC_NIST_P256", 500))
	o.CallTime.Other = sim.Exponential(0.004)
	calm := makePlan(t, o).Tail
	within(t, "p99 of an exponential time", float64(calm.Latency[2].Value), 0.004*4.60517e9, 0.05)
	if !calm.Trusted || calm.ThrottledShare != 0 {
		t.Errorf("%+v", calm)
	}
	o.Scale, o.Retry, o.Clients = 2.4, policy(t, "standard"), 1000
	busy := makePlan(t, o).Tail
	if busy.Trusted || busy.ThrottledShare < 0.2 || busy.Latency[2].Value < 100e6 {
		t.Errorf("%+v", busy)
	}
}
