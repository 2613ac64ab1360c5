package results

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Reason explains one part of a run's outcome: a gate, a limit, what bounds a capacity.
type Reason struct {
	Subject string // what it is about: "the run", "client lag p99", "p99 latency of Decrypt"
	Outcome string // of that part
	Text    string // why, in sentences, with the figures
	Change  string // what to change, "" where nothing needs to be
}

// Why explains the outcome of a run from its figures: first the whole, then each gate that voids it, each limit, and
// for a capacity what bounds it. It reads nothing but the record.
func (r *Record) Why() []Reason {
	out := []Reason{r.whyOverall()}
	for _, g := range r.Gates {
		if g.Void {
			out = append(out, Reason{Subject: g.Name, Outcome: "void", Change: sentence(g.Advice),
				Text: fmt.Sprintf("It was %s, and must be %s for the run to count. Only what the client or the machine causes is looked at here, so the server is not to blame.", g.Figure, g.Limit)})
		}
	}
	for _, v := range r.Verdicts {
		reason := r.whyVerdict(v)
		if r.Outcome == "void" {
			reason.Text = "For what it is worth in a run that does not count: " + lower(reason.Text)
		}
		out = append(out, reason)
	}
	if r.Capacity != nil {
		out = append(out, r.whyCapacity()...)
	}
	return out
}

// RenderWhy writes the reasons as plain sentences.
func RenderWhy(w io.Writer, r *Record) error {
	var b strings.Builder
	b.WriteString("Why\n")
	for _, reason := range r.Why() {
		fmt.Fprintf(&b, "• %s: %s. %s\n", reason.Subject, strings.ToUpper(reason.Outcome), reason.Text)
		if reason.Change != "" {
			fmt.Fprintf(&b, "  → %s\n", reason.Change)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Record) whyOverall() Reason {
	out := Reason{Subject: "the run", Outcome: r.Outcome}
	switch {
	case r.Interrupted:
		out.Text = "It was interrupted, so it passes nothing, whatever it had measured; the exit code is 130."
		out.Change = "Repeat it and let it end."
	case r.Outcome == "void":
		out.Text = "The client or the machine disturbed it, so its verdicts do not count, neither for nor against the server."
	case r.Outcome == "fail":
		out.Text = "At least one limit is broken by its whole 95 % interval."
	case r.Outcome == "inconclusive" && r.Capacity == nil:
		out.Text = "No limit is broken for certain, but not every one is kept for certain either."
	case r.Outcome == "pass" && r.Capacity == nil && len(r.Verdicts) == 0:
		out.Text = "It counts, and no limits were given to judge it by."
		out.Change = "Give limits by --slo to have a verdict."
	case r.Outcome == "pass":
		out.Text = "It counts, and every limit is kept by its whole 95 % interval."
	case r.Outcome == "harness error":
		out.Text = "No request was answered well, so there is nothing to judge" + topErrors(&r.Total, "; most often: ") + "."
		out.Change = "See whether endpoint, CA and credentials belong to the server."
	default:
		out.Text = "See below."
	}
	return out
}

func (r *Record) whyVerdict(v Verdict) Reason {
	out := Reason{Subject: v.Metric + " of " + v.PopulationText(), Outcome: v.Outcome}
	figure := fmt.Sprintf("It is %s [%s], the limit %s. ", v.FigureText(), v.IntervalText(), v.LimitText())
	if v.Low == nil && v.High == nil {
		figure = fmt.Sprintf("It is %s, the limit %s. ", v.FigureText(), v.LimitText())
	}
	out.Text = figure
	switch v.Outcome {
	case "pass":
		out.Text += "The whole interval keeps the limit."
	case "inconclusive":
		r.whyInconclusive(&out, v)
	case "fail":
		switch {
		case v.Unit == "ns" && v.Never:
			r.whyNever(&out, v)
		case v.Unit == "ns":
			r.whySlow(&out, v)
		default:
			r.whyLost(&out, v)
		}
	}
	return out
}

// whyInconclusive says how long a run would decide.
func (r *Record) whyInconclusive(out *Reason, v Verdict) {
	if v.Needed > 0 {
		out.Text += sentence(v.Reason)
		out.Change = "Run for " + v.Needed.String() + " at this rate (--duration " + v.Needed.String() + ")."
		return
	}
	if v.Value == nil || v.Low == nil || v.High == nil || r.Schedule.Duration <= 0 {
		out.Text += sentence(v.Reason)
		return
	}
	out.Text += "The interval contains the limit. "
	// The width of an interval falls with the square root of the length.
	half, distance := (*v.High-*v.Low)/2, math.Abs(*v.Value-v.Limit)
	factor := math.Inf(1)
	if distance > 0 {
		factor = half * half / (distance * distance)
	}
	if factor > 20 {
		out.Text += "The value is so close to the limit that no run of reasonable length decides."
		out.Change = "Take the limit as met to within the interval, or judge at another rate."
		return
	}
	length := time.Duration(math.Ceil(max(factor*1.2, 1.5)*r.Schedule.Duration.Seconds())) * time.Second
	out.Change = fmt.Sprintf("Run for about %s, if things stay as they were.", length)
}

// population is the operation that a verdict judged.
func (r *Record) population(v Verdict) *Operation {
	for i := range r.Operations {
		if r.Operations[i].Name == v.Population {
			return &r.Operations[i]
		}
	}
	return &r.Total
}

// whyNever explains a percentile that lies among hits without a good answer.
func (r *Record) whyNever(out *Reason, v Verdict) {
	op := r.population(v)
	out.Text += fmt.Sprintf("%s of %s hits had no good answer and rank above all others%s", formatCount(op.NotOK()-min(op.Excluded, op.NotOK())),
		formatCount(op.Due-op.Excluded), topErrors(op, ": "))
	if v.Answered > 0 {
		out.Text += "; of the good answers alone it is " + formatDuration(v.Answered)
	}
	out.Text += "."
	out.Change = errorAdvice(op)
}

// quantile finds a percentile in a list; ok is false where it was not recorded.
func quantile(of []Percentile, q float64) (time.Duration, bool) {
	for _, p := range of {
		if math.Abs(p.Q-q) < 1e-9 && p.Value != Never {
			return time.Duration(p.Value), true
		}
	}
	return 0, false
}

// whySlow takes a latency apart: service time, wait for a connection, what the client added.
func (r *Record) whySlow(out *Reason, v Verdict) {
	q := 0.99
	if _, err := fmt.Sscanf(v.Metric, "p%g", &q); err == nil {
		q /= 100
	}
	service, ok := quantile(r.population(v).Service, q)
	if !ok || v.Value == nil {
		out.Text += "The whole interval breaks the limit."
		return
	}
	wait, _ := quantile(r.Lags.Wait, q)
	client, _ := quantile(r.Lags.Client, q)
	name := percentileName(q)
	out.Text += fmt.Sprintf("At %s, service time alone is %s, the wait for a free connection %s, what the client added %s (each a percentile of its own, so they do not add up exactly). ",
		name, formatDuration(service), formatDuration(wait), formatDuration(client))
	limit := time.Duration(v.Limit)
	switch {
	case client >= wait && client >= service:
		out.Text += "Most of it is the client's own delay, so it says little of the server."
		out.Change = "Lower the rate, use the native engine, or give the client a CPU of its own."
		return
	case wait > service:
		out.Text += "The server answers too slowly for this rate: all connections were in use, and hits waited for one."
		out.Change = "Lower the rate or make the server faster; more --connections help only where its CPUs are not full."
		if service <= limit {
			out.Text += fmt.Sprintf(" A request that has its connection takes %s, within the limit.", formatDuration(service))
		}
	default:
		out.Text += "The server is slow, not the client."
		out.Change = "Make the server faster, give it more CPU, or lower the rate; 'trent capacity' finds the rate that keeps the limit."
	}
	if text := r.serverText(); text != "" {
		out.Text += " " + text
	}
}

// serverText says how much CPU the server had and how long its threads waited for one.
func (r *Record) serverText() string {
	var wall, cpu time.Duration
	var server Process
	for _, s := range r.Machine {
		if s.Server != nil {
			wall, cpu = wall+s.Wall, cpu+s.ServerCPU
			server.add(*s.Server)
		}
	}
	if wall <= 0 || server.Slices == 0 {
		return ""
	}
	text := fmt.Sprintf("The server used %.2f of the machine's %d CPUs", cpu.Seconds()/wall.Seconds(), r.Environment.Cores)
	if delay := server.Delay / time.Duration(server.Slices); delay >= 100*time.Microsecond {
		text += fmt.Sprintf(", and its threads waited %s for a CPU each time they were ready: it wants more", formatDuration(delay))
	}
	return text + "."
}

// whyLost explains shares and rates.
func (r *Record) whyLost(out *Reason, v Verdict) {
	op := r.population(v)
	switch {
	case v.Metric == "throttled":
		out.Text += "The service refused more of the requests than the SLO lets it."
		out.Change = "Lower the rate below the quota, or ask for a higher one."
		return
	case op.NotOK() == 0 && v.Metric == "throughput":
		out.Text += fmt.Sprintf("Every hit was answered well: the schedule asked for only %s/s.", formatRate(op.DuePerSec))
		out.Change = "Ask for a higher rate, or lower the limit."
		return
	}
	out.Text += fmt.Sprintf("%s of %s hits due had no good answer%s.", formatCount(op.NotOK()), formatCount(op.Due), topErrors(op, ": "))
	out.Change = errorAdvice(op)
}

// topErrors lists the most frequent errors after a lead; "" without any.
func topErrors(op *Operation, lead string) string {
	var parts []string
	for i, e := range op.Errors {
		if i == 3 {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, fmt.Sprintf("%s × %s", formatCount(e.Count), e.Name))
	}
	if len(parts) == 0 {
		return ""
	}
	return lead + strings.Join(parts, ", ")
}

// errorAdvice follows the outcome that came most often among those that were not good.
func errorAdvice(op *Operation) string {
	most, name := uint64(0), ""
	for _, o := range op.Outcomes {
		if o.Name != "ok" && o.Count > most {
			most, name = o.Count, o.Name
		}
	}
	switch name {
	case "throttled":
		return "Lower the rate below the quota or ask for a higher one; or let the SLO exclude throttles up to a share."
	case "timeout":
		return "The server does not answer in time: lower the rate, or look for what stalls it."
	case "connection":
		return "Connections were refused or closed: look whether the server was up all the time, and at its limits on connections."
	case "never-sent":
		return "No connection came free in time: the server is too slow for this rate; lower it, or give more --connections."
	case "malformed":
		return "The answers are no HTTP: look whether the endpoint is what it should be."
	}
	return "The server refused the requests themselves: the exceptions say why."
}

func (r *Record) whyCapacity() []Reason {
	c := r.Capacity
	out := []Reason{{Subject: "the result", Outcome: c.Label, Text: c.Why}}
	first := &out[0]
	switch {
	case c.Label == CostOnly:
		first.Change = "Give the machine two usable CPUs or more."
	case c.Sustained == 0:
		if text := disturbances(c.Steps); text != "" {
			first.Text += " " + text
		}
		first.Change = "See the steps: where they are void, quieten the machine; where they fail, loosen the SLO or give the server more."
	case c.Label != ServerBound:
		first.Text += fmt.Sprintf(" So %s/s is a lower bound", formatRate(c.Sustained))
		if c.Ceiling > 0 {
			first.Text += fmt.Sprintf("; by its CPU a request the server could reach about %s/s, which is an estimate and no result", formatRate(c.Ceiling))
		}
		first.Text += "."
		first.Change = "Give the client more CPUs (or a machine of its own), and the server fewer, until the server is full first."
	}
	if c.Sustained > 0 && c.LowestFail > 0 {
		out = append(out, Reason{Subject: "the bracket", Outcome: "found", Text: fmt.Sprintf("%s/s passed and %s/s failed, %s apart; the search stops at %s.",
			formatRate(c.HighestPass), formatRate(c.LowestFail), formatShare(c.LowestFail/c.HighestPass-1), formatShare(c.Resolution))})
	}
	if b := c.Bound; b != nil {
		out = append(out, Reason{Subject: "what limits it", Outcome: b.Name, Text: b.Text, Change: b.Change})
	}
	return out
}

// disturbances says how many steps were void and by what, the most frequent first.
func disturbances(steps []Step) string {
	by := map[string]int{}
	void := 0
	for _, s := range steps {
		if s.Outcome != "void" {
			continue
		}
		void++
		words := strings.Fields(s.Note)
		for len(words) > 0 && strings.ContainsAny(words[len(words)-1][:1], "0123456789%") {
			words = words[:len(words)-1] // the figure
		}
		if len(words) > 0 {
			by[strings.Join(words, " ")]++
		}
	}
	if void == 0 {
		return ""
	}
	names := slices.Sorted(maps.Keys(by))
	slices.SortStableFunc(names, func(a, b string) int { return by[b] - by[a] })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%d)", name, by[name])
	}
	return fmt.Sprintf("%d of %d steps did not count, by %s.", void, len(steps), strings.Join(names, ", "))
}

func lower(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// sentence makes a clause a sentence.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
