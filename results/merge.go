package results

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Merge adds up the records of runs that sent the same workload at the same time, as from several machines: counts, errors and
// histograms exactly, series second by second from each run's own start. Percentiles are of the merged histograms, never of
// percentiles, and have no intervals, because a record does not keep what these rest on; so a merged record is inconclusive. Errors:
// fewer than two records, other kinds than attacks, another workload, SLO or schedule length, histograms of another geometry.
func Merge(all []*Record) (*Record, error) {
	if len(all) < 2 {
		return nil, errors.New("merging wants two records at the least")
	}
	merged := *all[0]
	merged.Operations, merged.Series, merged.Machine, merged.Verdicts, merged.Gates, merged.Notes = nil, nil, nil, nil, nil, nil
	merged.Lags, merged.Cost, merged.Capacity, merged.Heat = Lags{}, Cost{}, nil, nil
	merged.Schedule.MeanRate, merged.Engine.Connections = 0, 0
	merged.Engine.Due, merged.Engine.Sent, merged.Engine.Done, merged.Engine.Reconnects, merged.Engine.Capped = 0, 0, 0, 0, 0
	first, last := all[0].Started, all[0].Started
	worst := 0
	for i, r := range all {
		if err := compatible(all[0], r); err != nil {
			return nil, fmt.Errorf("record %d: %w", i+1, err)
		}
		if r.Started.Before(first) {
			first = r.Started
		}
		if r.Started.After(last) {
			last = r.Started
		}
		merged.Elapsed = max(merged.Elapsed, r.Elapsed)
		merged.Interrupted = merged.Interrupted || r.Interrupted
		merged.Schedule.MeanRate += r.Schedule.MeanRate
		e := &merged.Engine
		e.Connections += r.Engine.Connections
		e.Due, e.Sent, e.Done = e.Due+r.Engine.Due, e.Sent+r.Engine.Sent, e.Done+r.Engine.Done
		e.Reconnects, e.Capped = e.Reconnects+r.Engine.Reconnects, e.Capped+r.Engine.Capped
		merged.Cost.Requests += r.Cost.Requests
		if r.Outcome == "void" {
			worst++
		}
		for _, g := range r.Gates {
			g.Name = fmt.Sprintf("%s, run %d", g.Name, i+1)
			merged.Gates = append(merged.Gates, g)
		}
		merged.Series = addSeries(merged.Series, r.Series)
	}
	merged.Started = first
	var failures []error
	for i := range all[0].Operations {
		op, err := mergeOperations(all, func(r *Record) *Operation { return &r.Operations[i] })
		failures = append(failures, err)
		merged.Operations = append(merged.Operations, op)
	}
	merged.Total = totalOf(merged.Operations, merged.Schedule.Duration, &failures)
	merged.Outcome, merged.ExitCode = "inconclusive", 6
	if worst > 0 {
		merged.Outcome, merged.ExitCode = "void", 5
	}
	if merged.Interrupted {
		merged.ExitCode = 130
	}
	merged.Notes = append(merged.Notes, fmt.Sprintf("Merged from %d records; starts lay %s apart.", len(all), formatDuration(last.Sub(first))))
	if last.Sub(first) > time.Second {
		merged.Notes = append(merged.Notes, "The runs did not start together, so the summed rates never applied at one moment.")
	}
	return &merged, errors.Join(failures...)
}

func compatible(a, b *Record) error {
	switch {
	case a.Kind != Attack || b.Kind != Attack:
		return fmt.Errorf("only attacks can be merged, this is a %s", b.Kind)
	case a.Workload.Name != b.Workload.Name || a.Workload.Source != b.Workload.Source:
		return fmt.Errorf("its workload is %s, that of the first is %s or reads differently", b.Workload.Name, a.Workload.Name)
	case a.SLO != b.SLO:
		return errors.New("its SLO differs from the first record's")
	case a.Schedule.Duration != b.Schedule.Duration:
		return fmt.Errorf("it lasted %v by its schedule, the first %v", b.Schedule.Duration, a.Schedule.Duration)
	case len(a.Operations) != len(b.Operations):
		return fmt.Errorf("it has %d operations, the first %d", len(b.Operations), len(a.Operations))
	}
	for i := range a.Operations {
		if a.Operations[i].Name != b.Operations[i].Name {
			return fmt.Errorf("operation %d is %s, in the first record %s", i+1, b.Operations[i].Name, a.Operations[i].Name)
		}
	}
	return nil
}

func addSeries(into, from []Second) []Second {
	at := map[time.Duration]int{}
	for i := range into {
		at[into[i].At] = i
	}
	for _, s := range from {
		s.P50, s.P99 = nil, nil // percentiles do not add up
		i, ok := at[s.At]
		if !ok {
			into = append(into, s)
			continue
		}
		sum := &into[i]
		sum.Due, sum.OK, sum.Throttled, sum.Bad, sum.Answered = sum.Due+s.Due, sum.OK+s.OK, sum.Throttled+s.Throttled, sum.Bad+s.Bad, sum.Answered+s.Answered
		sum.Max = max(sum.Max, s.Max)
	}
	slices.SortFunc(into, func(a, b Second) int { return cmp.Compare(a.At, b.At) })
	return into
}

func mergeOperations(all []*Record, of func(*Record) *Operation) (Operation, error) {
	out := *of(all[0])
	out.Outcomes, out.Errors, out.Latency, out.Service = nil, nil, nil, nil
	out.Due, out.Excluded, out.Max, out.OKPerSec, out.DuePerSec = 0, 0, 0, 0, 0
	for _, r := range all {
		op := of(r)
		out.Due += op.Due
		out.Excluded += op.Excluded
		out.Max = max(out.Max, op.Max)
		out.OKPerSec += op.OKPerSec
		out.DuePerSec += op.DuePerSec
		for _, o := range op.Outcomes {
			if err := addOutcome(&out, o); err != nil {
				return out, fmt.Errorf("%s: %w", op.Name, err)
			}
		}
		for _, e := range op.Errors {
			addError(&out, e)
		}
	}
	return out, out.rank(quantilesOf(of(all[0])))
}

func quantilesOf(op *Operation) []float64 {
	var q []float64
	for _, p := range op.Latency {
		q = append(q, p.Q)
	}
	return q
}

// addOutcome adds counts and histograms of one outcome to those of the operation.
func addOutcome(op *Operation, o Outcome) error {
	for i := range op.Outcomes {
		sum := &op.Outcomes[i]
		if sum.Name != o.Name {
			continue
		}
		sum.Count += o.Count
		var err1, err2 error
		sum.Latency, err1 = addHistograms(sum.Latency, o.Latency)
		sum.Service, err2 = addHistograms(sum.Service, o.Service)
		return errors.Join(err1, err2)
	}
	op.Outcomes = append(op.Outcomes, o)
	return nil
}

func addError(op *Operation, e ErrorCount) {
	for i := range op.Errors {
		if op.Errors[i].Name == e.Name {
			op.Errors[i].Count += e.Count
			return
		}
	}
	op.Errors = append(op.Errors, e)
}

// ErrGeometry is two histograms of different limits or digits, whose values cannot be added up exactly.
var ErrGeometry = errors.New("histograms of different limits or digits")

// addHistograms is exact, or refused with ErrGeometry.
func addHistograms(a, b *Histogram) (*Histogram, error) {
	if a == nil || b == nil {
		if a == nil {
			return b, nil
		}
		return a, nil
	}
	x, err := a.Decode()
	if err != nil {
		return nil, err
	}
	y, err := b.Decode()
	if err != nil {
		return nil, err
	}
	if x.LowestTrackableValue() != y.LowestTrackableValue() || x.HighestTrackableValue() != y.HighestTrackableValue() || x.SignificantFigures() != y.SignificantFigures() {
		return nil, ErrGeometry
	}
	if dropped := x.Merge(y); dropped != 0 {
		return nil, fmt.Errorf("%w: %d values were out of range", ErrGeometry, dropped)
	}
	return EncodeHistogram(x)
}

// rank computes the operation's percentiles from its histogram of good answers and its counts: what was due and not answered well
// ranks as never, throttled hits that the SLO excludes do not rank.
func (o *Operation) rank(quantiles []float64) error {
	var h *hdr.Histogram
	for i := range o.Outcomes {
		if o.Outcomes[i].Name == "ok" && o.Outcomes[i].Latency != nil {
			var err error
			if h, err = o.Outcomes[i].Latency.Decode(); err != nil {
				return err
			}
		}
	}
	judged := o.Due - min(o.Excluded, o.Due)
	for _, q := range quantiles {
		if judged == 0 {
			return nil
		}
		p := Percentile{Q: q, Value: Never}
		if h != nil {
			answered := latencyAt(h, uint64(math.Ceil(q*float64(h.TotalCount())-1e-9)))
			p.Answered = &answered
			if rank := uint64(math.Ceil(q*float64(judged) - 1e-9)); rank <= uint64(h.TotalCount()) {
				p.Value = latencyAt(h, rank)
			}
		}
		o.Latency = append(o.Latency, p)
	}
	return nil
}

// latencyAt is the value with a rank, 1 being the smallest.
func latencyAt(h *hdr.Histogram, rank uint64) Latency {
	return Latency(h.ValueAtQuantile(100 * float64(max(rank, 1)) / float64(h.TotalCount())))
}

// totalOf adds up the entries of a workload.
func totalOf(operations []Operation, length time.Duration, failures *[]error) Operation {
	total := Operation{Name: "all"}
	if len(operations) == 0 {
		return total
	}
	for i := range operations {
		op := &operations[i]
		total.Due += op.Due
		total.Excluded += op.Excluded
		total.Max = max(total.Max, op.Max)
		total.OKPerSec += op.OKPerSec
		total.DuePerSec += op.DuePerSec
		for _, o := range op.Outcomes {
			*failures = append(*failures, addOutcome(&total, o))
		}
		for _, e := range op.Errors {
			addError(&total, e)
		}
	}
	*failures = append(*failures, total.rank(quantilesOf(&operations[0])))
	for i := range total.Outcomes {
		total.Outcomes[i].Latency, total.Outcomes[i].Service = nil, nil // they stand with the entries
	}
	return total
}
