package results

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// SoakResult is what a soak found beyond the figures of its load.
type SoakResult struct {
	Planned  time.Duration `json:"planned_ns"`
	Horizon  time.Duration `json:"horizon_ns"` // over which growth is judged
	Checks   []SoakCheck   `json:"checks"`     // what the outcome is made of
	Lost     uint64        `json:"lost"`
	Losses   []SoakLoss    `json:"losses,omitempty"` // at most 100 of each kind
	Samples  SoakSamples   `json:"samples"`
	Writes   []SoakWrites  `json:"writes"`
	Counts   []SoakCount   `json:"counts,omitempty"`
	Trends   []SoakTrend   `json:"trends"`
	Events   []SoakEvent   `json:"events"`
	Actions  []SoakAction  `json:"actions,omitempty"`
	Legs     []SoakLeg     `json:"legs"` // more than one where the soak was killed and went on
	Outside  uint64        `json:"failed_outside_actions"`
	DiskUsed int64         `json:"disk_bytes"`       // by the soak itself: samples and checkpoint
	Resume   string        `json:"resume,omitempty"` // directory to go on in, where it was interrupted
	Faults   Text          `json:"faults"`
}

// SoakCheck is one condition.
type SoakCheck struct {
	Name    string `json:"name"`
	Figure  string `json:"figure"`
	Outcome string `json:"outcome"` // pass, fail or inconclusive
	Why     string `json:"why,omitempty"`
}

// SoakLoss is something that was lost.
type SoakLoss struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// SoakSamples is what was checked of what the load was given.
type SoakSamples struct {
	Offered       uint64        `json:"offered"`
	Kept          int           `json:"kept"`
	After         time.Duration `json:"after_ns"` // the least age of a sample that is checked
	Checks        uint64        `json:"checks"`
	Later         int           `json:"checked_later"`
	AfterRestart  int           `json:"checked_after_restart"`
	Rotatable     int           `json:"rotatable"` // under a key that was rotated
	AfterRotation int           `json:"checked_after_rotation"`
	Open          int           `json:"open"` // without a definite answer
	Unsettled     uint64        `json:"unsettled_tries,omitempty"`
	Dropped       uint64        `json:"dropped,omitempty"`
	Lost          uint64        `json:"lost"`
}

// SoakWrites compares writes of one kind with what is there.
type SoakWrites struct {
	Kind         string `json:"kind"`
	Acknowledged int    `json:"acknowledged"`
	Ambiguous    int    `json:"ambiguous"`
	Applied      int    `json:"ambiguous_applied"` // read back: they had their effect
	NotApplied   int    `json:"ambiguous_not_applied"`
	Refused      int    `json:"refused"`
	Found        int    `json:"found"`
	Lost         int    `json:"lost"`
}

// SoakCount compares the good answers that both sides counted in one life of the server's process.
type SoakCount struct {
	Started time.Time `json:"started"`
	Read    bool      `json:"read"` // false: the process was killed with its counts
	Server  uint64    `json:"server,omitempty"`
	Low     uint64    `json:"low,omitempty"`  // acknowledged
	High    uint64    `json:"high,omitempty"` // acknowledged and ambiguous
	Outcome string    `json:"outcome"`
}

// SoakTrend is a series and the judgement of its trend. Slopes are in the series' unit an hour.
type SoakTrend struct {
	Name     string      `json:"name"`
	Unit     string      `json:"unit"` // bytes, ns or count
	Points   []SoakPoint `json:"points"`
	Judged   int         `json:"judged"` // points
	From     float64     `json:"judged_from_s,omitempty"`
	Slope    *float64    `json:"slope_per_hour,omitempty"`
	Low      *float64    `json:"slope_low_per_hour,omitempty"`
	High     *float64    `json:"slope_high_per_hour,omitempty"`
	Middle   *float64    `json:"line_at_zero,omitempty"` // the line's value at second 0
	P        *float64    `json:"p,omitempty"`
	Adjusted *float64    `json:"p_adjusted,omitempty"` // by Holm over all series
	Inflated *float64    `json:"variance_inflation,omitempty"`
	Growth   *float64    `json:"growth,omitempty"` // over the horizon
	GrowthLo *float64    `json:"growth_low,omitempty"`
	Budget   float64     `json:"budget"`
	Outcome  string      `json:"outcome"`
	Why      string      `json:"why,omitempty"`
}

// SoakPoint is one block.
type SoakPoint struct {
	At    float64 `json:"at_s"`
	Value float64 `json:"value"`
	Life  int     `json:"life,omitempty"`
}

// SoakEvent is one of the things that must fall inside a soak.
type SoakEvent struct {
	Name   string `json:"name"`
	How    string `json:"how"` // real, simulated, absent, left out, failed, or not offered by this endpoint
	Detail string `json:"detail,omitempty"`
}

// SoakAction is something that was done during the soak.
type SoakAction struct {
	Kind    string        `json:"kind"`
	At      time.Duration `json:"at_ns"` // planned
	From    time.Duration `json:"from_ns"`
	Until   time.Duration `json:"until_ns"` // what failed until then is put down to it
	Outcome string        `json:"outcome"`
	Detail  string        `json:"detail,omitempty"`
	Bad     uint64        `json:"bad,omitempty"` // hits without a good answer
}

// SoakLeg is a stretch of the load under one process of the harness.
type SoakLeg struct {
	Started    time.Time     `json:"started"`
	From       time.Duration `json:"from_ns"`
	To         time.Duration `json:"to_ns"`
	Unmeasured uint64        `json:"unmeasured,omitempty"` // hits under way at the last checkpoint before it was killed
	Ended      string        `json:"ended"`
	Down       time.Duration `json:"down_ns,omitempty"`
}

func soakChapter(r *Record) (chapter, bool) {
	s := r.Soak
	if s == nil {
		return chapter{}, false
	}
	c := chapter{Headline: s.headline(r), Lede: s.lede(r)}
	c.Tiles = []tile{
		{"Lost", formatCount(s.Lost), "of samples, keys and aliases"},
		{"Verified", formatCount(s.Samples.Checks), fmt.Sprintf("checks of %s samples", formatCount(uint64(s.Samples.Kept)))},
	}
	c.Sections = append(c.Sections, s.verdictSection(), s.lossSection(), s.sampleSection(), s.writeSection(), s.countSection(), s.eventSection(), s.actionSection(), s.legSection(), s.trendSection())
	kept := c.Sections[:0]
	for _, section := range c.Sections {
		if len(section.Rows) > 1 || section.Text != "" || len(section.Figures) > 0 {
			kept = append(kept, section)
		}
	}
	c.Sections = kept
	return c, true
}

func (s *SoakResult) headline(r *Record) string {
	lost := "nothing lost"
	if s.Lost > 0 {
		lost = formatCount(s.Lost) + " lost"
	}
	load := spanText(r.Elapsed) + " of load"
	if r.Interrupted {
		load = "Interrupted after " + load
	}
	return load + ", " + lost
}

// spanText is a time as people say it, to the second.
func spanText(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (s *SoakResult) lede(r *Record) string {
	var open []string
	for _, c := range s.Checks {
		if c.Outcome != "pass" {
			open = append(open, fmt.Sprintf("%s: %s", c.Name, c.Why))
		}
	}
	text := fmt.Sprintf("%s of %s planned.", spanText(r.Elapsed), spanText(s.Planned))
	if len(open) > 0 {
		text += " " + strings.Join(open, "; ") + "."
	}
	if s.Resume != "" {
		text += " Go on with: trent soak --resume " + shellQuote([]string{s.Resume})
	}
	return text
}

func (s *SoakResult) verdictSection() section {
	rows := [][]string{{"condition", "outcome", "figure", "why"}}
	for _, c := range s.Checks {
		rows = append(rows, []string{c.Name, c.Outcome, c.Figure, c.Why})
	}
	return section{Title: "Verdict of the soak", Rows: rows, Align: "llll"}
}

func (s *SoakResult) lossSection() section {
	if s.Lost == 0 {
		return section{Title: "What was lost", Text: "Nothing."}
	}
	rows := [][]string{{"what", "why"}}
	for _, l := range s.Losses {
		rows = append(rows, []string{l.What, l.Why})
	}
	return section{Title: "What was lost", Rows: rows, Align: "ll"}
}

func (s *SoakResult) sampleSection() section {
	k := s.Samples
	n := func(v int) string { return formatCount(uint64(max(v, 0))) }
	of := func(v, all int) string { return n(v) + " of " + n(all) }
	rows := [][]string{{"checked", "samples"},
		{"at least " + spanText(k.After) + " after they were made", of(k.Later, k.Kept)},
		{"after a restart of the server", of(k.AfterRestart, k.Kept)},
		{"after a rotation of their key", of(k.AfterRotation, k.Rotatable)},
		{"without a definite answer", n(k.Open)},
		{"not good any more", formatCount(k.Lost)},
	}
	return section{Title: "Ciphertexts, signatures and MACs", Align: "lr", Rows: rows,
		Text: fmt.Sprintf("A uniform sample of %s out of %s that the load was given; %s checks through the API.", n(k.Kept), formatCount(k.Offered), formatCount(k.Checks))}
}

func (s *SoakResult) writeSection() section {
	rows := [][]string{{"writes", "acknowledged", "in doubt", "of these there", "not there", "refused", "found", "lost"}}
	for _, w := range s.Writes {
		row := []string{w.Kind}
		for _, v := range []int{w.Acknowledged, w.Ambiguous, w.Applied, w.NotApplied, w.Refused, w.Found, w.Lost} {
			row = append(row, formatCount(uint64(v)))
		}
		rows = append(rows, row)
	}
	return section{Title: "Keys and aliases that were made", Rows: rows, Align: "lrrrrrrr"}
}

func (s *SoakResult) countSection() section {
	rows := [][]string{{"server started", "its count", "acknowledged", "with those in doubt", "outcome"}}
	for _, c := range s.Counts {
		row := []string{c.Started.UTC().Format(time.DateTime), "–", "–", "–", c.Outcome}
		if c.Read {
			row = []string{row[0], formatCount(c.Server), formatCount(c.Low), formatCount(c.High), c.Outcome}
		}
		rows = append(rows, row)
	}
	return section{Title: "Good answers as both sides counted them", Rows: rows, Align: "lrrrl"}
}

func (s *SoakResult) eventSection() section {
	rows := [][]string{{"event", "came about", "how"}}
	for _, e := range s.Events {
		rows = append(rows, []string{e.Name, e.How, e.Detail})
	}
	return section{Title: "What must fall inside", Rows: rows, Align: "lll"}
}

func (s *SoakResult) actionSection() section {
	rows := [][]string{{"done", "at", "put down to it until", "failed hits", "outcome", "detail"}}
	for _, a := range s.Actions {
		until, bad := "–", "–"
		if a.Until > a.From+time.Second || a.Bad > 0 {
			until, bad = spanText(a.Until), formatCount(a.Bad)
		}
		rows = append(rows, []string{a.Kind, spanText(a.From), until, bad, a.Outcome, a.Detail})
	}
	return section{Title: "What was done", Rows: rows, Align: "lrrrll",
		Text: fmt.Sprintf("%s hits without a good answer fall outside of all of this.", formatCount(s.Outside))}
}

func (s *SoakResult) legSection() section {
	if len(s.Legs) < 2 {
		return section{}
	}
	rows := [][]string{{"started", "load from", "to", "ended", "not measured", "down until the next"}}
	for _, l := range s.Legs {
		rows = append(rows, []string{l.Started.UTC().Format(time.DateTime), spanText(l.From), spanText(l.To), l.Ended, formatCount(l.Unmeasured), spanText(l.Down)})
	}
	return section{Title: "The soak was broken off and went on", Rows: rows, Align: "lrrlrr",
		Text: "What was sent between the last checkpoint and the kill was sent again and is not counted twice; the hits under way at that checkpoint are not measured."}
}

func (s *SoakResult) trendSection() section {
	rows := [][]string{{"series", "slope an hour", "95 % interval", "p (Holm)", "over " + spanText(s.Horizon) + " at least", "budget", "outcome"}}
	out := section{Title: "Trends", Align: "lrrrrrl"}
	for i := range s.Trends {
		t := &s.Trends[i]
		interval, p := "–", "–"
		if t.Low != nil && t.High != nil {
			interval = t.amount(*t.Low) + " … " + t.amount(*t.High)
		}
		if t.Adjusted != nil {
			p = fmt.Sprintf("%.3f", *t.Adjusted)
		}
		outcome := t.Outcome
		if t.Why != "" {
			outcome += ": " + t.Why
		}
		rows = append(rows, []string{t.Name, t.optional(t.Slope), interval, p, t.optional(t.GrowthLo), t.amount(t.Budget), outcome})
		if fig, ok := t.figure(s.Actions); ok {
			out.Figures = append(out.Figures, fig)
		}
	}
	out.Rows = rows
	out.Text = "Mann and Kendall's test with Hamed and Rao's correction for autocorrelation, Sen's slope; a trend fails where it is significant and the lower bound of its slope exceeds the budget over the horizon. Shaded: something was done to the server."
	return out
}

func (t *SoakTrend) optional(v *float64) string {
	if v == nil {
		return "–"
	}
	return t.amount(*v)
}

// amount is a value in the unit of the series, with its sign where it is negative.
func (t *SoakTrend) amount(v float64) string {
	sign := ""
	if v < 0 {
		sign, v = "−", -v
	}
	switch {
	case math.IsInf(v, 0) || math.IsNaN(v):
		return "–"
	case t.Unit == "bytes":
		return sign + byteText(v)
	case t.Unit == "ns":
		return sign + formatDuration(time.Duration(v))
	}
	return sign + fmt.Sprintf("%.3g", v)
}

func byteText(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if v >= u.size {
			return digits(v/u.size) + " " + u.name
		}
	}
	return fmt.Sprintf("%.0f B", v)
}
