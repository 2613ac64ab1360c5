package results

// Names of what may limit a capacity.
const (
	BoundCPU     = "server CPU"
	BoundHSM     = "HSM engines"
	BoundWorkers = "HSM workers"
	BoundQuota   = "quota"
	BoundStore   = "store"
	BoundNetwork = "network profile"
	BoundClient  = "client"
	BoundUnknown = "unknown"
)

// Bound is what limits a capacity, with the counters that decide it.
type Bound struct {
	Name   string     `json:"name"`
	Server bool       `json:"server"` // a resource of the server: the capacity is the server's own
	Text   string     `json:"text"`
	Change string     `json:"change,omitempty"`
	Rows   []BoundRow `json:"rows"`
}

// BoundRow is one candidate with its counter.
type BoundRow struct {
	Name      string   `json:"name"`
	Counter   string   `json:"counter"`
	Sustained *float64 `json:"sustained,omitempty"` // at the sustained rate; nil where not known
	Above     *float64 `json:"above,omitempty"`     // at a higher rate, that failed or overloaded the server
	Threshold float64  `json:"threshold"`           // from which it limits
	Share     bool     `json:"share,omitempty"`     // the figures are shares of 1
	Limits    bool     `json:"limits"`
}

func (b BoundRow) figure(v *float64) string {
	switch {
	case v == nil:
		return "not known"
	case b.Share:
		return formatShare(*v)
	}
	return figureText(*v)
}

// boundSection is the table of counters.
func boundSection(b *Bound) section {
	s := section{Title: "What limits it: " + b.Name, Text: b.Text, Align: "llrrrl",
		Rows: [][]string{{"candidate", "counter", "at the sustained rate", "above it", "limits from", ""}}}
	for _, row := range b.Rows {
		mark := "no"
		switch {
		case row.Limits:
			mark = "limits"
		case row.Sustained == nil && row.Above == nil:
			mark = "not known"
		}
		threshold := row.Threshold
		s.Rows = append(s.Rows, []string{row.Name, row.Counter, row.figure(row.Sustained), row.figure(row.Above), row.figure(&threshold), mark})
	}
	return s
}
