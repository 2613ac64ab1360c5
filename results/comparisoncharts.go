package results

import (
	"fmt"
	"html"
	"math"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// maxForest is how many effects the forest plot shows; beyond it the table has to do.
const maxForest = 60

// forestFigure is a row for each effect that is a ratio: its median, its interval, and the margin as a band around 1.
func forestFigure(title string, effects []Effect, margin float64) (figure, bool) {
	var rows []Effect
	low, high := 1/(1+margin), 1+margin
	for _, e := range effects {
		if e.same() || e.Difference || e.Ratio == nil || e.Low == nil || e.High == nil || !(*e.Low > 0) || len(rows) == maxForest {
			continue
		}
		rows = append(rows, e)
		low, high = min(low, *e.Low), max(high, *e.High)
		if e.SelfLow != nil && e.SelfHigh != nil && *e.SelfLow > 0 {
			low, high = min(low, *e.SelfLow), max(high, *e.SelfHigh)
		}
	}
	if len(rows) == 0 {
		return figure{}, false
	}
	fig := figure{Title: title,
		Caption: "B ÷ A with its 95 % interval: filled where the verdict stands, hollow where the data do not decide. The shaded band is the margin; the thin line below each is A against itself.",
		Legend:  []legend{{"s2", "better or no worse"}, {"s1", "worse"}, {"s3", "not decided"}, {"s0 dashed", "A/A"}}}
	x := ratioAxis(low, high)
	fig.SVG = draw(func(c canvas) string {
		const rowHeight, top = 34.0, 8.0
		c.height = top + rowHeight*float64(len(rows)) + 34
		labels := 250.0
		if c.width < 500 {
			labels = 14 // above the line instead of beside it
		}
		f := forest{left: labels, right: c.width - 20, x: x}
		f.open(c, fig.Title, top)
		for i := range rows {
			f.row(&rows[i], top+rowHeight*float64(i), margin, c.width < 500)
		}
		f.axis(c, top)
		return f.close()
	})
	return fig, true
}

// ratioAxis is logarithmic around 1.
func ratioAxis(low, high float64) axis {
	low, high = low*0.97, high*1.03
	a := axis{low: low, high: high, scale: math.Log, title: "B ÷ A"}
	var steps []float64
	switch spread := high / low; {
	case spread < 4:
		step := 0.5
		for _, finer := range []float64{0.2, 0.1, 0.05, 0.02} {
			if (high-low)/finer <= 10 {
				step = finer
			}
		}
		for n := math.Ceil(low / step); n*step <= high; n++ {
			steps = append(steps, n*step)
		}
	default:
		multiples := []float64{1, 2, 5}
		if spread > 300 {
			multiples = []float64{1}
		}
		for power := math.Pow(10, math.Floor(math.Log10(low))); power <= high; power *= 10 {
			for _, m := range multiples {
				if v := m * power; v >= low && v <= high {
					steps = append(steps, v)
				}
			}
		}
	}
	for _, v := range steps {
		a.ticks = append(a.ticks, tick{v, fmt.Sprintf("×%.3g", v)})
	}
	return a
}

// forest draws the plot; its rows have labels, which the plots with two axes have no room for.
type forest struct {
	plot
	left, right float64
	x           axis
}

func (f *forest) open(c canvas, label string, top float64) {
	f.canvas = c
	fmt.Fprintf(&f.body, `<svg class="chart %s" viewBox="0 0 %g %g" role="img" aria-label="%s">`, c.name, c.width, c.height, html.EscapeString(label))
	for _, t := range thin(f.x.ticks, c.ticks) {
		x := f.at(t.value)
		fmt.Fprintf(&f.body, `<line class="grid" x1="%.1f" x2="%.1f" y1="%g" y2="%.1f"/>`, x, x, top, c.height-30)
	}
}

func (f *forest) at(v float64) float64 { return f.left + clamp(f.x.at(v))*(f.right-f.left) }

func (f *forest) axis(c canvas, top float64) {
	bottom := c.height - 30
	one := f.at(1)
	fmt.Fprintf(&f.body, `<line class="axis" x1="%.1f" x2="%.1f" y1="%g" y2="%.1f"/>`, one, one, top, bottom)
	for _, t := range thin(f.x.ticks, c.ticks) {
		fmt.Fprintf(&f.body, `<text class="tick" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, f.at(t.value), bottom+17, html.EscapeString(t.label))
	}
}

func (f *forest) row(e *Effect, top, margin float64, above bool) {
	middle := top + 17
	if above {
		middle = top + 23
	}
	from, to := f.at(1/(1+margin)), f.at(1+margin)
	fmt.Fprintf(&f.body, `<rect class="band" x="%.1f" y="%.1f" width="%.1f" height="34"/>`, from, top, max(to-from, 1))
	label := html.EscapeString(e.Operation + ", " + metricName(e.Metric))
	if above {
		fmt.Fprintf(&f.body, `<text class="tick" x="2" y="%.1f">%s</text>`, top+12, label)
	} else {
		fmt.Fprintf(&f.body, `<text class="tick" x="%.1f" y="%.1f" text-anchor="end">%s</text>`, f.left-10, middle+4, label)
	}
	class, hollow := effectClass(e.Verdict)
	fmt.Fprintf(&f.body, `<line class="line %s" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"><title>%s</title></line>`, class, f.at(*e.Low), f.at(*e.High), middle, middle,
		html.EscapeString(fmt.Sprintf("%s, %s: %s (%s), %s", e.Operation, metricName(e.Metric), e.effectText(e.Ratio), e.intervalText(), e.Verdict)))
	if e.SelfLow != nil && e.SelfHigh != nil && *e.SelfLow > 0 {
		fmt.Fprintf(&f.body, `<line class="line s0 dashed" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, f.at(*e.SelfLow), f.at(*e.SelfHigh), middle+8, middle+8)
	}
	if hollow {
		fmt.Fprintf(&f.body, `<circle class="hollow %s" cx="%.1f" cy="%.1f" r="4.5"/>`, class, f.at(*e.Ratio), middle)
		return
	}
	fmt.Fprintf(&f.body, `<circle style="fill:var(--%s)" cx="%.1f" cy="%.1f" r="4.5"/>`, class, f.at(*e.Ratio), middle)
}

func (f *forest) close() string {
	f.body.WriteString("</svg>")
	return f.body.String()
}

// effectClass is the colour of a verdict, and whether its mark is hollow.
func effectClass(verdict string) (class string, hollow bool) {
	switch verdict {
	case Regressed:
		return "s1", false
	case Improved, Unchanged, NotWorse:
		return "s2", false
	}
	return "s3", true
}

// maxDistributions is how many operations get a chart of their latencies.
const maxDistributions = 8

// ecdfFigures are the shares of hits answered within a time, for all together and by operation.
func ecdfFigures(c *ComparisonResult) []figure {
	var out []figure
	for i := range c.A.Latency {
		a := &c.A.Latency[i]
		for j := range c.B.Latency {
			if b := &c.B.Latency[j]; b.Name == a.Name && len(out) < maxDistributions {
				if fig, ok := ecdfFigure(c, a, b); ok {
					out = append(out, fig)
				}
			}
		}
	}
	return out
}

func ecdfFigure(c *ComparisonResult, a, b *Operation) (figure, bool) {
	histogramA, histogramB := a.okHistogram(), b.okHistogram()
	if histogramA == nil || histogramB == nil {
		return figure{}, false
	}
	pointsA, pointsB := ecdfPoints(histogramA, a.Due), ecdfPoints(histogramB, b.Due)
	low := min(pointsA[0].x, pointsB[0].x)
	high := max(float64(histogramA.ValueAtQuantile(99.9)), float64(histogramB.ValueAtQuantile(99.9)), low*2)
	title := "Latency of " + a.Name
	if a.Name == "all" {
		title = "Latency of all hits"
	}
	fig := figure{Title: title, Caption: "Share of hits due that were answered well within a time, over all kept rounds; a curve that stays below 100 % lost hits. The scale ends at p99.9.",
		Legend: []legend{{"s0", "A: " + c.A.Name}, {"s1", "B: " + c.B.Name}}}
	fig.SVG = draw(func(cv canvas) string {
		x := latencyAxis(low, high)
		y := axis{low: 0, high: 1, scale: identity}
		for _, v := range []float64{0, 0.25, 0.5, 0.75, 1} {
			y.ticks = append(y.ticks, tick{v, fmt.Sprintf("%.0f %%", v*100)})
		}
		p := newPlot(cv, x, y, title)
		p.line("s0", within(pointsA, x.high))
		p.line("s1", within(pointsB, x.high))
		return p.finish()
	})
	return fig, true
}

// ecdfPoints samples the distribution at 200 ranks; due counts the hits that it is a share of.
func ecdfPoints(h *hdr.Histogram, due uint64) []point {
	const samples = 200
	share := 1.0
	if due > uint64(h.TotalCount()) {
		share = float64(h.TotalCount()) / float64(due)
	}
	percents := make([]float64, samples+1)
	for i := range percents {
		percents[i] = 100 * float64(i) / samples
	}
	points := []point{{float64(max(h.Min(), 1)), 0}}
	for i, v := range h.ValueAtPercentilesSlice(percents) {
		points = append(points, point{float64(max(v, 1)), float64(i) / samples * share})
	}
	return points
}

// within cuts a curve at the end of the axis.
func within(points []point, high float64) []point {
	for i, p := range points {
		if p.x > high {
			return points[:i]
		}
	}
	return points
}
