package capacity

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/loadgen/workload"
	"trent/results"
	"trent/results/stats"
)

// Dimensions of a load whose influence can be measured, with the values that are tried.
var dimensions = []struct {
	name, unit string
	values     []int
}{
	{"payload", "bytes", []int{32, 256, 1024, 4096}},
	{"keys", "keys a group", []int{1, 16, 128, 512}},
	{"connections", "connections", []int{4, 16, 64, 256}},
}

// Dimensions are the names that Options.Sensitivity may have.
func Dimensions() []string {
	var names []string
	for _, d := range dimensions {
		names = append(names, d.name)
	}
	return names
}

func checkDimensions(names []string) error {
	for _, name := range names {
		if !slices.Contains(Dimensions(), name) {
			return fmt.Errorf("unknown dimension %q: expected %s", name, strings.Join(Dimensions(), ", "))
		}
	}
	return nil
}

// sensitivityJudged is how long a point is judged, sensitivityShare the part of the sustained rate it runs at: far
// enough from the edge that a dearer variant still keeps up.
const (
	sensitivityJudged = 4 * time.Second
	sensitivityShare  = 0.4
	sensitivityRate   = 100 // where no sustained rate is known
)

// sensitivity runs one short run for each value of each dimension asked for, all at one rate.
func (r *run) sensitivity(ctx context.Context, found *results.CapacityResult) error {
	rate := round(max(sensitivityShare*max(found.Sustained, found.HighestPass), sensitivityRate))
	if r.MaxRate > 0 {
		rate = min(rate, r.MaxRate)
	}
	for _, d := range dimensions {
		if !slices.Contains(r.Sensitivity, d.name) {
			continue
		}
		s := results.Sensitivity{Dimension: d.name, Unit: d.unit, Rate: rate}
		for _, value := range d.values {
			r.Display.Phase("sensitivity to %s: %d", d.name, value)
			point, err := r.point(ctx, d.name, value, rate)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				point = results.SensitivityPoint{Value: value, Note: err.Error()}
			}
			s.Points = append(s.Points, point)
		}
		found.Sensitivity = append(found.Sensitivity, s)
	}
	return nil
}

// point runs one variant. Its keys are its own: they differ in number, or in what was encrypted with them.
func (r *run) point(ctx context.Context, dimension string, value int, rate float64) (point results.SensitivityPoint, err error) {
	w, connections := r.Workload, r.Connections
	var variant *workload.Workload
	switch dimension {
	case "payload":
		variant, err = w.WithPayload(value)
	case "keys":
		variant, err = w.WithKeys(value)
	case "connections":
		variant, connections = w, value
	}
	if err != nil {
		return point, err
	}
	keys, err := engine.Provision(ctx, r.Target, variant, r.provision())
	if err != nil {
		return point, fmt.Errorf("making keys: %w", err)
	}
	base := r.trial(keys)
	base.Plan.Workload, base.Plan.Connections = variant, connections
	_, res, err := r.try(ctx, base, Attempt{Purpose: "sensitive", Warm: warm, Number: r.number, Schedule: schedule.Poisson(rate, warm+sensitivityJudged, r.Seed)})
	if releaseErr := attack.Release(ctx, keys); err == nil {
		err = releaseErr
	}
	if err != nil {
		return point, err
	}
	return r.describe(value, res), nil
}

func (r *run) describe(value int, res *attack.Result) results.SensitivityPoint {
	p := results.SensitivityPoint{Value: value, ServerCost: res.ServerCost(), ClientCost: res.ClientCost()}
	all := res.Populations[0]
	judged := make([]stats.Block, len(all.Seconds))
	for i, second := range all.Seconds {
		judged[i] = second.Judged(r.Limits.Throttles.Exclude)
	}
	values := stats.Percentiles(judged, []float64{0.5, 0.99})
	p.P50, p.P99 = results.Latency(values[0]), results.Latency(values[1])
	if due := all.Due(); due > 0 {
		p.OKShare = float64(all.OK()) / float64(due)
	}
	if estimate := ceiling(r.side.server, p.ServerCost); !math.IsInf(estimate, 1) {
		p.Ceiling = round(estimate)
	}
	for _, g := range res.Gates {
		if g.Void {
			p.Note = fmt.Sprintf("void: %s %s", g.Name, g.Figure)
			return p
		}
	}
	if slices.ContainsFunc(res.Verdicts, func(v slo.Verdict) bool { return v.Outcome == slo.Fail }) {
		p.Note = "breaks the SLO"
	}
	return p
}
