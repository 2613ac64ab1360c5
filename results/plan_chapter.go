package results

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// planChapter answers the two questions that a plan is made for in its first lines, then shows how.
func planChapter(r *Record) (chapter, bool) {
	p := r.Plan
	if p == nil {
		return chapter{}, false
	}
	c := chapter{Headline: p.ThrottleAnswer(), Lede: wrapped(p.HSMAnswer() + " " + p.CostAnswer()), Tiles: planTiles(p)}
	c.Sections = append(c.Sections, planQuotas(p))
	for _, make := range []func(*PlanResult) (section, bool){planVerify, planHours, planHSMs, planCost, planCauses, planShares, planRemedies, planTail} {
		if s, ok := make(p); ok {
			c.Sections = append(c.Sections, s)
		}
	}
	if s, ok := planCautions(p); ok {
		c.Late = append(c.Late, s)
	}
	for _, sections := range [][]section{c.Sections, c.Late} {
		for i := range sections {
			sections[i].Text = wrapped(sections[i].Text)
		}
	}
	return c, true
}

func planTiles(p *PlanResult) []tile {
	var out []tile
	if len(p.Quotas) > 0 {
		q := &p.Quotas[0]
		if w := p.worst(); w != nil {
			q = w
			out = append(out, tile{"Throttled a day", countText(q.Throttled / p.days()), formatShare(q.ThrottledShare) + " of attempts"})
		}
		out = append(out, tile{"Headroom", formatHeadroom(q.Headroom), "of the quota, busiest second"})
		out = append(out, tile{"Throttling begins at", scaleText(q.BeginsAtScale) + " ×", "of the load as given"})
		if q.Ask > 0 {
			out = append(out, tile{"Quota to ask for", formatRate(q.Ask) + "/s", "now " + formatRate(q.Quota) + "/s"})
		}
	}
	if p.HSMs != nil {
		for i := range p.HSMs.Profiles {
			if f := &p.HSMs.Profiles[i]; f.Needed > 0 {
				out = append(out, tile{"HSMs", formatCount(uint64(f.Needed)), f.Title})
				break
			}
		}
	}
	return append(out, tile{"A month", p.Cost.money(p.Cost.Total), countText(p.Cost.Requests) + " requests"})
}

func formatHeadroom(share float64) string {
	if share < 0 {
		return fmt.Sprintf("−%.0f %%", -share*100)
	}
	return fmt.Sprintf("%.0f %%", share*100)
}

func planQuotas(p *PlanResult) section {
	s := section{Title: "Quotas", Align: "lrrrrrrrrrrr",
		Text: fmt.Sprintf("From %s, counted by %s. Headroom is what the busiest window leaves free. Throttling begins where more than one call a day is throttled; needed is the quota up to which at most one is. What to ask for leaves a reserve free and is rounded up.",
			p.Source, map[string]string{"bucket": "token bucket"}[p.Counting]+map[string]string{"window": "windows of a second"}[p.Counting]),
		Rows: [][]string{{"quota", "/s", "mean/s", "p99.9 s", "peak s", "at", "headroom", "throttled", "share", "begins at", "needed", "ask for"}}}
	for i := range p.Quotas {
		q := &p.Quotas[i]
		ask := "–"
		if q.Ask > 0 {
			ask = formatRate(q.Ask)
		}
		name := strings.TrimSuffix(strings.TrimSuffix(shortQuota(q), "quota of "+formatRate(q.Quota)+"/s"), " ")
		if !q.Adjustable {
			name += " (fixed)"
		}
		s.Rows = append(s.Rows, []string{name, formatRate(q.Quota), formatRate(q.MeanRate), formatRate(q.P999Rate), formatRate(q.PeakRate),
			clockText(q.PeakAt, p.Horizon), formatHeadroom(q.Headroom), countText(q.Throttled), formatShare(q.ThrottledShare), scaleText(q.BeginsAtScale) + " ×", formatRate(q.Needed), ask})
	}
	for i := range p.Quotas {
		if q := &p.Quotas[i]; q == p.worst() || q.Needed > q.Quota && !q.Adjustable {
			s.Text += fmt.Sprintf(" %s: %s.", strings.TrimSuffix(q.Name, " request rate"), q.AskWhy)
		}
	}
	s.Figures = planRateFigures(p)
	return s
}

// shownHours is how many parts of the horizon a table lists: the worst.
const shownHours = 12

func planHours(p *PlanResult) (section, bool) {
	q := p.worst()
	if q == nil {
		return section{}, false
	}
	s := section{Title: "When requests are throttled", Align: "lrrrr", Text: "Of the " + shortQuota(q) + ".",
		Rows: [][]string{{"from", "mean/s", "peak s", "throttled", "of attempts"}}}
	least := make([]float64, 0, len(q.Hours))
	for _, h := range q.Hours {
		least = append(least, h.Throttled)
	}
	slices.Sort(least)
	limit := 0.5
	if n := len(least); n > shownHours && least[n-shownHours] > limit {
		limit = least[n-shownHours]
		s.Text += fmt.Sprintf(" The worst %d of %d parts of the time.", shownHours, n)
	}
	for _, h := range q.Hours {
		if h.Throttled >= limit && len(s.Rows) <= shownHours {
			s.Rows = append(s.Rows, []string{clockText(h.At, p.Horizon), formatRate(h.MeanRate), formatRate(h.PeakRate), countText(h.Throttled), formatShare(h.Throttled / h.Attempts)})
		}
	}
	return s, len(s.Rows) > 1
}

func planHSMs(p *PlanResult) (section, bool) {
	h := p.HSMs
	if h == nil {
		return section{}, false
	}
	s := section{Title: "HSMs", Align: "lrrrrrrl",
		Text: fmt.Sprintf("At the busiest second's %s operations/s, as if it lasted; any free HSM takes the next operation. Percentiles by simulation, the mean wait by Allen and Cunneen. The limit must hold with one down.", formatRate(h.PeakRate)),
		Rows: [][]string{{"HSM", "number", "load", "mean wait", "p50", percentileName(h.Q), percentileName(h.Q) + ", one down", ""}}}
	s.Text += h.remarks()
	for i := range h.Profiles {
		f := &h.Profiles[i]
		for n, size := range f.Sizes {
			note := ""
			switch {
			case size.HSMs == f.Needed:
				note = "needed"
				if size.Untrusted {
					note += "; above 80 % busy with one down: outside the trust region"
				}
			case !size.Holds:
				note = "too few"
			}
			if f.Needed == 0 && n == 0 {
				note = f.Why
			}
			s.Rows = append(s.Rows, []string{f.Title, fmt.Sprint(size.HSMs), formatShare(size.Load), formatDuration(size.MeanWait), size.P50.String(), size.Tail.String(), size.OneDown.String(), note})
		}
	}
	if fig, ok := planHSMFigure(h); ok {
		s.Figures = append(s.Figures, fig)
	}
	return s, true
}

// remarks say what the sizes leave out and rest on.
func (h *PlanHSMs) remarks() string {
	var text string
	left := map[string][]string{} // by what is missing
	for i := range h.Profiles {
		f := &h.Profiles[i]
		if len(f.Missing) > 0 {
			what := fmt.Sprintf("%s (%s of the operations)", strings.Join(f.Missing, ", "), formatShare(f.MissingShare))
			left[what] = append(left[what], f.Title)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(left)) {
		text += fmt.Sprintf(" No rate is published for %s on %s: left out.", what, strings.Join(left[what], ", "))
	}
	for i := range h.Profiles {
		f := &h.Profiles[i]
		switch {
		case len(f.Sizes) == 0 && len(f.Missing) == 0:
			text += fmt.Sprintf(" %s: %s.", f.Title, f.Why)
		case len(f.Sizes) > 0 && f.Assumed != "":
			text += fmt.Sprintf(" Assumed for %s: %s.", f.Title, f.Assumed)
		}
	}
	return text
}

func planCost(p *PlanResult) (section, bool) {
	s := section{Title: "Cost of a month", Align: "lrrrr", Rows: [][]string{{"requests", "number", "free", "per 10,000", "amount"}}}
	c := &p.Cost
	for _, line := range c.Classes {
		s.Rows = append(s.Rows, []string{line.Class, countText(line.Requests), countText(line.Free), c.money(line.Per10000), c.money(line.Amount)})
	}
	if c.Unbilled > 0 {
		s.Rows = append(s.Rows, []string{"not billed to you", countText(c.Unbilled), "", "", c.money(0)})
	}
	s.Rows = append(s.Rows, []string{"keys", countText(c.Keys), "", "", c.money(c.KeyAmount)})
	if c.RotationAmount > 0 {
		s.Rows = append(s.Rows, []string{"rotations", "", "", "", c.money(c.RotationAmount)})
	}
	s.Rows = append(s.Rows, []string{"all", countText(c.Requests), "", "", c.money(c.Total)})
	return s, true
}

// shownCauses is how many causes a table lists.
const shownCauses = 20

func planCauses(p *PlanResult) (section, bool) {
	s := section{Title: "Who causes it", Align: "lllrrr", Text: "Calls and cost of a month, throttled requests of the horizon.",
		Rows: [][]string{{"cause", "service, caller", "call and key", "calls", "throttled", "amount"}}}
	for i, c := range p.Causes {
		if i == shownCauses {
			s.Text += fmt.Sprintf(" %d more are in the record.", len(p.Causes)-i)
			break
		}
		s.Rows = append(s.Rows, []string{c.Cause, dash(joined(c.Service, c.Caller)), joined(c.Operation, c.Key), countText(c.Calls), countText(math.Round(c.Throttled)), p.Cost.money(c.Amount)})
	}
	if fig, ok := planCauseFigure(p); ok {
		s.Figures = append(s.Figures, fig)
	}
	return s, len(s.Rows) > 1
}

// planShares adds the causes up by service, caller and key.
func planShares(p *PlanResult) (section, bool) {
	s := section{Title: "By service, caller and key", Align: "llrrr", Rows: [][]string{{"by", "name", "calls", "throttled", "amount"}}}
	for _, by := range []struct {
		name string
		of   func(*PlanCause) string
	}{{"service", func(c *PlanCause) string { return c.Service }}, {"caller", func(c *PlanCause) string { return c.Caller }}, {"key", func(c *PlanCause) string { return c.Key }}} {
		sums := map[string]*PlanCause{}
		for i := range p.Causes {
			c := &p.Causes[i]
			name := by.of(c)
			if name == "" {
				continue
			}
			if sums[name] == nil {
				sums[name] = &PlanCause{}
			}
			sums[name].Calls += c.Calls
			sums[name].Throttled += c.Throttled
			sums[name].Amount += c.Amount
		}
		names := slices.SortedFunc(maps.Keys(sums), func(a, b string) int {
			return cmp.Or(cmp.Compare(sums[b].Amount, sums[a].Amount), strings.Compare(a, b))
		})
		for _, name := range names[:min(len(names), shownCauses)] {
			sum := sums[name]
			s.Rows = append(s.Rows, []string{by.name, name, countText(sum.Calls), countText(math.Round(sum.Throttled)), p.Cost.money(sum.Amount)})
		}
	}
	return s, len(s.Rows) > 1
}

func joined(a, b string) string {
	if a != "" && b != "" {
		return a + ", " + b
	}
	return a + b
}

func dash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

func planRemedies(p *PlanResult) (section, bool) {
	if len(p.Remedies) < 2 {
		return section{}, false
	}
	s := section{Title: "What remedies would change", Align: "lrrrrrrl",
		Text: "Calls and cost of a month; throttled and given up over the horizon; percentiles of whole calls, retries included, over the busiest stretch.",
		Rows: [][]string{{"remedy", "calls", "throttled", "gave up", "p50", "p99", "amount", "what changes"}}}
	for _, m := range p.Remedies {
		if !m.Applies {
			continue
		}
		s.Rows = append(s.Rows, []string{m.Name, countText(m.Calls), formatShare(m.ThrottledShare), countText(math.Round(m.Failed)), latencyOrDash(m.P50), latencyOrDash(m.P99), p.Cost.money(m.Amount), m.Text})
	}
	var useless []string
	for _, m := range p.Remedies {
		if !m.Applies {
			useless = append(useless, m.Name)
		}
	}
	if len(useless) > 0 {
		s.Text += " Nothing to change here: " + strings.Join(useless, ", ") + "."
	}
	return s, len(s.Rows) > 2
}

func latencyOrDash(l Latency) string {
	if l == 0 {
		return "–"
	}
	return l.String()
}

func planTail(p *PlanResult) (section, bool) {
	t := p.Tail
	if t == nil || len(t.Latency) == 0 {
		return section{}, false
	}
	trust := "Inside the trust region: measured percentiles should lie within 15 %."
	if !t.Trusted {
		trust = "Outside the trust region, as there are throttles or whole-second times: compare shares rather than percentiles."
	}
	s := section{Title: "Whole calls of the busiest stretch", Align: "lrr",
		Text: fmt.Sprintf("%s from %s, call by call: %s calls, %s attempts, %s of them throttled, %s of calls gave up; retries: %s, %d clients; time of a call: %s. %s",
			formatDuration(t.Width), clockText(t.At, p.Horizon), formatCount(t.Calls), formatCount(t.Attempts), formatShare(t.ThrottledShare), formatShare(t.FailedShare), p.Retry, p.Clients, t.CallTime, trust),
		Rows: [][]string{{"percentile", "whole call", "95 % interval"}}}
	if t.Thinned > 1 {
		s.Text += fmt.Sprintf(" Rates and quotas were divided by %.3g.", t.Thinned)
	}
	for _, q := range t.Latency {
		between := "–"
		if q.Low != nil && q.High != nil {
			between = q.Low.String() + " … " + q.High.String()
		}
		s.Rows = append(s.Rows, []string{percentileName(q.Q), q.Value.String(), between})
	}
	return s, true
}

func planCautions(p *PlanResult) (section, bool) {
	s := section{Title: "Where the figures come from", Text: strings.Join(p.Cautions, " ")}
	for _, source := range p.Sources {
		s.Text += fmt.Sprintf(" %s: %s (%s).", strings.ToUpper(source.What[:1])+source.What[1:], source.Source, dash(source.Date))
	}
	if len(p.Assumptions) > 0 {
		s.Text += " Assumed by the models: " + strings.Join(p.Assumptions, " ")
	}
	return s, true
}

func planVerify(p *PlanResult) (section, bool) {
	v := p.Verify
	if v == nil {
		return section{}, false
	}
	s := section{Title: "Predicted and measured", Align: "lrrrrl",
		Text: fmt.Sprintf("%s at %s/s. %s", v.Workload, formatRate(v.Rate), v.Model),
		Rows: [][]string{{"figure", "predicted", "measured", "95 % interval", "tolerance", "verdict"}}}
	if v.Why != "" {
		s.Text += " " + v.Why
	}
	for _, c := range v.Checks {
		figure := func(x float64) string {
			if c.Unit == "ns" {
				return formatDuration(time.Duration(x))
			}
			return formatShare(x)
		}
		between, tolerance := "–", fmt.Sprintf("± %.0f %%", c.Tolerance*100)
		if c.High > 0 {
			between = figure(c.Low) + " … " + figure(c.High)
		}
		if c.Unit == "share" {
			tolerance = fmt.Sprintf("± %.0f points", c.Tolerance*100)
		}
		s.Rows = append(s.Rows, []string{c.Name, figure(c.Predicted), figure(c.Measured), between, tolerance, strings.ToUpper(c.Outcome)})
	}
	return s, true
}
