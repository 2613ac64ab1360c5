package results

import (
	"fmt"
	"math"
	"time"
)

// ClosedLoop says that a run had no schedule: clients sent their next request only after an answer and a pause. Everything that is
// called "due" in the record of such a run is "sent", and latency counts from there.
type ClosedLoop struct {
	Clients     int           `json:"clients"`
	Think       time.Duration `json:"think_ns"` // asked for, on average
	Exponential bool          `json:"think_exponential,omitempty"`
	Thought     time.Duration `json:"thought_mean_ns"`     // as it was; timers are late
	Response    time.Duration `json:"response_mean_ns"`    // of all requests, whatever became of them
	Throughput  float64       `json:"throughput_rate"`     // requests that came to an end, good or bad
	Law         float64       `json:"law_throughput_rate"` // clients ÷ (response + thought); 0: unknown
}

// loopWarning stands wherever a closed loop's latency is shown.
const loopWarning = "Closed loop: a client sends only after its last answer, so a slow server is sent less, latency counts from sending and not from " +
	"when a request was due, and the waits that independent users would see are missing from it."

func closedLoopChapter(r *Record) (chapter, bool) {
	c := r.ClosedLoop
	if c == nil {
		return chapter{}, false
	}
	think := "no think time"
	if c.Think > 0 {
		think = "thinking " + formatDuration(c.Think)
		if c.Exponential {
			think += " on average"
		}
	}
	out := chapter{
		Headline: fmt.Sprintf("Closed loop: %s/s from %d clients, %s", formatRate(r.Total.OKPerSec), c.Clients, think),
		Lede:     loopWarning,
	}
	s := section{Title: "Closed loop", Align: "rrrrrr", Rows: [][]string{
		{"clients", "think, asked", "think, mean", "response, mean", "requests/s", "by the law"},
		{fmt.Sprint(c.Clients), formatDuration(c.Think), formatDuration(c.Thought), formatDuration(c.Response), formatRate(c.Throughput), formatRate(c.Law)},
	}}
	s.Text = "The interactive response time law (Denning and Buzen 1978) ties the figures together: throughput is clients ÷ (response + think)."
	if c.Law > 0 && math.Abs(c.Throughput/c.Law-1) > 0.05 {
		s.Text += " Here they differ by more than 5 %: the run was short, or the client was slow between its requests."
	}
	out.Sections = []section{s}
	return out, true
}
