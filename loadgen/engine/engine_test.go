package engine_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
)

func parse(t testing.TB, yaml string) *workload.Workload {
	t.Helper()
	w, err := workload.Parse("test", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func eachEngine(t *testing.T, f func(t *testing.T, e engine.Engine)) {
	for _, name := range engine.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := engine.New(name)
			if err != nil {
				t.Fatal(err)
			}
			f(t, e)
		})
	}
}

// run executes a plan over the fake server and returns report and summary.
func run(t *testing.T, e engine.Engine, p *engine.Plan) (engine.Report, *measure.Summary) {
	t.Helper()
	report, s, err := tryRun(t, e, p)
	if err != nil {
		t.Fatal(err)
	}
	return report, s
}

// tryRun is run for tests that try again where a machine is too slow even to connect.
func tryRun(t *testing.T, e engine.Engine, p *engine.Plan) (engine.Report, *measure.Summary, error) {
	t.Helper()
	p.Recorder = measure.NewRecorder(measure.Config{Entries: p.Workload.EntryNames()})
	report, err := e.Run(t.Context(), p)
	if err != nil {
		return report, nil, err
	}
	s := p.Recorder.Summary()
	if s.Asked() != report.Due || report.Done != report.Due {
		t.Errorf("due %d, done %d, recorded %d: not the same", report.Due, report.Done, s.Asked())
	}
	return report, s, nil
}

// Every way of failing has its outcome and name, and both engines count alike.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		f := newFakeKMS(t)
		w := parse(t, "name: t\nkeys: [{name: k}]\nmix: [{operation: DescribeKey}]\n")
		keys, err := engine.Provision(t.Context(), f.target(), w, engine.ProvisionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var hit atomic.Uint64
		f.misbehave = func(_ uint64, operation string, w http.ResponseWriter, r *http.Request) bool {
			if operation != "DescribeKey" {
				return false
			}
			switch hit.Add(1) % 10 {
			case 0:
				fail(w, 400, "ThrottlingException")
			case 1:
				fail(w, 400, "com.amazonaws.kms#NotFoundException")
			case 2:
				w.WriteHeader(503)
			case 3:
				io.Copy(io.Discard, r.Body)
				reset(w)
			case 4:
				garbage(w)
			case 5:
				halfAnswer(w)
			case 6:
				noAnswer(w)
			case 7:
				silence(w, r)
			default:
				return false
			}
			return true
		}
		report, s := run(t, e, &engine.Plan{Target: f.target(), Workload: w, Keys: keys, Seed: 1, Connections: 16,
			Schedule: schedule.Constant(100, time.Second), Timeout: 1500 * time.Millisecond, SDK: engine.SDKOptions{MaxAttempts: 1}})
		// Ten connections are kept waiting by the silent answers, six are left for the other hits.
		if s.Count(measure.NeverSent) > 0 {
			t.Fatalf("%d hits never sent", s.Count(measure.NeverSent))
		}
		want := map[string]uint64{"ThrottlingException": 10, "NotFoundException": 10, "HTTP503": 10, "ConnectionReset": 10,
			"MalformedAnswer": 10, "AnswerTruncated": 10, "ConnectionClosed": 10, "Timeout": 10}
		if diff := cmp.Diff(want, s.Errors); diff != "" {
			t.Errorf("errors (-want +got):\n%s", diff)
		}
		got := map[measure.Outcome]uint64{}
		for o := range measure.NumOutcomes {
			got[o] = s.Count(o)
		}
		outcomes := map[measure.Outcome]uint64{measure.OK: 20, measure.Throttled: 10, measure.Failed: 20, measure.Timeout: 10,
			measure.ConnError: 30, measure.NeverSent: 0, measure.Malformed: 10}
		if diff := cmp.Diff(outcomes, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if report.Sent != 100 || report.Due != 100 || report.Interrupted || report.Reconnects == 0 {
			t.Errorf("report %+v", report)
		}
		if s.Judged(0.5, false) != measure.Infinite {
			t.Error("80 % of the hits failed and the median is finite")
		}
	})
}

// The mixed workload's requests are what a service accepts: contexts, signatures and MACs fit their artifacts.
func TestBuiltinWorkloads(t *testing.T) {
	t.Parallel()
	for _, name := range workload.Builtin() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := workload.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			f := newFakeKMS(t)
			keys, err := engine.Provision(t.Context(), f.target(), w, engine.ProvisionOptions{Concurrency: 4, MaxArtifacts: 64})
			if err != nil {
				t.Fatal(err)
			}
			counts := map[string]map[string]int{}
			for _, name := range engine.Names() {
				e, err := engine.New(name)
				if err != nil {
					t.Fatal(err)
				}
				before := f.requests.Load()
				_, s := run(t, e, &engine.Plan{Target: f.target(), Workload: w, Keys: keys, Seed: 7, Connections: 4,
					Schedule: schedule.Poisson(2000, 200*time.Millisecond, 3)})
				if s.Count(measure.OK) != s.Asked() || f.requests.Load()-before != s.Asked() {
					t.Errorf("%s: %d of %d OK, %d received: %v", name, s.Count(measure.OK), s.Asked(), f.requests.Load()-before, s.Errors)
				}
				counts[name] = map[string]int{}
				for i := range s.Entries {
					counts[name][s.Entries[i].Name] = int(s.Entries[i].Asked())
				}
			}
			if diff := cmp.Diff(counts["native"], counts["vegeta"]); diff != "" {
				t.Errorf("the engines sent different hits (-native +vegeta):\n%s", diff)
			}
			if err := keys.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if len(f.deleted) != w.KeyCount() || len(f.bad) > 0 {
				t.Errorf("%d of %d keys released; bad requests %v", len(f.deleted), w.KeyCount(), f.bad)
			}
		})
	}
}

// The cap is hard, over provisioning, runs and release together.
func TestRequestCap(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		f := newFakeKMS(t)
		w := parse(t, "name: t\nkeys: [{name: k, count: 2}]\nmix: [{operation: Decrypt, variants: 2}]\n")
		target := f.target()
		target.MaxRequests = 50 // 2 CreateKey + 4 Encrypt + 42 hits + 2 ScheduleKeyDeletion
		keys, err := engine.Provision(t.Context(), target, w, engine.ProvisionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		report, s := run(t, e, &engine.Plan{Target: target, Workload: w, Keys: keys, Connections: 3,
			Schedule: schedule.Constant(1000, 100*time.Millisecond)})
		if report.Sent != 42 || report.Capped != 58 || s.Errors["RequestCap"] != 58 || s.Count(measure.OK) != 42 {
			t.Errorf("report %+v, errors %v", report, s.Errors)
		}
		if err := keys.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if n := f.requests.Load(); n != 50 || len(f.deleted) != 2 {
			t.Errorf("%d requests, %d keys deleted", n, len(f.deleted))
		}
	})
}

func TestProvisionCleansUp(t *testing.T) {
	t.Parallel()
	w := parse(t, "name: t\nkeys: [{name: k, count: 5}]\nmix: [{operation: Decrypt}]\n")
	for _, c := range []struct {
		name  string
		cap   uint64
		fail  func(w http.ResponseWriter, cancel func())
		check func(error) bool
	}{
		{"an error answer", 0, func(w http.ResponseWriter, _ func()) { fail(w, 400, "DisabledException") }, func(err error) bool {
			var api *engine.APIError
			return errors.As(err, &api) && api.Name == "DisabledException" && api.Operation == "Encrypt" && api.Status == 400
		}},
		{"an interruption", 0, func(w http.ResponseWriter, cancel func()) { cancel(); fail(w, 500, "KMSInternalException") },
			func(err error) bool { return err != nil }},
		{"the cap", 12, func(w http.ResponseWriter, _ func()) { fail(w, 400, "ThrottlingException") },
			func(err error) bool { return errors.Is(err, engine.ErrRequestCap) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeKMS(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f.misbehave = func(_ uint64, operation string, w http.ResponseWriter, _ *http.Request) bool {
				if operation != "Encrypt" {
					return false
				}
				c.fail(w, cancel)
				return true
			}
			target := f.target()
			target.MaxRequests = c.cap
			_, err := engine.Provision(ctx, target, w, engine.ProvisionOptions{Concurrency: 1})
			if !c.check(err) {
				t.Errorf("error %v", err)
			}
			if f.count("CreateKey") != 5 || len(f.deleted) != 5 {
				t.Errorf("%d keys created, %d deleted", f.count("CreateKey"), len(f.deleted))
			}
			for key, days := range f.deleted {
				if days != 7 {
					t.Errorf("key %s deleted in %d days", key, days)
				}
			}
		})
	}
}

func TestKeepAndThrottledProvision(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	f.misbehave = func(n uint64, _ string, w http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			fail(w, 400, "ThrottlingException")
		}
		return n == 1
	}
	last := ""
	keys, err := engine.Provision(t.Context(), f.target(), parse(t, "name: t\nkeys: [{name: k}]\nmix: [{operation: Decrypt, variants: 2}]\n"),
		engine.ProvisionOptions{Keep: true, Progress: func(done, total int) { last = strings.Repeat("#", done) + strings.Repeat(".", total-done) }})
	if err != nil {
		t.Fatal(err)
	}
	if last != "###" || keys.Requests() != 4 {
		t.Errorf("progress %q, %d requests", last, keys.Requests())
	}
	if err := keys.Release(t.Context()); err != nil || len(f.deleted) > 0 {
		t.Errorf("kept keys: %v, %d deleted", err, len(f.deleted))
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	f.misbehave = func(n uint64, _ string, w http.ResponseWriter, _ *http.Request) bool {
		if n == 2 {
			noAnswer(w) // a kept connection that closed: tried again
		}
		return n == 2
	}
	target := f.target()
	target.MaxRequests = 3
	c, err := engine.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		status, body, err := c.Call(t.Context(), "Encrypt", []byte(`{"KeyId":"k"}`))
		if err != nil || status != 200 || !strings.Contains(string(body), "CiphertextBlob") {
			t.Errorf("%d %q %v", status, body, err)
		}
	}
	if _, _, err := c.Call(t.Context(), "Encrypt", []byte("{}")); !errors.Is(err, engine.ErrRequestCap) {
		t.Errorf("beyond the cap: %v", err)
	}
}
