package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/cluster"
	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/loadgen/workload"
)

const tool = "trent test"

// wire is a link in memory whose messages take a while.
type wire struct {
	in, out chan *cluster.Message
	delay   time.Duration // of what is sent
	change  func(*cluster.Message)
	closed  chan struct{} // of both ends
	close   func()
}

// wires are the two ends of a link, with the times of the ways to the agent and back.
func wires(there, back time.Duration) (coordinator, agent *wire) {
	a, b, closed := make(chan *cluster.Message, 100), make(chan *cluster.Message, 100), make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(closed) }) }
	return &wire{in: a, out: b, delay: there, closed: closed, close: end}, &wire{in: b, out: a, delay: back, closed: closed, close: end}
}

func (w *wire) Send(_ context.Context, m *cluster.Message) error {
	// What goes over a wire is encoded, so that the two ends share nothing.
	frame, err := cluster.AppendFrame(nil, m)
	if err != nil {
		return err
	}
	copied, err := cluster.ReadFrame(strings.NewReader(string(frame)))
	if err != nil {
		return err
	}
	if w.change != nil {
		w.change(copied)
	}
	time.AfterFunc(w.delay, func() {
		select {
		case w.out <- copied:
		case <-w.closed:
		}
	})
	return nil
}

func (w *wire) Receive(ctx context.Context) (*cluster.Message, error) {
	select {
	case m := <-w.in:
		return m, nil
	case <-w.closed:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *wire) Close() error { w.close(); return nil }

// team is agents in this process.
type team struct {
	agents []agent
	local  bool
	closed bool
	wg     sync.WaitGroup
	errs   []error
}

// agent is how one behaves.
type agent struct {
	early       time.Duration // its clock begins so long before the next agent's
	there, back time.Duration
	change      func(*cluster.Message) // of what it sends
	options     cluster.AgentOptions
}

func (t *team) Name() string { return "wires" }
func (t *team) Local() bool  { return t.local }
func (t *team) Close() error { t.closed = true; return nil }

func (t *team) Join(ctx context.Context, n int, joined func(int)) ([]cluster.Link, error) {
	var links []cluster.Link
	t.errs = make([]error, n)
	for i := range n {
		a := t.agents[i]
		coordinator, agent := wires(a.there, a.back)
		agent.change = a.change
		links = append(links, coordinator)
		o := a.options
		if o.Tool == "" {
			o.Tool = tool
		}
		t.wg.Go(func() { t.errs[i] = cluster.Serve(ctx, agent, o); agent.close() })
		time.Sleep(a.early)
		joined(i + 1)
	}
	return links, nil
}

// simulated is an agent's trial against a server whose answer to hit n takes n µs: what it measures depends on the hits alone.
func simulated(ctx context.Context, t *attack.Trial) (*attack.Result, error) {
	p := t.Plan
	recorder := measure.NewRecorder(measure.Config{Entries: p.Workload.EntryNames()})
	shard, sequence := recorder.NewShard(), p.Workload.Sequence(p.Seed)
	report := engine.Report{Start: p.Start, ClientCPU: time.Second, Connections: p.Connections}
	time.Sleep(time.Until(p.Start))
	for hits := p.Schedule.Iterator(); ; {
		hit, ok := hits.Next()
		if !ok {
			time.Sleep(time.Until(p.Start.Add(p.Schedule.Duration())))
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(p.Start.Add(hit.Due))):
		}
		if report.Interrupted = ctx.Err() != nil; report.Interrupted {
			break
		}
		shard.Record(sampleOf(sequence, hit))
		report.Due++
		p.Progress(engine.Progress{Elapsed: time.Since(p.Start), Due: report.Due, Counts: measure.Counts{Outcomes: [measure.NumOutcomes]uint64{report.Due}}})
	}
	report.Elapsed, report.Sent, report.Done = time.Since(p.Start), report.Due, report.Due
	return &attack.Result{Report: report, Summary: recorder.Summary(), Gates: slo.Gates(t.Limits, slo.Unknown())}, nil
}

func sampleOf(sequence *workload.Sequence, hit schedule.Hit) *measure.Sample {
	var h workload.Hit
	sequence.HitOf(hit.N, int(hit.Entry), &h)
	done := hit.Due + time.Duration(hit.N+1)*time.Microsecond
	return &measure.Sample{N: hit.N, Entry: uint16(h.Entry), Due: hit.Due, Handed: hit.Due, ConnFree: hit.Due, FirstWrite: hit.Due, FirstByte: done, Done: done}
}

const mixText = "name: t\nmix: [{name: a, operation: ListKeys}, {name: b, operation: ListKeys, weight: 2}]\n"

func planOf(t *testing.T, spec string) *engine.Plan {
	t.Helper()
	w, err := workload.Parse("t", []byte(mixText))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := engine.Import(w, engine.KeySet{Keys: [][]string{}, Artifacts: make([][]engine.KeyArtifact, len(w.Mix))}, 0)
	if err != nil {
		t.Fatal(err)
	}
	times, err := schedule.Parse(spec, 5)
	if err != nil {
		t.Fatal(err)
	}
	return &engine.Plan{Target: engine.Target{URL: "https://127.0.0.1:1", Region: "r", Credentials: engine.Credentials{AccessKeyID: "A", Secret: "S"}},
		Workload: w, Keys: keys, Schedule: times, Seed: 5, Connections: 7, Recorder: measure.NewRecorder(measure.Config{Entries: w.EntryNames()})}
}

// single is what one recorder measures of the whole schedule, without the hits that are left out.
func single(p *engine.Plan, without func(schedule.Hit) bool) *measure.Summary {
	recorder := measure.NewRecorder(measure.Config{Entries: p.Workload.EntryNames()})
	shard, sequence := recorder.NewShard(), p.Workload.Sequence(p.Seed)
	for hits := p.Schedule.Iterator(); ; {
		hit, ok := hits.Next()
		if !ok {
			return recorder.Summary()
		}
		if without == nil || !without(hit) {
			shard.Record(sampleOf(sequence, hit))
		}
	}
}

func same(t *testing.T, got, want *measure.Summary) {
	t.Helper()
	if got.Asked() != want.Asked() {
		t.Errorf("%d hits, want %d", got.Asked(), want.Asked())
	}
	var a, b strings.Builder
	if err := errors.Join(got.WriteLog(&a), want.WriteLog(&b)); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() {
		t.Errorf("merged differs from a single run's:\n%s\nwant\n%s", a.String(), b.String())
	}
}

func groupOf(t *testing.T, team *team, limits slo.Limits, shrink bool) *cluster.Group {
	t.Helper()
	for i := range team.agents {
		if team.agents[i].options.Execute == nil {
			team.agents[i].options.Execute = simulated
		}
	}
	g, err := cluster.New(cluster.Options{Transport: team, Agents: len(team.agents), Tool: tool, Engine: "native", WorkloadSource: mixText, Limits: limits, Shrink: shrink})
	if err != nil {
		t.Fatal(err)
	}
	team.local = true
	return g
}

// Whatever the schedule and the number of agents, they measure together what a single run would, bit for bit, from one origin.
func TestManyAgentsAreOneRun(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"100/s 5s", "poisson:200 5s", "steps:10x2s,300x2s", "poisson:linear:0-300 4s", "bursts:7x500ms 3s"} {
		t.Run(spec, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var starts sync.Map
				execute := func(ctx context.Context, trial *attack.Trial) (*attack.Result, error) {
					starts.Store(trial.Plan.Start, trial.Plan.Connections)
					return simulated(ctx, trial)
				}
				team := &team{agents: []agent{{early: time.Second, there: 3 * time.Millisecond, back: 3 * time.Millisecond}, {early: time.Hour}, {}}}
				for i := range team.agents {
					team.agents[i].options.Execute = execute
				}
				p := planOf(t, spec)
				var seen []engine.Progress
				p.Progress = func(progress engine.Progress) { seen = append(seen, progress) }
				g := groupOf(t, team, slo.None(), false)
				report, err := g.Run(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				team.wg.Wait()
				same(t, p.Recorder.Summary(), single(p, nil))
				n := 0
				starts.Range(func(start, _ any) bool { n++; return start.(time.Time).Equal(report.Start) })
				if n != 1 {
					t.Error("agents started from different origins")
				}
				if report.Connections != 7 || report.Interrupted || report.Elapsed < p.Schedule.Duration() || !team.closed || errors.Join(team.errs...) != nil {
					t.Errorf("%+v, errors %v", report, team.errs)
				}
				if last := seen[len(seen)-1]; len(seen) < 3 || last.Due == 0 || last.Outcomes[measure.OK] != last.Due {
					t.Errorf("progress %+v", seen)
				}
				result := &attack.Result{Outcome: slo.Pass}
				g.Review(result)
				if result.Outcome != slo.Pass || len(result.Gates) != 4 {
					t.Errorf("outcome %v, gates %+v", result.Outcome, result.Gates)
				}
				agents := g.Result()
				if a := agents.Agents[2]; len(agents.Agents) != 3 || len(agents.Holes) != 0 || a.Due != a.OK || a.CPU != time.Second || a.OffsetBefore > -time.Hour || a.Drift() != 0 {
					t.Errorf("agents %+v", agents)
				}
			})
		})
	}
}

// A schedule without a specification, or one whose trace the agents may not have, is given to them hit by hit.
func TestSchedulesAreShipped(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "arrivals")
	if err := os.WriteFile(path, []byte("0 1\n0.5 0\n0.5\n2 1\n2.25\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := schedule.OpenTrace(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]schedule.Schedule{
		"in memory": schedule.Trace([]time.Duration{0, 5, time.Second, time.Second, 3 * time.Second}), "file": file,
		"another seed": schedule.Poisson(100, 2*time.Second, 99),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				team := &team{agents: make([]agent, 2)}
				g := groupOf(t, team, slo.None(), false)
				team.local = false
				for i := range team.agents {
					team.agents[i].options.Credentials = engine.Credentials{AccessKeyID: "A", Secret: "S"}
				}
				p := planOf(t, "1/s 1s")
				p.Schedule = s
				if _, err := g.Run(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				team.wg.Wait()
				same(t, p.Recorder.Summary(), single(p, nil))
			})
		})
	}
}

// An agent that dies leaves a hole with a name: nothing of it counts, and no limit is passed, unless the run may shrink.
func TestLostAgents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after  time.Duration // of the loss
		lose   func(a *agent, dying chan struct{})
		reason string
	}{
		"its link ends": {2 * time.Second, func(a *agent, _ chan struct{}) {
			a.options.Execute = func(ctx context.Context, trial *attack.Trial) (*attack.Result, error) {
				time.Sleep(time.Until(trial.Plan.Start.Add(2 * time.Second)))
				return nil, errors.New("out of memory")
			}
		}, "out of memory"},
		"it falls silent": {19 * time.Second, func(a *agent, _ chan struct{}) {
			a.options.Execute = func(ctx context.Context, _ *attack.Trial) (*attack.Result, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			a.back = 0
			a.change = func(m *cluster.Message) {
				if m.Kind == cluster.KindProgress {
					m.Kind, m.Progress = cluster.KindHello, nil // what nobody understands
				}
			}
		}, "during the run"},
	} {
		for _, shrink := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, shrink %v", name, shrink), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					limits, err := slo.Parse("t", []byte("name: t\nthroughput: {minimum: 99%}\nerrors: {maximum: 1%}\n"))
					if err != nil {
						t.Fatal(err)
					}
					team := &team{agents: make([]agent, 4)}
					c.lose(&team.agents[1], nil)
					p := planOf(t, "100/s 30s")
					g := groupOf(t, team, limits, shrink)
					if _, err := g.Run(t.Context(), p); err != nil {
						t.Fatal(err)
					}
					team.wg.Wait()
					same(t, p.Recorder.Summary(), single(p, func(h schedule.Hit) bool { return h.N%4 == 1 }))
					result := &attack.Result{Outcome: slo.Pass, Verdicts: limits.Judge(attack.Populations(p.Recorder.Summary(), 0, 30*time.Second), 1)}
					g.Review(result)
					agents := g.Result()
					if len(agents.Holes) != 1 || agents.Shrunk != shrink {
						t.Fatalf("agents %+v", agents)
					}
					hole := agents.Holes[0]
					if hole.Agent != 2 || hole.Hits != 750 || hole.Share != 0.25 || hole.Which != "n ≡ 1 (mod 4)" || hole.To != 30*time.Second || !strings.Contains(hole.Reason, c.reason) {
						t.Errorf("hole %+v", hole)
					}
					if want := map[bool]slo.Outcome{false: slo.Inconclusive, true: slo.Pass}[shrink]; result.Outcome != want || result.Verdicts[0].Outcome != want {
						t.Errorf("outcome %v, verdicts %+v, want %v", result.Outcome, result.Verdicts, want)
					}
					if agents.Agents[1].Lost == "" || agents.Agents[1].LostAfter == nil || agents.Agents[0].Lost != "" {
						t.Errorf("agents %+v", agents.Agents)
					}
				})
			})
		}
	}
}

// A silent agent is given up after a while, and one that is the last makes the run fail.
func TestSilentAgents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		team := &team{agents: make([]agent, 1)}
		team.agents[0].change = func(m *cluster.Message) {
			if m.Kind == cluster.KindProgress {
				time.Sleep(time.Hour) // the network is gone
			}
		}
		g := groupOf(t, team, slo.None(), false)
		began := time.Now()
		_, err := g.Run(t.Context(), planOf(t, "10/s 10m"))
		if err == nil || !strings.Contains(err.Error(), "all agents are lost") || !strings.Contains(err.Error(), "no sign of life for 20s") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("took %v", took)
		}
		team.wg.Wait()
	})
}

// An agent that tells of itself and never ends is given up a minute after the end of the schedule.
func TestHangingAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		team := &team{agents: make([]agent, 2)}
		team.agents[0].options.Execute = func(ctx context.Context, _ *attack.Trial) (*attack.Result, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		g := groupOf(t, team, slo.None(), false)
		began := time.Now()
		if _, err := g.Run(t.Context(), planOf(t, "10/s 1m")); err != nil {
			t.Fatal(err)
		}
		team.wg.Wait()
		if holes := g.Result().Holes; len(holes) != 1 || !strings.Contains(holes[0].Reason, "no result 1m0s after the end") || time.Since(began) > 3*time.Minute {
			t.Errorf("holes %+v after %v", holes, time.Since(began))
		}
	})
}

// Ctrl-C stops all agents, and what they measured until then is the partial result.
func TestInterruption(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		team := &team{agents: make([]agent, 3)}
		background := context.Background()
		p := planOf(t, "100/s 1h")
		g := groupOf(t, team, slo.None(), false)
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(10*time.Second, cancel)
		report, err := g.Run(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		team.wg.Wait()
		if asked := p.Recorder.Summary().Asked(); !report.Interrupted || asked < 800 || asked > 1000 || report.Due != asked {
			t.Errorf("%+v, %d hits", report, asked)
		}
		if holes := g.Result().Holes; len(holes) != 0 {
			t.Errorf("holes %+v", holes)
		}
	})
}

// One agent that is stopped by itself leaves a hole from there on.
func TestAgentStopsEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		team := &team{agents: make([]agent, 2)}
		team.agents[1].options.Execute = func(ctx context.Context, trial *attack.Trial) (*attack.Result, error) {
			ctx, cancel := context.WithDeadline(ctx, trial.Plan.Start.Add(4*time.Second+time.Millisecond))
			defer cancel()
			return simulated(ctx, trial)
		}
		p := planOf(t, "100/s 10s")
		g := groupOf(t, team, slo.None(), false)
		if report, err := g.Run(t.Context(), p); err != nil || report.Interrupted {
			t.Fatalf("%+v, %v", report, err)
		}
		team.wg.Wait()
		holes := g.Result().Holes
		if len(holes) != 1 || holes[0].Hits != 300 || holes[0].From < 4*time.Second || holes[0].From > 4100*time.Millisecond || p.Recorder.Summary().Asked() != 700 {
			t.Errorf("holes %+v, %d hits", holes, p.Recorder.Summary().Asked())
		}
	})
}
