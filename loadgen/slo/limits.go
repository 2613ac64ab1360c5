// Package slo turns what a run measured into verdicts: limits from an SLO file (limits.go), gates that void a run
// which the client or the machine disturbed (gates.go), and verdicts by 95 % bounds with their exit codes
// (verdict.go).
//
// Everything here is pure: figures in, judgement out, no clock, no goroutine, safe for concurrent use. It reads
// neither the machine nor the histograms; loadgen/attack gathers those and calls it.
//
// The SLO file is YAML; unknown and repeated keys are errors with line and column:
//
//	name: interactive
//	latency:                    # from when a hit was due until its last byte
//	  - percentile: 99          # also written p99 or 99.9
//	    limit: 10ms
//	  - percentile: 99.9
//	    limit: 25ms
//	    operations: [Encrypt]   # left out: all hits together; each: every operation by itself
//	throughput:
//	  minimum: 99%              # answered well, of those due; or a rate such as 450/s
//	errors:
//	  maximum: 0.1%             # of hits due: errors, timeouts and hits never sent
//	throttles:
//	  rule: fail                # fail: a throttled hit counts as an error; exclude: it is left out of everything else
//	  maximum: 5%               # goes with exclude, which wants it: the share of hits due that may be throttled
package slo

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits is a parsed SLO file.
type Limits struct {
	Name       string
	Source     string // the file's text, for the record
	Latency    []LatencyLimit
	Throughput *ThroughputLimit
	Errors     *float64 // largest share of hits due; nil: no limit
	Throttles  ThrottleRule
}

// LatencyLimit bounds a percentile of the latency of a population of hits.
type LatencyLimit struct {
	Percentile float64 // as a share: 0.99
	Limit      time.Duration
	Operations []string // nil: all hits together
	Each       bool     // every operation by itself
}

// ThroughputLimit is either a share of the hits due or a rate.
type ThroughputLimit struct {
	Share     float64 // 0: PerSecond counts
	PerSecond float64
}

// ThrottleRule says how throttled hits count.
type ThrottleRule struct {
	Exclude bool
	Maximum *float64 // with Exclude: largest share of hits due; a file must give it; nil: any
}

const defaultSource = `name: default
latency:
  - percentile: 99
    limit: 10ms
throughput:
  minimum: 99%
errors:
  maximum: 0.1%
throttles:
  rule: fail
`

// Default is the built-in SLO: p99 within 10 ms, 99 % of the hits due answered well, at most 0.1 % errors,
// throttles count as errors.
func Default() Limits {
	limits, err := Parse("default", []byte(defaultSource))
	if err != nil {
		panic("slo: the built-in SLO does not parse: " + err.Error())
	}
	return limits
}

// None has no limits: a run is then only measured.
func None() Limits { return Limits{Name: "none"} }

// Empty tells whether there is nothing to judge.
func (l Limits) Empty() bool {
	return len(l.Latency) == 0 && l.Throughput == nil && l.Errors == nil && l.Throttles.Maximum == nil
}

// Tightest is the smallest latency limit; 0 without one. Gates on the client's own lag follow from it.
func (l Limits) Tightest() time.Duration {
	tightest := time.Duration(0)
	for _, limit := range l.Latency {
		if tightest == 0 || limit.Limit < tightest {
			tightest = limit.Limit
		}
	}
	return tightest
}

// Highest is the highest percentile that is judged, as a share; 0 without one.
func (l Limits) Highest() float64 {
	highest := 0.0
	for _, limit := range l.Latency {
		highest = max(highest, limit.Percentile)
	}
	return highest
}

// AppliesTo returns the populations that a limit judges, given the operations of the workload: "" stands for all
// hits together.
func (l LatencyLimit) AppliesTo(operations []string) []string {
	switch {
	case l.Each:
		return operations
	case len(l.Operations) > 0:
		return l.Operations
	}
	return []string{""}
}

// Unknown returns the operations that limits name and the workload does not have: a limit that judges nothing is
// a mistake worth an error.
func (l Limits) Unknown(operations []string) []string {
	var unknown []string
	for _, limit := range l.Latency {
		for _, name := range limit.Operations {
			if !slices.Contains(operations, name) && !slices.Contains(unknown, name) {
				unknown = append(unknown, name)
			}
		}
	}
	return unknown
}

// PercentileName spells a share as a percentile: 0.99 is "p99", 0.999 "p99.9".
func PercentileName(share float64) string {
	text := fmt.Sprintf("%.6f", share*100)
	return "p" + strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

// String describes the limits in a line, for terminals.
func (l Limits) String() string {
	var parts []string
	for _, limit := range l.Latency {
		text := fmt.Sprintf("%s ≤ %v", PercentileName(limit.Percentile), limit.Limit)
		switch {
		case limit.Each:
			text += " for each operation"
		case len(limit.Operations) > 0:
			text += " for " + strings.Join(limit.Operations, ", ")
		}
		parts = append(parts, text)
	}
	if l.Throughput != nil {
		parts = append(parts, "throughput ≥ "+l.Throughput.String())
	}
	if l.Errors != nil {
		parts = append(parts, "errors ≤ "+shareText(*l.Errors))
	}
	if l.Throttles.Exclude {
		text := "throttles left out"
		if l.Throttles.Maximum != nil {
			text += " up to " + shareText(*l.Throttles.Maximum)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "no limits"
	}
	return strings.Join(parts, " · ")
}

// String is the limit as written in a file.
func (t ThroughputLimit) String() string {
	if t.Share > 0 {
		return shareText(t.Share) + " of hits due"
	}
	return fmt.Sprintf("%g/s", t.PerSecond)
}

// shareText prints a share with as many digits as it needs: 0.001 is "0.1 %".
func shareText(share float64) string {
	text := fmt.Sprintf("%.4f", share*100)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + " %"
}
