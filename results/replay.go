package results

import (
	"fmt"
	"strings"
	"time"
)

// ReplayResult is what was read from a log and how it was mapped.
type ReplayResult struct {
	Files        int64         `json:"files"`
	Bytes        int64         `json:"bytes"`
	Events       uint64        `json:"events"`                  // calls to the key service, in the part that was asked for
	Outside      uint64        `json:"outside,omitempty"`       // of that part
	Late         uint64        `json:"late,omitempty"`          // further out of order than the window, left out
	ShortWindows uint64        `json:"short_windows,omitempty"` // events given on before their window was over, for want of memory
	Window       time.Duration `json:"window_ns"`
	Disorder     time.Duration `json:"disorder_ns"` // furthest that an event lay behind the newest before it
	First        time.Time     `json:"first"`
	Last         time.Time     `json:"last"`
	Speed        float64       `json:"speed"`
	Volume       float64       `json:"volume"`
	Calls        uint64        `json:"calls"`      // due in the replay
	PeakCalls    uint64        `json:"peak_calls"` // in the busiest second of the log, with the volume
	PeakAt       time.Time     `json:"peak_at"`

	Operations      []ReplayCount `json:"operations"`
	Services        []ReplayCount `json:"services,omitempty"`
	Callers         []ReplayCount `json:"callers,omitempty"` // the most frequent
	Keys            []ReplayCount `json:"keys,omitempty"`
	Errors          []ReplayCount `json:"errors,omitempty"`  // that the log's calls were answered with
	Skipped         []ReplayCount `json:"skipped,omitempty"` // calls that are not sent, by operation
	DistinctKeys    int           `json:"distinct_keys"`
	DistinctCallers int           `json:"distinct_callers"`
	Shared          uint64        `json:"shared,omitempty"` // calls that share a caller's or key's name with others, for want of room
}

// ReplayCount is how often a name came.
type ReplayCount struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

func replayChapter(r *Record) (chapter, bool) {
	p := r.Replay
	if p == nil {
		return chapter{}, false
	}
	length := p.Last.Sub(p.First) + time.Second
	c := chapter{
		Headline: fmt.Sprintf("%s calls of %s, from %s on, %s", formatCount(p.Calls), formatDuration(length), p.First.UTC().Format("2006-01-02 15:04:05 UTC"), replayFactor(p)),
		Lede: fmt.Sprintf("The busiest second had %s calls, %.1f times the mean. Times in a log are whole seconds: calls within one are spread at random (seed %d), so nothing finer than a second can be concluded.",
			formatCount(p.PeakCalls), float64(p.PeakCalls)/max(float64(p.Calls)/length.Seconds(), 1e-9), r.Seed),
	}
	facts := [][]string{{"the log", ""}, {"files", formatCount(uint64(p.Files))}, {"events", formatCount(p.Events)}}
	add := func(name string, n uint64) {
		if n > 0 {
			facts = append(facts, []string{name, formatCount(n)})
		}
	}
	add("outside of the part asked for", p.Outside)
	add("too late for the window, left out", p.Late)
	add("given on before the window was over", p.ShortWindows)
	facts = append(facts, []string{"furthest out of order", formatDuration(p.Disorder) + ", window " + formatDuration(p.Window)},
		[]string{"distinct keys", formatCount(uint64(p.DistinctKeys))}, []string{"distinct callers", formatCount(uint64(p.DistinctCallers))})
	add("calls that share a key or caller", p.Shared)
	c.Sections = append(c.Sections, section{Title: "What was read", Rows: facts, Align: "lr"})
	for _, list := range []struct {
		title, text string
		counts      []ReplayCount
	}{
		{"Operations in the log", "", p.Operations}, {"Services that called", "", p.Services}, {"Callers", "The most frequent ones.", p.Callers}, {"Keys", "The most used ones; each stands for a key made for the test.", p.Keys},
		{"Errors in the log", "These calls are sent too: they were arrivals.", p.Errors},
		{"Not sent", "A load test sends no calls that change keys for good, and none that it does not know.", p.Skipped},
	} {
		if len(list.counts) == 0 {
			continue
		}
		rows := [][]string{{"name", "calls", "share"}}
		for _, n := range list.counts {
			rows = append(rows, []string{n.Name, formatCount(n.Count), formatShare(float64(n.Count) / float64(max(p.Events, 1)))})
		}
		c.Sections = append(c.Sections, section{Title: list.title, Text: list.text, Rows: rows, Align: "lrr"})
	}
	return c, true
}

func replayFactor(p *ReplayResult) string {
	var parts []string
	if p.Speed != 1 {
		parts = append(parts, fmt.Sprintf("%g times the speed", p.Speed))
	}
	if p.Volume != 1 {
		parts = append(parts, fmt.Sprintf("%g times the volume", p.Volume))
	}
	if len(parts) == 0 {
		return "as it was"
	}
	return strings.Join(parts, ", ")
}
