package cluster_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/cluster"
	"trent/loadgen/engine"
	"trent/loadgen/slo"
)

// The gates of any agent void the run, as does a clock that moved by more than 10 ms or a gap of a constant schedule.
func TestAgentsVoidTheRun(t *testing.T) {
	t.Parallel()
	drift := func(by time.Duration) func(*cluster.Message) {
		return func(m *cluster.Message) {
			if m.Pong != nil && m.Pong.Received > 4*time.Second { // after the run
				m.Pong.Received, m.Pong.Sent = m.Pong.Received+by, m.Pong.Sent+by
			}
		}
	}
	for name, c := range map[string]struct {
		spec string
		lose func(*agent)
		void string
	}{
		"good":                {"poisson:1000 5s", func(*agent) {}, ""},
		"drift in a gap":      {"50/s 5s", func(a *agent) { a.change = drift(9 * time.Millisecond) }, ""},
		"drift above 10 ms":   {"50/s 5s", func(a *agent) { a.change = drift(-11 * time.Millisecond) }, "agents' clocks 11ms apart"},
		"drift above a gap":   {"1000/s 5s", func(a *agent) { a.change = drift(2 * time.Millisecond) }, "agents' clocks 2ms apart"},
		"no gap of a poisson": {"poisson:1000 5s", func(a *agent) { a.change = drift(2 * time.Millisecond) }, ""},
		"far away":            {"10/s 5s", func(a *agent) { a.there = 30 * time.Millisecond }, "known to ± 15ms"},
		"gate": {"10/s 5s", func(a *agent) {
			a.options.Execute = func(ctx context.Context, trial *attack.Trial) (*attack.Result, error) {
				r, err := simulated(ctx, trial)
				r.Gates = append(r.Gates, slo.Gate{Name: "CPU stolen", Figure: "7 %", Limit: "≤ 1 %", Known: true, Void: true, Advice: "repeat"})
				return r, err
			}
		}, "CPU stolen 7 % (≤ 1 %)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				team := &team{agents: make([]agent, 2)}
				c.lose(&team.agents[1])
				p := planOf(t, c.spec)
				g := groupOf(t, team, slo.None(), false)
				if _, err := g.Run(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				team.wg.Wait()
				result := &attack.Result{Outcome: slo.Pass}
				g.Review(result)
				var void []string
				for _, gate := range result.Gates {
					if gate.Void {
						void = append(void, gate.Name+" "+gate.Figure)
					}
				}
				if c.void == "" && (len(void) > 0 || result.Outcome != slo.Pass) || c.void != "" && (len(void) != 1 || !strings.Contains(void[0], c.void) || result.Outcome != slo.Voided) {
					t.Errorf("%v: void %q, want %q", result.Outcome, void, c.void)
				}
			})
		})
	}
}

// Before the start, an agent that cannot do its part fails the run, and the others are let go.
func TestPreparationFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*agent, *engine.Plan)
		want  string
	}{
		"another version": {func(a *agent, _ *engine.Plan) { a.options.Tool = "trent old" }, `it is "trent old", and the coordinator is "trent test"`},
		"other hits": {func(a *agent, _ *engine.Plan) {
			a.change = func(m *cluster.Message) {
				if m.Ready != nil {
					m.Ready.Fingerprint++
				}
			}
		}, "its schedule has other hits"},
		"bad engine answer": {func(a *agent, _ *engine.Plan) {
			a.change = func(m *cluster.Message) {
				if m.Ready != nil {
					m.Kind, m.Ready, m.Failure = cluster.KindFailure, nil, "no disk"
				}
			}
		}, "no disk"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				team := &team{agents: make([]agent, 3)}
				p := planOf(t, "10/s 10s")
				c.spoil(&team.agents[2], p)
				g := groupOf(t, team, slo.None(), false)
				if _, err := g.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %s", err, c.want)
				}
				team.wg.Wait()
				if p.Recorder.Summary().Asked() != 0 || !team.closed {
					t.Error("something was sent")
				}
			})
		})
	}
}
