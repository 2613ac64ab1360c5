package traffic

import (
	"slices"
	"time"
)

// Figures are what some flows come to.
type Figures struct {
	Mean   float64       `json:"mean_rate"`
	Peak   float64       `json:"peak_rate"`     // highest expected calls in one second of the first day
	PeakAt time.Duration `json:"peak_at_ns"`    // since midnight
	Month  float64       `json:"calls_a_month"` // of 730 h, on days like any other
}

// FiguresOf sums flows up.
func FiguresOf(flows []Flow) Figures {
	mean := Mean(flows)
	at, peak := Peak(flows)
	return Figures{Mean: mean, Peak: peak, PeakAt: at, Month: mean * Month.Seconds()}
}

// Explanation is a file of causes with the figures of each.
type Explanation struct {
	Name        string             `json:"name"`
	Description string             `json:"description,omitempty"`
	Causes      []ExplainedCause   `json:"causes"`
	Operations  []OperationFigures `json:"operations"` // by mean rate, the highest first
	Total       Figures            `json:"total"`
}

// ExplainedCause is a cause and what it comes to.
type ExplainedCause struct {
	Cause
	Total      Figures   `json:"total"`
	FlowTotals []Figures `json:"flow_totals"` // by flow
}

// OperationFigures is what all causes call of one operation.
type OperationFigures struct {
	Operation string `json:"operation"`
	Figures
}

// Explain sums a file up.
func (f *File) Explain() Explanation {
	e := Explanation{Name: f.Name, Description: f.Description, Total: FiguresOf(f.Flows())}
	operations := map[string][]Flow{}
	for _, c := range f.Causes {
		x := ExplainedCause{Cause: c, Total: FiguresOf(c.Flows)}
		for i := range c.Flows {
			x.FlowTotals = append(x.FlowTotals, FiguresOf(c.Flows[i:i+1]))
			operations[c.Flows[i].Operation] = append(operations[c.Flows[i].Operation], c.Flows[i])
		}
		e.Causes = append(e.Causes, x)
	}
	for op, flows := range operations {
		e.Operations = append(e.Operations, OperationFigures{Operation: op, Figures: FiguresOf(flows)})
	}
	slices.SortFunc(e.Operations, func(a, b OperationFigures) int {
		switch {
		case a.Mean > b.Mean, a.Mean == b.Mean && a.Operation < b.Operation:
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	return e
}
