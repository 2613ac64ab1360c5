package capacity_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trent/loadgen/machine"
	"trent/loadgen/slo"
	"trent/results"
)

// In M/M/1 the time in the system is exponential with rate µ − λ, so p99 is ln(100) ÷ (µ − λ): the analytic
// capacity within a limit L is µ − ln(100) ÷ L.
func analytic(service, limit time.Duration) float64 {
	return 1/service.Seconds() - math.Log(100)/limit.Seconds()
}

func limitsOf(limit time.Duration) slo.Limits {
	return slo.Limits{Name: "test", Latency: []slo.LatencyLimit{{Percentile: 0.99, Limit: limit}}}
}

func TestServerBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 400 * time.Microsecond, clientCost: 20 * time.Microsecond}
		start := time.Now()
		found, confirm, err := m.search(t, limitsOf(50*time.Millisecond), 60*time.Second).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := analytic(m.service, 50*time.Millisecond) // 2,408/s
		if found.Sustained < 0.85*want || found.Sustained > 1.02*want {
			t.Errorf("sustained %v, the queue's capacity is %v", found.Sustained, want)
		}
		if found.Label != results.ServerBound {
			t.Errorf("label %q: %s", found.Label, found.Why)
		}
		if found.HighestPass < found.Sustained || found.LowestFail <= found.HighestPass {
			t.Errorf("bracket [%v, %v] around %v", found.HighestPass, found.LowestFail, found.Sustained)
		}
		if confirm == nil || confirm.Judged < 15*time.Second || confirm.Outcome != slo.Pass {
			t.Errorf("confirming run: %+v", confirm)
		}
		if ceiling := 1 / m.service.Seconds(); math.Abs(found.Ceiling/ceiling-1) > 0.05 {
			t.Errorf("ceiling %v, want about %v", found.Ceiling, ceiling)
		}
		if took := time.Since(start); took > 100*time.Second { // a minute, and two confirming runs that did not hold
			t.Errorf("took %v of virtual time", took)
		}
		checkOverload(t, found)
	})
}

func checkOverload(t *testing.T, found *results.CapacityResult) {
	t.Helper()
	o := found.Overload
	if o == nil || math.Abs(o.Rate/found.Sustained-1.5) > 0.01 {
		t.Fatalf("overload step %+v, want one at 1.5 × %v", o, found.Sustained)
	}
	if o.Goodput >= o.Answered || o.Answered > 1.1*found.Ceiling || !o.Recovered {
		t.Errorf("under overload: %+v", o)
	}
	purposes := map[string]int{}
	for _, s := range found.Steps {
		purposes[s.Purpose]++
	}
	for _, purpose := range []string{results.Calibrate, results.Search, results.Confirm, results.Overloads, results.Recovery} {
		if purposes[purpose] == 0 {
			t.Errorf("no %s step in %v", purpose, purposes)
		}
	}
}

func TestManyServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 4, service: 4 * time.Millisecond, clientCost: 20 * time.Microsecond}
		found, _, err := m.search(t, limitsOf(60*time.Millisecond), 90*time.Second).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Four servers at 250/s each; by Erlang C p99 reaches 60 ms at 93 % load.
		if found.Sustained < 820 || found.Sustained > 1000 || found.Ceiling < 900 || found.Ceiling > 1100 {
			t.Errorf("sustained %v with ceiling %v, want somewhat below 1,000", found.Sustained, found.Ceiling)
		}
	})
}

// A slow client must never pass its own limit off as the server's.
func TestClientBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 100 * time.Microsecond, clientCost: 400 * time.Microsecond}
		found, _, err := m.search(t, limitsOf(50*time.Millisecond), 60*time.Second).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if found.Label == results.ServerBound || found.Sustained > 2500 {
			t.Errorf("label %q at %v, though the client stops at 2,500/s", found.Label, found.Sustained)
		}
		if found.Sustained == 0 || found.Label != results.ClientBound || math.Abs(found.Ceiling/10_000-1) > 0.1 {
			t.Errorf("%v, %q, ceiling %v (%s); want a lower bound and the server's ceiling of 10,000/s", found.Sustained, found.Label, found.Ceiling, found.Why)
		}
		voids := 0
		for _, s := range found.Steps {
			if s.Outcome == "void" {
				voids++
			}
		}
		if voids == 0 {
			t.Error("no step was void, though the client was late")
		}
	})
}

func TestMaxRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 100 * time.Microsecond, clientCost: 10 * time.Microsecond}
		s := m.search(t, limitsOf(50*time.Millisecond), 60*time.Second)
		s.MaxRate = 1000
		found, _, err := s.Run(t.Context())
		if err != nil || found.Sustained != 1000 || found.Label != results.NotReached || found.LowestFail != 0 {
			t.Errorf("%+v, %v", found, err)
		}
		for _, rate := range m.capacity {
			if rate > 1001 {
				t.Errorf("asked for %v/s, the limit was 1,000", rate)
			}
		}
	})
}

// A disturbed step at the highest rate allowed must not end the search with nothing.
func TestVoidAtTheHighestRateAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 100 * time.Microsecond, clientCost: 10 * time.Microsecond}
		m.spoil = func(attempt int, samples []machine.Sample) {
			for i := range samples {
				if attempt > 1 && m.capacity[len(m.capacity)-1] > 990 {
					samples[i].CPUs[0].Stolen = 0.2
				}
			}
		}
		s := m.search(t, limitsOf(50*time.Millisecond), 90*time.Second)
		s.MaxRate = 1000
		if found, _, err := s.Run(t.Context()); err != nil || found.Sustained < 600 {
			t.Errorf("%+v, %v; want what passes below", found, err)
		}
	})
}

// One disturbed step must not move the result: far from the edge the search goes on past it.
func TestVoidStepBoundsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 400 * time.Microsecond, clientCost: 20 * time.Microsecond}
		m.spoil = func(attempt int, samples []machine.Sample) {
			if attempt == 2 {
				for i := range samples {
					samples[i].CPUs[0].Stolen = 0.2
				}
			}
		}
		found, _, err := m.search(t, limitsOf(50*time.Millisecond), 70*time.Second).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second, third := found.Steps[1], found.Steps[2]
		if second.Outcome != "void" || !strings.Contains(second.Note, "stolen") || third.Rate <= second.Rate || third.Outcome != "pass" {
			t.Errorf("steps %+v, %+v; want a void one and a higher one", second, third)
		}
		if want := analytic(m.service, 50*time.Millisecond); found.Sustained < 0.85*want {
			t.Errorf("sustained %v, the queue's capacity is %v", found.Sustained, want)
		}
	})
}

// What passes a short step and not a long one is retried five percent lower; a disturbed run is repeated first.
func TestConfirmRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 400 * time.Microsecond, clientCost: 20 * time.Microsecond}
		confirms := 0
		m.spoil = func(_ int, samples []machine.Sample) {
			if len(samples) < 18 {
				return
			}
			if confirms++; confirms <= 2 {
				for i := range samples {
					samples[i].CPUs[0].Stolen = 0.2
				}
			}
		}
		found, _, err := m.search(t, limitsOf(50*time.Millisecond), 60*time.Second).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var rates []float64
		for _, s := range found.Steps {
			if s.Purpose == results.Confirm {
				rates = append(rates, s.Rate)
			}
		}
		if len(rates) < 3 || rates[1] != rates[0] || math.Abs(rates[2]/rates[1]-0.95) > 0.001 || found.Sustained != rates[len(rates)-1] {
			t.Errorf("confirming runs at %v, sustained %v", rates, found.Sustained)
		}
	})
}

func TestNothingPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 100 * time.Millisecond, clientCost: 20 * time.Microsecond}
		found, calibration, err := m.search(t, limitsOf(10*time.Millisecond), 60*time.Second).Run(t.Context())
		if err != nil || found.Sustained != 0 || found.Label != results.NotReached || found.Overload != nil || calibration == nil {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

func TestOneCPUMeasuresCostOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{servers: 1, service: 400 * time.Microsecond, clientCost: 20 * time.Microsecond}
		s := m.search(t, limitsOf(50*time.Millisecond), 60*time.Second)
		s.CostOnly = true
		found, best, err := s.Run(t.Context())
		if err != nil || found.Label != results.CostOnly || found.Sustained != 0 || len(found.Steps) != 1 {
			t.Errorf("%+v, %v", found, err)
		}
		if cost := best.ServerCost(); math.Abs(float64(cost)/float64(m.service)-1) > 0.1 {
			t.Errorf("CPU a request %v, want about %v", cost, m.service)
		}
	})
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := &model{servers: 1, service: 400 * time.Microsecond, clientCost: 20 * time.Microsecond, stopAt: 3, cancel: cancel}
		found, best, err := m.search(t, limitsOf(50*time.Millisecond), 60*time.Second).Run(ctx)
		if !errors.Is(err, context.Canceled) || best == nil || len(found.Steps) != 3 || found.Sustained != 0 {
			t.Errorf("%+v, %v; want three steps and the context's error", found, err)
		}
	})
}
