package engine_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
)

func eachClosed(t *testing.T, f func(t *testing.T, name string)) {
	for _, name := range []string{"native", "sdk"} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, name) }) })
	}
}

// Ten clients with 30 ms of server and 70 ms of thought make 100 requests a second, whatever the engine: the interactive response time
// law (Denning and Buzen, "The operational analysis of queueing network models", 1978).
func TestClosedLoopLaw(t *testing.T) {
	eachClosed(t, func(t *testing.T, name string) {
		server := &pipes{hold: func(uint64) time.Duration { return 30 * time.Millisecond }}
		loop := engine.NewClosedLoop(10, engine.Think{Mean: 70 * time.Millisecond}, 10*time.Second, 1)
		report, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: loop}, server)
		if n := s.Count(measure.OK); n < 990 || n > 1010 || report.Sent != n || server.dials.Load() < 10 {
			t.Errorf("%d OK, %+v", n, report)
		}
		if report.Loop == nil || report.Loop.Pauses == 0 || report.Loop.Thought/time.Duration(report.Loop.Pauses) != 70*time.Millisecond {
			t.Errorf("thought %+v", report.Loop)
		}
		equal(t, "latency", measure.Quantile(s.Latency(measure.OK), 0.99), 30*time.Millisecond, 0.001)
		if lag := measure.Quantile(s.PacerLag(), 1); lag > measure.Lowest+100*time.Nanosecond {
			t.Errorf("pacer lag %v where nothing is due", lag)
		}
	})
}

// A stalled server is sent nothing: the reason why a closed loop proves no latency limit. The open loop's stall of a second would
// cost as many late hits as were due in it; here each client has one.
func TestClosedLoopOmitsTheStall(t *testing.T) {
	eachClosed(t, func(t *testing.T, name string) {
		begun := time.Now()
		server := &pipes{hold: func(uint64) time.Duration {
			if at := time.Since(begun); at > time.Second && at < 2*time.Second {
				return 2*time.Second - at
			}
			return time.Millisecond
		}}
		loop := engine.NewClosedLoop(5, engine.Think{Mean: 9 * time.Millisecond}, 4*time.Second, 1)
		_, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: loop}, server)
		late := 0
		for _, bar := range s.Latency(measure.OK).Distribution() {
			if bar.From > int64(100*time.Millisecond) {
				late += int(bar.Count)
			}
		}
		if late != 5 {
			t.Errorf("%d late requests of 5 clients", late)
		}
	})
}

func TestClosedLoopThinking(t *testing.T) {
	eachClosed(t, func(t *testing.T, name string) {
		server := &pipes{hold: func(uint64) time.Duration { return time.Millisecond }}
		run := func(seed uint64) (engine.Report, uint64) {
			loop := engine.NewClosedLoop(4, engine.Think{Mean: 20 * time.Millisecond, Exponential: true}, 20*time.Second, seed)
			report, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: loop}, server)
			return report, s.Count(measure.OK)
		}
		first, n := run(1)
		again, m := run(1)
		if mean := float64(first.Loop.Thought) / float64(first.Loop.Pauses) / 1e6; math.Abs(mean-20) > 1 {
			t.Errorf("mean thought %v ms", mean)
		}
		if n != m || first.Loop.Thought != again.Loop.Thought {
			t.Errorf("one seed, two runs: %d and %d requests", n, m)
		}
		if other, _ := run(2); other.Loop.Thought == first.Loop.Thought {
			t.Error("two seeds think alike")
		}
	})
}

func TestClosedLoopInterrupted(t *testing.T) {
	eachClosed(t, func(t *testing.T, name string) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, cancel)
		server := &pipes{hold: func(uint64) time.Duration { return 100 * time.Millisecond }}
		loop := engine.NewClosedLoop(3, engine.Think{Mean: time.Minute, Exponential: true}, time.Hour, 1)
		report, _ := virtually(t, ctx, name, &engine.Plan{Schedule: loop}, server)
		if !report.Interrupted || report.Elapsed > 2600*time.Millisecond {
			t.Errorf("%+v", report)
		}
	})
}

func TestVegetaHasNoClosedLoop(t *testing.T) {
	t.Parallel()
	e, err := engine.New("vegeta")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), &engine.Plan{Schedule: engine.NewClosedLoop(1, engine.Think{}, time.Second, 1)}); !errors.Is(err, engine.ErrOpenOnly) {
		t.Errorf("error %v", err)
	}
}

// A server that never answers keeps no run longer than its schedule, the timeout and the grace, however many hits wait.
func TestRunEndsInTime(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		server := &pipes{hold: func(uint64) time.Duration { return time.Hour }}
		p := &engine.Plan{Connections: 2, Timeout: 3 * time.Second, Schedule: engine.NewColdStart(40)}
		report, s := virtually(t, t.Context(), name, p, server)
		if report.Elapsed > 5*time.Second+10*time.Millisecond || report.Interrupted || s.Count(measure.Timeout)+s.Count(measure.NeverSent) != 40 {
			t.Errorf("%v: %v", report.Elapsed, s.Errors)
		}
	})
}
