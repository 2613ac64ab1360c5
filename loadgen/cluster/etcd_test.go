package cluster_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"trent/loadgen/attack"
	"trent/loadgen/cluster"
	"trent/loadgen/engine"
	"trent/loadgen/slo"
)

// startEtcd is a real etcd in this process.
func startEtcd(t *testing.T) (address string, client *clientv3.Client) {
	t.Helper()
	config := embed.NewConfig()
	config.Dir = t.TempDir()
	config.LogLevel, config.LogOutputs = "fatal", []string{os.DevNull}
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config.ListenClientUrls, config.AdvertiseClientUrls = loopback, loopback
	config.ListenPeerUrls, config.AdvertisePeerUrls = loopback, loopback
	config.InitialCluster = config.Name + "=http://127.0.0.1:0"
	config.TickMs, config.ElectionMs = 10, 100 // a leader at once
	config.UnsafeNoFsync = true
	server, err := embed.StartEtcd(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		t.Fatal("etcd does not start")
	}
	host := server.Clients[0].Addr().String()
	client, err = clientv3.New(clientv3.Config{Endpoints: []string{"http://" + host}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return "etcd://" + host + "/run-1", client
}

func etcdOf(t *testing.T, address string) cluster.EtcdConfig {
	t.Helper()
	at, err := cluster.ParseEtcd(address)
	if err != nil {
		t.Fatal(err)
	}
	return cluster.EtcdConfig{EtcdAddress: at}
}

// join is an agent over etcd; its link is for tests that break it.
func join(t *testing.T, address string, execute func(context.Context, *attack.Trial) (*attack.Result, error)) (cluster.Link, chan error) {
	t.Helper()
	link, err := cluster.JoinEtcd(t.Context(), etcdOf(t, address))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		err := cluster.Serve(t.Context(), link, cluster.AgentOptions{Tool: tool, Execute: execute, Credentials: engine.Credentials{AccessKeyID: "AKIAOWN", Secret: "agent's own"}})
		done <- errors.Join(err, link.Close())
	}()
	return link, done
}

func coordinate(t *testing.T, address string, agents int) (*cluster.Group, *engine.Plan, engine.Report, error) {
	t.Helper()
	store, err := cluster.NewEtcd(t.Context(), etcdOf(t, address))
	if err != nil {
		t.Fatal(err)
	}
	g, err := cluster.New(cluster.Options{Transport: store, Agents: agents, Tool: tool, Engine: "native", WorkloadSource: mixText, Limits: slo.None()})
	if err != nil {
		t.Fatal(err)
	}
	p := planOf(t, "poisson:100 2s")
	p.Target.Credentials = engine.Credentials{AccessKeyID: "AKIACOORDINATOR", Secret: "the coordinator's"}
	report, err := g.Run(t.Context(), p)
	return g, p, report, err
}

// Agents that meet in a real etcd measure together what a single run would. No credentials are written there, and nothing is left.
func TestEtcd(t *testing.T) {
	t.Parallel()
	address, client := startEtcd(t)
	watched := client.Watch(t.Context(), "", clientv3.WithPrefix())
	_, one := join(t, address, simulated)
	_, two := join(t, address, simulated)
	g, p, report, err := coordinate(t, address, 2)
	if err != nil {
		t.Fatal(err)
	}
	same(t, p.Recorder.Summary(), single(p, nil))
	if err := errors.Join(<-one, <-two); err != nil {
		t.Errorf("agents: %v", err)
	}
	agents := g.Result()
	last := agents.Agents[1]
	if agents.Transport != "etcd" || len(agents.Holes) != 0 || last.Drift().Abs() > 50*time.Millisecond+last.BeforeWithin+last.AfterWithin || report.Connections != 7 {
		t.Errorf("%+v", agents)
	}
	left, err := client.Get(t.Context(), "/trent/", clientv3.WithPrefix())
	if err != nil || left.Count != 0 {
		t.Errorf("%d keys left, %v", left.Count, err)
	}
	for seen := 0; seen < 20; {
		for _, event := range (<-watched).Events {
			seen++
			for _, secret := range []string{"the coordinator's", "agent's own", "AKIA"} {
				if strings.Contains(string(event.Kv.Value), secret) {
					t.Errorf("%s has %q", event.Kv.Key, secret)
				}
			}
		}
	}
}

// An agent whose process dies, as its lease shows, leaves a hole; the run's name is one coordinator's at a time.
func TestEtcdAgentDies(t *testing.T) {
	t.Parallel()
	address, client := startEtcd(t)
	other, err := cluster.NewEtcd(t.Context(), etcdOf(t, address))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken := make(chan error, 1)
	_, one := join(t, address, simulated)
	_, two := join(t, address, func(ctx context.Context, trial *attack.Trial) (*attack.Result, error) {
		time.Sleep(time.Until(trial.Plan.Start) + 200*time.Millisecond)
		_, err := other.Join(ctx, 1, nil)
		taken <- err
		// What happens when a lease is not kept: etcd takes it away.
		keys, err := client.Get(ctx, "/trent/run-1/agent/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
		if err != nil {
			return nil, err
		}
		var lease int64
		for _, kv := range keys.Kvs {
			if strings.HasSuffix(string(kv.Key), "/alive") {
				lease = kv.Lease // the last to come is agent 2
			}
		}
		if _, err := client.Revoke(ctx, clientv3.LeaseID(lease)); err != nil {
			return nil, err
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	g, _, _, err := coordinate(t, address, 2)
	if err != nil {
		t.Fatal(err)
	}
	holes := g.Result().Holes
	if len(holes) != 1 || holes[0].Agent != 2 || !strings.Contains(holes[0].Reason, "lease") {
		t.Errorf("holes %+v", holes)
	}
	if err := <-taken; !errors.Is(err, cluster.ErrRunExists) {
		t.Errorf("a second coordinator: %v", err)
	}
	if err := <-one; err != nil {
		t.Errorf("the other agent: %v", err)
	}
	if err := <-two; err == nil {
		t.Error("an agent without a lease went on")
	}
}

// Agents end with their coordinator.
func TestEtcdCoordinatorDies(t *testing.T) {
	t.Parallel()
	address, _ := startEtcd(t)
	_, agent := join(t, address, simulated)
	store, err := cluster.NewEtcd(t.Context(), etcdOf(t, address))
	if err != nil {
		t.Fatal(err)
	}
	links, err := store.Join(t.Context(), 1, nil)
	if err != nil || len(links) != 1 {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil { // gives the lease back, as its end would
		t.Fatal(err)
	}
	select {
	case err := <-agent:
		if err == nil || !strings.Contains(err.Error(), "the coordinator is gone") {
			t.Errorf("error %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the agent is still there")
	}
}

// Messages larger than a value of etcd go in parts.
func TestEtcdLargeMessages(t *testing.T) {
	t.Parallel()
	address, _ := startEtcd(t)
	agent, err := cluster.JoinEtcd(t.Context(), etcdOf(t, address))
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	store, err := cluster.NewEtcd(t.Context(), etcdOf(t, address))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	links, err := store.Join(t.Context(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.Repeat("0123456789abcdef", 200_000)) // 3.2 MB
	for n := range 3 {
		if err := links[0].Send(t.Context(), &cluster.Message{Kind: cluster.KindJob, Job: &cluster.Job{Agent: n}, Body: body}); err != nil {
			t.Fatal(err)
		}
		m, err := agent.Receive(t.Context())
		if err != nil || m.Job.Agent != n || string(m.Body) != string(body) {
			t.Fatalf("message %d: %v", n, err)
		}
	}
}

func TestParseEtcd(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]cluster.EtcdAddress{
		"etcd://a:2379/run":             {Endpoints: []string{"a:2379"}, Run: "run"},
		"etcds://a:2379,[::1]:1/r.1-_x": {Endpoints: []string{"a:2379", "[::1]:1"}, TLS: true, Run: "r.1-_x"},
	} {
		if got, err := cluster.ParseEtcd(address); err != nil || got.Run != want.Run || got.TLS != want.TLS || strings.Join(got.Endpoints, ",") != strings.Join(want.Endpoints, ",") {
			t.Errorf("%s: %+v, %v", address, got, err)
		}
	}
	for _, address := range []string{"", "etcd://", "etcd://a:1", "etcd://a:1/", "etcd://a/run", "http://a:1/run", "etcd://a:1/a/b", "etcd://a:1/../x", "etcd://u:p@a:1/run",
		"etcd://a:x/run", "etcd://:1/run", "etcd://a:1,/run", "etcd://a:1/" + strings.Repeat("x", 65), "etcd://a:1/-x"} {
		if got, err := cluster.ParseEtcd(address); err == nil {
			t.Errorf("%s: %+v", address, got)
		}
	}
}

func FuzzParseEtcd(f *testing.F) {
	f.Add("etcd://a:2379/run")
	f.Add("etcds://a:2379,[::1]:1/r.1")
	f.Fuzz(func(t *testing.T, address string) {
		if a, err := cluster.ParseEtcd(address); err == nil && (len(a.Endpoints) == 0 || a.Run == "" || strings.ContainsAny(a.Run, "/ \n")) {
			t.Fatalf("%q: %+v", address, a)
		}
	})
}

// Without etcd the error says where it was looked for.
func TestNoEtcd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := cluster.NewEtcd(ctx, etcdOf(t, "etcd://127.0.0.1:1/run")); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error %v", err)
	}
}
