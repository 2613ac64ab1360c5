package results

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Charts are SVG made here, without scripts or anything fetched. Colours are CSS classes that the page defines for
// light and dark. Text in an SVG shrinks with it, so each chart is drawn twice, wide and narrow, and the page shows
// the one that fits.

// canvas is the size of a drawing in CSS pixels at full size.
type canvas struct {
	name          string // CSS class
	width, height float64
	ticks         int // most labels along x
}

var canvases = []canvas{{"wide", 960, 330, 10}, {"narrow", 360, 280, 4}}

// Margins around the plot area.
const (
	marginLeft   = 62.0
	marginRight  = 16.0
	marginTop    = 14.0
	marginBottom = 42.0
)

// tick is a labelled place on an axis.
type tick struct {
	value float64
	label string
}

// axis maps values to 0…1.
type axis struct {
	low, high float64
	scale     func(float64) float64 // monotonic
	ticks     []tick
	title     string
}

func (a axis) at(v float64) float64 {
	low, high := a.scale(a.low), a.scale(a.high)
	if high <= low {
		return 0
	}
	return (a.scale(v) - low) / (high - low)
}

func identity(v float64) float64 { return v }

// nines spreads the upper percentiles: p90, p99, p99.9 are equally far apart.
func nines(q float64) float64 { return -math.Log10(1 - min(q, 1-1e-9)) }

// linearAxis runs from 0 to a round number at or above high.
func linearAxis(high float64, count int, title string, label func(float64) string) axis {
	if !(high > 0) || math.IsInf(high, 0) {
		high = 1
	}
	step := niceStep(high / float64(count))
	top := math.Ceil(high/step-1e-9) * step
	a := axis{low: 0, high: top, scale: identity, title: title}
	for i := 0; float64(i)*step <= top*(1+1e-9); i++ {
		a.ticks = append(a.ticks, tick{float64(i) * step, label(float64(i) * step)})
	}
	return a
}

// niceStep is the smallest of 1, 2, 5 × 10^n that is at least v.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// latencyAxis is logarithmic in nanoseconds and covers low to high.
func latencyAxis(low, high float64) axis {
	if !(low > 0) || math.IsInf(low, 0) {
		low = 1e5
	}
	if !(high > low) || math.IsInf(high, 0) {
		high = low * 10
	}
	a := axis{scale: math.Log10, title: "latency"}
	a.low, a.high = niceBelow(low), niceAbove(high)
	decades := math.Log10(a.high / a.low)
	multiples := []float64{1, 2, 5}
	if decades > 2.2 {
		multiples = []float64{1}
	}
	for power := math.Pow(10, math.Floor(math.Log10(a.low))); power <= a.high*(1+1e-9); power *= 10 {
		for _, m := range multiples {
			if v := m * power; v >= a.low*(1-1e-9) && v <= a.high*(1+1e-9) {
				a.ticks = append(a.ticks, tick{v, roundDuration(v)})
			}
		}
	}
	return a
}

func niceBelow(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-12))
	for _, m := range []float64{5, 2, 1} {
		if m*power <= v*(1+1e-9) {
			return m * power
		}
	}
	return power
}

func niceAbove(v float64) float64 { return niceStep(v) }

// roundDuration labels a round number of nanoseconds: 500 µs, 2 ms.
func roundDuration(ns float64) string {
	switch {
	case ns < 999:
		return fmt.Sprintf("%g ns", math.Round(ns))
	case ns < 0.999e6:
		return fmt.Sprintf("%g µs", math.Round(ns/1e2)/10)
	case ns < 0.999e9:
		return fmt.Sprintf("%g ms", math.Round(ns/1e5)/10)
	}
	return fmt.Sprintf("%g s", math.Round(ns/1e8)/10)
}

// plot draws onto one canvas.
type plot struct {
	canvas canvas
	x, y   axis
	body   strings.Builder
}

type point struct{ x, y float64 }

func newPlot(c canvas, x, y axis, label string) *plot {
	p := &plot{canvas: c, x: x, y: y}
	fmt.Fprintf(&p.body, `<svg class="chart %s" viewBox="0 0 %g %g" role="img" aria-label="%s">`,
		c.name, c.width, c.height, html.EscapeString(label))
	p.frame()
	return p
}

func (p *plot) px(v float64) float64 {
	return marginLeft + clamp(p.x.at(v))*(p.canvas.width-marginLeft-marginRight)
}

func (p *plot) py(v float64) float64 {
	return marginTop + (1-clamp(p.y.at(v)))*(p.canvas.height-marginTop-marginBottom)
}

func clamp(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(max(v, 0), 1)
}

// frame draws grid, tick labels and titles.
func (p *plot) frame() {
	right, bottom := p.canvas.width-marginRight, p.canvas.height-marginBottom
	for _, t := range p.y.ticks {
		y := p.py(t.value)
		fmt.Fprintf(&p.body, `<line class="grid" x1="%g" x2="%.1f" y1="%.1f" y2="%.1f"/>`, marginLeft, right, y, y)
		fmt.Fprintf(&p.body, `<text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`, marginLeft-8, y+4, html.EscapeString(t.label))
	}
	for _, t := range thin(p.x.ticks, p.canvas.ticks) {
		x := p.px(t.value)
		fmt.Fprintf(&p.body, `<line class="grid" x1="%.1f" x2="%.1f" y1="%g" y2="%.1f"/>`, x, x, marginTop, bottom)
		fmt.Fprintf(&p.body, `<text class="tick" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x, bottom+17, html.EscapeString(t.label))
	}
	fmt.Fprintf(&p.body, `<line class="axis" x1="%g" x2="%.1f" y1="%.1f" y2="%.1f"/>`, marginLeft, right, bottom, bottom)
	fmt.Fprintf(&p.body, `<text class="title" x="%.1f" y="%.1f" text-anchor="end">%s</text>`, right, p.canvas.height-6, html.EscapeString(p.x.title))
}

// thin leaves out ticks evenly, from the first, until at most n are left.
func thin(ticks []tick, n int) []tick {
	stride := 1
	for (len(ticks)+stride-1)/stride > n {
		stride++
	}
	var out []tick
	for i := 0; i < len(ticks); i += stride {
		out = append(out, ticks[i])
	}
	return out
}

// line joins points; a NaN breaks it.
func (p *plot) line(class string, points []point) {
	var path strings.Builder
	pen := "M"
	for _, pt := range points {
		if math.IsNaN(pt.y) {
			pen = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", pen, p.px(pt.x), p.py(pt.y))
		pen = "L"
	}
	fmt.Fprintf(&p.body, `<path class="line %s" d="%s"/>`, class, path.String())
}

// whisker is a vertical interval.
func (p *plot) whisker(class string, x, low, high float64) {
	px, top, bottom := p.px(x), p.py(high), p.py(low)
	fmt.Fprintf(&p.body, `<path class="whisker %s" d="M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f %.1fh8"/>`, class, px, top, bottom, px-4, top, px-4, bottom)
}

// mark draws a symbol: "pass" a filled circle, "fail" a cross, anything else a hollow circle.
func (p *plot) mark(class, symbol string, pt point, hint string) {
	x, y := p.px(pt.x), p.py(pt.y)
	title := "<title>" + html.EscapeString(hint) + "</title>"
	switch symbol {
	case "pass":
		fmt.Fprintf(&p.body, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="4.5">%s</circle>`, class, x, y, title)
	case "fail":
		fmt.Fprintf(&p.body, `<path class="cross %s" d="M%.1f %.1fl9 9m0 -9l-9 9">%s</path>`, class, x-4.5, y-4.5, title)
	default:
		fmt.Fprintf(&p.body, `<circle class="hollow %s" cx="%.1f" cy="%.1f" r="4.5">%s</circle>`, class, x, y, title)
	}
}

// rule is a horizontal limit with a label above its right end.
func (p *plot) rule(y float64, label string) {
	py := p.py(y)
	fmt.Fprintf(&p.body, `<line class="limit" x1="%g" x2="%.1f" y1="%.1f" y2="%.1f"/>`, marginLeft, p.canvas.width-marginRight, py, py)
	fmt.Fprintf(&p.body, `<text class="limit-label" x="%g" y="%.1f">%s</text>`, marginLeft+6, py-5, html.EscapeString(label))
}

// band shades a range of x.
func (p *plot) band(low, high float64) {
	x := p.px(low)
	fmt.Fprintf(&p.body, `<rect class="band" x="%.1f" y="%g" width="%.1f" height="%.1f"/>`,
		x, marginTop, max(p.px(high)-x, 1.5), p.canvas.height-marginTop-marginBottom)
}

func (p *plot) finish() string {
	p.body.WriteString("</svg>")
	return p.body.String()
}
