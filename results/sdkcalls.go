package results

import (
	"fmt"
	"time"
)

// SDKCalls is what the AWS SDK did for the calls of a run. Hits, outcomes and latencies of the record are of whole calls, as the
// application sees them; these figures are of the attempts that they are made of.
type SDKCalls struct {
	Mode           string        `json:"retry_mode"`
	MaxAttempts    int           `json:"max_attempts"`
	AttemptTimeout time.Duration `json:"attempt_timeout_ns,omitempty"`
	Calls          uint64        `json:"calls"`
	ByAttempts     []uint64      `json:"calls_by_attempts"` // that took 1, 2, … attempts
	Attempts       uint64        `json:"attempts"`
	Throttled      uint64        `json:"throttled_attempts,omitempty"`
	Retried        uint64        `json:"retried_calls,omitempty"`
	Refused        uint64        `json:"refused_retries,omitempty"` // not made, because the retry tokens had run out
	Backoff        time.Duration `json:"backoff_ns,omitempty"`      // all calls together
	Held           time.Duration `json:"held_ns,omitempty"`         // kept back by adaptive mode, all calls together
	Errors         []ErrorCount  `json:"attempt_errors,omitempty"`
	Latency        []Percentile  `json:"attempt_latency,omitempty"`
	Histogram      *Histogram    `json:"attempt_histogram,omitempty"`
}

func sdkChapter(r *Record) (chapter, bool) {
	c := r.Engine.SDK
	if c == nil || c.Calls == 0 {
		return chapter{}, false
	}
	text := fmt.Sprintf("As an application sees it: a hit is a whole call with its retries (%s mode, at most %d attempts).", c.Mode, c.MaxAttempts)
	if c.Backoff > 0 {
		text += fmt.Sprintf(" The calls that were tried again waited %s for it on average.", formatDuration(c.Backoff/time.Duration(max(c.Retried, 1))))
	}
	if c.Held > time.Duration(c.Attempts)*time.Millisecond {
		text += fmt.Sprintf(" Adaptive mode held attempts back by %s on average.", formatDuration(c.Held/time.Duration(max(c.Attempts, 1))))
	}
	if c.Refused > 0 {
		text += fmt.Sprintf(" %s retries were not made, because the SDK's retry tokens had run out.", formatCount(c.Refused))
	}
	if n := r.Engine.Reconnects; n > 0 {
		text += fmt.Sprintf(" %s connections were made in mid-run; the calls that needed them waited for the handshake.", formatCount(n))
	}
	attempts := section{Title: "What the SDK did", Text: text, Align: "lrrrrrr",
		Rows: [][]string{{"", "count", "throttled", "p50", "p90", "p99", "p99.9"},
			append([]string{"calls", formatCount(c.Calls), formatCount(r.Total.Count("throttled"))}, row(r.Total.Latency)...),
			append([]string{"attempts", formatCount(c.Attempts), formatCount(c.Throttled)}, row(c.Latency)...)}}
	by := section{Title: "Calls by number of attempts", Align: "lrr", Rows: [][]string{{"attempts a call", "calls", "share"}}}
	for i, n := range c.ByAttempts {
		by.Rows = append(by.Rows, []string{fmt.Sprint(i + 1), formatCount(n), formatShare(float64(n) / float64(c.Calls))})
	}
	out := chapter{Sections: []section{attempts, by},
		Tiles: []tile{{"Attempts a call", fmt.Sprintf("%.3f", float64(c.Attempts)/float64(c.Calls)), formatCount(c.Throttled) + " attempts throttled"}}}
	if len(c.Errors) > 0 {
		failed := section{Title: "Errors of attempts", Align: "lr", Rows: [][]string{{"error of an attempt", "attempts"}}}
		for _, e := range c.Errors {
			failed.Rows = append(failed.Rows, []string{e.Name, formatCount(e.Count)})
		}
		out.Sections = append(out.Sections, failed)
	}
	return out, true
}

// row is the four percentiles of a table.
func row(list []Percentile) []string {
	var out []string
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
		out = append(out, percentileOf(list, q))
	}
	return out
}
