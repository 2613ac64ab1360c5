package soak_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/soak"
	"trent/loadgen/workload"
	"trent/results"
)

// emulator is a key service in the virtual time of a synctest bubble: the engine that sends to it, the calls, and the process.
type emulator struct {
	mu      sync.Mutex
	up      chan struct{}     // closed while it is down
	keys    map[string]string // description by ID
	aliases map[string]string
	counted uint64
	full    bool
	paused  bool
	bug     string // what it does wrong
	random  *rand.Rand
	memory  float64 // bytes a day that leak
	started time.Time
	samples uint64
	tick    time.Duration // from one progress report to the next
}

func newEmulator() *emulator {
	return &emulator{up: make(chan struct{}), keys: map[string]string{}, aliases: map[string]string{}, random: rand.New(rand.NewPCG(1, 2)), started: time.Now(), tick: 5 * time.Second}
}

func (e *emulator) down() bool {
	select {
	case <-e.up:
		return true
	default:
		return e.paused
	}
}

// Name and Run make it an engine.
func (e *emulator) Name() string { return "virtual" }

func (e *emulator) Run(ctx context.Context, p *engine.Plan) (engine.Report, error) {
	start := time.Now()
	shard := p.Recorder.NewShard()
	report := engine.Report{Engine: "virtual", Start: start}
	hits := p.Schedule.Iterator()
	hit, more := hits.Next()
	for at := e.tick; at < p.Schedule.Duration()+e.tick; at += e.tick {
		select {
		case <-ctx.Done():
			report.Interrupted, report.Elapsed = true, time.Since(start)
			return report, nil
		case <-time.After(at - time.Since(start)):
		}
		for ; more && hit.Due < at; hit, more = hits.Next() {
			e.serve(p, &hit, shard)
			report.Due++
		}
		p.Progress(engine.Progress{Elapsed: at, Due: report.Due, Counts: p.Recorder.Counts()})
	}
	report.Elapsed, report.Sent, report.Done = time.Since(start), report.Due, report.Due
	return report, nil
}

func (e *emulator) serve(p *engine.Plan, hit *schedule.Hit, shard *measure.Shard) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := measure.Sample{N: hit.N, Due: hit.Due, Handed: hit.Due, ConnFree: hit.Due, FirstWrite: hit.Due, FirstByte: measure.Never, Done: hit.Due + time.Second, Outcome: measure.ConnError}
	if !e.down() {
		e.counted++
		s.Outcome, s.Done = measure.OK, hit.Due+time.Millisecond+time.Duration(e.random.IntN(20))*50*time.Microsecond
		s.FirstByte = s.Done
		if hit.N%p.Tap.Every == 0 {
			p.Tap.Take(engine.Tapped{N: hit.N, Operation: "Encrypt", Request: []byte(`{"KeyId":"load-0","Plaintext":"aGVsbG8="}`),
				Response: fmt.Appendf(nil, `{"CiphertextBlob":"%s"}`, base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "hello %d", hit.N)))})
		}
	}
	shard.Record(&s)
}

// Begin and End make it a meter that has nothing to say.
func (e *emulator) Begin() {}

func (e *emulator) End() (time.Time, []machine.Sample) { return time.Now(), nil }

func (e *emulator) CallOnce(ctx context.Context, operation string, body []byte) (int, []byte, error) {
	return e.Call(ctx, operation, body)
}

func (e *emulator) Call(_ context.Context, operation string, body []byte) (int, []byte, error) {
	time.Sleep(time.Millisecond)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down() {
		return 0, nil, errors.New("connection refused")
	}
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	text := func(name string) string { s, _ := in[name].(string); return s }
	ok := func(v any) (int, []byte, error) {
		e.counted++
		data, _ := json.Marshal(v)
		return 200, data, nil
	}
	no := func(status int, name string) (int, []byte, error) {
		return status, fmt.Appendf(nil, `{"__type":"x#%s"}`, name), nil
	}
	switch operation {
	case "CreateKey":
		id := fmt.Sprintf("key-%d", len(e.keys))
		switch {
		case e.full:
			return no(500, "KMSInternalException")
		case e.bug == "forgets a key" && len(e.keys) == 20:
			e.keys["other"] = "nobody's"
			return ok(map[string]any{"KeyMetadata": map[string]string{"KeyId": id}})
		}
		e.keys[id] = text("Description")
		if e.bug == "loses answers" && len(e.keys)%10 == 0 {
			e.counted++
			return 0, nil, errors.New("connection reset")
		}
		return ok(map[string]any{"KeyMetadata": map[string]string{"KeyId": id}})
	case "CreateAlias":
		e.aliases[text("AliasName")] = text("TargetKeyId")
		return ok(struct{}{})
	case "ListKeys":
		var all []map[string]string
		for id := range e.keys {
			all = append(all, map[string]string{"KeyId": id})
		}
		return ok(map[string]any{"Keys": all})
	case "ListAliases":
		var all []map[string]string
		for name, id := range e.aliases {
			all = append(all, map[string]string{"AliasName": name, "TargetKeyId": id})
		}
		return ok(map[string]any{"Aliases": all})
	case "DescribeKey":
		return ok(map[string]any{"KeyMetadata": map[string]string{"KeyId": text("KeyId"), "Description": e.keys[text("KeyId")]}})
	case "Decrypt":
		data, _ := base64.StdEncoding.DecodeString(text("CiphertextBlob"))
		e.samples++
		if e.bug == "loses ciphertexts" && e.samples%100 == 0 {
			return no(400, "InvalidCiphertextException")
		}
		plain, _, _ := bytes.Cut(data, []byte(" "))
		return ok(map[string]string{"Plaintext": base64.StdEncoding.EncodeToString(plain)})
	}
	return ok(struct{}{})
}

func (e *emulator) Signal(signal os.Signal) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch signal {
	case syscall.SIGKILL:
		close(e.up)
		e.counted = 0
	case syscall.SIGSTOP:
		e.paused = true
	case syscall.SIGCONT:
		e.paused = false
	}
	return nil
}

func (e *emulator) Restart(context.Context) error {
	time.Sleep(300 * time.Millisecond)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.up, e.counted, e.full = make(chan struct{}), 0, false
	return nil
}

func (e *emulator) Exited() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.up
}

func (e *emulator) RotateDomain(context.Context) (string, error) { return "domain key 2 seals", nil }

func (e *emulator) LimitFiles(full bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.full = full
	return nil
}

// skewed refuses whatever is signed by it.
type skewed struct{ soak.Caller }

func (skewed) Call(context.Context, string, []byte) (int, []byte, error) {
	return 400, []byte(`{"__type":"InvalidSignatureException"}`), nil
}

func (e *emulator) world() soak.World {
	return soak.World{
		Engine: e, Meter: e, Call: e, Skewed: func(time.Duration) soak.Caller { return skewed{e} }, Server: e,
		Provision: func(context.Context) (soak.Keys, error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			id := fmt.Sprintf("load-%d", len(e.keys))
			e.keys[id] = "load test"
			e.counted++
			return soak.Keys{IDs: []string{id}, Specs: []string{"SYMMETRIC_DEFAULT"}, Requests: 1}, nil
		},
		Read: func(context.Context) []soak.Reading {
			age := time.Since(e.started).Hours() / 24
			noise := func() float64 { return 1e6 * rand.Float64() }
			return []soak.Reading{
				{Series: soak.Series{Name: "server-rss", Unit: "bytes", Anew: true}, Reading: 60e6 + e.memory*age + noise()},
				{Series: soak.Series{Name: "client-heap", Unit: "bytes"}, Reading: 20e6 + noise()},
			}
		},
		Count: func(context.Context) (uint64, bool) {
			e.mu.Lock()
			defer e.mu.Unlock()
			n := e.counted
			if e.bug == "counts wrong" {
				n += 1_000_000
			}
			return n, true
		},
	}
}

func options(t *testing.T, length time.Duration) soak.Options {
	t.Helper()
	w, err := workload.Parse("small.yaml", []byte("name: small\nkeys: [{name: k}]\nmix: [{operation: Encrypt}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return soak.Options{Dir: t.TempDir(), Workload: w, Schedule: schedule.Sine(4, 2, 24*time.Hour, length), Period: 24 * time.Hour, Limits: soak.LimitsOf(),
		Timeout: 10 * time.Second, Seed: 5, Plan: soak.DefaultPlan(length, true), Samples: 500, TapEvery: 200, After: 10 * time.Minute, CheckRate: 2,
		Trickle: 10 * time.Minute, Save: 30 * time.Minute, Warm: length / 10, Horizon: length, Budgets: soak.DefaultBudgets(), Command: []string{"trent", "soak"}}
}

func condition(t *testing.T, r *results.Record, name string) results.SoakCheck {
	t.Helper()
	for _, c := range r.Soak.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no condition %q", name)
	return results.SoakCheck{}
}

// A day of load with all that must fall inside, in virtual time: nothing is lost, midnight passes, everything is judged.
func TestADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator()
		r, err := soak.Drive(t.Context(), options(t, 24*time.Hour), e.world())
		if err != nil {
			t.Fatal(err)
		}
		s := r.Soak
		if r.Outcome != "pass" || r.ExitCode != 0 || s.Lost != 0 {
			t.Errorf("outcome %s, lost %d, checks %+v", r.Outcome, s.Lost, s.Checks)
		}
		if r.Total.Due == 0 || s.Outside != 0 || s.Samples.Kept != 500 || s.Samples.Later != 500 || s.Samples.AfterRestart != 500 || s.Samples.AfterRotation != 500 {
			t.Errorf("due %d, outside %d, samples %+v", r.Total.Due, s.Outside, s.Samples)
		}
		how := map[string]string{}
		for _, event := range s.Events {
			how[event.Name] = event.How
		}
		for name, want := range map[string]string{"midnight": soak.Real, "day-curve": soak.Real, "certificate": soak.Real, "key-rotation": soak.Real,
			"clock-step": soak.Simulated, "disk-full": soak.Simulated, "session-token": soak.NotOffered} {
			if how[name] != want {
				t.Errorf("%s: %s, want %s", name, how[name], want)
			}
		}
		if len(s.Trends) < 2 || len(s.Trends[0].Points) > 300 {
			t.Errorf("%d trends, %d points", len(s.Trends), len(s.Trends[0].Points))
		}
		bad := uint64(0)
		for _, a := range s.Actions {
			bad += a.Bad
		}
		if bad == 0 {
			t.Error("the kill cost no hit")
		}
		if keys := s.Writes[0]; keys.Ambiguous == 0 || keys.Found != keys.Acknowledged {
			t.Errorf("keys %+v", keys)
		}
		var page bytes.Buffer
		if err := errors.Join(results.RenderHTML(&page, r), results.RenderTerminal(&page, r)); err != nil || !strings.Contains(page.String(), "Anonymous memory of the server") {
			t.Errorf("rendering: %v", err)
		}
	})
}

// What goes wrong is found, under its name, and decides.
func TestWhatGoesWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ bug, check, outcome string }{
		{"loses ciphertexts", "nothing is lost", "fail"},
		{"forgets a key", "nothing is lost", "fail"},
		{"loses answers", "nothing is lost", "pass"},
		{"counts wrong", "both sides count alike", "fail"},
		{"leaks", "nothing creeps", "fail"},
	} {
		t.Run(c.bug, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && c.bug != "loses ciphertexts" {
				t.Skip("one will do")
			}
			synctest.Test(t, func(t *testing.T) {
				e := newEmulator()
				e.bug = c.bug
				if c.bug == "leaks" {
					e.memory = 1e9
				}
				o := options(t, 6*time.Hour)
				o.Period = 6 * time.Hour
				r, err := soak.Drive(t.Context(), o, e.world())
				if err != nil {
					t.Fatal(err)
				}
				if got := condition(t, r, c.check); got.Outcome != c.outcome {
					t.Errorf("%+v", got)
				}
				if want := map[string]int{"fail": 3, "pass": 0}[c.outcome]; r.ExitCode != want {
					t.Errorf("exit code %d, want %d; %+v", r.ExitCode, want, r.Soak.Checks)
				}
				if c.bug == "loses answers" && (r.Soak.Writes[0].Applied == 0 || r.Soak.Lost != 0) {
					t.Errorf("%+v: writes whose answer was lost are read back", r.Soak.Writes[0])
				}
				if c.bug == "forgets a key" && !strings.Contains(r.Soak.Losses[0].What, "acknowledged and is not there") {
					t.Errorf("losses %+v", r.Soak.Losses)
				}
			})
		})
	}
}

// An interrupted soak never passes, goes on where it was, and the whole counts as one.
func TestInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator()
		o := options(t, 6*time.Hour)
		o.Period = 6 * time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Hour)
		defer cancel()
		first, err := soak.Drive(ctx, o, e.world())
		if err != nil {
			t.Fatal(err)
		}
		if !first.Interrupted || first.ExitCode != 130 || first.Outcome == "pass" || first.Soak.Resume == "" || first.Soak.Lost != 0 {
			t.Errorf("interrupted %v, exit %d, outcome %s, lost %d", first.Interrupted, first.ExitCode, first.Outcome, first.Soak.Lost)
		}
		if _, err := soak.Drive(t.Context(), o, e.world()); !errors.Is(err, soak.ErrExists) {
			t.Errorf("error %v, want that the directory is taken", err)
		}
		o.Resume, o.Seed = true, 6
		if _, err := soak.Drive(t.Context(), o, e.world()); !errors.Is(err, soak.ErrOther) {
			t.Errorf("error %v, want that it is another soak", err)
		}
		o.Seed = 5
		time.Sleep(time.Hour)
		e.counted = 0 // the server ended with the first run
		r, err := soak.Drive(t.Context(), o, e.world())
		if err != nil {
			t.Fatal(err)
		}
		want := schedule.Count(o.Schedule, 0, 6*time.Hour)
		if got := r.Engine.Due; got < want-100 || got > want+100 {
			t.Errorf("due %d of %d: some were measured twice or never", got, want)
		}
		if r.Outcome != "pass" || len(r.Soak.Legs) != 2 || r.Soak.Legs[1].From < 4*time.Hour-time.Minute || r.Soak.Legs[0].Ended != "interrupted" || r.Soak.Lost != 0 {
			t.Errorf("outcome %s, legs %+v, counts %+v, checks %+v", r.Outcome, r.Soak.Legs, r.Soak.Counts, r.Soak.Checks)
		}
		if _, err := soak.Drive(t.Context(), o, e.world()); !errors.Is(err, soak.ErrFinished) {
			t.Errorf("error %v, want that it has ended", err)
		}
	})
}

// An endpoint of someone else's can be asked for little: what is missing makes the soak inconclusive, unless it is left out.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	for _, without := range [][]string{nil, {"certificate", "disk-full"}} {
		synctest.Test(t, func(t *testing.T) {
			e := newEmulator()
			o := options(t, 9*time.Hour)
			o.Period, o.Plan, o.Without = 9*time.Hour, soak.DefaultPlan(9*time.Hour, false), without
			w := e.world()
			w.Server = nil
			r, err := soak.Drive(t.Context(), o, w)
			if err != nil {
				t.Fatal(err)
			}
			want := map[bool]string{true: "inconclusive", false: "pass"}[without == nil]
			if got := condition(t, r, "what must fall inside did"); got.Outcome != want {
				t.Errorf("%+v", got)
			}
			if r.Outcome != want {
				t.Errorf("outcome %s, want %s: %+v", r.Outcome, want, r.Soak.Checks)
			}
			if len(r.Soak.Counts) != 0 {
				t.Errorf("counts %+v of an endpoint that others use", r.Soak.Counts)
			}
		})
	}
}
