package soak

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/slo"
	"trent/results"
)

// record puts together what the soak found, and concludes.
func (r *run) record(e *ending, plan *engine.Plan, report *engine.Report, began time.Time, samples []machine.Sample) (*results.Record, error) {
	record := &results.Record{Kind: results.Soak, Tool: r.o.Tool, Command: r.o.Command, Seed: r.o.Seed,
		Target:   results.Target{URL: r.w.Target.URL, Region: r.w.Target.Region, Spawned: r.w.Server != nil},
		Workload: results.Text{Name: r.o.Workload.Name, Summary: r.o.Workload.Description, Source: r.o.WorkloadSource},
		SLO:      attack.TextOf(r.o.Limits)}
	result, err := r.judged(record, e, plan, report, began, samples)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &results.SoakResult{Planned: r.length, Horizon: r.o.Horizon, Outside: r.st.Outside,
		Faults: results.Text{Name: r.o.Plan.Name, Source: r.o.Plan.Source}}
	record.Soak = s
	record.Notes = append(record.Notes, "Latency, throughput and errors are of the time outside of what was done to the server; counts by outcome and error are of the whole load.")
	if e.fatal != nil {
		record.Notes = append(record.Notes, "The load ended early: "+e.fatal.Error())
	}
	if e.leftBehind != "" {
		record.Notes = append(record.Notes, e.leftBehind)
	}
	if e.interrupted && !r.st.Finished {
		s.Resume = r.o.Dir
	}
	s.DiskUsed = diskOf(filepath.Join(r.o.Dir, samplesFile)) + diskOf(filepath.Join(r.o.Dir, stateFile))
	r.fillSamples(s, e)
	r.fillWrites(s, e)
	r.fillCounts(s)
	r.fillTrends(s, result)
	r.fillActions(s, e)
	s.Checks = r.conditions(s, e, result)
	conclude(record, s, e, result)
	return record, nil
}

func diskOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (r *run) fillSamples(s *results.SoakResult, e *ending) {
	t, v := r.samples.tally(), r.verify.snapshot()
	s.Samples = results.SoakSamples{Offered: t.Seen, Kept: t.Samples, After: r.o.After, Checks: v.Checks, Later: t.Later, AfterRestart: t.AfterRestart,
		Rotatable: t.Symmetric, AfterRotation: t.AfterRotation, Open: e.open, Unsettled: v.Unsettled, Dropped: v.Dropped, Lost: v.Lost}
	s.Lost += v.Lost
	for _, l := range v.Losses {
		s.Losses = append(s.Losses, results.SoakLoss(l))
	}
}

func (r *run) fillWrites(s *results.SoakResult, e *ending) {
	if e.readErr != nil {
		return
	}
	for _, w := range []struct {
		kind string
		r    reconciled
	}{{"keys", e.keys}, {"aliases", e.aliases}} {
		s.Writes = append(s.Writes, results.SoakWrites{Kind: w.kind, Acknowledged: w.r.Acknowledged, Ambiguous: w.r.Ambiguous, Applied: w.r.Applied,
			NotApplied: w.r.NotApplied, Refused: w.r.Refused, Found: w.r.Found, Lost: len(w.r.Lost)})
		s.Lost += uint64(len(w.r.Lost))
		for i, what := range w.r.Lost {
			if i < maxLosses {
				s.Losses = append(s.Losses, results.SoakLoss{What: what, Why: "read back at the end"})
			}
		}
	}
}

func (r *run) fillCounts(s *results.SoakResult) {
	for _, l := range r.st.Lives {
		c := results.SoakCount{Started: l.Started, Read: l.Read, Outcome: "its counts died with it"}
		if l.Read {
			c.Server, c.Low, c.High, c.Outcome = l.Server, l.low(), l.high(), "pass"
			if c.Server < c.Low || c.Server > c.High {
				c.Outcome = "fail"
			}
		}
		s.Counts = append(s.Counts, c)
	}
}

func (r *run) fillTrends(s *results.SoakResult, result *attack.Result) {
	for _, t := range JudgeTrends(append(r.series.snapshot(true), r.latencies(result.Summary)...), r.o.Budgets, r.o.Warm, r.o.Horizon) {
		hour := time.Hour.Seconds()
		out := results.SoakTrend{Name: t.Name, Unit: t.Unit, Judged: t.N, Budget: t.Budget, Outcome: t.Outcome, Why: t.Why,
			Slope: known(t.Slope.Point * hour), Low: known(t.Slope.Low * hour), High: known(t.Slope.High * hour), Middle: known(t.Middle),
			P: known(t.P), Adjusted: known(t.Adjusted), Inflated: known(t.Inflated), Growth: known(t.Growth.Point), GrowthLo: known(t.Growth.Low)}
		if x, _ := t.judged(r.o.Warm); len(x) > 0 {
			out.From = x[0]
		}
		for _, p := range t.Points {
			out.Points = append(out.Points, results.SoakPoint(p))
		}
		s.Trends = append(s.Trends, out)
	}
}

func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func (r *run) fillActions(s *results.SoakResult, e *ending) {
	length := r.length
	if e.interrupted || e.fatal != nil {
		length = min(r.last.At, length)
	}
	l := &lived{from: r.st.Started, to: r.lastAt, length: length, actions: r.st.Actions, spawned: r.w.Server != nil,
		curve: r.o.Schedule.String(), period: r.o.Period, clockSteps: e.clockStep, without: r.o.Without,
		midnight: engine.CheckMidnight(r.w.Target.Credentials, r.w.Target.Region, r.st.Started)}
	for _, event := range l.list() {
		s.Events = append(s.Events, results.SoakEvent(event))
	}
	for _, a := range r.st.Actions {
		s.Actions = append(s.Actions, results.SoakAction{Kind: a.Kind, At: a.At, From: a.From, Until: a.Until, Outcome: a.Outcome, Detail: a.Detail, Bad: a.Bad})
	}
	for _, leg := range r.st.Legs {
		out := results.SoakLeg{Started: leg.Started, From: leg.From, To: leg.To, Ended: leg.Ended, Down: leg.Down}
		if leg.Ended == killed {
			out.Unmeasured = leg.Due - min(leg.Done, leg.Due)
		}
		s.Legs = append(s.Legs, out)
	}
}

// conditions are what the outcome is made of.
func (r *run) conditions(s *results.SoakResult, e *ending, result *attack.Result) []results.SoakCheck {
	all := []results.SoakCheck{r.nothingLost(s, e), r.allChecked(s, e), countsAgree(s), trendsHold(s), eventsCame(s, e), actionsWorked(s)}
	load := results.SoakCheck{Name: "the load", Figure: fmt.Sprintf("%d of %d limits kept", keptLimits(result.Verdicts), len(result.Verdicts)), Outcome: result.Outcome.String()}
	switch result.Outcome {
	case slo.Pass:
	case slo.HarnessError:
		load.Why = "no request was answered well"
	default:
		load.Why = "see the verdicts and conditions of the load"
	}
	if e.fatal != nil {
		load.Outcome, load.Why = slo.Fail.String(), e.fatal.Error()
	}
	return append(all, load)
}

func keptLimits(all []slo.Verdict) (n int) {
	for _, v := range all {
		if v.Outcome == slo.Pass {
			n++
		}
	}
	return n
}

const (
	pass         = "pass"
	fail         = "fail"
	inconclusive = "inconclusive"
)

func (r *run) nothingLost(s *results.SoakResult, e *ending) results.SoakCheck {
	c := results.SoakCheck{Name: "nothing is lost", Figure: fmt.Sprintf("%d lost", s.Lost), Outcome: pass}
	switch {
	case s.Lost > 0:
		c.Outcome, c.Why = fail, "what was given or acknowledged is not there or not good any more"
	case e.readErr != nil:
		c.Outcome, c.Why = inconclusive, "keys could not be read back: "+e.readErr.Error()
	case s.Samples.Kept == 0:
		c.Outcome, c.Why = inconclusive, "the load makes nothing that can be checked"
	}
	return c
}

func (r *run) allChecked(s *results.SoakResult, e *ending) results.SoakCheck {
	k := s.Samples
	c := results.SoakCheck{Name: "every sample was checked", Outcome: pass,
		Figure: fmt.Sprintf("%d later, %d after a restart, %d after a rotation, of %d", k.Later, k.AfterRestart, k.AfterRotation, k.Kept)}
	var missing []string
	lost := int(k.Lost)
	if k.Later+lost < k.Kept {
		missing = append(missing, "some time later")
	}
	if k.AfterRestart+lost < k.Kept && (r.w.Server != nil || !slices.Contains(r.o.Without, "certificate")) {
		missing = append(missing, "after a restart")
	}
	if k.AfterRotation+lost < k.Rotatable && len(r.stock.rotatable()) > 0 {
		missing = append(missing, "after a rotation")
	}
	if len(missing) > 0 {
		c.Outcome, c.Why = inconclusive, "not all were checked "+strings.Join(missing, ", ")
	}
	return c
}

func countsAgree(s *results.SoakResult) results.SoakCheck {
	c := results.SoakCheck{Name: "both sides count alike", Outcome: pass}
	read, bad := 0, 0
	for _, n := range s.Counts {
		if n.Read {
			read++
		}
		if n.Outcome == fail {
			bad++
		}
	}
	c.Figure = fmt.Sprintf("%d of %d lives of the server were compared", read, len(s.Counts))
	switch {
	case bad > 0:
		c.Outcome, c.Why = fail, "the server's count lies outside of what the client knows"
	case len(s.Counts) == 0:
		c.Figure, c.Why = "not compared", "others may use the endpoint"
	case read == 0:
		c.Outcome, c.Why = inconclusive, "the server tells no counts"
	}
	return c
}

func trendsHold(s *results.SoakResult) results.SoakCheck {
	c := results.SoakCheck{Name: "nothing creeps", Outcome: pass}
	n := map[string]int{}
	var grown, short []string
	for _, t := range s.Trends {
		n[t.Outcome]++
		switch t.Outcome {
		case fail:
			grown = append(grown, t.Name)
		case inconclusive:
			short = append(short, t.Name)
		}
	}
	c.Figure = fmt.Sprintf("%d of %d series within their budgets", n[pass], len(s.Trends))
	switch {
	case len(grown) > 0:
		c.Outcome, c.Why = fail, strings.Join(grown, ", ")+" grow beyond their budgets"
	case len(short) > 0:
		c.Outcome, c.Why = inconclusive, "too few blocks of "+strings.Join(short, ", ")
		if len(short) > 4 {
			c.Why = fmt.Sprintf("too few blocks of %d series; run for longer", len(short))
		}
	}
	return c
}

func eventsCame(s *results.SoakResult, e *ending) results.SoakCheck {
	c := results.SoakCheck{Name: "what must fall inside did", Outcome: pass}
	came := 0
	var missing, failed []string
	for _, event := range s.Events {
		switch event.How {
		case Real, Simulated:
			came++
		case Absent:
			missing = append(missing, event.Name)
		case Failed:
			failed = append(failed, event.Name)
		}
	}
	c.Figure = fmt.Sprintf("%d of %d", came, len(s.Events))
	switch {
	case len(failed) > 0:
		c.Outcome, c.Why = fail, strings.Join(failed, ", ")+" failed"
	case len(missing) > 0:
		c.Outcome, c.Why = inconclusive, strings.Join(missing, ", ")+" neither fell inside nor was simulated"
	}
	return c
}

func actionsWorked(s *results.SoakResult) results.SoakCheck {
	c := results.SoakCheck{Name: "the server bore what was done to it", Outcome: pass, Figure: fmt.Sprintf("%d done", len(s.Actions))}
	for _, a := range s.Actions {
		switch a.Outcome {
		case "failed":
			c.Outcome, c.Why = fail, a.Kind+": "+a.Detail
			return c
		case "cut short":
			c.Outcome, c.Why = inconclusive, a.Kind+" was cut short"
		}
	}
	return c
}

// conclude sets the outcome. What is lost is lost whatever else disturbed the run; otherwise the usual precedence holds.
func conclude(record *results.Record, s *results.SoakResult, e *ending, result *attack.Result) {
	overall := result.Outcome
	for _, c := range s.Checks {
		switch c.Outcome {
		case fail:
			overall = min(overall, slo.Fail)
		case inconclusive:
			overall = min(overall, slo.Inconclusive)
		}
	}
	if s.Lost > 0 {
		overall = slo.Fail
	}
	if e.interrupted && overall == slo.Pass {
		overall = slo.Inconclusive
	}
	record.Outcome, record.ExitCode = overall.String(), overall.ExitCode()
	if e.interrupted {
		record.ExitCode = slo.ExitInterrupted
	}
}
