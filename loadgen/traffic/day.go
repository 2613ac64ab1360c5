package traffic

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// dayCurve is how rates go over a day.
type dayCurve struct {
	factor float64 // peak over mean, from 1 to 2
	peak   time.Duration
	begin  time.Duration // of the hours that hold all calls
	hours  time.Duration // how long they are; 0: the whole day
}

var flat = dayCurve{factor: 1}

// put gives a flow its calls: those that do not follow the day come alike all day long.
func (d dayCurve) put(f *Flow, mean, follow float64) {
	f.Rate = Curve{Mean: mean}
	switch {
	case follow == 0 || mean == 0:
	case d.hours > 0:
		f.Rate.Mean = mean * (1 - follow)
		f.Storms = []Storm{{At: d.begin, Within: d.hours, Every: Day, Calls: mean * follow * Day.Seconds()}}
	case d.factor > 1:
		f.Rate = Curve{Mean: mean, Swing: mean * (d.factor - 1) * follow, Period: Day, Peak: d.peak}
	}
}

// day reads "flat", {peak_to_mean: 1.8, peak_at: "14:00"} or {hours: "09:00-17:00"}.
func (p *reader) day(node ast.Node) dayCurve {
	if n, ok := node.(*ast.StringNode); ok {
		if n.Value != "flat" {
			p.fail(node, "day is flat, {peak_to_mean: 1.8, peak_at: \"14:00\"} or {hours: \"09:00-17:00\"}")
		}
		return flat
	}
	d := dayCurve{factor: 1, peak: 14 * time.Hour}
	for _, entry := range p.fields(node, "day") {
		switch entry.name {
		case "peak_to_mean":
			_, d.factor = p.figure(entry.value, Input{Name: "peak_to_mean", Kind: NumberInput, Least: 1})
			if d.factor > 2 {
				p.fail(entry.value, "peak_to_mean: a day curve is a sine around the mean, whose peak is at most twice it; for more, give hours")
			}
		case "peak_at":
			_, v := p.figure(entry.value, Input{Name: "peak_at", Kind: ClockInput})
			d.peak = seconds(v)
		case "hours":
			p.hours(entry.value, &d)
		default:
			p.unknown(entry, "day", []string{"peak_to_mean", "peak_at", "hours"})
		}
	}
	if d.hours > 0 && d.factor > 1 {
		p.fail(node, "day has either a peak or hours")
	}
	return d
}

// hours reads "09:00-17:00". Those over midnight have begun on the day before.
func (p *reader) hours(node ast.Node, d *dayCurve) {
	from, to, _ := strings.Cut(p.scalar(node), "-")
	begin, err1 := parseClock(strings.TrimSpace(from))
	end, err2 := parseClock(strings.TrimSpace(to))
	if p.err == nil && (err1 != nil || err2 != nil || begin == end) {
		p.fail(node, "hours: expected two times of day such as \"09:00-17:00\"")
		return
	}
	d.begin, d.hours = seconds(begin), seconds(end-begin)
	if d.hours < 0 {
		d.hours += Day
		d.begin -= Day
	}
}
