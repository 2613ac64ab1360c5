package soak

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/spawn"
	"trent/results"
)

// Place is where a soak goes: a server that it starts, or an endpoint that runs.
type Place struct {
	Spawn  *spawn.Options // nil: Target
	Target engine.Target
	Engine string
}

// Run starts the server if wanted, soaks, and stops it. When ctx ends, the record is partial, says so, and the error is nil. Errors:
// what kept the soak from happening, ErrExists, ErrOther, ErrFinished, for a refused target an *engine.TargetError.
func Run(ctx context.Context, o Options, p Place) (record *results.Record, err error) {
	sender, err := engine.New(p.Engine)
	if err != nil {
		return nil, err
	}
	if p.Engine == "sdk" {
		return nil, engine.ErrNoTap
	}
	if unknown := o.Limits.Unknown(o.Workload.EntryNames()); len(unknown) > 0 {
		return nil, &attack.LimitError{Operations: unknown, Workload: o.Workload}
	}
	if err := early(&o); err != nil {
		return nil, err
	}
	w := World{Engine: sender, Target: p.Target, Count: func(context.Context) (uint64, bool) { return 0, false }}
	reader := &reader{host: w.Host}
	if p.Spawn != nil {
		server, err := startServer(ctx, &o, p.Spawn)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		w.Target, w.Server, w.Count, reader.server = server.Target(), server, reader.count, server
	} else if kind := o.Plan.NeedsServer(); kind != "" {
		return nil, fmt.Errorf("%s: %w", kind, ErrNotOurs)
	}
	w.Read = reader.read
	w.Meter = attack.NewMeter(machine.NewProbe(w.Host, 0), max(o.Schedule.Duration()/600, time.Second))
	if most := w.Target.MaxKeys; most > 0 {
		if o.MostKeys = most - o.Workload.KeyCount(); o.MostKeys <= 0 {
			o.Trickle = 0
		}
	}
	if len(w.Target.UseKeys) > 0 {
		o.Trickle = 0
	}
	load, own := w.Target, w.Target
	if limit := w.Target.MaxRequests; limit > 0 { // a tenth for the soak's own calls
		load.MaxRequests, own.MaxRequests = limit-limit/10, limit/10
	}
	client, err := engine.NewClient(own)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	w.Target, w.Call = load, client
	w.Skewed = func(by time.Duration) Caller { return client.Skewed(by) }
	w.Provision = func(ctx context.Context) (Keys, error) { return provision(ctx, load, &o) }
	return Drive(ctx, o, w)
}

// ErrNotOurs is a fault for a server that the harness did not start.
var ErrNotOurs = errors.New("only done to a server that the harness starts itself")

// early refuses a directory before a server is started on it.
func early(o *Options) error {
	_, finished, err := Saved(o.Dir)
	switch {
	case o.Resume && err != nil:
		return err
	case o.Resume && finished:
		return ErrFinished
	case !o.Resume && err == nil:
		return fmt.Errorf("%s: %w", o.Dir, ErrExists)
	case !o.Resume && !errors.Is(err, os.ErrNotExist):
		return err
	}
	return nil
}

func provision(ctx context.Context, t engine.Target, o *Options) (Keys, error) {
	// Kept: the soak releases all its keys itself, after it has read them back.
	p, err := engine.Provision(ctx, t, o.Workload, engine.ProvisionOptions{Keep: true})
	if err != nil {
		return Keys{}, err
	}
	keys := Keys{Provisioned: p, Requests: p.Requests(), Given: len(t.UseKeys) > 0}
	for group := range o.Workload.Keys {
		g := &o.Workload.Keys[group]
		for i := range g.Count {
			keys.IDs, keys.Specs = append(keys.IDs, p.KeyID(group, i)), append(keys.Specs, g.Spec)
		}
	}
	return keys, nil
}

// ownServer is a server of the harness whose writes can be made to fail.
type ownServer struct {
	*spawn.Server
	data    string
	program string
	env     []string
}

// startServer starts a server that keeps its data in the soak's directory and comes back at the same address.
func startServer(ctx context.Context, o *Options, options *spawn.Options) (*ownServer, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Join(o.Dir, serverDir))
	if err != nil {
		return nil, fmt.Errorf("the server's directory: %w", err)
	}
	with := *options
	with.Dir = dir
	with.Args = append([]string{"--listen", address}, options.Args...)
	o.Display.Phase("starting a server at %s, its data in %s", address, dir)
	server, err := spawn.Start(ctx, with)
	if err != nil {
		return nil, err
	}
	return &ownServer{Server: server, data: filepath.Join(dir, "data"), program: options.Program, env: options.Env}, nil
}

// freeAddress is a port of this machine that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// LimitFiles is described at Server.
func (s *ownServer) LimitFiles(full bool) error { return limitFiles(s.PID(), full) }

// RotateDomain is described at Server.
func (s *ownServer) RotateDomain(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, restartTimeout)
	defer cancel()
	c := exec.CommandContext(ctx, s.program, "hsm", "domain", "rotate", "--server", s.data)
	c.Env = append(os.Environ(), s.env...)
	said, err := c.CombinedOutput()
	text := strings.TrimSpace(string(said))
	switch {
	case strings.Contains(text, "no domain keys that rotate"):
		return "", errNoKeys
	case err != nil:
		return "", fmt.Errorf("rotating domain keys: %w: %s", err, text)
	}
	text, _, _ = strings.Cut(text, ";")
	return text, nil
}

// reader reads what a process uses.
type reader struct {
	host   machine.Host
	server *ownServer // nil: none of ours
}

// count sums the server's good answers.
func (r *reader) count(ctx context.Context) (uint64, bool) {
	s, err := scrape(ctx, r.server.Metrics())
	if err != nil || s.Good < 0 {
		return 0, false
	}
	return uint64(s.Good), true
}

func (r *reader) read(ctx context.Context) []Reading {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	all := []Reading{{Series{Name: "client-goroutines", Unit: "count", Anew: true}, float64(runtime.NumGoroutine())}}
	if v := live[0].Value; v.Kind() == metrics.KindUint64 && v.Uint64() > 0 {
		all = append(all, Reading{Series{Name: "client-heap", Unit: "bytes", Anew: true}, float64(v.Uint64())})
	}
	all = append(all, processReadings("client", os.Getpid())...)
	if r.server == nil {
		return all
	}
	select {
	case <-r.server.Exited():
		return all
	default:
	}
	all = append(all, processReadings("server", r.server.PID())...)
	all = append(all, Reading{Series{Name: "server-disk", Unit: "bytes"}, diskUse(r.server.data)})
	if s, err := scrape(ctx, r.server.Metrics()); err == nil {
		if v, ok := s.Gauges["trent_live_heap_bytes"]; ok && v > 0 {
			all = append(all, Reading{Series{Name: "server-heap", Unit: "bytes", Anew: true}, v})
		}
		if v, ok := s.Gauges["go_goroutines"]; ok {
			all = append(all, Reading{Series{Name: "server-goroutines", Unit: "count", Anew: true}, v})
		}
	}
	return all
}

// processReadings reads anonymous memory and threads from status, and counts descriptors.
func processReadings(who string, pid int) []Reading {
	var all []Reading
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	add := func(name, unit string, v float64) {
		all = append(all, Reading{Series{Name: who + "-" + name, Unit: unit, Anew: true}, v})
	}
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseFloat(fields[0], 64)
		switch {
		case err != nil:
		case name == "RssAnon":
			add("rss", "bytes", n*1024)
		case name == "Threads" && who == "server":
			add("threads", "count", n)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "fd")); err == nil {
		add("descriptors", "count", float64(len(entries)))
	}
	return all
}

// diskUse adds up the sizes of the files below a directory.
func diskUse(dir string) float64 {
	total := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // files come and go
		}
		if info, err := entry.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return float64(total)
}
