package cluster_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/cluster"
	"trent/loadgen/engine"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/loadgen/workload"
	"trent/results"
)

// TestMain makes this test binary an agent when the variable says so.
func TestMain(m *testing.M) {
	if ca := os.Getenv("CLUSTER_TEST_AGENT"); ca != "" {
		os.Exit(beAgent(ca))
	}
	os.Exit(m.Run())
}

// beAgent is the child: with a CA's certificate in PEM, and CLUSTER_TEST_DIE naming an agent that kills itself in its run.
func beAgent(ca string) int {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	err := cluster.Serve(context.Background(), cluster.NewStream(os.Stdin, os.Stdout, func() error { return nil }), cluster.AgentOptions{
		Tool: tool, RootCAs: roots, Trusted: true,
		Execute: func(ctx context.Context, t *attack.Trial) (*attack.Result, error) {
			if who := os.Getenv("CLUSTER_TEST_DIE"); who != "" && strings.Contains(t.Plan.Schedule.String(), who) {
				die := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
				time.AfterFunc(time.Until(t.Plan.Start)+300*time.Millisecond, die)
				defer die() // on a machine that is held up until the run's end
			}
			return t.Run(ctx)
		}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// attackOf runs an attack of agents over pipes against a server that answers everything, and tells of each request.
func attackOf(t *testing.T, ctx context.Context, spec, die string, agents int, asked func()) (*results.Record, *cluster.Group, error) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked()
		fmt.Fprint(w, `{"Keys":[]}`)
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	w, err := workload.Parse("t", []byte(mixText))
	if err != nil {
		t.Fatal(err)
	}
	times, err := schedule.Parse(spec, 3)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	g, err := cluster.New(cluster.Options{Agents: agents, Tool: tool, Engine: "native", WorkloadSource: mixText, Limits: slo.None(),
		Transport: &cluster.Pipes{Program: program, Env: []string{"CLUSTER_TEST_AGENT=" + string(ca), "CLUSTER_TEST_DIE=" + die}}})
	if err != nil {
		t.Fatal(err)
	}
	record, err := attack.Run(ctx, attack.Options{
		Target:   engine.Target{URL: server.URL, Region: "us-east-1", RootCAs: roots, Credentials: engine.Credentials{AccessKeyID: "AKIA", Secret: "secret"}},
		Workload: w, WorkloadSource: mixText, Schedule: times, Limits: slo.None(), Connections: 4, Timeout: time.Minute, Seed: 3, Tool: tool,
		Sender: g, Review: g.Review})
	return record, g, err
}

// Children over real pipes against a real server: each hit of the schedule is sent once, with the operation it has in a single run.
func TestChildren(t *testing.T) {
	t.Parallel()
	record, g, err := attackOf(t, t.Context(), "poisson:200 1s", "", 3, func() {})
	if err != nil {
		t.Fatal(err)
	}
	w, _ := workload.Parse("t", []byte(mixText))
	want, sequence := make([]uint64, 2), w.Sequence(3)
	for it := schedule.Poisson(200, time.Second, 3).Iterator(); ; {
		hit, ok := it.Next()
		if !ok {
			break
		}
		var h workload.Hit
		sequence.Hit(hit.N, &h)
		want[h.Entry]++
	}
	for i, op := range record.Operations {
		if op.Due != want[i] || op.Count("ok") != want[i] {
			t.Errorf("%s: %d hits due, %d good, want %d", op.Name, op.Due, op.Count("ok"), want[i])
		}
	}
	agents := g.Result()
	pids := map[int]bool{}
	for _, a := range agents.Agents {
		pids[a.PID] = true
		if a.Lost != "" || a.Due == 0 || a.OK != a.Due || a.CPU <= 0 || a.Drift().Abs() > 10*time.Millisecond+a.BeforeWithin+a.AfterWithin {
			t.Errorf("agent %+v", a)
		}
		if err := syscall.Kill(a.PID, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is still there: %v", a.PID, err)
		}
	}
	if len(pids) != 3 || pids[os.Getpid()] || record.Engine.Name != "3 × native" || record.Engine.Connections != 4 {
		t.Errorf("processes %v, engine %+v", pids, record.Engine)
	}
}

// A child that is killed in the middle leaves a hole with a name, and the run goes on.
func TestKilledChild(t *testing.T) {
	t.Parallel()
	var problem string
	for range 3 { // a machine that is held up may tell of the end before it tells of its cause
		if problem = killedChild(t); problem == "" {
			return
		}
	}
	t.Error(problem)
}

// killedChild says what is wrong with a run of which one child is killed, "" for nothing.
func killedChild(t *testing.T) string {
	record, g, err := attackOf(t, t.Context(), "200/s 1s", "share 2 of", 2, func() {})
	if err != nil {
		return err.Error()
	}
	agents := g.Result()
	if record.Total.Due != 100 || len(agents.Holes) != 1 || agents.Holes[0].Hits != 100 || agents.Holes[0].Share != 0.5 ||
		!strings.Contains(agents.Holes[0].Reason, "signal: killed") || record.ExitCode != 5 && record.ExitCode != 6 {
		return fmt.Sprintf("%d hits due, exit code %d, holes %+v", record.Total.Due, record.ExitCode, agents.Holes)
	}
	return ""
}

// Ctrl-C gives the partial, merged record.
func TestInterruptedChildren(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	record, g, err := attackOf(t, ctx, "100/s 1h", "", 2, sync.OnceFunc(func() { time.AfterFunc(500*time.Millisecond, cancel) }))
	if err != nil {
		t.Fatal(err)
	}
	if !record.Interrupted || record.ExitCode != slo.ExitInterrupted || record.Total.Due == 0 || record.Total.Due > 3000 || len(g.Result().Holes) != 0 {
		t.Errorf("%d hits due, exit code %d, holes %+v", record.Total.Due, record.ExitCode, g.Result().Holes)
	}
}

// A program that is no agent is told of, with what it wrote.
func TestNoAgent(t *testing.T) {
	t.Parallel()
	g, err := cluster.New(cluster.Options{Agents: 2, Tool: tool, Engine: "native", Limits: slo.None(),
		Transport: &cluster.Pipes{Program: "/bin/sh", Args: []string{"-c", "echo no such verb >&2; exit 3"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Run(t.Context(), planOf(t, "1/s 1s")); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such verb") {
		t.Errorf("error %v", err)
	}
}

// A job from a store does not make an agent send to another machine: it must have been allowed where the agent runs, with a cap.
func TestAgentsRefuseRemoteTargets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options cluster.AgentOptions
		refused bool
	}{
		"not allowed": {cluster.AgentOptions{}, true},
		"no cap":      {cluster.AgentOptions{AllowRemote: true}, true},
		"allowed":     {cluster.AgentOptions{AllowRemote: true, MaxRequests: 5}, false},
		"parent":      {cluster.AgentOptions{Trusted: true}, false},
	} {
		var target engine.Target
		o := c.options
		o.Execute = func(_ context.Context, trial *attack.Trial) (*attack.Result, error) {
			target = trial.Plan.Target
			return nil, errors.New("seen")
		}
		team := &team{agents: []agent{{options: o}}}
		p := planOf(t, "1/s 1s")
		p.Target.URL, p.Target.AllowRemote, p.Target.MaxRequests = "https://192.0.2.1", true, 100
		if _, err := groupOf(t, team, slo.None(), false).Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "seen") {
			t.Errorf("%s: %v", name, err)
		}
		if target.AllowRemote == c.refused {
			t.Errorf("%s: remote targets allowed: %v", name, target.AllowRemote)
		}
		if name == "allowed" && target.MaxRequests != 5 && target.MaxRequests != 0 {
			t.Errorf("%s: cap of %d", name, target.MaxRequests)
		}
	}
}
