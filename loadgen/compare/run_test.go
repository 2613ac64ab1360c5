package compare_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trent/loadgen/compare"
	"trent/loadgen/engine"
	"trent/loadgen/workload"
	"trent/results"
)

// emulator speaks the little of the API that the tests use; what is not in answers it does not know.
type emulator struct {
	answers map[string]string
	delay   time.Duration
	unknown func(w http.ResponseWriter) // how it says so
}

func (e *emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	text, ok := e.answers[operation]
	if operation == "CreateKey" && strings.Contains(string(body), "HMAC") && e.answers["GenerateMac"] == "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"ValidationException","message":"no such spec"}`)
		return
	}
	if !ok {
		e.unknown(w)
		return
	}
	time.Sleep(e.delay)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if strings.HasPrefix(text, "!") {
		w.WriteHeader(http.StatusBadRequest)
		text = text[1:]
	}
	fmt.Fprint(w, text)
}

const plainMix = `name: plain
keys:
  - {name: data, count: 2}
  - {name: mac, spec: HMAC_256}
mix:
  - {operation: Encrypt, keys: data, weight: 3}
  - {operation: Decrypt, keys: data, weight: 3}
  - {operation: GenerateRandom, weight: 2}
  - {operation: GenerateMac, keys: mac}
`

func everything() map[string]string {
	return map[string]string{
		"CreateKey": `{"KeyMetadata":{"KeyId":"11111111-2222-4333-8444-555555555555"}}`, "ScheduleKeyDeletion": `{}`,
		"Encrypt": `{"CiphertextBlob":"AAAA"}`, "Decrypt": `{"Plaintext":"AAAA"}`, "GenerateRandom": `{"Plaintext":"AAAA"}`, "GenerateMac": `{"Mac":"AAAA"}`,
	}
}

func serve(t *testing.T, e *emulator) compare.Subject {
	t.Helper()
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return compare.Subject{Kind: results.EndpointSubject, PID: os.Getpid(), Target: engine.Target{URL: server.URL, Region: "us-east-1", AllowPlaintext: true,
		Credentials: engine.Credentials{AccessKeyID: "test", Secret: "test"}}}
}

func options(t *testing.T, a, b *emulator) compare.Options {
	t.Helper()
	w, err := workload.Parse("plain", []byte(plainMix))
	if err != nil {
		t.Fatal(err)
	}
	o := compare.Options{A: serve(t, a), B: serve(t, b), Workload: w, Connections: 8, Rate: 400, Round: 250 * time.Millisecond, Pairs: 1, SelfPairs: -1, Seed: 3}
	o.A.Name, o.B.Name = "full", "partial"
	return o
}

func notImplemented(w http.ResponseWriter) {
	http.Error(w, "not implemented", http.StatusNotImplemented)
}

// The mix is what both answer well, and the record says what one lacks, what it refuses, and how it said so.
func TestRunReducesTheMix(t *testing.T) {
	t.Parallel()
	partial := everything()
	delete(partial, "GenerateMac")
	delete(partial, "GenerateRandom")
	partial["Decrypt"] = `!{"__type":"InvalidCiphertextException"}`
	o := options(t, &emulator{answers: everything(), unknown: notImplemented}, &emulator{answers: partial, delay: 2 * time.Millisecond, unknown: notImplemented})
	record, err := compare.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c := record.Comparison
	if got := strings.Join(c.Dropped, " "); got != "Decrypt GenerateRandom GenerateMac" {
		t.Errorf("dropped %q", got)
	}
	findings := map[string]string{}
	for _, p := range c.Probes {
		findings[p.Side+" "+p.Operation] = p.Finding
	}
	for probe, want := range map[string]string{"A Decrypt": results.Answers, "A GenerateMac": results.Answers, "B Encrypt": results.Answers,
		"B Decrypt": results.Refuses, "B GenerateRandom": results.Lacks, "B GenerateMac": results.Lacks} {
		if findings[probe] != want {
			t.Errorf("%s: %q, want %q", probe, findings[probe], want)
		}
	}
	if record.Workload.Name != "plain" || len(c.Rounds) < 2 || len(c.Rounds[0].Figures) != 2 {
		t.Errorf("workload %q, %d rounds, figures %v: want all and Encrypt", record.Workload.Name, len(c.Rounds), c.Rounds[0].Figures)
	}
	for _, round := range c.Rounds {
		if round.OK != round.Due || round.Due < 50 || round.ServerCPU == nil {
			t.Errorf("round %+v: want all answered, with CPU time", round)
		}
	}
}

// A server that answers an operation which does not exist like any other failure is told by that answer.
func TestProbeKnowsByTheAnswerToNonsense(t *testing.T) {
	t.Parallel()
	partial := everything()
	delete(partial, "GenerateRandom")
	crash := func(w http.ResponseWriter) {
		http.Error(w, "<html>Internal Server Error</html>", http.StatusInternalServerError)
	}
	o := options(t, &emulator{answers: everything(), unknown: notImplemented}, &emulator{answers: partial, unknown: crash})
	record, err := compare.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(record.Comparison.Dropped, " "); got != "GenerateRandom" {
		t.Errorf("dropped %q, want GenerateRandom", got)
	}
}

func TestRunNothingInCommon(t *testing.T) {
	t.Parallel()
	o := options(t, &emulator{answers: everything(), unknown: notImplemented}, &emulator{answers: map[string]string{}, unknown: notImplemented})
	record, err := compare.Run(t.Context(), o)
	if !errors.Is(err, compare.ErrNothingInCommon) || record == nil || len(record.Comparison.Dropped) != 4 || record.ExitCode != 6 {
		t.Errorf("record %+v, error %v; want what each lacks, and inconclusive", record, err)
	}
}

func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	o := options(t, &emulator{answers: everything(), unknown: notImplemented}, &emulator{answers: everything(), unknown: notImplemented})
	o.Pairs = 200
	for _, limit := range []time.Duration{2 * time.Second, 8 * time.Second, 30 * time.Second} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		record, err := compare.Run(ctx, o)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) { // ended before the first round
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !record.Interrupted || record.ExitCode != 130 || record.Outcome == "pass" {
			t.Errorf("interrupted %v, exit code %d, outcome %s", record.Interrupted, record.ExitCode, record.Outcome)
		}
		return
	}
}

// A program that ends at once is named with what it wrote, and nothing is left of it.
func TestRunStartsPrograms(t *testing.T) {
	t.Parallel()
	o := options(t, &emulator{answers: everything(), unknown: notImplemented}, &emulator{answers: everything(), unknown: notImplemented})
	o.A = compare.Subject{Name: "broken", Kind: results.ProgramSubject, Target: o.A.Target, Start: compare.Command{Path: "/bin/sh", Args: []string{"-c", "echo out of order >&2; exit 3"}}}
	o.A.Target.URL = "http://127.0.0.1:9" // nothing answers there
	if _, err := compare.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("error %v, want what the program wrote", err)
	}
}

// The floor answers as many bytes as the subject does, head included.
func TestFloor(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ready.json")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- compare.ServeFloor(ctx, file, map[string]int{"Encrypt": 321}) }()
	var ready struct {
		Endpoint string `json:"endpoint"`
		CA       string `json:"ca_pem"`
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &ready) == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the floor did not announce itself")
		}
	}
	client, err := engine.NewClient(engine.Target{URL: ready.Endpoint, Region: "us-east-1", RootCAs: pool(t, ready.CA), Credentials: engine.Credentials{AccessKeyID: "a", Secret: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	x, err := client.Exchange(t.Context(), "Encrypt", []byte(`{}`))
	if err != nil || x.Status != 200 || len(x.Body) != 321 {
		t.Fatalf("answer %d of %d bytes, %v; want 200 of 321", x.Status, len(x.Body), err)
	}
	if got := compare.FloorBody(x.Bytes); got != 321 {
		t.Errorf("for an answer of %d bytes the floor takes a body of %d, want 321", x.Bytes, got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopping: %v", err)
	}
}
