package plan_test

import (
	"math"
	"testing"

	"trent/loadgen/plan"
	"trent/loadgen/workload"
)

func TestEstimate(t *testing.T) {
	t.Parallel()
	w, err := workload.Parse("w.yaml", []byte(`
name: w
keys: [{name: a}, {name: b, spec: ECC_NIST_P256}]
mix:
  - {operation: Encrypt, keys: a, weight: 3}
  - {operation: Sign, keys: b, weight: 1}
`))
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-9*max(want, 1) {
			t.Errorf("%s: %g, want %g", what, got, want)
		}
	}
	// 0.03 USD for 10,000 symmetric requests, 0.15 for others (AWS KMS pricing page); a key 1 USD a month of 730 h.
	e := plan.DefaultPrices().Estimate(w, 40_000, 2)
	near("requests", e.RequestCost, 3*0.03+1*0.15)
	near("keys", e.KeyCost, 2*7*24/730.0)
	near("total", e.Total(), e.RequestCost+e.KeyCost)
	if got := e.Affordable(e.KeyCost + 0.15); got < 9_999 || got > 10_000 {
		t.Errorf("affordable %d requests, want 10,000 of the dearest", got)
	}
	if e.Affordable(e.KeyCost/2) != 0 {
		t.Error("requests for a sum that does not pay the keys")
	}
	near("without a workload", plan.DefaultPrices().Estimate(nil, 10_000, 0).Total(), 0.03)
}
