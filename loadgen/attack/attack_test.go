package attack_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/loadgen/workload"
	"trent/results"
)

// keyService answers just enough of the API for the envelope workload.
type keyService struct {
	*httptest.Server
	keys, deleted, hits atomic.Uint64
	refuse              func(operation string, n uint64) (status int, exception string)
}

func newKeyService(t *testing.T) *keyService {
	t.Helper()
	s := &keyService{}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *keyService) target() engine.Target {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return engine.Target{URL: s.URL, Region: "us-east-1", RootCAs: roots, Credentials: engine.Credentials{AccessKeyID: "test", Secret: "test"}}
}

func (s *keyService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	n := s.hits.Add(1)
	if s.refuse != nil {
		if status, exception := s.refuse(operation, n); status != 0 {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, exception)
			return
		}
	}
	switch operation {
	case "CreateKey":
		fmt.Fprintf(w, `{"KeyMetadata":{"KeyId":"key-%d"}}`, s.keys.Add(1))
	case "ScheduleKeyDeletion":
		s.deleted.Add(1)
		fmt.Fprint(w, `{}`)
	default:
		fmt.Fprint(w, `{"CiphertextBlob":"AAAA","Plaintext":"AAAA","KeyId":"k"}`)
	}
}

func options(t *testing.T, s *keyService, spec string) attack.Options {
	t.Helper()
	w, err := workload.Load("envelope")
	if err != nil {
		t.Fatal(err)
	}
	times, err := schedule.Parse(spec, 1)
	if err != nil {
		t.Fatal(err)
	}
	return attack.Options{Target: s.target(), Workload: w, Schedule: times, Limits: slo.None(), Engine: "native", Connections: 4,
		Timeout: 5 * time.Second, Seed: 7, Tool: "trent test", Command: []string{"trent", "attack"}}
}

func TestRun(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	s.refuse = func(operation string, n uint64) (int, string) {
		switch {
		case operation == "Decrypt" && n%10 == 0:
			return 400, "IncorrectKeyException"
		case operation == "Decrypt" && n%10 == 1:
			return 400, "ThrottlingException"
		}
		return 0, ""
	}
	r, err := attack.Run(t.Context(), options(t, s, "200/s 1500ms"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Total.Due != 300 || r.Total.Count("ok")+r.Total.NotOK() != 300 || r.Total.Count("failed") == 0 || r.Total.Count("throttled") == 0 {
		t.Errorf("total: due %d, %+v", r.Total.Due, r.Total.Outcomes)
	}
	names := map[string]bool{}
	for _, e := range r.Total.Errors {
		names[e.Name] = true
	}
	if !names["IncorrectKeyException"] || !names["ThrottlingException"] {
		t.Errorf("errors by name: %+v", r.Total.Errors)
	}
	due := uint64(0)
	for _, op := range r.Operations {
		due += op.Due
		h, err := op.Outcomes[0].Latency.Decode()
		if err != nil || uint64(h.TotalCount()) != op.Count("ok") || len(op.Latency) != 4 || len(op.Service) != 4 {
			t.Errorf("%s: histogram of %v (%v), figures %+v", op.Name, op.Count("ok"), err, op)
		}
	}
	if len(r.Operations) != 2 || due != 300 || len(r.Series) < 2 || len(r.Lags.Client) == 0 {
		t.Errorf("%d operations with %d hits, %d seconds", len(r.Operations), due, len(r.Series))
	}
	if s.keys.Load() != 16 || s.deleted.Load() != 16 {
		t.Errorf("made %d keys and deleted %d, want 16 of both", s.keys.Load(), s.deleted.Load())
	}
	if len(r.Gates) < 8 || r.Environment.GoVersion == "" || r.Seed != 7 || r.Schedule.Duration != 1500*time.Millisecond {
		t.Errorf("record: %d gates, %+v, %+v", len(r.Gates), r.Environment, r.Schedule)
	}
	checkRenders(t, r)
}

// checkRenders makes sure that a real record survives the file and both renderings.
func checkRenders(t *testing.T, r *results.Record) {
	t.Helper()
	var file, page bytes.Buffer
	if err := errors.Join(results.Write(&file, r), results.RenderHTML(&page, r), results.RenderTerminal(io.Discard, r)); err != nil {
		t.Fatal(err)
	}
	back, err := results.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(r)
	b, _ := json.Marshal(back)
	if !bytes.Equal(a, b) {
		t.Error("the record changed on its way through the file")
	}
}

func TestVerdictsOfARun(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	limits, err := slo.Parse("x", []byte("latency: [{percentile: 99, limit: 10s}]\nerrors: {maximum: 50%}\nthroughput: {minimum: 1/s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, s, "100/s 1s")
	o.Limits = limits
	r, err := attack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range r.Verdicts {
		got[v.Metric+" "+v.Unit] = v.Outcome
	}
	if got["p99 latency ns"] != "inconclusive" || got["errors share"] == "fail" || got["throughput rate"] == "fail" || len(got) != 3 {
		t.Errorf("verdicts: %v", got)
	}
	if r.Verdicts[0].Needed < 20*time.Second || r.ExitCode == 0 {
		t.Errorf("exit code %d, needed %v; want no pass after a second", r.ExitCode, r.Verdicts[0].Needed)
	}
}

func TestInterruptedRunIsPartial(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.refuse = func(_ string, n uint64) (int, string) {
		if n == 150 { // well after the keys and ciphertexts
			cancel()
		}
		return 0, ""
	}
	o := options(t, s, "200/s 60s")
	o.Workload = small(t)
	r, err := attack.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.ExitCode != 130 || r.Outcome == "pass" || r.Total.Count("ok") == 0 || r.Elapsed > 30*time.Second {
		t.Errorf("interrupted %v, exit %d, outcome %s, %d ok in %v", r.Interrupted, r.ExitCode, r.Outcome, r.Total.Count("ok"), r.Elapsed)
	}
	if s.deleted.Load() != s.keys.Load() {
		t.Errorf("made %d keys and deleted %d after the interruption", s.keys.Load(), s.deleted.Load())
	}
}

func small(t *testing.T) *workload.Workload {
	t.Helper()
	w, err := workload.Parse("small.yaml", []byte("name: small\nkeys: [{name: k}]\nmix: [{operation: GenerateDataKey}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestFailedCleanUpIsNoted(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	s.refuse = func(operation string, _ uint64) (int, string) {
		if operation == "ScheduleKeyDeletion" {
			return 400, "AccessDeniedException"
		}
		return 0, ""
	}
	o := options(t, s, "100/s 500ms")
	o.Workload = small(t)
	r, err := attack.Run(t.Context(), o)
	if err != nil || !strings.Contains(strings.Join(r.Notes, " "), "left behind") {
		t.Errorf("%v, notes %q; want the keys left behind in them", err, r.Notes)
	}
}

func TestNothingAnswered(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	s.refuse = func(operation string, _ uint64) (int, string) {
		if operation == "GenerateDataKey" {
			return 500, "KMSInternalException"
		}
		return 0, ""
	}
	o := options(t, s, "100/s 500ms")
	o.Workload = small(t)
	r, err := attack.Run(t.Context(), o)
	if err != nil || r.ExitCode != 1 || r.Outcome != "harness error" {
		t.Errorf("%v, %+v; want exit code 1 where nothing was answered", err, r)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newKeyService(t)
	for name, c := range map[string]struct {
		spoil func(*attack.Options)
		check func(error) bool
	}{
		"unknown engine": {func(o *attack.Options) { o.Engine = "steam" }, func(err error) bool { return strings.Contains(err.Error(), "steam") }},
		"remote":         {func(o *attack.Options) { o.Target.URL = "https://192.0.2.1" }, func(err error) bool { return errors.Is(err, engine.ErrRemote) }},
		"limit on an operation that is not sent": {func(o *attack.Options) {
			o.Limits = slo.Limits{Latency: []slo.LatencyLimit{{Percentile: 0.5, Limit: 1, Operations: []string{"Sign"}}}}
		}, func(err error) bool { var e *attack.LimitError; return errors.As(err, &e) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, s, "10/s 1s")
			c.spoil(&o)
			if _, err := attack.Run(t.Context(), o); err == nil || !c.check(err) {
				t.Errorf("error %v", err)
			}
		})
	}
}
