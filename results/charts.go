package results

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// legend explains a line or mark of a chart.
type legend struct {
	Class, Label string
}

// figure is a finished chart.
type figure struct {
	Title, Caption string
	Legend         []legend
	SVG            template.HTML
}

// draw makes a chart in every size.
func draw(make func(c canvas) string) template.HTML {
	var out strings.Builder
	for _, c := range canvases {
		out.WriteString(make(c))
	}
	// Built from numbers and escaped labels only.
	return template.HTML(out.String()) //nolint:gosec
}

// maxCurves is how many operations get a curve of their own: as many colours stay apart for everyone.
const maxCurves = 5

// percentileFigure is latency by percentile: all hits, and each operation while there are few.
func percentileFigure(r *Record) (figure, bool) {
	type curve struct {
		label  string
		points []point
	}
	var curves []curve
	low, high, topQ := math.Inf(1), 0.0, 0.9
	add := func(label string, histograms []*hdr.Histogram, ranked uint64) {
		points := curvePoints(histograms, ranked)
		if len(points) == 0 {
			return
		}
		curves = append(curves, curve{label, points})
		low, high = min(low, points[0].y), max(high, points[len(points)-1].y)
		topQ = max(topQ, points[len(points)-1].x)
	}
	var all []*hdr.Histogram
	for _, op := range r.Operations {
		if h := op.okHistogram(); h != nil {
			all = append(all, h)
		}
	}
	add("all hits", all, r.Total.Due-r.Total.Excluded)
	if len(r.Operations) > 1 && len(r.Operations) <= maxCurves {
		for i := range r.Operations {
			op := &r.Operations[i]
			if h := op.okHistogram(); h != nil {
				add(op.Name, []*hdr.Histogram{h}, op.Due-op.Excluded)
			}
		}
	}
	if len(curves) == 0 {
		return figure{}, false
	}
	limits := latencyLimits(r)
	for _, l := range limits {
		low, high = min(low, l.Limit), max(high, l.Limit)
		topQ = max(topQ, l.q)
	}
	fig := figure{
		Title:   "Latency by percentile",
		Caption: "From when a hit was due until its last byte. Each step to the right leaves out nine tenths of what is left. Bars are 95 % intervals; a curve ends where hits had no good answer or fewer than ten lie beyond.",
	}
	for i, c := range curves {
		fig.Legend = append(fig.Legend, legend{fmt.Sprintf("s%d", i), c.label})
	}
	fig.SVG = draw(func(c canvas) string {
		p := newPlot(c, ninesAxis(topQ), latencyAxis(low, high), fig.Title)
		for i := len(curves) - 1; i >= 0; i-- {
			p.line(fmt.Sprintf("s%d", i), curves[i].points)
		}
		for _, q := range r.Total.Latency {
			if q.Low != nil && q.High != nil && *q.High != Never && q.Q <= topQ {
				p.whisker("s0", q.Q, float64(*q.Low), float64(*q.High))
			}
		}
		for _, l := range limits {
			p.mark("limit-mark", "hollow", point{l.q, l.Limit}, fmt.Sprintf("%s of %s: limit %s", l.Metric, l.PopulationText(), formatDuration(time.Duration(l.Limit))))
		}
		return p.finish()
	})
	if len(limits) > 0 {
		fig.Legend = append(fig.Legend, legend{"ring", "limit"})
	}
	return fig, true
}

func (o *Operation) okHistogram() *hdr.Histogram {
	for _, outcome := range o.Outcomes {
		if outcome.Name != "ok" || outcome.Latency == nil {
			continue
		}
		if h, err := outcome.Latency.Decode(); err == nil {
			return h
		}
	}
	return nil
}

// curvePoints samples the quantile function of merged histograms on the nines scale. Of ranked hits those without a
// good answer rank last, so the curve ends before them.
func curvePoints(histograms []*hdr.Histogram, ranked uint64) []point {
	if len(histograms) == 0 {
		return nil
	}
	merged := hdr.Import(histograms[0].Export())
	for _, h := range histograms[1:] {
		merged.Merge(h)
	}
	answered := float64(merged.TotalCount())
	total := max(float64(ranked), answered)
	if answered == 0 {
		return nil
	}
	top := nines(min(1-10/total, answered/total))
	if !(top > 0) {
		top = nines(0.5)
	}
	const samples = 160
	var qs, shares []float64
	for i := range samples + 1 {
		q := 1 - math.Pow(10, -top*float64(i)/samples)
		share := q * total / answered * 100
		if share > 100 {
			break
		}
		qs, shares = append(qs, q), append(shares, share)
	}
	points := make([]point, len(qs))
	for i, v := range merged.ValueAtPercentilesSlice(shares) { // one pass; one call each would be 160
		points[i] = point{qs[i], float64(v)}
	}
	return points
}

func ninesAxis(top float64) axis {
	a := axis{low: 0, high: top, scale: nines, title: "percentile of hits due"}
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999} {
		if q <= top*(1+1e-12) {
			label := percentileName(q)
			if q == 0 {
				label = "min"
			}
			a.ticks = append(a.ticks, tick{q, label})
		}
	}
	return a
}

// latencyLimit is a verdict on latency with its percentile.
type latencyLimit struct {
	Verdict
	q float64
}

func latencyLimits(r *Record) []latencyLimit {
	var out []latencyLimit
	for _, v := range r.Verdicts {
		var percent float64
		if n, err := fmt.Sscanf(v.Metric, "p%g latency", &percent); n == 1 && err == nil && percent > 0 && percent < 100 && v.Unit == "ns" && v.Limit > 0 {
			out = append(out, latencyLimit{v, percent / 100})
		}
	}
	return out
}

// scheduled is the series without the tail in which nothing was due any more: late answers are no throughput.
func scheduled(r *Record) []Second {
	series := r.Series
	for len(series) > 0 && series[len(series)-1].Due == 0 {
		series = series[:len(series)-1]
	}
	return series
}

// throughputFigure is rates over time: due, answered well, everything else.
func throughputFigure(r *Record) (figure, bool) {
	series := scheduled(r)
	if len(series) < 2 {
		return figure{}, false
	}
	var due, answered, bad []point
	high := 0.0
	for _, s := range series {
		at, width := s.At.Seconds(), s.Width.Seconds()
		d, a := float64(s.Due)/width, float64(s.Answered)/width
		due = append(due, point{at, d})
		answered = append(answered, point{at, a})
		bad = append(bad, point{at, float64(s.Bad+s.Throttled) / width})
		high = max(high, d, a)
	}
	fig := figure{
		Title:   "Throughput over time",
		Caption: "Hits due by the schedule, good answers by when they came, and hits due then that had none: errors, throttles, timeouts, never sent.",
		Legend:  []legend{{"s3 dashed", "due"}, {"s0", "answered"}, {"s1", "not answered well"}},
	}
	end := series[len(series)-1].At.Seconds()
	fig.SVG = draw(func(c canvas) string {
		p := newPlot(c, timeAxis(end, c), linearAxis(high, 5, "", axisCount), fig.Title)
		p.line("s1", bad)
		p.line("s3 dashed", due)
		p.line("s0", answered)
		return p.finish()
	})
	return fig, true
}

func timeAxis(end float64, c canvas) axis {
	a := linearAxis(end, c.ticks, "seconds since the first hit", func(v float64) string { return fmt.Sprintf("%g", math.Round(v*1e6)/1e6) })
	a.high = end
	for len(a.ticks) > 1 && a.ticks[len(a.ticks)-1].value > end {
		a.ticks = a.ticks[:len(a.ticks)-1]
	}
	return a
}

// axisCount labels a count on an axis: 500, 1.5k, 20k.
func axisCount(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", math.Round(v/1e4)/100)
	case v >= 1e3:
		return fmt.Sprintf("%gk", math.Round(v/10)/100)
	}
	return fmt.Sprintf("%g", math.Round(v*100)/100)
}

// latencyTimeFigure is percentiles of each second.
func latencyTimeFigure(r *Record) (figure, bool) {
	series := scheduled(r)
	if len(series) < 2 {
		return figure{}, false
	}
	var p50, p99, top []point
	low, high := math.Inf(1), 0.0
	for _, s := range series {
		at := s.At.Seconds()
		value := func(l *Latency) float64 {
			if l == nil || *l == Never {
				return math.NaN()
			}
			low, high = min(low, float64(*l)), max(high, float64(*l))
			return float64(*l)
		}
		p50 = append(p50, point{at, value(s.P50)})
		p99 = append(p99, point{at, value(s.P99)})
		longest := s.Max
		if longest == 0 {
			top = append(top, point{at, math.NaN()})
			continue
		}
		top = append(top, point{at, value(&longest)})
	}
	if high == 0 {
		return figure{}, false
	}
	fig := figure{
		Title:   "Latency over time",
		Caption: "By the second in which a hit was due, good answers only. A percentile is drawn where at least 20 answers lie beyond it.",
		Legend:  []legend{{"s3 dashed", "maximum"}, {"s1", "p99"}, {"s0", "p50"}},
	}
	end := series[len(series)-1].At.Seconds()
	fig.SVG = draw(func(c canvas) string {
		p := newPlot(c, timeAxis(end, c), latencyAxis(low, high), fig.Title)
		p.line("s3 dashed", top)
		p.line("s1", p99)
		p.line("s0", p50)
		return p.finish()
	})
	return fig, true
}

// machineFigure is how busy each CPU was.
func machineFigure(r *Record) (figure, bool) {
	if len(r.Machine) < 2 || len(r.Machine[0].Busy) == 0 {
		return figure{}, false
	}
	cpus := min(len(r.Machine[0].Busy), maxCurves)
	lines := make([][]point, cpus)
	var stolen []point
	for _, s := range r.Machine {
		at := s.At.Seconds()
		for cpu := range lines {
			if cpu < len(s.Busy) {
				lines[cpu] = append(lines[cpu], point{at, s.Busy[cpu] * 100})
			}
		}
		stolen = append(stolen, point{at, s.Stolen * 100})
	}
	fig := figure{Title: "CPUs over time", Caption: "Busy share of each CPU, all processes, and the share of CPU time that the hypervisor took."}
	if r.Environment.Pinned {
		fig.Caption += fmt.Sprintf(" Client on CPU %s, server on CPU %s.", r.Environment.ClientCPUs, r.Environment.ServerCPUs)
	}
	for cpu := range lines {
		fig.Legend = append(fig.Legend, legend{fmt.Sprintf("s%d", cpu), fmt.Sprintf("CPU %d", cpu)})
	}
	fig.Legend = append(fig.Legend, legend{"s5 dashed", "stolen"})
	end := r.Machine[len(r.Machine)-1].At.Seconds()
	fig.SVG = draw(func(c canvas) string {
		p := newPlot(c, timeAxis(end, c), linearAxis(100, 5, "", func(v float64) string { return fmt.Sprintf("%g %%", v) }), fig.Title)
		for cpu := len(lines) - 1; cpu >= 0; cpu-- {
			p.line(fmt.Sprintf("s%d", cpu), lines[cpu])
		}
		p.line("s5 dashed", stolen)
		return p.finish()
	})
	return fig, true
}

// capacityFigure is rate against latency, one pair of marks a step.
func capacityFigure(r *Record) (figure, bool) {
	if r.Capacity == nil || len(r.Capacity.Steps) == 0 {
		return figure{}, false
	}
	limit := 0.0
	for _, l := range latencyLimits(r) {
		if l.q == 0.99 && l.Population == "" {
			limit = l.Limit
		}
	}
	low, high, top := math.Inf(1), limit, 0.0
	for _, s := range r.Capacity.Steps {
		for _, l := range []Latency{s.P50, s.P99, valueOr(s.P99High, s.P99)} {
			if l > 0 && l != Never {
				low, high = min(low, float64(l)), max(high, float64(l))
			}
		}
		top = max(top, s.Rate)
	}
	fig := figure{
		Title:   "Rate against latency",
		Caption: "Each step of the search. A filled dot passed, a cross failed, a ring did not count or was not judged. Marks at the upper edge had no good answer. Bars are 95 % intervals of p99, where a step was long enough for one. The lines join the steps that count, by rate. The shaded bracket lies between the highest rate that passed and the lowest that failed.",
		Legend:  []legend{{"s1 dot", "p99"}, {"s0 dot", "p50"}},
	}
	if limit > 0 {
		fig.Legend = append(fig.Legend, legend{"limit-line", "p99 limit"})
	}
	fig.SVG = draw(func(c canvas) string {
		p := newPlot(c, linearAxis(top*1.02, c.ticks, "requests due a second", axisCount), latencyAxis(low, high), fig.Title)
		if r.Capacity.HighestPass > 0 && r.Capacity.LowestFail > r.Capacity.HighestPass {
			p.band(r.Capacity.HighestPass, r.Capacity.LowestFail)
		}
		if limit > 0 {
			p.rule(limit, "p99 limit "+formatDuration(time.Duration(limit)))
		}
		drawCurve(p, r.Capacity.Steps)
		for _, s := range r.Capacity.Steps {
			hint := fmt.Sprintf("%s at %s/s: p50 %s, p99 %s, %s", s.Purpose, formatRate(s.Rate), s.P50, s.P99, s.Outcome)
			p.mark("s0", s.Outcome, point{s.Rate, edge(s.P50, p.y.high)}, hint)
			p.mark("s1", s.Outcome, point{s.Rate, edge(s.P99, p.y.high)}, hint)
		}
		return p.finish()
	})
	return fig, true
}

// valueOr is what a pointer points to, else the other value.
func valueOr(l *Latency, other Latency) Latency {
	if l == nil {
		return other
	}
	return *l
}

// edge draws what was never answered at the upper edge.
func edge(l Latency, high float64) float64 {
	if l == Never {
		return high
	}
	return float64(l)
}
