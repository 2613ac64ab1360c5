package results

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Connections is how a run made and replaced its connections. A connection that is made in mid-run is made inside the hit that needs
// it: its handshake is part of that hit's latency and of its wait, never of the client's lags.
type Connections struct {
	Pool          int           `json:"pool"`
	Lifetime      time.Duration `json:"lifetime_ns,omitempty"` // oldest age; each connection's own is drawn below it
	Requests      int           `json:"requests,omitempty"`    // most a connection; 0: any number
	HandshakeOnly bool          `json:"handshake_only,omitempty"`
	Late          bool          `json:"late,omitempty"` // none was opened before the first hit
	Resumption    bool          `json:"resumption,omitempty"`
	Curves        string        `json:"curves,omitempty"`      // "hybrid" or "classical" where only such were offered
	TLSVersion    string        `json:"tls_version,omitempty"` // where only one was offered

	Opening   Handshakes `json:"opening"` // before the first hit was due
	During    Handshakes `json:"during"`
	Rate      float64    `json:"handshake_rate"` // during the run
	ColdStart *ColdStart `json:"cold_start,omitempty"`
}

// Handshakes is what making connections took, in one part of a run.
type Handshakes struct {
	Made          uint64            `json:"made"`
	Failed        uint64            `json:"failed,omitempty"`
	Resumed       uint64            `json:"resumed,omitempty"`
	Dial          []Percentile      `json:"dial,omitempty"` // until TCP was connected
	TLS           []Percentile      `json:"tls,omitempty"`  // the handshake after it
	DialHistogram *Histogram        `json:"dial_histogram,omitempty"`
	TLSHistogram  *Histogram        `json:"tls_histogram,omitempty"`
	Kinds         map[string]uint64 `json:"kinds,omitempty"` // by TLS version and key exchange
}

// ColdStart is a storm of clients that all begin at once.
type ColdStart struct {
	Clients   uint64   `json:"clients"`
	Served    uint64   `json:"served"`          // with a good answer
	First     *Latency `json:"first_answer_ns"` // the earliest; absent without any
	AllServed Latency  `json:"all_served_ns"`   // the latest, "never" where some were not served
}

// asked reports whether the run was about its connections.
func (c *Connections) asked() bool {
	return c.Lifetime > 0 || c.Requests > 0 || c.HandshakeOnly || c.Late || c.Resumption || c.Curves != "" || c.TLSVersion != ""
}

func connectionsChapter(r *Record) (chapter, bool) {
	c := r.Connections
	if c == nil || !c.asked() {
		return chapter{}, false
	}
	out := chapter{}
	due := formatRate(r.Total.DuePerSec)
	switch s := c.ColdStart; {
	case s != nil && s.AllServed == Never:
		out.Headline = fmt.Sprintf("Cold start of %s clients: %s were not served", formatCount(s.Clients), formatCount(s.Clients-s.Served))
	case s != nil:
		out.Headline = fmt.Sprintf("Cold start of %s clients: all served after %s", formatCount(s.Clients), s.AllServed)
	case c.HandshakeOnly:
		out.Headline = fmt.Sprintf("%s handshakes/s of %s/s due, no request sent", formatRate(c.Rate), due)
	case c.Requests == 1:
		out.Headline = fmt.Sprintf("%s new connections/s of %s/s due, a request on each", formatRate(c.Rate), due)
	}
	if s := c.ColdStart; s != nil {
		out.Lede = "Every client makes its connection and sends its first request at the same moment; latency counts from then."
		first := "none"
		if s.First != nil {
			first = s.First.String()
		}
		out.Tiles = append(out.Tiles, tile{"All served", s.AllServed.String(), formatCount(s.Served) + " of " + formatCount(s.Clients) + " clients"},
			tile{"First answer", first, "after the start"})
	} else if c.Requests == 1 || c.HandshakeOnly {
		out.Tiles = append(out.Tiles, tile{"Handshakes", formatRate(c.Rate) + "/s", formatCount(c.During.Failed) + " failed"})
	}
	out.Sections = []section{c.section()}
	return out, true
}

// section is the table of the handshakes.
func (c *Connections) section() section {
	s := section{Title: "Connections", Text: c.text(), Align: "lrrrrrrrr",
		Rows: [][]string{{"made", "connections", "failed", "resumed", "per s", "dial p50", "dial p99", "TLS p50", "TLS p99"}}}
	add := func(when string, h Handshakes, rate string) {
		if h.Made+h.Failed == 0 {
			return
		}
		resumed := "–"
		if h.Made > 0 {
			resumed = formatShare(float64(h.Resumed) / float64(h.Made))
		}
		s.Rows = append(s.Rows, []string{when, formatCount(h.Made), formatCount(h.Failed), resumed, rate,
			percentileOf(h.Dial, 0.5), percentileOf(h.Dial, 0.99), percentileOf(h.TLS, 0.5), percentileOf(h.TLS, 0.99)})
	}
	add("before the first hit", c.Opening, "–")
	add("during the run", c.During, formatRate(c.Rate))
	return s
}

// text says by what rules connections were made.
func (c *Connections) text() string {
	var parts []string
	switch {
	case c.ColdStart != nil:
		parts = append(parts, "all opened at once")
	case c.Requests == 1 || c.HandshakeOnly:
		parts = append(parts, "a new connection for each hit")
	case c.Requests > 1:
		parts = append(parts, fmt.Sprintf("at most %d requests on a connection", c.Requests))
	}
	if c.Lifetime > 0 {
		parts = append(parts, "replaced at half of to the whole of "+c.Lifetime.String())
	}
	if c.Resumption {
		parts = append(parts, "TLS sessions resumed where the server allows it")
	} else {
		parts = append(parts, "no TLS resumption")
	}
	if c.TLSVersion != "" {
		parts = append(parts, c.TLSVersion+" only")
	}
	if c.Curves != "" {
		parts = append(parts, c.Curves+" key exchange only")
	}
	text := strings.ToUpper(parts[0][:1]) + strings.Join(parts, ", ")[1:] + "."
	kinds := map[string]uint64{}
	for _, h := range []Handshakes{c.Opening, c.During} {
		for kind, n := range h.Kinds {
			kinds[kind] += n
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		text += fmt.Sprintf(" %s: %s.", kind, formatCount(kinds[kind]))
	}
	return text + " A handshake in mid-run is part of the latency and the wait of the hit that needs it, not of the client's lags."
}

func percentileOf(list []Percentile, q float64) string {
	for _, p := range list {
		if p.Q == q {
			return p.Value.String()
		}
	}
	return "–"
}
