package quotatest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trent/loadgen/quota"
	"trent/loadgen/quotatest"
	"trent/results"
)

var allSpecs = []string{"SYMMETRIC_DEFAULT", "HMAC_256", "ECC_NIST_P256", "RSA_2048", "RSA_4096", "ML_DSA_44"}

func verify(t *testing.T, s *service, names ...string) []results.QuotaRow {
	t.Helper()
	v := quotatest.Verifier{Table: quota.Defaults("us-east-1"), Way: s.way("me", allSpecs...),
		Others: map[string]quotatest.Way{"another account": s.way("you", allSpecs...), "another Region": s.way("me@west", allSpecs...)}}
	got, err := v.Run(t.Context(), names)
	if err != nil || len(got.Rows) != len(names) {
		t.Fatalf("%d rows, %v", len(got.Rows), err)
	}
	return got.Rows
}

// Every kind of limiter at several sizes, in virtual time: the rate is found, and the kind where it can be told.
func TestLimiters(t *testing.T) {
	t.Parallel()
	quotas := []string{"ListAliases request rate", "CreateGrant request rate", "DisableKey request rate", "GetParametersForImport request rate", quota.PairName("RSA_4096")}
	for name, c := range map[string]struct {
		of    func(rate float64) limiter
		shape string
	}{
		"fixed window":       {func(r float64) limiter { return &fixedWindow{rate: r} }, results.FixedWindow},
		"its phase":          {func(r float64) limiter { return &fixedWindow{rate: r, phase: 730 * time.Millisecond} }, results.FixedWindow},
		"window of its own":  {func(r float64) limiter { return &ownWindow{rate: r} }, results.OwnWindow},
		"bucket of a second": {func(r float64) limiter { return &bucket{rate: r, capacity: max(r, 1)} }, results.Bucket},
		"bucket of one":      {func(r float64) limiter { return &bucket{rate: r, capacity: 1} }, results.Bucket},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newService(c.of)
				for _, row := range verify(t, s, quotas...) {
					if row.Outcome != "pass" || len(row.Reasons) != 0 {
						t.Errorf("%s: %s, %q; admitted %g of %g", row.Name, row.Outcome, row.Reasons, row.Admitted, row.Expected)
					}
					want := c.shape
					if row.Expected < 5 {
						want = results.UnknownKind
					}
					if row.Shape != want {
						t.Errorf("%s: shape %s, want %s (%d in a row)", row.Name, row.Shape, want, row.InARow)
					}
				}
			})
		})
	}
}

func TestBurstAllowance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, capacity := range []float64{100, 300, 1000} {
			s := newService(func(r float64) limiter { return &bucket{rate: r, capacity: capacity} })
			row := verify(t, s, "ListGrants request rate")[0] // 100 a second
			if capacity < 500 && (row.Burst < capacity*0.95 || row.Burst > capacity*1.05) {
				t.Errorf("bucket of %g: burst %g", capacity, row.Burst)
			}
			if capacity == 1000 && row.Outcome != "fail" {
				t.Errorf("ten seconds' worth at once: %s", row.Outcome) // no sustained rate within the run
			}
		}
	})
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	window := func(r float64) limiter { return &fixedWindow{rate: r} }
	for name, c := range map[string]struct {
		spoil func(s *service)
		quota string
		want  string
	}{
		"not enforced":    {func(s *service) { s.of = func(float64) limiter { return open{} } }, quota.RSA, "not enforced"},
		"too generous":    {func(s *service) { s.of = func(r float64) limiter { return &fixedWindow{rate: r * 1.2} } }, quota.RSA, "120 % of the quota"},
		"too strict":      {func(s *service) { s.of = func(r float64) limiter { return &bucket{rate: r * 0.9, capacity: r} } }, quota.RSA, "90 % of the quota"},
		"not shared":      {func(s *service) { s.counter = func(w, q, op string) string { return w + q + op } }, quota.ECC, "Verify was left alone"},
		"all in one":      {func(s *service) { s.counter = func(w, _, _ string) string { return w } }, quota.ECC, "DescribeKey was throttled too"},
		"across accounts": {func(s *service) { s.counter = func(_, q, _ string) string { return q } }, quota.ECC, "another account was throttled too"},
		"across Regions": {func(s *service) {
			s.counter = func(w, q, _ string) string { return strings.TrimSuffix(w, "@west") + q }
		}, quota.ECC, "another Region was throttled too"},
		"another refusal":  {func(s *service) { s.refusal = "TooManyRequestsException"; s.status = 429 }, quota.ECC, "HTTP 429"},
		"nothing answered": {func(s *service) { s.fail = true }, quota.ECC, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newService(window)
				c.spoil(s)
				row := verify(t, s, c.quota)[0]
				if row.Outcome != "fail" || !strings.Contains(strings.Join(row.Reasons, "; "), c.want) {
					t.Errorf("%s, %q; want %q", row.Outcome, row.Reasons, c.want)
				}
			})
		})
	}
}

func TestBoundsOfTheHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(func(r float64) limiter { return &fixedWindow{rate: r * 0.01} })
		v := quotatest.Verifier{Table: quota.Defaults("us-east-1"), Way: s.way("me", "SYMMETRIC_DEFAULT"), MaxRate: 5000, Scale: 1}
		got, err := v.Run(t.Context(), []string{quota.Symmetric, quota.MLDSA, quota.KeyStore})
		if err != nil || s.calls != 0 {
			t.Fatalf("%v after %d calls", err, s.calls)
		}
		outcomes := map[string]string{}
		for _, row := range got.Rows {
			outcomes[row.Name] = row.Outcome
		}
		if outcomes[quota.Symmetric] != results.HostBound || outcomes[quota.MLDSA] != results.NotSendable || outcomes[quota.KeyStore] != results.NotSendable {
			t.Errorf("outcomes %v", outcomes)
		}
		v.Scale = 0.01 // as the service was set up
		got, err = v.Run(t.Context(), []string{quota.Symmetric})
		if row := got.Rows[0]; err != nil || row.Outcome != "pass" || row.Expected != 1000 || row.Published != 100_000 || got.Scale != 0.01 {
			t.Errorf("at a scale: %+v, %v", row, err)
		}
	})
}

func TestEveryRowAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(func(r float64) limiter { return &bucket{rate: r, capacity: max(r, 1)} })
		v := quotatest.Verifier{Table: quota.Defaults("us-east-1"), Way: s.way("me", allSpecs...), MaxRate: 1600}
		started := time.Now()
		got, err := v.Run(t.Context(), nil)
		if err != nil || len(got.Rows) < 45 || got.Count("fail") != 0 || got.Count("pass") < 30 {
			t.Errorf("%v: %d rows, %d passed, %d failed", err, len(got.Rows), got.Count("pass"), got.Count("fail"))
		}
		if took := time.Since(started); took > 8*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

func TestInterruption(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(func(r float64) limiter { return &fixedWindow{rate: r} })
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		v := quotatest.Verifier{Table: quota.Defaults("us-east-1"), Way: s.way("me", allSpecs...)}
		started := time.Now()
		got, err := v.Run(ctx, []string{"ListAliases request rate", "ListKeys request rate", "ListGrants request rate"})
		if !errors.Is(err, context.DeadlineExceeded) || len(got.Rows) == 0 || len(got.Rows) > 2 || time.Since(started) > 26*time.Second {
			t.Errorf("%d rows after %v, %v", len(got.Rows), time.Since(started), err)
		}
	})
	v := quotatest.Verifier{Table: quota.Defaults("us-east-1")}
	if _, err := v.Run(t.Context(), []string{"Coffee"}); err == nil {
		t.Error("an unknown quota was taken")
	}
}
