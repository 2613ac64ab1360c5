package capacity_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"trent/loadgen/capacity"
	"trent/loadgen/machine"
	"trent/loadgen/slo"
	"trent/results"
)

func stepsOf(found *results.CapacityResult, purpose string) (steps []results.Step) {
	for _, s := range found.Steps {
		if s.Purpose == purpose {
			steps = append(steps, s)
		}
	}
	return steps
}

// A slow service needs longer than twenty seconds for the hits that a verdict wants.
func TestSlowServiceIsConfirmedAtLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 5 * time.Millisecond, clientCost: 20 * time.Microsecond}
		found, confirm, err := m.search(t, limitsOf(100*time.Millisecond), 60*time.Second).Run(t.Context())
		if err != nil || found.Sustained == 0 {
			t.Fatalf("%+v, %v", found, err)
		}
		if confirm.Populations[0].Due() < slo.HitsNeeded(0.99) || confirm.Judged < 60*time.Second {
			t.Errorf("confirmed by %d hits in %v", confirm.Populations[0].Due(), confirm.Judged)
		}
		if want := analytic(m.service, 100*time.Millisecond); found.Sustained < 0.8*want || found.Sustained > 1.05*want {
			t.Errorf("sustained %v, the queue's capacity is %v", found.Sustained, want)
		}
	})
}

func TestNoiseCurveAndHeadroom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 2 * time.Millisecond, clientCost: 20 * time.Microsecond}
		s := m.search(t, limitsOf(200*time.Millisecond), 60*time.Second)
		s.MeasureNoise, s.Curve = true, true
		out := false
		s.Fleet = capacity.Fleet{Modules: 4, Asked: 200, TakeOut: func(context.Context) (func(context.Context) error, error) {
			out = true
			return func(context.Context) error { out = false; return nil }, nil
		}}
		found, _, err := s.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The mean of some 900 exponential service times varies by 3.3 % (one standard deviation).
		n := found.Noise
		if n == nil || len(n.Costs) != 6 || n.Relative < 0.005 || n.Relative > 0.2 || math.Abs(found.Resolution-max(0.02, n.Relative)) > 1e-9 {
			t.Errorf("noise %+v, resolution %v", n, found.Resolution)
		}
		curve := stepsOf(found, results.Curve)
		if len(curve) != 5 {
			t.Fatalf("curve of %d points", len(curve))
		}
		for i, step := range curve {
			if step.P99Low == nil || step.P99High == nil || *step.P99Low > step.P99 || *step.P99High < step.P99 {
				t.Errorf("point without an interval around it: %+v", step)
			}
			// In M/M/1 p99 is ln(100) ÷ (µ − λ).
			want := math.Log(100) / (1/m.service.Seconds() - step.DueRate)
			if got := time.Duration(step.P99).Seconds(); math.Abs(got/want-1) > 0.35 || i > 0 && step.P99 <= curve[i-1].P99 {
				t.Errorf("at %v/s p99 is %v s, the queue's is %v s", step.DueRate, got, want)
			}
		}
		h := found.Headroom
		if h == nil || !h.Measured || out || math.Abs(h.Remaining/found.Sustained-0.75) > 0.001 || h.Fits == nil || !*h.Fits || h.P99 == nil {
			t.Errorf("headroom %+v, module out %v", h, out)
		}
		if len(stepsOf(found, results.OneFewer)) != 1 {
			t.Error("no run with a module out")
		}
	})
}

// Without a way to take a module out, the headroom is arithmetic and says so.
func TestHeadroomByArithmetic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 2 * time.Millisecond, clientCost: 20 * time.Microsecond}
		s := m.search(t, limitsOf(200*time.Millisecond), 60*time.Second)
		s.Fleet, s.SkipOverload = capacity.Fleet{Modules: 2, Asked: 400}, true
		found, _, err := s.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h := found.Headroom
		if h == nil || h.Measured || h.Fits == nil || *h.Fits || found.Overload != nil {
			t.Errorf("headroom %+v, overload %+v", h, found.Overload)
		}
	})
}

// A module that cannot be taken out is an error, after the search has found what it could.
func TestHeadroomThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 2 * time.Millisecond, clientCost: 20 * time.Microsecond}
		s := m.search(t, limitsOf(200*time.Millisecond), 60*time.Second)
		stuck := errors.New("stuck")
		s.Fleet = capacity.Fleet{Modules: 2, TakeOut: func(context.Context) (func(context.Context) error, error) { return nil, stuck }}
		if found, _, err := s.Run(t.Context()); !errors.Is(err, stuck) || found.Sustained == 0 || found.Label == "" {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

// Goodput under overload and afterwards, and what limited, with its counters at the sustained rate and above.
func TestBoundAndGoodput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 400 * time.Microsecond, clientCost: 20 * time.Microsecond}
		found, _, err := m.search(t, limitsOf(50*time.Millisecond), 60*time.Second).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		o := found.Overload
		if o == nil || math.Abs(o.Half/found.Sustained-0.5) > 0.01 || o.After < 0.3*o.Half || o.After > 1.2*o.Half {
			t.Errorf("overload %+v", o)
		}
		b := found.Bound
		if b == nil || b.Name != results.BoundCPU || !b.Server {
			t.Fatalf("bound %+v", b)
		}
		for _, row := range b.Rows {
			if row.Name == results.BoundCPU && (row.Sustained == nil || *row.Sustained < 0.9 || row.Above == nil || *row.Above < *row.Sustained*0.98) {
				t.Errorf("server CPUs: %+v", row)
			}
		}
	})
}

// A server that is not full while the client idles bounds nothing by itself: the label stays a lower bound.
func TestServerWithoutVisibleLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 2 * time.Millisecond, clientCost: 20 * time.Microsecond}
		m.spoil = func(_ int, samples []machine.Sample) {
			for i := range samples {
				samples[i].CPUs[1].Busy *= 0.5 // it waits for something else half the time
			}
		}
		found, _, err := m.search(t, limitsOf(200*time.Millisecond), 60*time.Second).Run(t.Context())
		if err != nil || found.Label != results.ClientBound || found.Bound == nil || found.Bound.Name != results.BoundUnknown {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

func TestFitScalability(t *testing.T) {
	t.Parallel()
	law, err := capacity.FitScalability([]int{1, 18, 36, 72, 108, 144, 216}, []float64{64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2})
	if err != nil || math.Abs(law.Peak-96.52) > 0.05 || law.R2 < 0.95 || len(law.Levels) != 7 { // see results/stats
		t.Errorf("%+v, %v", law, err)
	}
	if _, err := capacity.FitScalability([]int{1, 2, 4, 8, 16}, []float64{1, 2, 3, 4, 5}); err == nil {
		t.Error("five levels are enough")
	}
}
