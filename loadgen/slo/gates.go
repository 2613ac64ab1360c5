package slo

import (
	"fmt"
	"math"
	"time"
)

// Conditions is what the client and the machine did during the judged window. Shares are 0 to 1; NaN and negative
// durations mean "not known here", which never voids a run.
type Conditions struct {
	Window       time.Duration
	ClientLagP99 time.Duration // pacer lag plus send lag of a hit: what the client alone added
	ClientBusy   float64       // mean busy share of the CPUs the client may use
	RunDelay     time.Duration // mean wait of a client thread that was ready for a CPU
	GCPauses     float64       // share of the window in which the client's collector stopped it
	Stolen       float64       // share of CPU time that the hypervisor took
	ClockStep    time.Duration // largest movement of the wall clock against the monotonic one within the window
	Exhausted    uint64        // hits that failed for want of descriptors or ports
	OwnCPU       float64       // share of the window in which all of the client's own control group waited for a CPU
	OwnMemory    float64       // share of the window in which the client's own control group stalled for memory, fully
	OwnIO        float64       // the same for I/O
	Throttled    uint64        // periods in which the own control group's CPU quota was used up
}

// Unknown is a Conditions that knows nothing, to fill in.
func Unknown() Conditions {
	nan := math.NaN()
	return Conditions{ClientLagP99: -1, ClientBusy: nan, RunDelay: -1, GCPauses: nan, Stolen: nan, OwnCPU: nan, OwnMemory: nan, OwnIO: nan}
}

// Gate is one condition against its limit.
type Gate struct {
	Name   string
	Figure string
	Limit  string
	Known  bool
	Void   bool   // beyond the limit: the run does not count
	Advice string // what to do where Void
}

// StolenGate is the name of the gate on CPU time that the hypervisor took: the only one that matters to CPU a request.
const StolenGate = "CPU stolen"

// Thresholds of the gates.
const (
	maxClientLag = time.Millisecond       // or a tenth of the tightest latency limit
	maxBusy      = 0.80                   // of the client's CPUs
	maxStolen    = 0.01                   // of the machine's CPU time
	maxStall     = 0.01                   // of the window
	maxStep      = 10 * time.Millisecond  // plus the slewing that NTP may do:
	slewRate     = 0.0005                 // 500 ppm, the kernel's limit (adjtimex(2))
	maxRunDelay  = 200 * time.Microsecond // mean; chosen: well above a context switch, well below any limit worth setting
)

// ClientLagLimit is the largest p99 of client-caused lag that a run under these limits may have.
func (l Limits) ClientLagLimit() time.Duration {
	if tightest := l.Tightest(); tightest > 0 {
		return min(maxClientLag, tightest/10)
	}
	return maxClientLag
}

// Gates compares the conditions of a run with what may void it. What the server caused is not among them.
func Gates(l Limits, c Conditions) []Gate {
	lag := l.ClientLagLimit()
	// Pauses that touch fewer hits than the highest judged percentile leaves out cannot move it.
	pauses := 0.01
	if highest := l.Highest(); highest > 0 {
		pauses = min(pauses, 1-highest)
	}
	step := maxStep + time.Duration(slewRate*float64(c.Window))
	return []Gate{
		durationGate("client lag p99", c.ClientLagP99, lag,
			"the client was late by itself; lower the rate, use the native engine, or give the client a CPU of its own"),
		shareGate("client CPUs busy", c.ClientBusy, maxBusy, true,
			"the client's CPUs were nearly full; lower the rate, use the native engine, or pin client and server apart"),
		durationGate("client run-queue delay, mean", c.RunDelay, min(maxRunDelay, lag),
			"the client's threads waited for a CPU; stop other work on its CPUs"),
		shareGate("client GC pauses", c.GCPauses, pauses, false,
			"the client's garbage collector stopped it too often; raise GOGC for the client"),
		shareGate(StolenGate, c.Stolen, maxStolen, false,
			"other guests took this machine's CPUs; repeat at another time or on a dedicated host"),
		durationGate("clock step", c.ClockStep.Abs(), step,
			"the wall clock was set during the run; let it settle and repeat"),
		countGate("descriptors or ports exhausted", c.Exhausted,
			"raise ulimit -n or net.ipv4.ip_local_port_range, or use fewer connections"),
		shareGate("own CPU stalls", c.OwnCPU, maxStall, false,
			"all of the client's control group waited for a CPU that others had; give it CPUs of its own or raise its quota"),
		shareGate("own memory stalls", c.OwnMemory, maxStall, false,
			"the client's control group stalled for memory; raise its limit"),
		shareGate("own I/O stalls", c.OwnIO, maxStall, false,
			"the client's control group stalled for I/O; write the report elsewhere or stop other writers"),
		countGate("CPU quota used up, periods", c.Throttled,
			"a CPU quota stopped the client; give it whole CPUs by a cpuset instead"),
	}
}

// Void tells whether any gate voids the run.
func Void(gates []Gate) bool {
	for _, g := range gates {
		if g.Void {
			return true
		}
	}
	return false
}

func durationGate(name string, value, limit time.Duration, advice string) Gate {
	g := Gate{Name: name, Limit: "≤ " + limit.String(), Figure: "unknown"}
	if value >= 0 {
		g.Known, g.Figure, g.Void = true, value.Round(time.Microsecond).String(), value > limit
	}
	return g.advise(advice)
}

func shareGate(name string, value, limit float64, below bool, advice string) Gate {
	g := Gate{Name: name, Limit: "≤ " + shareText(limit), Figure: "unknown"}
	if below {
		g.Limit = "< " + shareText(limit)
	}
	if !math.IsNaN(value) {
		g.Known, g.Figure = true, fmt.Sprintf("%.2f %%", value*100)
		g.Void = value > limit || below && value >= limit
	}
	return g.advise(advice)
}

func countGate(name string, value uint64, advice string) Gate {
	g := Gate{Name: name, Limit: "0", Figure: fmt.Sprint(value), Known: true, Void: value > 0}
	return g.advise(advice)
}

func (g Gate) advise(advice string) Gate {
	if g.Void {
		g.Advice = advice
	}
	return g
}
