package engine_test

import (
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// A run may start at an agreed moment: due times count from there, and nothing is sent before it.
func TestStart(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		start := time.Now().Add(90 * time.Second)
		server := &pipes{hold: func(uint64) time.Duration { return time.Until(start.Add(10 * time.Millisecond)) }}
		// The first answer comes 10 ms after the start if its request came at the start, as a later one's hold is negative.
		report, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: schedule.Constant(100, time.Second), Connections: 2, Start: start}, server)
		if !report.Start.Equal(start) || report.Elapsed > 1100*time.Millisecond || report.Due != 100 {
			t.Errorf("%+v", report)
		}
		equal(t, "longest latency", measure.Quantile(s.Latency(measure.OK), 1), 10*time.Millisecond, 0.001)
		if lag := measure.Quantile(s.PacerLag(), 1); lag > measure.Lowest+100*time.Nanosecond {
			t.Errorf("pacer lag %v", lag)
		}
	})
}

// A start that has passed leaves the first hits late, by what has passed.
func TestStartThatHasPassed(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		server := &pipes{hold: func(uint64) time.Duration { return 0 }}
		report, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: schedule.Constant(10, 2*time.Second), Connections: 2, Start: time.Now().Add(-time.Second)}, server)
		if report.Due != 20 || s.Count(measure.OK) != 20 {
			t.Errorf("%+v", report)
		}
		equal(t, "largest pacer lag", measure.Quantile(s.PacerLag(), 1), time.Second, 0.02)
	})
}
