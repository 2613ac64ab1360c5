package queueing_test

import (
	"math"
	"testing"

	"trent/loadgen/plan/queueing"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: got %.6g, want %.6g ± %g", what, got, want, tolerance)
	}
}

// Published examples: 100 calls in half an hour of 180 s with 11 agents (Call Centre Helper, "Erlang C Formula – Made
// Simple"): 10 Erlangs, 68.29 % wait. 360 calls in half an hour of 240 s with 55 agents (Mitan, "The Erlang-C Formula"):
// 48 Erlangs, occupancy 0.873, 23.9 % wait, 8.2 s mean wait.
func TestErlangC(t *testing.T) {
	t.Parallel()
	near(t, "11 agents", queueing.ErlangC(11, 10), 0.6821, 0.0015)
	near(t, "55 agents", queueing.ErlangC(55, 48), 0.239, 0.0005)
	near(t, "mean wait of 55 agents", queueing.WaitMMC(55, 0.2, 240), 8.2, 0.05)
	near(t, "one server", queueing.ErlangC(1, 0.7), 0.7, 1e-12)
	near(t, "two servers", queueing.ErlangC(2, 1.5), 2*0.75*0.75/(1+0.75), 1e-12) // 2ρ² ÷ (1 + ρ)
	// Erlang's loss formula: 10 Erlangs on 15 trunks lose 3.65 % (tables of B).
	near(t, "lost calls", queueing.ErlangB(15, 10), 0.0365, 0.00005)
	if queueing.ErlangC(3, 3) != 1 || queueing.ErlangC(3, 0) != 0 {
		t.Error("an overloaded queue is always waited in, an idle one never")
	}
}

func TestMeanWaits(t *testing.T) {
	t.Parallel()
	near(t, "M/M/1", queueing.WaitMMC(1, 8, 0.1), 0.4, 1e-12)
	near(t, "M/M/1 as M/G/1", queueing.WaitMG1(8, 0.1, 1), 0.4, 1e-12)
	near(t, "M/D/1 waits half as long", queueing.WaitMG1(8, 0.1, 0), 0.2, 1e-12)
	near(t, "Allen-Cunneen of M/G/1", queueing.WaitGGC(1, 8, 0.1, 1, 3), queueing.WaitMG1(8, 0.1, 3), 1e-12)
	near(t, "Allen-Cunneen of M/M/c", queueing.WaitGGC(4, 30, 0.1, 1, 1), queueing.WaitMMC(4, 30, 0.1), 1e-12)
	// M/D/c has no simple exact form; the approximation lies within a few per cent of the exact tables, for example two
	// servers at load 0.9: exact Lq of M/D/2 is 3.8652 against 7.6737 of M/M/2 (Hillier and Yu, Queueing Tables and Graphs).
	near(t, "M/D/2", queueing.WaitGGC(2, 1.8, 1, 1, 0)*1.8, 3.8652, 0.04*3.8652)
	if !math.IsInf(queueing.WaitMMC(2, 20, 0.1), 1) || !math.IsInf(queueing.WaitMG1(10, 0.1, 1), 1) {
		t.Error("a full queue grows without end")
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	near(t, "p99 of M/M/1", queueing.QuantileMMC(1, 8, 0.1, 0.99), math.Log(100)*0.5, 1e-9) // ln 100 ÷ (μ − λ)
	near(t, "an idle system's p90", queueing.QuantileMMC(50, 0.001, 1, 0.9), math.Log(10), 1e-3)
	near(t, "tail where the rates agree", queueing.TailMMC(2, 1, 1, 0), 1, 1e-9)
	if !math.IsInf(queueing.QuantileMMC(1, 10, 0.1, 0.5), 1) {
		t.Error("a full queue has no percentiles")
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	if got := queueing.Servers(1000, 0.008, 0, 0.8, 0.001, 100); got != 10 {
		t.Errorf("%d servers, want 10: 8 Erlangs at 80 %%", got)
	}
	if got := queueing.Servers(1000, 0.008, 1, 1, 1e-6, 8); got != 0 {
		t.Errorf("%d servers; none suffices", got)
	}
}
