package capacity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trent/loadgen/capacity"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/slo"
	"trent/loadgen/spawn"
	"trent/loadgen/workload"
	"trent/results"
)

// TestMain lets the test binary be the server that a run starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		serve(os.Args[2:])
	}
	os.Exit(m.Run())
}

// serve is a key service that keeps to the contract of spawn.Options.
func serve(args []string) {
	flags := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		flags[args[i]] = args[i+1]
	}
	if os.Getenv("CAPACITY_TEST_REFUSE") != "" {
		fmt.Fprintln(os.Stderr, "the data directory is haunted")
		os.Exit(3)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprint(w, `{"KeyMetadata":{"KeyId":"k"},"CiphertextBlob":"AAAA","Plaintext":"AAAA","KeyId":"k"}`)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	ca := filepath.Join(filepath.Dir(flags["--ready-file"]), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	ready, err := json.Marshal(map[string]any{"endpoint": s.URL, "ca": ca, "pid": os.Getpid()})
	err = errors.Join(err, os.WriteFile(ca, certificate, 0o600), os.WriteFile(flags["--ready-file"]+".new", ready, 0o600),
		os.Rename(flags["--ready-file"]+".new", flags["--ready-file"]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {} // until SIGTERM
}

func options(t *testing.T) capacity.Options {
	t.Helper()
	w, err := workload.Parse("small.yaml", []byte("name: small\nkeys: [{name: k}]\nmix: [{operation: GenerateDataKey}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return capacity.Options{Workload: w, Limits: slo.Default(), Budget: time.Nanosecond, Seed: 3, Connections: 4, Command: []string{"trent", "capacity"},
		Spawn: spawn.Options{Program: program, Region: "us-east-1", Credentials: engine.Credentials{AccessKeyID: "test", Secret: "test"}}}
}

// The wiring for real: a server is started on its own CPUs, calibrated, stopped and its data removed. With no time for
// more, nothing is confirmed. It pins this process, so it does not run beside others.
func TestRunStartsAndStopsAServer(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r, err := capacity.Run(t.Context(), options(t))
	if err != nil {
		t.Fatal(err)
	}
	c := r.Capacity
	if len(c.Steps) != 1 || c.Steps[0].Purpose != results.Calibrate || c.Sustained != 0 || r.ExitCode == 0 || r.Interrupted {
		t.Errorf("steps %+v, exit code %d", c.Steps, r.ExitCode)
	}
	if c.Steps[0].ServerCost <= 0 || c.Ceiling <= 0 || r.Cost.Server == nil || !r.Target.Spawned {
		t.Errorf("no CPU a request of the server: %+v", c)
	}
	host := machine.Host{}
	if cpus := host.UsableCPUs(); len(cpus) > 1 && (r.Environment.ClientCPUs == r.Environment.ServerCPUs || !r.Environment.Pinned) {
		t.Errorf("client on CPUs %s, server on %s", r.Environment.ClientCPUs, r.Environment.ServerCPUs)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	var page bytes.Buffer
	if err := results.RenderHTML(&page, r); err != nil || !strings.Contains(page.String(), "Rate against latency") {
		t.Errorf("rendering: %v", err)
	}
}

func TestRunInterrupted(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	o := options(t)
	o.Budget = time.Minute
	// The first machine's sample of the calibrating step is under way when the context ends.
	time.AfterFunc(1500*time.Millisecond, cancel)
	r, err := capacity.Run(ctx, o)
	if err == nil && (!r.Interrupted || r.ExitCode != slo.ExitInterrupted || r.Outcome == "pass") {
		t.Errorf("interrupted %v, exit code %d, outcome %s", r.Interrupted, r.ExitCode, r.Outcome)
	}
	if err != nil && !errors.Is(err, context.Canceled) { // ended before the first hit
		t.Error(err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestServerThatDoesNotStart(t *testing.T) {
	t.Setenv("CAPACITY_TEST_REFUSE", "1")
	t.Setenv("TMPDIR", t.TempDir())
	if _, err := capacity.Run(t.Context(), options(t)); err == nil || !strings.Contains(err.Error(), "haunted") {
		t.Errorf("error %v, want what the server said", err)
	}
	o := options(t)
	o.Spawn.Program = "/nonexistent/trent"
	if _, err := capacity.Run(t.Context(), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want that the program is missing", err)
	}
}
