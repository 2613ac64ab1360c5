package results

import (
	"fmt"
	"math"
	"time"
)

// seriesTitles say in words what a series is.
var seriesTitles = map[string]string{
	"client-heap": "Live heap of the harness", "client-rss": "Anonymous memory of the harness", "client-goroutines": "Goroutines of the harness",
	"client-descriptors": "Open descriptors of the harness", "server-heap": "Live heap of the server", "server-rss": "Anonymous memory of the server",
	"server-goroutines": "Goroutines of the server", "server-descriptors": "Open descriptors of the server", "server-threads": "Threads of the server",
	"server-disk": "Disk used by the server's data", "latency-p50": "Latency, p50 of seconds", "latency-p99": "Latency, p99 of seconds",
}

// figure is the series with its slope and the slope's interval.
func (t *SoakTrend) figure(actions []SoakAction) (figure, bool) {
	if len(t.Points) < 2 {
		return figure{}, false
	}
	title := seriesTitles[t.Name]
	if title == "" {
		title = t.Name
	}
	fig := figure{Title: title, Caption: t.caption(), Legend: []legend{{"s0", "blocks"}}}
	sure := t.Slope != nil && t.Middle != nil && t.Low != nil && t.High != nil
	if sure {
		fig.Legend = append(fig.Legend, legend{"s1", "slope"}, legend{"s3 dashed", "its 95 % interval"})
	}
	end := t.Points[len(t.Points)-1].At
	high := 0.0
	for _, p := range t.Points {
		high = max(high, p.Value)
	}
	fig.SVG = draw(func(c canvas) string {
		p := newPlot(c, hoursAxis(end, c), t.axis(high*1.05), title)
		for _, a := range actions {
			if a.Until > a.From+time.Second && a.From.Seconds() < end {
				p.band(a.From.Seconds(), min(a.Until.Seconds(), end))
			}
		}
		p.line("s0", t.curve())
		if sure {
			for _, l := range []struct {
				class string
				slope float64
			}{{"s3 dashed", *t.Low}, {"s3 dashed", *t.High}, {"s1", *t.Slope}} {
				p.line(l.class, t.slopeLine(l.slope, end, high*1.05))
			}
		}
		return p.finish()
	})
	return fig, true
}

func (t *SoakTrend) caption() string {
	if t.Slope == nil {
		return "Not judged: " + t.Why + "."
	}
	text := fmt.Sprintf("%s an hour", t.amount(*t.Slope))
	if t.GrowthLo != nil {
		text += fmt.Sprintf("; over the horizon at least %s of a budget of %s", t.amount(*t.GrowthLo), t.amount(t.Budget))
	}
	return text + ": " + t.Outcome + "."
}

// curve is the blocks, broken where the process was another.
func (t *SoakTrend) curve() []point {
	var out []point
	for i, p := range t.Points {
		if i > 0 && p.Life != t.Points[i-1].Life {
			out = append(out, point{p.At, math.NaN()})
		}
		out = append(out, point{p.At, p.Value})
	}
	return out
}

// slopeLine turns about the middle of what was judged; it is cut off where it leaves the chart.
func (t *SoakTrend) slopeLine(perHour, end, top float64) []point {
	centre := (t.From + end) / 2
	middle := *t.Middle + *t.Slope/3600*centre
	var out []point
	const pieces = 60
	for i := range pieces + 1 {
		x := t.From + (end-t.From)*float64(i)/pieces
		y := middle + perHour/3600*(x-centre)
		if y < 0 || y > top {
			y = math.NaN()
		}
		out = append(out, point{x, y})
	}
	return out
}

// hoursAxis is time in a unit that suits its length.
func hoursAxis(end float64, c canvas) axis {
	unit, name := 1.0, "seconds of the load"
	switch {
	case end > 3*3600:
		unit, name = 3600, "hours of the load"
	case end > 600:
		unit, name = 60, "minutes of the load"
	}
	a := linearAxis(end/unit, c.ticks, name, func(v float64) string { return fmt.Sprintf("%g", math.Round(v*100)/100) })
	for i := range a.ticks {
		a.ticks[i].value *= unit
	}
	a.high = end
	for len(a.ticks) > 1 && a.ticks[len(a.ticks)-1].value > end {
		a.ticks = a.ticks[:len(a.ticks)-1]
	}
	return a
}

// axis has round numbers of the unit that suits the highest value.
func (t *SoakTrend) axis(high float64) axis {
	unit := 1.0
	for t.Unit == "bytes" && high/unit >= 1024 && unit < 1<<30 {
		unit *= 1024
	}
	a := linearAxis(high/unit, 4, "", func(float64) string { return "" })
	a.high *= unit
	for i := range a.ticks {
		a.ticks[i].value *= unit
		a.ticks[i].label = t.amount(a.ticks[i].value)
	}
	return a
}
