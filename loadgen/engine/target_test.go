package engine_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

func TestTargetRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target engine.Target
		want   error
	}{
		{engine.Target{URL: "https://127.0.0.1:1"}, nil},
		{engine.Target{URL: "https://localhost"}, nil},
		{engine.Target{URL: "https://[::1]:1/"}, nil},
		{engine.Target{URL: "http://127.0.0.1:1", AllowPlaintext: true}, nil},
		{engine.Target{URL: "http://127.0.0.1:1"}, engine.ErrPlaintext},
		{engine.Target{URL: "ftp://127.0.0.1:1"}, engine.ErrURL},
		{engine.Target{URL: "127.0.0.1:1"}, engine.ErrURL},
		{engine.Target{URL: "https://127.0.0.1:x"}, engine.ErrURL},
		{engine.Target{URL: "https://127.0.0.1:1/path"}, engine.ErrURL},
		{engine.Target{URL: "https://user:word@127.0.0.1:1"}, engine.ErrURL},
		{engine.Target{URL: ""}, engine.ErrURL},
		// Addresses of RFC 5737 and RFC 3849, which lead nowhere.
		{engine.Target{URL: "https://192.0.2.1"}, engine.ErrRemote},
		{engine.Target{URL: "https://[2001:db8::1]", MaxRequests: 5}, engine.ErrRemote},
		{engine.Target{URL: "https://0.0.0.0:443"}, engine.ErrRemote},
		{engine.Target{URL: "https://192.0.2.1", AllowRemote: true}, engine.ErrUncapped},
		{engine.Target{URL: "https://192.0.2.1", AllowRemote: true, MaxRequests: 5}, nil},
	} {
		client, err := engine.NewClient(c.target)
		var typed *engine.TargetError
		if !errors.Is(err, c.want) || c.want != nil && !errors.As(err, &typed) {
			t.Errorf("%+v: %v, want %v", c.target, err, c.want)
		}
		if err == nil {
			client.Close()
		}
		w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
		if c.want == nil {
			continue
		}
		if _, err := engine.Provision(t.Context(), c.target, w, engine.ProvisionOptions{}); !errors.Is(err, c.want) {
			t.Errorf("provision %+v: %v", c.target, err)
		}
		p := &engine.Plan{Target: c.target, Workload: w, Keys: engine.NoKeys(w, 0), Schedule: schedule.Constant(1, time.Second),
			Recorder: measure.NewRecorder(measure.Config{Entries: w.EntryNames()})}
		if e, _ := engine.New("native"); e != nil {
			if _, err := e.Run(t.Context(), p); !errors.Is(err, c.want) {
				t.Errorf("run %+v: %v", c.target, err)
			}
		}
	}
	if _, err := engine.New("nonesuch"); err == nil {
		t.Error("unknown engine accepted")
	}
}

func TestIncompletePlan(t *testing.T) {
	t.Parallel()
	e, err := engine.New("native")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(context.Background(), &engine.Plan{}); err == nil {
		t.Error("a plan without anything ran")
	}
}

// The server's certificate must be trusted.
func TestUntrustedServer(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	target := f.target()
	target.RootCAs = nil
	c, err := engine.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Call(t.Context(), "ListKeys", []byte("{}")); err == nil || f.requests.Load() > 0 {
		t.Errorf("error %v, %d requests", err, f.requests.Load())
	}
}

func TestPlaintext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			echo(c)
		}
	}()
	c, err := engine.NewClient(engine.Target{URL: "http://" + l.Addr().String(), AllowPlaintext: true, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if status, _, err := c.Call(t.Context(), "ListKeys", []byte("{}")); err != nil || status != 200 {
		t.Errorf("%d %v", status, err)
	}
}

// First come, first served, over any number of workers; each hit once; close lets the backlog be finished.
func TestQueue(t *testing.T) {
	t.Parallel()
	one := engine.NewQueue(1)
	for n := range uint64(5000) { // beyond the first ring
		one.Push(n)
	}
	one.Close()
	pop := one.Worker()
	for want := range uint64(5000) {
		if n, free, ok := pop(); n != want || free || !ok {
			t.Fatalf("%d %v %v, want %d", n, free, ok, want)
		}
	}
	if _, _, ok := pop(); ok || one.Most() != 5000 {
		t.Errorf("after the end: %v, backlog %d", ok, one.Most())
	}

	q := engine.NewQueue(8)
	seen := make([]int, 20_000)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			pop := q.Worker()
			for {
				n, _, ok := pop()
				if !ok {
					return
				}
				mu.Lock()
				seen[n]++
				mu.Unlock()
			}
		})
	}
	for n := range uint64(len(seen)) {
		q.Push(n)
		if n%100 == 0 {
			runtime.Gosched()
		}
	}
	q.Close()
	wg.Wait()
	for n, times := range seen {
		if times != 1 {
			t.Fatalf("hit %d came %d times", n, times)
		}
	}
	if n := engine.WorkersFor(500, 10*time.Second, 64); n != 4096 {
		t.Errorf("%d workers for 500/s × 10 s", n)
	}
	if n := engine.WorkersFor(10, time.Second, 64); n != 64 {
		t.Errorf("%d workers for 64 connections", n)
	}
}
