package results

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// tolerable is the throttled calls a day that count as none.
const tolerable = 1.0

func (p *PlanResult) days() float64 { return max(p.Horizon.Hours()/24, 1e-9) }

// worst is the quota that throttles most of its attempts; nil where none does.
func (p *PlanResult) worst() *PlanQuota {
	var worst *PlanQuota
	for i := range p.Quotas {
		q := &p.Quotas[i]
		if max(q.Throttled, q.Expected) > tolerable*p.days() && (worst == nil || q.Throttled > worst.Throttled) {
			worst = q
		}
	}
	return worst
}

// throttling is how many quotas throttle more than one call a day.
func (p *PlanResult) throttling() int {
	n := 0
	for i := range p.Quotas {
		if max(p.Quotas[i].Throttled, p.Quotas[i].Expected) > tolerable*p.days() {
			n++
		}
	}
	return n
}

// Throttles says whether more than one call a day is throttled.
func (p *PlanResult) Throttles() bool { return p.worst() != nil }

// Lacking says whether no kind of HSM keeps the limit in any number.
func (h *PlanHSMs) Lacking() bool {
	if h == nil {
		return false
	}
	for i := range h.Profiles {
		if h.Profiles[i].Needed > 0 {
			return false
		}
	}
	return true
}

// ThrottleAnswer is whether, when and how many requests would be throttled, in plain words.
func (p *PlanResult) ThrottleAnswer() string {
	load := "this load"
	if p.Scale != 1 {
		load = fmt.Sprintf("%g × this load", p.Scale)
	}
	if len(p.Quotas) == 0 {
		return fmt.Sprintf("No quota is known for what %s asks of %s", load, p.Region)
	}
	q := p.worst()
	if q == nil {
		first := &p.Quotas[0]
		if first.BeginsAtScale > 1e9 {
			return fmt.Sprintf("No, %s is not throttled in %s", load, p.Region)
		}
		return fmt.Sprintf("No, %s is not throttled in %s; throttling begins at %s ×, by the %s", load, p.Region, scaleText(first.BeginsAtScale), shortQuota(first))
	}
	others := ""
	if n := p.throttling() - 1; n == 1 {
		others = ", and by one other"
	} else if n > 1 {
		others = fmt.Sprintf(", and by %d others", n)
	}
	return fmt.Sprintf("Yes, %s is throttled in %s: %s requests a day (%s of attempts), %s, by the %s%s", load, p.Region,
		countText(q.Throttled/p.days()), formatShare(q.ThrottledShare), q.when(p.Horizon), shortQuota(q), others)
}

// when names the hours in which requests are throttled.
func (q *PlanQuota) when(horizon time.Duration) string {
	first, last, hours := -1, -1, 0
	var begins []string
	most := 0.0
	for _, h := range q.Hours {
		most = max(most, h.Throttled)
	}
	for i, h := range q.Hours {
		if h.Throttled > 0.001*most && h.Throttled > 0 {
			if first < 0 {
				first = i
			}
			last = i
			hours++
			begins = append(begins, clockText(h.At, horizon))
		}
	}
	switch {
	case first < 0 || 10*hours >= 9*len(q.Hours):
		return "all the time"
	case hours == last-first+1:
		return fmt.Sprintf("between %s and %s", clockText(q.Hours[first].At, horizon), clockText(q.Hours[last].At+q.Hours[last].Width, horizon))
	}
	if hours <= 4 {
		return fmt.Sprintf("in the %s from %s and %s", partText(q.Hours[first].Width), strings.Join(begins[:hours-1], ", "), begins[hours-1])
	}
	return fmt.Sprintf("in %d of %d parts of the time, the first from %s", hours, len(q.Hours), clockText(q.Hours[first].At, horizon))
}

// partText names the parts of the horizon.
func partText(width time.Duration) string {
	if width == time.Hour {
		return "hours"
	}
	return width.Round(time.Second).String()
}

// HSMAnswer is how many HSMs are needed, in plain words; "" where nobody asked.
func (p *PlanResult) HSMAnswer() string {
	h := p.HSMs
	if h == nil {
		return ""
	}
	question := fmt.Sprintf("For %s within %s at %s operations/s", percentileName(h.Q), formatDuration(h.Limit), formatRate(h.PeakRate))
	var answers, lacking []string
	for i := range h.Profiles {
		f := &h.Profiles[i]
		if f.Needed > 0 {
			least := ""
			if len(f.Missing) > 0 {
				least = "at least "
			}
			answers = append(answers, fmt.Sprintf("%s%d × %s", least, f.Needed, f.Title))
		} else {
			lacking = append(lacking, f.Title+" ("+f.Why+")")
		}
	}
	if len(answers) == 0 {
		return fmt.Sprintf("%s there is no answer: %s.", question, strings.Join(lacking, "; "))
	}
	return fmt.Sprintf("%s you need %s, one of them to spare.", question, strings.Join(answers, ", or "))
}

// CostAnswer is the bill of a month.
func (p *PlanResult) CostAnswer() string {
	keys := "keys"
	if p.Cost.Keys == 1 {
		keys = "key"
	}
	return fmt.Sprintf("A month costs about %s for %s requests and %s %s.", p.Cost.money(p.Cost.Total), countText(p.Cost.Requests), countText(p.Cost.Keys), keys)
}

func (c *PlanCost) money(v float64) string {
	switch {
	case v >= 100:
		return formatCount(uint64(math.Round(v))) + " " + c.Currency
	case v > 0 && v < 0.005:
		return "< 0.01 " + c.Currency
	}
	return fmt.Sprintf("%.2f %s", v, c.Currency)
}

// shortQuota names a quota without the words that all share.
func shortQuota(q *PlanQuota) string {
	name := strings.TrimSuffix(q.Name, " request rate")
	name = strings.TrimSuffix(name, " request quota")
	if inner, ok := strings.CutPrefix(name, "Cryptographic operations "); ok {
		name = strings.Trim(inner, "()") + " cryptographic"
	}
	name = strings.ReplaceAll(name, "Custom key store", "custom key store")
	if q.KeyStore != "" {
		name += " of " + q.KeyStore
	}
	return fmt.Sprintf("%s quota of %s/s", name, formatRate(q.Quota))
}

func scaleText(v float64) string {
	switch {
	case v >= 1e6:
		return "> 1,000,000"
	case v >= 1000:
		return formatCount(uint64(v))
	}
	return fmt.Sprintf("%.3g", v)
}

// countText is a number of calls with at most three digits beyond a million.
func countText(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.3g billion", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.3g million", v/1e6)
	case v >= 10 || v == math.Trunc(v):
		return formatCount(uint64(math.Round(v)))
	case v > 0 && v < 0.01:
		return "< 0.01"
	}
	return fmt.Sprintf("%.2g", v)
}

// clockText is a moment of the horizon: a time of day, or for a short one the time since its start.
func clockText(at, horizon time.Duration) string {
	if horizon < 24*time.Hour {
		return "+" + at.Round(time.Second).String()
	}
	day, rest := at/(24*time.Hour), at%(24*time.Hour)
	text := fmt.Sprintf("%02d:%02d", int(rest.Hours()), int(rest.Minutes())%60)
	if seconds := int(rest.Seconds()) % 60; seconds > 0 {
		text += fmt.Sprintf(":%02d", seconds)
	}
	if horizon > 24*time.Hour {
		return fmt.Sprintf("day %d, %s", day+1, text)
	}
	if day == 1 {
		return "24:00"
	}
	return text
}

// lineLength is where text of a plan is broken in a terminal.
const lineLength = 110

// wrapped breaks a text into lines at spaces, which the page joins again.
func wrapped(text string) string {
	var out strings.Builder
	length := 0
	for i, word := range strings.Fields(text) {
		size := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case length+1+size > lineLength:
			out.WriteByte('\n')
			length = 0
		default:
			out.WriteByte(' ')
			length++
		}
		out.WriteString(word)
		length += size
	}
	return out.String()
}
