package cluster

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
)

// AgentOptions is what an agent has of its own.
type AgentOptions struct {
	Tool        string             // name and version of the program
	Credentials engine.Credentials // without an AccessKeyID: the job's
	RootCAs     *x509.CertPool     // nil: the system's
	Endpoint    string             // replaces the job's URL, where the target has another name from here
	// Trusted: the coordinator is this process's parent, whose word on remote targets counts. Otherwise AllowRemote and MaxRequests
	// are needed here too: what a job says reaches whoever may write to the cluster's store.
	Trusted     bool
	AllowRemote bool
	MaxRequests uint64
	// Say tells people what happens; may be nil.
	Say func(format string, args ...any)
	// Execute replaces the trial; tests only.
	Execute func(ctx context.Context, t *attack.Trial) (*attack.Result, error)
}

// heartbeat is the time between two signs of life of an agent.
const heartbeat = time.Second

// Serve is an agent: it does one job and returns after the coordinator's bye. When ctx ends it stops sending, as at an interruption,
// and ships what it has. It returns an error where the coordinator is lost, whose run it then leaves at once, or the job could not be
// done, which the coordinator has been told.
func Serve(ctx context.Context, link Link, o AgentOptions) error {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	// A stopping agent still talks to its coordinator.
	talk, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	a := &agent{options: o, link: link, talk: talk, base: time.Now(), in: make(chan *Message)}
	lost := make(chan error, 1)
	go func() { lost <- a.listen() }()
	err := a.run(ctx)
	if errors.Is(err, errLost) {
		err = fmt.Errorf("the coordinator is gone: %w", <-lost)
	}
	return err
}

var errLost = errors.New("the link has ended")

// agent is one end of a link. Pings are answered by the listening goroutine at once, whatever the agent does.
type agent struct {
	options AgentOptions
	link    Link
	talk    context.Context
	base    time.Time // the zero of the clock that pongs tell
	in      chan *Message
	latest  atomic.Pointer[Progress]
}

func (a *agent) clock() time.Duration { return time.Since(a.base) }

// listen answers pings and passes everything else on; it closes the channel at the end of the link.
func (a *agent) listen() error {
	defer close(a.in)
	for {
		m, err := a.link.Receive(a.talk)
		received := a.clock()
		if err != nil {
			return err
		}
		if m.Kind == KindPing {
			pong := &Message{Kind: KindPong, Pong: &Pong{Number: m.Ping.Number, Received: received, Sent: a.clock()}}
			if err := a.link.Send(a.talk, pong); err != nil {
				return err
			}
			continue
		}
		select {
		case a.in <- m:
		case <-a.talk.Done():
			return a.talk.Err()
		}
	}
}

// await waits for a message of a kind.
func (a *agent) await(ctx context.Context, kind Kind) (*Message, error) {
	select {
	case m, ok := <-a.in:
		switch {
		case !ok:
			return nil, errLost
		case m.Kind == KindStop, m.Kind == KindBye && kind != KindBye:
			return nil, errStopped
		case m.Kind != kind:
			return nil, fmt.Errorf("a message of kind %q where %q was expected", m.Kind, kind)
		}
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errStopped is a run that the coordinator gave up before it began.
var errStopped = errors.New("the coordinator stopped the run before it began")

func (a *agent) run(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	hello := &Hello{Tool: a.options.Tool, Host: host, PID: os.Getpid(), CPUs: len(machine.Host{}.UsableCPUs())}
	if err := a.link.Send(a.talk, &Message{Kind: KindHello, Hello: hello}); err != nil {
		return err
	}
	m, err := a.await(ctx, KindJob)
	if err != nil {
		return err
	}
	trial, whole, err := a.prepare(m)
	if err != nil {
		return a.fail(err)
	}
	job := m.Job
	a.options.Say("agent %d of %d: %s, %s", job.Agent+1, job.Agents, trial.Plan.Schedule, trial.Plan.Target.URL)
	if err := a.link.Send(a.talk, &Message{Kind: KindReady, Ready: &Ready{Fingerprint: fingerprint(whole)}}); err != nil {
		return err
	}
	if m, err = a.await(ctx, KindStart); err != nil {
		return err
	}
	trial.Plan.Start = a.base.Add(m.Start.Origin)
	return a.execute(ctx, trial)
}

// fail tells the coordinator and waits until it has heard it.
func (a *agent) fail(err error) error {
	if sendErr := a.link.Send(a.talk, &Message{Kind: KindFailure, Failure: err.Error()}); sendErr != nil {
		return errors.Join(err, sendErr)
	}
	a.awaitBye()
	return err
}

func (a *agent) awaitBye() {
	for m := range a.in {
		if m.Kind == KindBye {
			return
		}
	}
}

// prepare makes the trial of a job, and the whole schedule that it has a share of.
func (a *agent) prepare(m *Message) (*attack.Trial, schedule.Schedule, error) {
	job, o := m.Job, a.options
	if job.Agents < 1 || job.Agent < 0 || job.Agent >= job.Agents {
		return nil, nil, fmt.Errorf("a job for agent %d of %d", job.Agent, job.Agents)
	}
	w, err := job.workload()
	if err != nil {
		return nil, nil, err
	}
	limits := slo.None()
	if job.SLO != "" {
		if limits, err = slo.Parse("the SLO", []byte(job.SLO)); err != nil {
			return nil, nil, err
		}
	}
	sender, err := engine.New(job.Engine)
	if err != nil {
		return nil, nil, err
	}
	var c cargo
	if err := json.Unmarshal(m.Body, &c); err != nil {
		return nil, nil, fmt.Errorf("reading the keys: %w", err)
	}
	whole, err := job.schedule(&c)
	if err != nil {
		return nil, nil, err
	}
	target := engine.Target{URL: job.URL, Region: job.Region, Credentials: o.Credentials, RootCAs: o.RootCAs,
		AllowRemote: job.AllowRemote, AllowPlaintext: job.AllowPlaintext, MaxRequests: job.MaxRequests}
	if o.Endpoint != "" {
		target.URL = o.Endpoint
	}
	if target.Credentials.AccessKeyID == "" && job.Credentials != nil {
		target.Credentials = engine.Credentials(*job.Credentials)
	}
	if target.Credentials.AccessKeyID == "" || target.Credentials.Secret == "" {
		return nil, nil, errors.New("no credentials to sign with: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where the agent runs")
	}
	if !o.Trusted {
		target.AllowRemote = target.AllowRemote && o.AllowRemote && o.MaxRequests > 0
		if o.MaxRequests > 0 && (target.MaxRequests == 0 || o.MaxRequests < target.MaxRequests) {
			target.MaxRequests = o.MaxRequests
		}
	}
	keys, err := engine.Import(w, c.Keys, target.MaxRequests)
	if err != nil {
		return nil, nil, err
	}
	host := machine.Host{}
	return &attack.Trial{
		Engine: sender, Limits: limits, Meter: attack.NewMeter(machine.NewProbe(host, 0), time.Second), ClientCPUs: host.UsableCPUs(),
		Plan: engine.Plan{Target: target, Workload: w, Keys: keys, Seed: job.Seed, Connections: job.Connections, Timeout: job.Timeout,
			Connect: job.Connect, SDK: job.SDK,
			Schedule: partition(job.Seed, job.Agents).Share(whole, job.Agent)},
	}, whole, nil
}

// partition is the way hits are dealt to agents.
func partition(seed uint64, agents int) schedule.Partition {
	return schedule.Partition{Seed: seed, Agents: agents}
}

// execute runs the trial, telling of its progress, and ships the result.
func (a *agent) execute(ctx context.Context, trial *attack.Trial) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	trial.Plan.Progress = func(p engine.Progress) {
		a.latest.Store(&Progress{Elapsed: p.Elapsed, Due: p.Due, Outcomes: p.Outcomes})
	}
	run := a.options.Execute
	if run == nil {
		run = func(ctx context.Context, t *attack.Trial) (*attack.Result, error) { return t.Run(ctx) }
	}
	type outcome struct {
		result *attack.Result
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := run(ctx, trial)
		done <- outcome{result, err}
	}()
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case o := <-done:
			if o.err != nil {
				return a.fail(o.err)
			}
			return a.ship(trial, o.result)
		case <-ticker.C:
			progress := a.latest.Load()
			if progress == nil {
				progress = &Progress{}
			}
			if err := a.link.Send(a.talk, &Message{Kind: KindProgress, Progress: progress}); err != nil {
				stop()
				<-done
				return err
			}
		case m, ok := <-a.in:
			stop()
			if !ok || m.Kind != KindStop {
				<-done
				return errLost
			}
		}
	}
}

func (a *agent) ship(trial *attack.Trial, r *attack.Result) error {
	var log bytes.Buffer
	zipped := gzip.NewWriter(&log)
	if err := errors.Join(r.Summary.WriteLog(zipped), zipped.Close()); err != nil {
		return a.fail(err)
	}
	report := r.Report
	result := &Result{Elapsed: report.Elapsed, Due: report.Due, Sent: report.Sent, Done: report.Done, Connections: report.Connections,
		Reconnects: report.Reconnects, MaxBacklog: report.MaxBacklog, Capped: report.Capped, CapHits: report.CapHits, CPU: report.ClientCPU,
		Interrupted: report.Interrupted, LagP99: measure.Quantile(r.Summary.ClientLag(), 0.99), Gates: r.Gates}
	if t, ok := trial.Plan.Schedule.(interface{ Err() error }); ok && t.Err() != nil {
		return a.fail(t.Err())
	}
	if err := a.link.Send(a.talk, &Message{Kind: KindResult, Result: result, Body: log.Bytes()}); err != nil {
		return err
	}
	a.awaitBye()
	return nil
}

// readLog unpacks the measurements of a result.
func readLog(body []byte, entries []string) (*measure.Summary, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("unpacking measurements: %w", err)
	}
	limited := &io.LimitedReader{R: unzipped, N: maxLog}
	summary, err := measure.ReadLog(limited, entries)
	if err != nil && limited.N == 0 {
		return nil, fmt.Errorf("unpacking measurements: more than %d bytes", maxLog)
	}
	return summary, err
}

// maxLog bounds an unpacked log of measurements.
const maxLog = 1 << 30
