package results

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
)

//go:embed report.html.tmpl
var reportSource string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"count":      formatCount,
	"rate":       formatRate,
	"duration":   formatDuration,
	"share":      formatShare,
	"percentile": percentileName,
	"command":    shellQuote,
	"shareOr":    shareOrDash,
	"micro":      microseconds,
	"tone":       tone,
	"upper":      strings.ToUpper,
}).Parse(reportSource))

// page is what the template shows.
type page struct {
	*Record
	Headline string
	Lede     string
	Figures  []figure
	Facts    [][2]string
	Tiles    []tile
	Chapters []chapter
}

// tile is a headline figure.
type tile struct {
	Label, Figure, Note string
}

// RenderHTML writes the record as one page that needs nothing else: no script, no font, no request.
func RenderHTML(w io.Writer, r *Record) error {
	p := page{Record: r, Headline: headline(r), Lede: lede(r), Facts: facts(r), Tiles: tiles(r), Chapters: chapters(r)}
	for _, c := range p.Chapters {
		p.Tiles = append(slices.Clone(c.Tiles), p.Tiles...)
		if c.Lede != "" {
			p.Lede = c.Lede
		}
	}
	if title := titleOf(p.Chapters); title != "" {
		p.Headline = title
	}
	for _, make := range []func(*Record) (figure, bool){
		capacityFigure, percentileFigure, throughputFigure, latencyTimeFigure, heatFigure, machineFigure,
	} {
		if fig, ok := make(r); ok {
			if r.ClosedLoop != nil {
				fig.Caption = "Closed loop: what is called due was sent then, by clients that wait. " + fig.Caption
			}
			p.Figures = append(p.Figures, fig)
		}
	}
	if err := reportTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("rendering the report: %w", err)
	}
	return nil
}

// tone is the CSS class of an outcome.
func tone(outcome string) string {
	switch outcome {
	case "pass":
		return "good"
	case "fail", "regression", "harness error", "usage":
		return "bad"
	}
	return "open"
}

func headline(r *Record) string {
	if r.Capacity != nil {
		return r.Headline()
	}
	return fmt.Sprintf("%s at %s", r.Workload.Name, r.Schedule.Spec)
}

func lede(r *Record) string {
	if r.Capacity != nil {
		return r.Capacity.Why
	}
	if r.SLO.Summary == "" {
		return "Measured without limits."
	}
	return "Judged by " + r.SLO.Name + ": " + r.SLO.Summary + "."
}

func tiles(r *Record) []tile {
	var out []tile
	if c := r.Capacity; c != nil && c.Sustained > 0 {
		note := "nothing failed"
		if c.LowestFail > 0 {
			note = "failed from " + formatRate(c.LowestFail) + "/s"
		}
		out = append(out, tile{"Sustained", formatRate(c.Sustained) + "/s", note})
		if c.Ceiling > 0 {
			out = append(out, tile{"Estimated ceiling", formatRate(c.Ceiling) + "/s", "server CPUs ÷ CPU a request"})
		}
		if c.Bound != nil {
			out = append(out, tile{"Limited by", c.Bound.Name, "by the counters below"})
		}
		if o := c.Overload; o != nil {
			out = append(out, tile{"Goodput at 1.5 ×", formatRate(o.Goodput) + "/s", "of " + formatRate(o.Rate) + "/s due"})
		}
	} else if c != nil && c.Label != CostOnly {
		// The figures of the record are those of the calibrating run, which answer nothing.
		if c.HighestPass > 0 {
			out = append(out, tile{"Highest pass", formatRate(c.HighestPass) + "/s", "of a short step, not confirmed"})
		}
		return out
	} else if r.Total.Due > 0 {
		note := "of " + formatRate(r.Total.DuePerSec) + "/s due"
		if c := r.ClosedLoop; c != nil {
			note = fmt.Sprintf("closed loop, %d clients", c.Clients)
		}
		out = append(out, tile{"Answered", formatRate(r.Total.OKPerSec) + "/s", note})
	}
	for _, p := range r.Total.Latency {
		if p.Q != 0.5 && p.Q != 0.99 {
			continue
		}
		note := "latency from due"
		if r.ClosedLoop != nil {
			note = "closed loop, from sending"
		}
		if p.Low != nil && p.High != nil {
			note = fmt.Sprintf("%s … %s", *p.Low, *p.High)
		}
		out = append(out, tile{percentileName(p.Q), p.Value.String(), note})
	}
	if r.Total.Due > 0 {
		out = append(out, tile{"Not ok", formatShare(float64(r.Total.NotOK()) / float64(r.Total.Due)),
			formatCount(r.Total.NotOK()) + " of " + formatCount(r.Total.Due) + " hits"})
	}
	if r.Cost.Server != nil {
		out = append(out, tile{"Server CPU", formatDuration(*r.Cost.Server), "a request"})
	}
	return out
}

// facts is the environment as label and text.
func facts(r *Record) [][2]string {
	e := r.Environment
	var out [][2]string
	add := func(label, text string) {
		if text != "" {
			out = append(out, [2]string{label, text})
		}
	}
	add("CPU", fmt.Sprintf("%s, %d online", e.CPUModel, e.Cores))
	add("CPU features", strings.Join(e.Features, ", "))
	if e.CPUQuota > 0 {
		add("CPU quota", fmt.Sprintf("%.2f CPUs", e.CPUQuota))
	}
	if e.MemoryKiB > 0 {
		add("Memory", fmt.Sprintf("%.1f GiB", float64(e.MemoryKiB)/(1<<20)))
	}
	add("Client CPUs", e.ClientCPUs)
	add("Server CPUs", e.ServerCPUs)
	add("Kernel", e.Kernel)
	add("Hypervisor", e.Hypervisor)
	add("Governor", e.Governor)
	if e.Stolen != nil {
		add("CPU stolen", formatShare(*e.Stolen))
	}
	add("Go", fmt.Sprintf("%s, %s, GOMAXPROCS %d", e.GoVersion, e.Platform, e.GOMAXPROCS))
	add("Program", strings.TrimSpace(r.Tool+" "+e.Build))
	for _, name := range slices.Sorted(maps.Keys(e.Modules)) {
		add(name, e.Modules[name])
	}
	target := r.Target.URL
	if r.Target.Spawned {
		target += " (started by this run)"
	}
	if target != "" { // a plan may send nothing
		add("Target", target+", "+r.Target.Region)
		add("Engine", fmt.Sprintf("%s, %d connections", r.Engine.Name, r.Engine.Connections))
	}
	add("Schedule", r.Schedule.Spec)
	add("Seed", fmt.Sprint(r.Seed))
	add("Started", r.Started.UTC().Format("2006-01-02 15:04:05 UTC")+", took "+formatDuration(r.Elapsed))
	return out
}
