package results

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// ComparisonResult is what comparing two subjects found. A is the baseline; ratios are B ÷ A.
type ComparisonResult struct {
	A           Subject       `json:"a"`
	B           Subject       `json:"b"`
	Rate        float64       `json:"rate"`      // requests a second due in a round
	RateFrom    string        `json:"rate_from"` // how it was chosen
	Saturating  float64       `json:"saturating_rate,omitempty"`
	Round       time.Duration `json:"round_ns"`
	Asked       int           `json:"pairs_asked"`
	SelfAsked   int           `json:"self_pairs_asked"` // A/A: A against itself
	Margin      float64       `json:"margin"`           // of ratios: 0.05 lets B be worse by 5 %
	ErrorMargin float64       `json:"error_margin"`     // of the share of hits without a good answer
	Effects     []Effect      `json:"effects"`
	Discarded   []Discard     `json:"discarded,omitempty"`
	Rounds      []Round       `json:"rounds"`
	Probes      []Probe       `json:"probes,omitempty"`
	Dropped     []string      `json:"dropped,omitempty"` // entries of the workload that not both answer well
	Against     *EarlierRun   `json:"against,omitempty"` // with a baseline record
}

// Subject is one side of a comparison.
type Subject struct {
	Name     string      `json:"name"`
	Kind     string      `json:"kind"`              // endpoint, trent, program or floor
	Command  []string    `json:"command,omitempty"` // that this run started it by
	URL      string      `json:"url,omitempty"`
	Settings []string    `json:"settings,omitempty"` // of the floor
	TopRate  float64     `json:"top_rate,omitempty"` // good answers a second while more was offered, by a short search
	Latency  []Operation `json:"latency,omitempty"`  // of all kept rounds together: name, counts, histogram of good answers
}

// The kinds of subjects.
const (
	EndpointSubject = "endpoint"
	TrentSubject    = "trent"
	ProgramSubject  = "program"
	FloorSubject    = "floor"
)

// Metrics of a comparison.
const (
	MetricP50        = "p50"
	MetricP99        = "p99"
	MetricMean       = "mean"
	MetricCPU        = "cpu"
	MetricGoodput    = "goodput"
	MetricErrors     = "errors"
	MetricSaturation = "saturation"
)

// Verdicts on an effect.
const (
	Regressed  = "regression"   // the whole interval is worse by more than the margin
	Improved   = "improvement"  // the whole interval is better by more than the margin
	Unchanged  = "no change"    // the whole interval is within the margin
	NotWorse   = "not worse"    // the interval's worse end is within the margin
	Undecided  = "inconclusive" // the interval holds the margin, or the tests are too many for the pairs
	Unmeasured = "void"         // too few pairs were left
	Described  = "described"    // not judged: the floor is no rival
)

// Effect is how B differs from A in one metric of one operation; the unit of evidence is the pair of rounds. Values are
// medians over rounds: ns, a share, or a rate by Unit. Ratio, Low and High are B ÷ A; for errors B − A (Difference). Absent
// where there is no finite figure.
type Effect struct {
	Operation   string   `json:"operation"` // "all" for all together
	Metric      string   `json:"metric"`
	Unit        string   `json:"unit"`
	HigherWins  bool     `json:"higher_is_better,omitempty"`
	Difference  bool     `json:"difference,omitempty"`
	Pairs       int      `json:"pairs"`
	A           *float64 `json:"a,omitempty"`
	B           *float64 `json:"b,omitempty"`
	Ratio       *float64 `json:"ratio,omitempty"`
	Low         *float64 `json:"low,omitempty"`
	High        *float64 `json:"high,omitempty"`
	SignFlip    *float64 `json:"p_sign_flip,omitempty"`
	Holm        *float64 `json:"p_holm,omitempty"` // corrected for all effects that differ in any pair
	U           *float64 `json:"u,omitempty"`
	MannWhitney *float64 `json:"p_mann_whitney,omitempty"`
	SelfPairs   int      `json:"self_pairs"`
	Self        *float64 `json:"self_ratio,omitempty"` // A/A
	SelfLow     *float64 `json:"self_low,omitempty"`
	SelfHigh    *float64 `json:"self_high,omitempty"`
	Detectable  *float64 `json:"detectable,omitempty"` // smallest relative change (errors: difference) found with a power of 80 %
	Verdict     string   `json:"verdict"`
	Reason      string   `json:"reason,omitempty"`
}

// Discard counts pairs that were left out for one reason.
type Discard struct {
	Reason  string `json:"reason"`
	Pairs   int    `json:"pairs"`
	Latency bool   `json:"latency_only,omitempty"` // CPU a request and errors of the pair still count
}

// Round is one stretch of load on one subject.
type Round struct {
	Pair      int            `json:"pair"`           // from 1
	Self      bool           `json:"self,omitempty"` // of an A/A pair: both rounds are on A
	Side      string         `json:"side"`           // A or B
	Second    bool           `json:"second,omitempty"`
	Saturated bool           `json:"saturated,omitempty"` // more was offered than can be served
	Due       uint64         `json:"due"`
	OK        uint64         `json:"ok"`
	OKRate    float64        `json:"ok_rate"`                 // good answers while hits were due, a second
	ServerCPU *time.Duration `json:"server_cpu_ns,omitempty"` // a good answer
	ClientCPU *time.Duration `json:"client_cpu_ns,omitempty"` // a request sent
	Stolen    *float64       `json:"stolen,omitempty"`
	Void      []string       `json:"void,omitempty"`      // gates that make the round worthless
	Disturbed []string       `json:"disturbed,omitempty"` // gates that make its latencies worthless
	Figures   []Figure       `json:"figures,omitempty"`   // all together first, then by operation
}

// Figure is one operation in one round. Percentiles are over hits due.
type Figure struct {
	Operation string         `json:"operation"`
	Due       uint64         `json:"due"`
	OK        uint64         `json:"ok"`
	P50       *Latency       `json:"p50_ns,omitempty"`
	P99       *Latency       `json:"p99_ns,omitempty"`
	Mean      *time.Duration `json:"mean_ns,omitempty"` // of good answers
	Errors    []ErrorCount   `json:"errors,omitempty"`
}

// Answers to a probe.
const (
	Answers = "answers"
	Lacks   = "lacks"   // says that it does not know the operation, or the kind of key
	Refuses = "refuses" // knows the operation and refuses valid input
)

// Probe is what one operation, with valid input, does on one subject.
type Probe struct {
	Side      string `json:"side"`
	Operation string `json:"operation"`
	Entry     string `json:"entry,omitempty"` // of the workload
	Finding   string `json:"finding"`
	Status    int    `json:"status,omitempty"`
	Error     string `json:"error,omitempty"`
	Message   string `json:"message,omitempty"`
	Bytes     int    `json:"bytes,omitempty"` // of the whole answer
}

// EarlierRun is a record of another hour, against which only ratios within a run are compared.
type EarlierRun struct {
	Name        string    `json:"name"`
	Started     time.Time `json:"started"`
	Tool        string    `json:"tool"`
	Differences []string  `json:"differences,omitempty"` // of the environment; any makes the comparison inconclusive
	Effects     []Effect  `json:"effects,omitempty"`     // Ratio is this run's ratio to the floor ÷ the earlier run's
}

func comparisonChapter(r *Record) (chapter, bool) {
	c := r.Comparison
	if c == nil {
		return chapter{}, false
	}
	out := chapter{Headline: c.headline(), Lede: c.lede(r), Tiles: c.tiles()}
	out.Sections = append(out.Sections, section{Title: "Effects", Text: c.effectsText(), Rows: effectRows(c.Effects), Align: "lrrrrrrrrrr"})
	if reasons := reasonRows(c.Effects); len(reasons) > 1 {
		out.Sections = append(out.Sections, section{Title: "Remarks on effects", Rows: reasons, Align: "ll"})
	}
	if fig, ok := forestFigure("Ratio by operation and metric", c.Effects, c.Margin); ok {
		out.Sections = append(out.Sections, section{Figures: []figure{fig}})
	}
	for _, fig := range ecdfFigures(c) {
		out.Sections = append(out.Sections, section{Figures: []figure{fig}})
	}
	out.Sections = append(out.Sections, c.subjectSection())
	if c.Against != nil {
		out.Sections = append(out.Sections, c.Against.section())
	}
	if len(c.Probes) > 0 {
		out.Sections = append(out.Sections, probeSection(c)...)
	}
	if len(c.Discarded) > 0 {
		rows := [][]string{{"reason", "pairs", "left out of"}}
		for _, d := range c.Discarded {
			from := "everything"
			if d.Latency {
				from = "latencies"
			}
			rows = append(rows, []string{d.Reason, fmt.Sprint(d.Pairs), from})
		}
		out.Sections = append(out.Sections, section{Title: "Pairs left out", Rows: rows, Align: "lrl",
			Text: "A pair is left out where client or machine disturbed one of its rounds, and measured again up to a bound. A pair may have several reasons."})
	}
	return out, true
}

func (c *ComparisonResult) headline() string {
	counts := map[string]int{}
	all := c.Effects
	if c.Against != nil {
		all = slices.Concat(all, c.Against.Effects)
	}
	for _, e := range all {
		counts[e.Verdict]++
	}
	var parts []string
	for _, v := range []string{Regressed, Improved, Unchanged, NotWorse, Undecided, Unmeasured, Described} {
		if n := counts[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return fmt.Sprintf("%s against %s: %s", c.B.Name, c.A.Name, strings.Join(parts, ", "))
}

func (c *ComparisonResult) lede(r *Record) string {
	text := fmt.Sprintf("%s at %s/s (%s), rounds of %s", r.Workload.Name, formatRate(c.Rate), c.RateFrom, c.Round)
	if c.A.Kind == FloorSubject {
		return text + "; ratios to the echo floor, which are described and not judged."
	}
	return text + fmt.Sprintf("; B may be worse by %s.", formatShare(c.Margin))
}

// subjectSection is what the two are.
func (c *ComparisonResult) subjectSection() section {
	s := section{Title: "Subjects", Rows: [][]string{{"side", "name", "kind", "top rate", "started by, or answers at"}}, Align: "lllrl"}
	for i, subject := range []*Subject{&c.A, &c.B} {
		top, how := "–", subject.URL
		if subject.TopRate > 0 {
			top = formatRate(subject.TopRate) + "/s"
		}
		if len(subject.Command) > 0 {
			how = shellQuote(subject.Command)
		}
		if len(subject.Settings) > 0 {
			how = strings.Join(subject.Settings, "; ")
		}
		s.Rows = append(s.Rows, []string{string(rune('A' + i)), subject.Name, subject.Kind, top, how})
	}
	return s
}

func (c *ComparisonResult) effectsText() string {
	return fmt.Sprintf("B ÷ A as the median over pairs of rounds with its 95 %% bootstrap interval (errors: B − A). p is the sign-flip test's, p Holm the same corrected for all effects, U the Mann-Whitney test's, which knows nothing of pairs. A/A is A against itself, MDE the smallest change found with a power of 80 %%. Regression: the whole interval is worse by more than %s and p Holm is at most 0.05.", formatShare(c.Margin)) + sameText(c.Effects)
}

func (c *ComparisonResult) tiles() []tile {
	var out []tile
	for _, e := range c.Effects {
		if e.Operation != "all" || e.Ratio == nil || e.Difference || len(out) == 4 {
			continue
		}
		out = append(out, tile{metricName(e.Metric), e.effectText(e.Ratio), e.intervalText() + ", " + e.Verdict})
	}
	return out
}

func metricName(metric string) string {
	switch metric {
	case MetricCPU:
		return "server CPU/req"
	case MetricMean:
		return "mean latency"
	case MetricP50, MetricP99:
		return metric + " latency"
	}
	return metric
}

func effectRows(effects []Effect) [][]string {
	rows := [][]string{{"effect", "B ÷ A", "95 % interval", "verdict", "A", "B", "p", "p Holm", "U: p", "A/A", "MDE"}}
	for i := range effects {
		e := &effects[i]
		if e.same() {
			continue
		}
		rows = append(rows, []string{e.Operation + ", " + metricName(e.Metric), e.effectText(e.Ratio), e.intervalText(), e.Verdict, e.valueText(e.A), e.valueText(e.B),
			pText(e.SignFlip), pText(e.Holm), pText(e.MannWhitney), e.effectText(e.Self), e.detectableText()})
	}
	return rows
}

// same tells an effect that was not there in any pair, as of errors where there were none.
func (e *Effect) same() bool { return e.Verdict == Unchanged && e.Holm == nil }

// sameText names the effects that the table leaves out.
func sameText(effects []Effect) string {
	var order []string
	of := map[string][]string{}
	for i := range effects {
		if e := &effects[i]; e.same() {
			if of[e.Operation] == nil {
				order = append(order, e.Operation)
			}
			of[e.Operation] = append(of[e.Operation], metricName(e.Metric))
		}
	}
	if len(order) == 0 {
		return ""
	}
	var parts []string
	for _, operation := range order {
		parts = append(parts, strings.Join(of[operation], " and ")+" of "+operation)
	}
	return " Equal in every pair, and not shown: " + strings.Join(parts, ", ") + "."
}

// reasonRows gathers the effects by why they have no verdict.
func reasonRows(effects []Effect) [][]string {
	var order []string
	of := map[string][]string{}
	for i := range effects {
		e := &effects[i]
		if e.Reason == "" {
			continue
		}
		if of[e.Reason] == nil {
			order = append(order, e.Reason)
		}
		of[e.Reason] = append(of[e.Reason], metricName(e.Metric)+" of "+e.Operation)
	}
	rows := [][]string{{"remark", "effects"}}
	for _, reason := range order {
		list := of[reason]
		if len(list) > 4 {
			list = append(list[:3:3], fmt.Sprintf("and %d more", len(list)-3))
		}
		rows = append(rows, []string{reason, strings.Join(list, ", ")})
	}
	return rows
}

func (e *Effect) valueText(v *float64) string {
	if v == nil {
		return "–"
	}
	return Verdict{Unit: e.Unit}.format(v)
}

// effectText is a ratio such as ×1.043, or a difference of shares in points.
func (e *Effect) effectText(v *float64) string {
	switch {
	case v == nil || math.IsNaN(*v) || math.IsInf(*v, 0):
		return "–"
	case e.Difference:
		return fmt.Sprintf("%+.3g pt", *v*100)
	case *v >= 100:
		return fmt.Sprintf("×%.0f", *v)
	case *v >= 10:
		return fmt.Sprintf("×%.1f", *v)
	case *v < 0.1:
		return fmt.Sprintf("×%.2g", *v)
	}
	return fmt.Sprintf("×%.3f", *v)
}

func (e *Effect) intervalText() string {
	if e.Low == nil && e.High == nil {
		return "–"
	}
	return e.effectText(e.Low) + " … " + e.effectText(e.High)
}

func (e *Effect) detectableText() string {
	switch {
	case e.Detectable == nil:
		return "–"
	case e.Difference:
		return fmt.Sprintf("%.2g pt", *e.Detectable*100)
	}
	return formatShare(*e.Detectable)
}

func pText(p *float64) string {
	switch {
	case p == nil:
		return "–"
	case *p < 0.001:
		return fmt.Sprintf("%.1e", *p)
	}
	return fmt.Sprintf("%.3f", *p)
}

func (a *EarlierRun) section() section {
	s := section{Title: "Against an earlier run",
		Text: fmt.Sprintf("%s of %s by %s. Runs of different hours compare by ratios to the floor of their own run only.", a.Name, a.Started.UTC().Format("2006-01-02 15:04 UTC"), a.Tool)}
	if len(a.Differences) > 0 {
		s.Rows, s.Align = [][]string{{"differs, so nothing can be said"}}, "l"
		for _, d := range a.Differences {
			s.Rows = append(s.Rows, []string{d})
		}
		return s
	}
	s.Rows, s.Align = [][]string{{"ratio to the floor", "then", "now", "now ÷ then", "95 % interval", "U: p", "verdict"}}, "lrrrrrl"
	for i := range a.Effects {
		e := &a.Effects[i]
		verdict := e.Verdict
		if e.Reason != "" {
			verdict += ": " + e.Reason
		}
		s.Rows = append(s.Rows, []string{metricName(e.Metric), e.effectText(e.A), e.effectText(e.B), e.effectText(e.Ratio), e.intervalText(), pText(e.MannWhitney), verdict})
	}
	return s
}

// probeSection is what the subjects lack. Without a lack it is a sentence.
func probeSection(c *ComparisonResult) []section {
	rows := [][]string{{"subject", "finding", "answer", "operations"}}
	counts := map[string]map[string]int{}
	at := map[[3]string]int{} // row of a subject, finding and answer
	for i := range c.Probes {
		p := &c.Probes[i]
		name := c.name(p.Side)
		if counts[name] == nil {
			counts[name] = map[string]int{}
		}
		counts[name][p.Finding]++
		if p.Finding == Answers {
			continue
		}
		key := [3]string{name, p.Finding, p.answer()}
		if row, ok := at[key]; ok {
			rows[row][3] += ", " + p.what()
			continue
		}
		at[key] = len(rows)
		rows = append(rows, []string{name, p.Finding, key[2], p.what()})
	}
	var texts []string
	for _, side := range []string{"A", "B"} {
		name := c.name(side)
		n := counts[name]
		if len(n) == 0 {
			continue
		}
		texts = append(texts, fmt.Sprintf("%s answers %d of %d probes, lacks %d and refuses %d.", name, n[Answers], n[Answers]+n[Lacks]+n[Refuses], n[Lacks], n[Refuses]))
	}
	if len(c.Dropped) > 0 {
		texts = append(texts, "Left out of the mix: "+strings.Join(c.Dropped, ", ")+".")
	}
	return []section{{Title: "What the subjects lack", Text: strings.Join(texts, " "), Rows: rows, Align: "llll"}}
}

// what was asked for.
func (p *Probe) what() string {
	if p.Entry != "" && p.Entry != p.Operation {
		return p.Entry + " (" + p.Operation + ")"
	}
	return p.Operation
}

// answer is the status and the error's name.
func (p *Probe) answer() string {
	switch {
	case p.Status == 0:
		return p.Error
	case p.Error == "" || strings.HasPrefix(p.Error, "HTTP"):
		return fmt.Sprint(p.Status)
	}
	return fmt.Sprintf("%d %s", p.Status, p.Error)
}

func (c *ComparisonResult) name(side string) string {
	if side == "A" {
		return c.A.Name
	}
	return c.B.Name
}
