package results

import (
	"fmt"
	"html"
	"strings"
)

// shownQuotas is how many quotas have a chart over the day.
const shownQuotas = 3

// planRateFigures is the rate against each quota over the horizon, the area above it filled.
func planRateFigures(p *PlanResult) []figure {
	var out []figure
	for i := range p.Quotas {
		q := &p.Quotas[i]
		if len(out) == shownQuotas || len(q.Hours) < 2 || i > 0 && q.Headroom > 0.5 {
			break
		}
		out = append(out, planRateFigure(p, q))
	}
	return out
}

func planRateFigure(p *PlanResult, q *PlanQuota) figure {
	name := shortQuota(q)
	fig := figure{
		Title:   "Calls against the " + name,
		Caption: "By parts of the horizon: the mean, and the busiest second of each. Above the quota requests are throttled.",
		Legend:  []legend{{"s1", "busiest second"}, {"s0", "mean"}, {"limit-line", "quota"}},
	}
	high := q.Quota
	for _, h := range q.Hours {
		high = max(high, h.PeakRate)
	}
	// A load far below its quota would be a flat line.
	if q.PeakRate < q.Quota/20 {
		high = q.PeakRate
		fig.Caption += fmt.Sprintf(" The quota of %s/s lies far above the chart.", formatRate(q.Quota))
	}
	hours := p.Horizon.Hours()
	fig.SVG = draw(func(c canvas) string {
		pl := newPlot(c, horizonAxis(hours, c), linearAxis(high*1.05, 5, "", axisCount), fig.Title)
		var mean, peak, over []point
		for _, h := range q.Hours {
			from, to := h.At.Hours(), (h.At + h.Width).Hours()
			mean = append(mean, point{from, h.MeanRate}, point{to, h.MeanRate})
			peak = append(peak, point{from, h.PeakRate}, point{to, h.PeakRate})
			over = append(over, point{from, max(h.PeakRate, q.Quota)}, point{to, max(h.PeakRate, q.Quota)})
		}
		if q.PeakRate > q.Quota {
			pl.area("over", over, q.Quota)
		}
		pl.line("s0", mean)
		pl.line("s1", peak)
		if high >= q.Quota {
			pl.rule(q.Quota, "quota "+formatRate(q.Quota)+"/s")
		}
		return pl.finish()
	})
	return fig
}

// horizonAxis is hours of a day, or of whatever the horizon is.
func horizonAxis(hours float64, c canvas) axis {
	if hours < 23.9 {
		return timeAxis(hours*3600, c).inHours()
	}
	a := axis{low: 0, high: hours, scale: identity, title: "time of day"}
	step := 2.0
	if hours > 25 {
		step, a.title = 24, "hours"
	}
	for h := 0.0; h <= hours+1e-9; h += step {
		label := fmt.Sprintf("%02.0f:00", h)
		if step == 24 {
			label = fmt.Sprintf("%.0f", h)
		}
		a.ticks = append(a.ticks, tick{h, label})
	}
	return a
}

// inHours turns an axis of seconds into one of hours, labels unchanged.
func (a axis) inHours() axis {
	a.low, a.high = a.low/3600, a.high/3600
	for i := range a.ticks {
		a.ticks[i].value /= 3600
	}
	return a
}

// area fills what lies between points and a level.
func (p *plot) area(class string, points []point, base float64) {
	if len(points) == 0 {
		return
	}
	var path strings.Builder
	fmt.Fprintf(&path, "M%.1f %.1f", p.px(points[0].x), p.py(base))
	for _, pt := range points {
		fmt.Fprintf(&path, "L%.1f %.1f", p.px(pt.x), p.py(pt.y))
	}
	fmt.Fprintf(&path, "L%.1f %.1fZ", p.px(points[len(points)-1].x), p.py(base))
	fmt.Fprintf(&p.body, `<path class="%s" d="%s"/>`, class, path.String())
}

// planHSMFigure is the tail with one HSM down against their number.
func planHSMFigure(h *PlanHSMs) (figure, bool) {
	low, high, most := float64(h.Limit), float64(h.Limit), 0
	lines := 0
	for i := range h.Profiles {
		for _, s := range h.Profiles[i].Sizes {
			most = max(most, s.HSMs)
			if s.OneDown != Never && s.OneDown > 0 {
				low, high = min(low, float64(s.OneDown)), max(high, float64(s.OneDown))
			}
		}
		if len(h.Profiles[i].Sizes) > 0 {
			lines++
		}
	}
	if lines == 0 {
		return figure{}, false
	}
	high = min(high, float64(h.Limit)*100)
	fig := figure{Title: "HSMs against " + percentileName(h.Q) + " with one down",
		Caption: "Each dot is a number of HSMs by simulation, filled where the limit holds, a cross where it does not. Marks at the upper edge cannot bear the load.",
		Legend:  []legend{{"limit-line", "limit " + formatDuration(h.Limit)}}}
	shown := 0
	for i := range h.Profiles {
		if len(h.Profiles[i].Sizes) > 0 && shown < maxCurves {
			fig.Legend = append(fig.Legend, legend{fmt.Sprintf("s%d", shown), h.Profiles[i].Title})
			shown++
		}
	}
	fig.SVG = draw(func(c canvas) string {
		pl := newPlot(c, linearAxis(float64(most)+1, c.ticks, "number of HSMs", axisCount), latencyAxis(low, high), fig.Title)
		pl.rule(float64(h.Limit), "limit "+formatDuration(h.Limit))
		n := 0
		for i := range h.Profiles {
			f := &h.Profiles[i]
			if len(f.Sizes) == 0 || n == maxCurves {
				continue
			}
			class := fmt.Sprintf("s%d", n)
			n++
			var curve []point
			for _, s := range f.Sizes {
				if s.OneDown != Never {
					curve = append(curve, point{float64(s.HSMs), float64(s.OneDown)})
				}
			}
			pl.line(class, curve)
			for _, s := range f.Sizes {
				symbol := "fail"
				if s.Holds {
					symbol = "pass"
				}
				pl.mark(class, symbol, point{float64(s.HSMs), min(edge(s.OneDown, pl.y.high), pl.y.high)},
					fmt.Sprintf("%d × %s: %s %s with one down", s.HSMs, f.Title, percentileName(h.Q), s.OneDown))
			}
		}
		return pl.finish()
	})
	return fig, true
}

// barsShown is how many causes have a bar.
const barsShown = 12

// planCauseFigure is the amount of a month by cause, over its operations.
func planCauseFigure(p *PlanResult) (figure, bool) {
	type bar struct {
		label  string
		amount float64
	}
	var bars []bar
	index := map[string]int{}
	for _, c := range p.Causes {
		i, ok := index[c.Cause]
		if !ok {
			i = len(bars)
			index[c.Cause] = i
			bars = append(bars, bar{label: c.Cause})
		}
		bars[i].amount += c.Amount
	}
	for i := 1; i < len(bars); i++ { // few, and nearly in order
		for j := i; j > 0 && bars[j].amount > bars[j-1].amount; j-- {
			bars[j], bars[j-1] = bars[j-1], bars[j]
		}
	}
	if len(bars) == 0 || bars[0].amount <= 0 {
		return figure{}, false
	}
	if len(bars) > barsShown {
		rest := 0.0
		for _, b := range bars[barsShown-1:] {
			rest += b.amount
		}
		bars = append(bars[:barsShown-1], bar{"all others", rest})
	}
	top := 0.0
	for _, b := range bars {
		top = max(top, b.amount)
	}
	fig := figure{Title: "Cost by cause", Caption: "Of a month, keys included, in " + p.Cost.Currency + "."}
	fig.SVG = draw(func(c canvas) string {
		const row = 26.0
		label := min(c.width*0.34, 260)
		var out strings.Builder
		fmt.Fprintf(&out, `<svg class="chart %s" viewBox="0 0 %g %g" role="img" aria-label="%s">`, c.name, c.width, float64(len(bars))*row+6, html.EscapeString(fig.Title))
		for i, b := range bars {
			y := float64(i)*row + 4
			width := max((c.width-label-110)*b.amount/top, 1.5)
			text := b.label
			if limit := int(label / 6.6); len([]rune(text)) > limit {
				text = string([]rune(text)[:limit-1]) + "…"
			}
			fmt.Fprintf(&out, `<text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, label-8, y+14, html.EscapeString(text))
			fmt.Fprintf(&out, `<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="18" rx="2"><title>%s</title></rect>`, label, y, width, html.EscapeString(b.label))
			fmt.Fprintf(&out, `<text x="%.1f" y="%.1f">%s</text>`, label+width+6, y+14, html.EscapeString(p.Cost.money(b.amount)))
		}
		out.WriteString("</svg>")
		return out.String()
	})
	return fig, true
}
