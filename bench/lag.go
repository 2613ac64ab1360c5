package bench

import (
	"context"
	"fmt"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/results/stats"
)

const (
	pacerRate   = 5000
	pacerLength = 10 * time.Second
)

// lag measures how late hits are: those that the pacer alone releases, and those that the native engine sends from one core at half
// the valid rate (0: none is known).
func (g *rig) lag(ctx context.Context, r *Report, valid float64) error {
	released, what := g.paceQuietly(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, c := range []struct {
		name  string
		q     float64
		limit float64
	}{{"p99", 0.99, 60}, {"p99.9", 0.999, 250}} {
		f := single("pacer lag "+c.name+" at 5000/s", "µs", stats.Quantile(released, c.q), c.limit, true, fmt.Sprintf("the pacer alone on a free core, %v", pacerLength))
		if what != "" {
			f.Verdict, f.Note = Inconclusive, "the core was never free: "+what
		}
		r.add(f)
	}
	if valid == 0 {
		r.add(Figure{Name: "send lag from due p99 at half the valid rate", Unit: "µs", Target: "≤ 1000", Verdict: Inconclusive, Note: "no rate was valid"})
		return nil
	}
	return g.sendLag(ctx, r, valid/2)
}

// paceQuietly returns the lags of a run of the pacer alone, µs. What is what disturbed even the last attempt.
func (g *rig) paceQuietly(ctx context.Context) (released []float64, what string) {
	for range attempts {
		released = released[:0]
		probe := machine.NewProbe(machine.Host{}, 0)
		before := probe.Snapshot()
		engine.Pace(ctx, schedule.Constant(pacerRate, pacerLength), func(due, at time.Duration) {
			released = append(released, float64(at-due)/1e3)
		})
		u := probe.Usage(before, probe.Snapshot())
		what = ""
		if others := othersShare(u, g.client, u.ClientCPU); others > othersLimit {
			what = fmt.Sprintf("other processes used %.0f %% of it", others*100)
		} else if stolen := u.Stolen(nil); stolen > stealLimit {
			what = fmt.Sprintf("%.1f %% of it was stolen", stolen*100)
		}
		if what == "" || ctx.Err() != nil {
			break
		}
	}
	return released, what
}

// sendLag measures the lag from due to the first byte written, with pacing, signing and TLS on one core.
func (g *rig) sendLag(ctx context.Context, r *Report, rate float64) error {
	native, err := engine.New("native")
	if err != nil {
		return err
	}
	var result *attack.Result
	what := ""
	for range attempts {
		t := attack.Trial{Engine: native, ClientCPUs: g.client, Meter: attack.NewMeter(machine.NewProbe(machine.Host{}, g.floor.cmd.Process.Pid), time.Second),
			Plan: engine.Plan{Target: g.floor.target, Workload: g.workload, Keys: g.keys, Connections: connections, Schedule: schedule.Constant(rate, 2*validRound)}}
		if result, err = t.Run(ctx); err != nil {
			return err
		}
		if what = disturbance(result, g.client, g.server); what == "" || ctx.Err() != nil {
			break
		}
	}
	lag := measure.Quantile(result.Summary.ClientLag(), 0.99)
	f := single("send lag from due p99 at half the valid rate", "µs", float64(lag)/1e3, 1000, true,
		fmt.Sprintf("native, %.0f/s, pacing, signing and TLS on one core; of it after the pacer %v", rate, measure.Quantile(result.Summary.SendLag(), 0.99)))
	if what != "" {
		f.Verdict, f.Note = Inconclusive, what
	}
	r.add(f)
	return ctx.Err()
}
