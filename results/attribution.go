package results

import (
	"fmt"
	"slices"
)

// Attribution is what became of the hits of one cause, service, caller or key.
type Attribution struct {
	Name      string  `json:"name"`
	Due       uint64  `json:"due"`
	OK        uint64  `json:"ok"`
	Throttled uint64  `json:"throttled"`
	Bad       uint64  `json:"bad"` // any other outcome
	DuePerSec float64 `json:"due_rate"`
	P50       Latency `json:"p50_ns"` // over hits due, as in the tables of operations
	P99       Latency `json:"p99_ns"`
}

// attributions are the ways to divide the hits of a workload of causes.
var attributions = []struct {
	Title string
	Of    func(*Operation) string
}{
	{"cause", func(o *Operation) string { return o.Cause }},
	{"service", func(o *Operation) string { return o.From }},
	{"caller", func(o *Operation) string { return o.Caller }},
	{"key", func(o *Operation) string { return o.Key }},
}

// Attribute adds up the operations of a record by who causes them, in the order of the record. Those without a name are left
// out. Error: histograms that do not add up.
func (r *Record) Attribute(of func(*Operation) string) ([]Attribution, error) {
	var names []string
	sums := map[string]*Operation{}
	for i := range r.Operations {
		op := &r.Operations[i]
		name := of(op)
		if name == "" {
			continue
		}
		sum := sums[name]
		if sum == nil {
			sum = &Operation{Name: name}
			sums[name] = sum
			names = append(names, name)
		}
		sum.Due += op.Due
		sum.Excluded += op.Excluded
		sum.DuePerSec += op.DuePerSec
		for _, o := range op.Outcomes {
			o.Service = nil // not asked for
			if err := addOutcome(sum, o); err != nil {
				return nil, fmt.Errorf("adding up %q: %w", name, err)
			}
		}
	}
	var out []Attribution
	for _, name := range names {
		sum := sums[name]
		if err := sum.rank([]float64{0.5, 0.99}); err != nil {
			return nil, fmt.Errorf("adding up %q: %w", name, err)
		}
		a := Attribution{Name: name, Due: sum.Due, OK: sum.Count("ok"), Throttled: sum.Count("throttled"), DuePerSec: sum.DuePerSec}
		a.Bad = a.Due - min(a.OK+a.Throttled, a.Due)
		for _, p := range sum.Latency {
			if p.Q == 0.5 {
				a.P50 = p.Value
			} else {
				a.P99 = p.Value
			}
		}
		out = append(out, a)
	}
	return out, nil
}

// attributionChapter shows who caused the hits, where the workload says so.
func attributionChapter(r *Record) (chapter, bool) {
	if !slices.ContainsFunc(r.Operations, func(o Operation) bool { return o.Cause != "" }) {
		return chapter{}, false
	}
	var c chapter
	for _, by := range attributions {
		list, err := r.Attribute(by.Of)
		if err != nil {
			c.Sections = append(c.Sections, section{Title: "Who caused the hits", Text: "Not shown: " + err.Error() + "."})
			return c, true
		}
		// One line says no more than the total does.
		if len(list) < 2 && by.Title != "cause" {
			continue
		}
		c.Sections = append(c.Sections, section{Title: "By " + by.Title, Rows: attributionRows(by.Title, list, r.Total.Due), Align: "lrrrrrrr"})
	}
	return c, true
}

// tailHits is how many hits a p99 needs to be more than the largest of them.
const tailHits = 100

func attributionRows(title string, list []Attribution, due uint64) [][]string {
	rows := [][]string{{title, "due", "share", "due/s", "throttled", "bad", "p50", "p99"}}
	for _, a := range list {
		p50, p99 := "–", "–"
		if a.Due > 0 {
			p50 = a.P50.String()
		}
		if a.Due >= tailHits {
			p99 = a.P99.String()
		}
		rows = append(rows, []string{a.Name, formatCount(a.Due), formatShare(float64(a.Due) / float64(max(due, 1))), formatRate(a.DuePerSec),
			formatCount(a.Throttled), formatCount(a.Bad), p50, p99})
	}
	return rows
}
