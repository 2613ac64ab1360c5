package results

import (
	"fmt"
	"strings"
	"time"
)

// QuotaResult is what verifying an endpoint's request quotas found.
type QuotaResult struct {
	Region   string     `json:"region"`
	Scale    float64    `json:"scale"`     // of the published rates that was checked
	HostRate float64    `json:"host_rate"` // most requests a second offered; 0: no bound
	Rows     []QuotaRow `json:"rows"`
}

// Outcomes of a row beside pass and fail.
const (
	HostBound   = "host-bound" // this machine cannot offer enough to say
	NotSendable = "not sent"   // no request for it could be made here
)

// Shapes of a limiter.
const (
	Bucket      = "bucket"       // tokens that come back evenly
	FixedWindow = "fixed window" // a budget for each second of the clock
	OwnWindow   = "own window"   // a budget for a second from the first request, or a sliding one
	AnyWindow   = "window"
	UnknownKind = "unclear"
)

// QuotaRow is one quota.
type QuotaRow struct {
	Name       string       `json:"name"`
	Operations []string     `json:"operations"`
	Published  float64      `json:"published_rate"`
	Expected   float64      `json:"expected_rate"` // published × scale
	Offered    float64      `json:"offered_rate"`
	Admitted   float64      `json:"admitted_rate"` // sustained, once throttling had begun
	InARow     int          `json:"in_a_row"`      // admitted after a rest before the first was throttled, at three times the quota
	Burst      float64      `json:"burst"`         // requests beyond the rate that a rest allowed
	Shape      string       `json:"shape,omitempty"`
	Probes     []QuotaProbe `json:"probes,omitempty"`
	Throttle   Throttle     `json:"throttle"`
	Outcome    string       `json:"outcome"`
	Reasons    []string     `json:"reasons,omitempty"`
}

// QuotaProbe is requests sent beside, to see whether they are throttled too.
type QuotaProbe struct {
	What      string `json:"what"`
	Sent      int    `json:"sent"`
	Throttled int    `json:"throttled"`
	Expected  bool   `json:"expected"` // to share the quota
	Outcome   string `json:"outcome"`  // shares, apart or unclear
}

// Throttle is how throttled requests were answered.
type Throttle struct {
	Count   int    `json:"count"`
	Name    string `json:"name,omitempty"`
	Status  int    `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
}

// Count is the number of rows with an outcome.
func (q *QuotaResult) Count(outcome string) int {
	n := 0
	for i := range q.Rows {
		if q.Rows[i].Outcome == outcome {
			n++
		}
	}
	return n
}

func quotaChapter(r *Record) (chapter, bool) {
	q := r.Quota
	if q == nil {
		return chapter{}, false
	}
	scale := "at full size"
	if q.Scale != 1 {
		scale = fmt.Sprintf("at a scale of %g", q.Scale)
	}
	counts := []string{}
	for _, o := range []string{"pass", "fail", HostBound, NotSendable} {
		if n := q.Count(o); n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, o))
		}
	}
	c := chapter{
		Headline: fmt.Sprintf("Request quotas of %s, %s: %s", q.Region, scale, strings.Join(counts, ", ")),
		Lede:     "Each quota is offered twice its rate; what is let through once throttling has begun is its rate.",
	}
	rates := [][]string{{"quota", "expected/s", "offered/s", "admitted/s", "in a row", "shape", "answer", "verdict"}}
	probes := [][]string{{"quota", "beside it", "sent", "throttled", "finding", "expected"}}
	for i := range q.Rows {
		row := &q.Rows[i]
		answer := "never throttled"
		if row.Throttle.Count > 0 {
			answer = fmt.Sprintf("%s, HTTP %d", row.Throttle.Name, row.Throttle.Status)
		} else if row.Offered == 0 {
			answer = "–"
		}
		name := strings.TrimSuffix(row.Name, " request rate")
		rates = append(rates, []string{name, quotaRate(row.Expected), quotaRate(row.Offered), quotaRate(row.Admitted), fmt.Sprint(row.InARow), row.Shape, answer,
			strings.ToUpper(row.Outcome)})
		for _, p := range row.Probes {
			expected := "apart"
			if p.Expected {
				expected = "shares"
			}
			if p.Outcome != expected || row.Outcome == "fail" {
				probes = append(probes, []string{name, p.What, fmt.Sprint(p.Sent), fmt.Sprint(p.Throttled), p.Outcome, expected})
			}
		}
	}
	c.Sections = append(c.Sections, section{Title: "Quotas", Rows: rates, Align: "lrrrrlll"})
	if reasons := quotaReasons(q); len(reasons) > 1 {
		c.Sections = append(c.Sections, section{Title: "Why", Rows: reasons, Align: "ll"})
	}
	c.Sections = append(c.Sections, section{Title: "What shares", Text: quotaSharing(q), Rows: probes, Align: "llrrll"})
	return c, true
}

func quotaReasons(q *QuotaResult) [][]string {
	rows := [][]string{{"quota", "reason"}}
	for i := range q.Rows {
		for _, reason := range q.Rows[i].Reasons {
			rows = append(rows, []string{strings.TrimSuffix(q.Rows[i].Name, " request rate"), reason})
		}
	}
	return rows
}

// quotaSharing sums the probes up that came out as expected.
func quotaSharing(q *QuotaResult) string {
	shares, apart, unclear := 0, 0, 0
	for i := range q.Rows {
		for _, p := range q.Rows[i].Probes {
			switch {
			case p.Outcome == "shares" && p.Expected:
				shares++
			case p.Outcome == "apart" && !p.Expected:
				apart++
			case p.Outcome == "unclear":
				unclear++
			}
		}
	}
	return fmt.Sprintf("As expected, %d operations were throttled together with their quota's first, and %d others (operations, accounts, Regions) were left alone; %d probes were unclear.",
		shares, apart, unclear)
}

func quotaRate(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.3g", v)
	}
	return formatRate(v)
}

// QuotaRun fills what a record of this kind has in place of a load's figures.
func (r *Record) QuotaRun(q *QuotaResult, started time.Time, elapsed time.Duration) {
	r.Schema, r.Kind, r.Quota, r.Started, r.Elapsed = Schema, QuotaVerify, q, started, elapsed
}
