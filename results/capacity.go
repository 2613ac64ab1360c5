package results

import (
	"fmt"
	"math"
	"time"
)

// Further purposes of a step.
const (
	NoiseRun = "noise" // one of several alike
	OneFewer = "one HSM fewer"
	Curve    = "curve" // a point of the curve of latency against rate, long enough for an interval
)

// QuotaBound is the label of a rate above which the service refused requests by its quotas.
const QuotaBound = "quota-bound"

// Noise is how far runs alike lie apart (A/A).
type Noise struct {
	Rate     float64         `json:"rate"`
	Costs    []time.Duration `json:"server_cpu_ns"` // a request, of each run
	Relative float64         `json:"relative"`      // 95 % of such runs lie within this share of their mean
}

// Trials are several searches, each from its own arrivals.
type Trials struct {
	Rates  []float64 `json:"sustained_rates"`
	Median float64   `json:"median_rate"`
	Low    *float64  `json:"low_rate,omitempty"` // of the 95 % interval of the mean; nil with fewer than five trials
	High   *float64  `json:"high_rate,omitempty"`
}

// Sensitivity is what one dimension of the load does to its cost and latency.
type Sensitivity struct {
	Dimension string             `json:"dimension"` // payload, keys or connections
	Unit      string             `json:"unit"`
	Rate      float64            `json:"rate"` // at which all points ran
	Points    []SensitivityPoint `json:"points"`
}

// SensitivityPoint is one short run.
type SensitivityPoint struct {
	Value      int           `json:"value"`
	ServerCost time.Duration `json:"server_cpu_ns,omitempty"` // a request
	ClientCost time.Duration `json:"client_cpu_ns,omitempty"`
	Ceiling    float64       `json:"ceiling_rate,omitempty"` // estimated: server CPUs ÷ CPU a request
	OKShare    float64       `json:"ok_share"`
	P50        Latency       `json:"p50_ns"`
	P99        Latency       `json:"p99_ns"`
	Note       string        `json:"note,omitempty"` // why it does not count, or could not run
}

// Headroom is what is left when one of several HSMs is gone.
type Headroom struct {
	Modules   int      `json:"modules"`
	Sustained float64  `json:"sustained_rate"`
	Remaining float64  `json:"remaining_rate"`       // with one module fewer
	Asked     float64  `json:"asked_rate,omitempty"` // what must still be served; 0: not given
	Fits      *bool    `json:"fits,omitempty"`
	Measured  bool     `json:"measured"` // with a module taken out; else Sustained × (Modules−1) ÷ Modules
	P99       *Latency `json:"p99_ns,omitempty"`
}

// Scalability is the Universal Scalability Law fitted to closed-loop concurrency levels: with N clients the rate is
// Lambda·N ÷ (1 + Sigma·(N−1) + Kappa·N·(N−1)).
type Scalability struct {
	Levels []int     `json:"levels"`
	Rates  []float64 `json:"rates"`
	Lambda float64   `json:"lambda_rate"` // of one client
	Sigma  float64   `json:"sigma"`       // contention
	Kappa  float64   `json:"kappa"`       // coherency
	Peak   float64   `json:"peak_level"`  // 0: none
	R2     float64   `json:"r_squared"`
}

func capacityChapter(r *Record) (chapter, bool) {
	c := r.Capacity
	if c == nil {
		return chapter{}, false
	}
	var out chapter
	if c.Bound != nil {
		out.Sections = append(out.Sections, boundSection(c.Bound))
	}
	if h := c.Headroom; h != nil {
		out.Sections = append(out.Sections, headroomSection(h))
	}
	if t := c.Trials; t != nil {
		out.Late = append(out.Late, trialsSection(t))
	}
	if n := c.Noise; n != nil {
		out.Late = append(out.Late, section{Title: "Noise", Text: fmt.Sprintf(
			"%d runs alike at %s/s (A/A) lay within %s of their mean CPU a request, 95 times in a hundred; the search stops at %s.",
			len(n.Costs), formatRate(n.Rate), formatShare(n.Relative), formatShare(c.Resolution))})
	}
	for i := range c.Sensitivity {
		out.Late = append(out.Late, sensitivitySection(&c.Sensitivity[i]))
	}
	if s := c.Scalability; s != nil {
		out.Late = append(out.Late, scalabilitySection(s))
	}
	return out, true
}

func headroomSection(h *Headroom) section {
	how := "Arithmetic, not measured: the sustained rate divided evenly over the modules, less one. It holds only where the modules are what limits."
	if h.Measured {
		how = "Measured with one module taken out."
	}
	s := section{Title: fmt.Sprintf("Headroom with %d of %d HSMs", h.Modules-1, h.Modules), Text: how, Align: "rrrl",
		Rows: [][]string{{"all modules", "one fewer", "asked for", ""}}}
	asked, fits := "–", ""
	if h.Asked > 0 {
		asked = formatRate(h.Asked) + "/s"
	}
	if h.Fits != nil {
		if fits = "does not fit"; *h.Fits {
			fits = fmt.Sprintf("fits, %s left", formatShare(1-h.Asked/h.Remaining))
		}
	}
	s.Rows = append(s.Rows, []string{formatRate(h.Sustained) + "/s", formatRate(h.Remaining) + "/s", asked, fits})
	return s
}

func trialsSection(t *Trials) section {
	s := section{Title: "Trials", Align: "lr", Rows: [][]string{{"search", "sustained"}}}
	for i, rate := range t.Rates {
		s.Rows = append(s.Rows, []string{fmt.Sprint(i + 1), formatRate(rate) + "/s"})
	}
	s.Text = fmt.Sprintf("The search was made %d times, each with its own arrivals; the median is %s/s.", len(t.Rates), formatRate(t.Median))
	if t.Low != nil && t.High != nil {
		s.Text += fmt.Sprintf(" 95 %% interval of the mean: %s to %s/s.", formatRate(*t.Low), formatRate(*t.High))
	} else {
		s.Text += " An interval wants five."
	}
	return s
}

func sensitivitySection(v *Sensitivity) section {
	s := section{Title: "Sensitivity to " + v.Dimension, Align: "rrrrrrl",
		Text: fmt.Sprintf("Short runs at %s/s, alike but for the %s. The ceiling is an estimate: server CPUs ÷ CPU a request.", formatRate(v.Rate), v.Dimension),
		Rows: [][]string{{v.Unit, "server µs/req", "client µs/req", "ceiling/s", "p50", "p99", "note"}}}
	for _, p := range v.Points {
		ceiling := "–"
		if p.Ceiling > 0 {
			ceiling = formatRate(p.Ceiling)
		}
		s.Rows = append(s.Rows, []string{formatCount(uint64(p.Value)), microseconds(p.ServerCost), microseconds(p.ClientCost), ceiling, p.P50.String(), p.P99.String(), p.Note})
	}
	if fig, ok := sensitivityFigure(v); ok {
		s.Figures = append(s.Figures, fig)
	}
	return s
}

// sensitivityFigure draws CPU a request against the dimension, whose points are powers apart.
func sensitivityFigure(v *Sensitivity) (figure, bool) {
	var server, client []point
	high, low, top := 0.0, math.Inf(1), 0.0
	for _, p := range v.Points {
		if p.ServerCost <= 0 && p.ClientCost <= 0 || p.Value <= 0 {
			continue
		}
		x := float64(p.Value)
		low, top = min(low, x), max(top, x)
		add := func(to *[]point, cost time.Duration) {
			if cost > 0 {
				y := float64(cost) / 1e3
				*to, high = append(*to, point{x, y}), max(high, y)
			}
		}
		add(&server, p.ServerCost)
		add(&client, p.ClientCost)
	}
	if len(server)+len(client) < 2 || top <= low {
		return figure{}, false
	}
	fig := figure{Title: "CPU a request by " + v.Dimension, Caption: "Each point is a run of its own.", Legend: []legend{{"s0", "server"}, {"s1", "client"}}}
	x := axis{low: low, high: top, scale: math.Log, title: v.Unit}
	for _, p := range v.Points {
		if float64(p.Value) >= low && float64(p.Value) <= top {
			x.ticks = append(x.ticks, tick{float64(p.Value), formatCount(uint64(max(p.Value, 0)))})
		}
	}
	fig.SVG = draw(func(c canvas) string {
		p := newPlot(c, x, linearAxis(high, 5, "", func(v float64) string { return fmt.Sprintf("%g µs", math.Round(v*100)/100) }), fig.Title)
		p.line("s1", client)
		p.line("s0", server)
		for class, points := range map[string][]point{"s1": client, "s0": server} {
			for _, pt := range points {
				p.mark(class, "pass", pt, fmt.Sprintf("%g %s: %.1f µs", pt.x, v.Unit, pt.y))
			}
		}
		return p.finish()
	})
	return fig, true
}

func scalabilitySection(l *Scalability) section {
	s := section{Title: "Universal Scalability Law", Align: "rr", Rows: [][]string{{"clients, closed loop", "answered/s"}}}
	for i, n := range l.Levels {
		s.Rows = append(s.Rows, []string{fmt.Sprint(n), formatRate(l.Rates[i])})
	}
	s.Text = fmt.Sprintf("Measured in a closed loop: each client waits for its answer before it asks again, so these rates are no capacities within an SLO. Fitted: λ %s/s, σ %.4f, κ %.6f, R² %.3f.",
		formatRate(l.Lambda), l.Sigma, l.Kappa, l.R2)
	if l.Peak > 0 {
		s.Text += fmt.Sprintf(" The fit peaks at %.0f clients.", l.Peak)
	}
	return s
}
