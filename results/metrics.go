package results

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// ServerMetrics is what the server said of itself while the load ran.
type ServerMetrics struct {
	URL     string          `json:"url"`
	Scrapes int             `json:"scrapes"`
	Failed  int             `json:"failed,omitempty"`
	Failure string          `json:"failure,omitempty"` // of the latest that failed
	At      []time.Duration `json:"at_ns"`             // of each scrape, since the first hit was due
	Series  []MetricSeries  `json:"series"`
	Left    int             `json:"left_out,omitempty"` // series beyond the bound of the record
}

// MetricSeries is one series. A counter's values are its rate a second since the scrape before (the first has none), a
// gauge's are what it was.
type MetricSeries struct {
	Name    string  `json:"name"` // with its labels, as the format writes it
	Counter bool    `json:"counter,omitempty"`
	Values  Figures `json:"values"`
	Mean    float64 `json:"mean"` // over the judged window
	Max     float64 `json:"max"`
}

// Figures are numbers some of which may be missing (NaN), null in JSON.
type Figures []float64

// MarshalJSON writes null for what is no finite number.
func (f Figures) MarshalJSON() ([]byte, error) {
	out := make([]*float64, len(f))
	for i := range f {
		if !math.IsNaN(f[i]) && !math.IsInf(f[i], 0) {
			out[i] = &f[i]
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads null as NaN.
func (f *Figures) UnmarshalJSON(data []byte) error {
	var in []*float64
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*f = make(Figures, len(in))
	for i, v := range in {
		(*f)[i] = math.NaN()
		if v != nil {
			(*f)[i] = *v
		}
	}
	return nil
}

// Find returns the series whose name without labels is name and whose labels contain all of the given ones, each
// written as in the format: `operation="Encrypt"`.
func (m *ServerMetrics) Find(name string, labels ...string) []*MetricSeries {
	if m == nil {
		return nil
	}
	var found []*MetricSeries
	for i := range m.Series {
		base, rest, _ := strings.Cut(m.Series[i].Name, "{")
		if base == name && !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(rest, l) }) {
			found = append(found, &m.Series[i])
		}
	}
	return found
}

// Mean adds up the means of the series of a name; ok is false without any.
func (m *ServerMetrics) Mean(name string, labels ...string) (total float64, ok bool) {
	for _, s := range m.Find(name, labels...) {
		total, ok = total+s.Mean, true
	}
	return total, ok
}

// tableSeries bounds the table in a report; the record has all.
const tableSeries = 14

// interesting are beginnings of names, what a reader looks for first.
var interesting = []string{"trent_hsm_engine", "trent_hsm_workers", "trent_hsm_parked", "trent_store_commit", "trent_store_sync", "trent_connections_open",
	"trent_requests", "trent_tls", "trent_keyring", "trent_live", "go_gc", "trent_"}

// dull series tell nothing that the harness does not know better.
var dull = []string{"trent_request_body", "trent_request_duration", "trent_hsm_domain", "trent_store_revision", "go_goroutines", "trent_key_pool"}

// byInterest orders series by what a reader looks for; unknown names come first, for they are another server's.
func byInterest(all []MetricSeries) []*MetricSeries {
	rank := func(name string) int {
		begins := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
		if slices.ContainsFunc(dull, begins) {
			return len(interesting)
		}
		return slices.IndexFunc(interesting, begins)
	}
	out := make([]*MetricSeries, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	slices.SortStableFunc(out, func(a, b *MetricSeries) int { return rank(a.Name) - rank(b.Name) })
	return out
}

// metricsChapter shows the series of the server that moved.
func metricsChapter(r *Record) (chapter, bool) {
	m := r.ServerMetrics
	if m == nil {
		return chapter{}, false
	}
	s := section{Title: "The server's own metrics", Align: "lrrr",
		Text: fmt.Sprintf("From %s, scraped %d times. Counters as rates a second, gauges as they were; series that stayed at zero are left out.", m.URL, m.Scrapes)}
	if m.Failed > 0 {
		s.Text += fmt.Sprintf(" %d scrapes failed, the latest: %s.", m.Failed, m.Failure)
	}
	rows := [][]string{{"series", "mean", "max", "unit"}}
	for _, series := range byInterest(m.Series) {
		if series.Max == 0 && series.Mean == 0 {
			continue
		}
		unit := ""
		if series.Counter {
			unit = "/s"
		}
		rows = append(rows, []string{series.Name, figureText(series.Mean), figureText(series.Max), unit})
	}
	if len(rows) > tableSeries+1 {
		s.Text += fmt.Sprintf(" The first %d of %d; the record has all.", tableSeries, len(rows)-1)
		rows = rows[:tableSeries+1]
	}
	s.Rows = rows
	if fig, ok := queuesFigure(r); ok {
		s.Figures = append(s.Figures, fig)
	}
	return chapter{Late: []section{s}}, true
}

// figureText is a number of any size with three digits or more.
func figureText(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a >= 1e6:
		return fmt.Sprintf("%.3g M", v/1e6)
	case a >= 100:
		return formatCount(uint64(math.Round(a)))
	}
	return fmt.Sprintf("%.3g", v)
}

// queuesFigure draws the gauges that tell whether something waits: queues, and workers or engines at work.
func queuesFigure(r *Record) (figure, bool) {
	m := r.ServerMetrics
	if len(m.At) < 3 {
		return figure{}, false
	}
	wanted := []struct{ name, label string }{
		{"trent_hsm_engine_queue", "waiting for an HSM engine"}, {"trent_hsm_engines_busy", "HSM engines busy"},
		{"trent_hsm_workers_busy", "HSM workers busy"}, {"trent_store_commit_queue", "waiting for the store"},
	}
	fig := figure{Title: "Queues in the server", Caption: "As the server itself counts them, at each scrape. A queue that stays is what a server waits for."}
	var lines [][]point
	high, end := 0.0, m.At[len(m.At)-1].Seconds()
	for _, w := range wanted {
		for _, s := range m.Find(w.name) {
			var line []point
			for i, v := range s.Values {
				if i < len(m.At) && m.At[i] >= 0 {
					line = append(line, point{m.At[i].Seconds(), v})
					if !math.IsNaN(v) {
						high = max(high, v)
					}
				}
			}
			fig.Legend = append(fig.Legend, legend{fmt.Sprintf("s%d", len(lines)%maxCurves), w.label})
			lines = append(lines, line)
		}
	}
	if high == 0 || len(lines) == 0 {
		return figure{}, false
	}
	fig.SVG = draw(func(c canvas) string {
		p := newPlot(c, timeAxis(end, c), linearAxis(high, 5, "", axisCount), fig.Title)
		for i := len(lines) - 1; i >= 0; i-- {
			p.line(fmt.Sprintf("s%d", i%maxCurves), lines[i])
		}
		return p.finish()
	})
	return fig, true
}
