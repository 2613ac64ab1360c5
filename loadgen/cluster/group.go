package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/results"
)

// Transport is how a coordinator gets its agents.
type Transport interface {
	// Name is "pipes" or "etcd".
	Name() string
	// Join returns links with n agents, telling after each how many there are. Where it fails none is left.
	Join(ctx context.Context, n int, joined func(int)) ([]Link, error)
	// Local tells whether the agents are children on this machine, which may have its credentials and whose load this machine's
	// figures show.
	Local() bool
	// Close ends what the transport holds beside the links.
	Close() error
}

// Options of a Group.
type Options struct {
	Transport      Transport
	Agents         int
	Tool           string // name and version of the program, which agents must have too
	Engine         string // that the agents use
	WorkloadSource string // text of the workload's file; "" for a built-in one
	Limits         slo.Limits
	// Shrink lets verdicts stand where agents were lost, for the load that was left.
	Shrink  bool
	Display *attack.Display // may be nil
}

// Group is the coordinator of one run. It is an engine.Engine for that run.
type Group struct {
	options Options
	base    time.Time // zero of the coordinator's clock
	members []*member
	plan    *engine.Plan
	window  time.Duration // of the run, up to its interruption
	holes   []results.AgentHole
	limit   time.Duration // of the clocks' drift
}

// New makes the coordinator of one run.
func New(o Options) (*Group, error) {
	if _, err := engine.New(o.Engine); err != nil {
		return nil, err
	}
	if o.Agents < 1 || o.Agents > MaxAgents {
		return nil, fmt.Errorf("%d agents: expected 1 to %d", o.Agents, MaxAgents)
	}
	return &Group{options: o}, nil
}

// MaxAgents bounds the agents of a run.
const MaxAgents = 1000

// How long the coordinator waits.
const (
	prepareTimeout = 5 * time.Minute  // for an agent to be ready; it may read a long trace
	silence        = 20 * time.Second // without a sign of life from an agent
	stopTimeout    = 15 * time.Second // for the results after an interruption
	overtime       = 60 * time.Second // for the results after the end of the schedule and of the last request
	talkTimeout    = 10 * time.Second // for one message to leave, and for the answer to a ping
)

// Name is the agents' engine and their number.
func (g *Group) Name() string { return fmt.Sprintf("%d × %s", g.options.Agents, g.options.Engine) }

// member is one agent as the coordinator sees it. One goroutine at a time uses it, but for latest.
type member struct {
	index  int
	link   Link
	hello  Hello
	before clockOffset
	after  clockOffset
	result *Result
	log    *measure.Summary
	ok     uint64        // good answers
	lost   error         // why nothing of it counts; nil while it does
	lostAt time.Duration // since the origin

	in     chan *Message
	ended  error // of the link; read after in is closed
	mu     sync.Mutex
	latest Progress
}

// Run is described at engine.Engine. The plan's share of each agent is executed by it, from a start that all agree on. An agent that
// is lost after the start leaves a hole; only where all are lost is that an error.
func (g *Group) Run(ctx context.Context, p *engine.Plan) (engine.Report, error) {
	g.base, g.plan = time.Now(), p
	g.options.Display.Phase("waiting for %d agents", g.options.Agents)
	links, err := g.options.Transport.Join(ctx, g.options.Agents, func(n int) {
		g.options.Display.Phase("%d of %d agents are there", n, g.options.Agents)
	})
	defer func() {
		if err := g.options.Transport.Close(); err != nil {
			g.options.Display.Phase("leaving the agents: %v", err)
		}
	}()
	if err != nil {
		return engine.Report{}, fmt.Errorf("gathering the agents: %w", err)
	}
	// What is said after an interruption still has to get through.
	talk, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	var listeners sync.WaitGroup
	for i, link := range links {
		m := &member{index: i, link: link, in: make(chan *Message)}
		g.members = append(g.members, m)
		listeners.Go(func() { m.listen(talk) })
	}
	defer func() {
		var closing sync.WaitGroup
		for _, m := range g.members {
			closing.Go(func() {
				if m.result == nil {
					_ = m.send(talk, &Message{Kind: KindBye}) // whoever still listens need not wait for a run
				}
				_ = m.link.Close() // an agent that would not end is killed; there is no more to do about it
			})
		}
		closing.Wait()
		hangUp()
		listeners.Wait()
	}()
	if err := g.prepare(ctx); err != nil {
		return engine.Report{}, err
	}
	origin, err := g.start(ctx)
	if err != nil {
		return engine.Report{}, err
	}
	g.collect(ctx, origin)
	return g.merge(ctx, origin)
}

// listen passes messages on until the link ends.
func (m *member) listen(talk context.Context) {
	defer close(m.in)
	for {
		message, err := m.link.Receive(talk)
		if err != nil {
			m.ended = err
			return
		}
		select {
		case m.in <- message:
		case <-talk.Done():
			m.ended = talk.Err()
			return
		}
	}
}

// receive waits for the next message. A failure that the agent tells of is an error.
func (m *member) receive(ctx context.Context, timeout time.Duration) (*Message, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case message, ok := <-m.in:
		switch {
		case !ok:
			return nil, m.ended
		case message.Kind == KindFailure:
			return nil, errors.New(message.Failure)
		}
		return message, nil
	case <-timer.C:
		return nil, fmt.Errorf("no sign of life for %v", timeout)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// expect waits for a message of a kind.
func (m *member) expect(ctx context.Context, kind Kind, timeout time.Duration) (*Message, error) {
	message, err := m.receive(ctx, timeout)
	if err == nil && message.Kind != kind {
		err = fmt.Errorf("a message of kind %q where %q was expected", message.Kind, kind)
	}
	return message, err
}

func (m *member) send(ctx context.Context, message *Message) error {
	ctx, cancel := context.WithTimeout(ctx, talkTimeout)
	defer cancel()
	return m.link.Send(ctx, message)
}

// String names the agent for people.
func (m *member) String() string {
	if m.hello.Host == "" {
		return fmt.Sprintf("agent %d", m.index+1)
	}
	return fmt.Sprintf("agent %d (%s, process %d)", m.index+1, m.hello.Host, m.hello.PID)
}

// each does something with all members that are not lost, at the same time.
func (g *Group) each(do func(*member)) {
	var wg sync.WaitGroup
	for _, m := range g.members {
		if m.lost == nil {
			wg.Go(func() { do(m) })
		}
	}
	wg.Wait()
}

// failure joins what is wrong with the members.
func (g *Group) failure() error {
	var all []error
	for _, m := range g.members {
		if m.lost != nil {
			all = append(all, fmt.Errorf("%s: %w", m, m.lost))
		}
	}
	return errors.Join(all...)
}

// prepare gives the agents their jobs and waits until all are ready. Before the start, one that is not fails the run.
func (g *Group) prepare(ctx context.Context) error {
	if _, ok := g.plan.Schedule.(engine.ClosedLoop); ok {
		return errors.New("clients in a closed loop have no hits that agents could share; leave out the agents, or give a rate")
	}
	keys, err := g.pack()
	if err != nil {
		return err
	}
	whole := fingerprint(g.plan.Schedule)
	g.options.Display.Phase("preparing %d agents", len(g.members))
	g.each(func(m *member) { m.lost = g.prepareOne(ctx, m, keys, whole) })
	return g.failure()
}

func (g *Group) prepareOne(ctx context.Context, m *member, keys []byte, whole uint64) error {
	hello, err := m.expect(ctx, KindHello, talkTimeout)
	if err != nil {
		return err
	}
	m.hello = *hello.Hello
	if m.hello.Tool != g.options.Tool {
		return fmt.Errorf("it is %q, and the coordinator is %q; use the same build everywhere", m.hello.Tool, g.options.Tool)
	}
	if err := m.send(ctx, &Message{Kind: KindJob, Job: g.job(m.index), Body: keys}); err != nil {
		return err
	}
	ready, err := m.expect(ctx, KindReady, prepareTimeout)
	if err != nil {
		return err
	}
	if ready.Ready.Fingerprint != whole {
		return errors.New("its schedule has other hits; a trace must be the same file for all agents")
	}
	m.before, err = m.measureOffset(ctx, g.base)
	return err
}

// job is what agent i is asked for.
func (g *Group) job(i int) *Job {
	p, n := g.plan, g.options.Agents
	total := p.Connections
	if total <= 0 {
		total = engine.DefaultConnections
	}
	j := &Job{Agent: i, Agents: n, URL: p.Target.URL, Region: p.Target.Region, AllowRemote: p.Target.AllowRemote, AllowPlaintext: p.Target.AllowPlaintext,
		Workload: p.Workload.Name, WorkloadSource: g.options.WorkloadSource, SLO: g.options.Limits.Source, Schedule: p.Schedule.String(), Length: p.Schedule.Duration(), Seed: p.Seed,
		Engine: g.options.Engine, Connections: max(part(total, i, n), 1), Timeout: p.Timeout,
		Connect: p.Connect, SDK: p.SDK}
	if left, capped := p.Keys.Remaining(); capped {
		// A cap of 0 would be none.
		j.MaxRequests = max(uint64(part(int(min(left, 1<<62)), i, n)), 1)
	}
	if g.options.Transport.Local() {
		c := Credentials(p.Target.Credentials)
		j.Credentials = &c
	}
	return j
}

// part is share i of n of a whole number; the shares add up to it.
func part(total, i, n int) int {
	if i < total%n {
		return total/n + 1
	}
	return total / n
}

// start agrees on the origin and tells it to each agent by its own clock.
func (g *Group) start(ctx context.Context) (origin time.Time, err error) {
	connections := g.job(0).Connections
	lead := time.Second + time.Duration(connections)*5*time.Millisecond
	for _, m := range g.members {
		lead = max(lead, time.Second+20*m.before.rtt)
	}
	origin = time.Now().Add(min(lead, 15*time.Second))
	at := origin.Sub(g.base)
	g.each(func(m *member) {
		m.lost = m.send(ctx, &Message{Kind: KindStart, Start: &Start{Origin: at + m.before.offset}})
	})
	return origin, g.failure()
}

// collect waits for the results, or for the agents' ends.
func (g *Group) collect(ctx context.Context, origin time.Time) {
	g.options.Display.Phase("%d agents are sending", len(g.members))
	over := make(chan struct{})
	var showing sync.WaitGroup
	showing.Go(func() { g.show(over, origin) })
	g.each(func(m *member) {
		m.lost = g.collectOne(ctx, m, origin)
		if m.lost != nil {
			m.lostAt = time.Since(origin)
			g.options.Display.Phase("%s is lost: %v", m, m.lost)
		}
	})
	close(over)
	showing.Wait()
}

// collectOne follows one agent to its end. It returns why the agent is lost.
func (g *Group) collectOne(ctx context.Context, m *member, origin time.Time) error {
	talk := context.WithoutCancel(ctx)
	stopped := make(chan struct{})
	cancelStop := context.AfterFunc(ctx, func() {
		_ = m.send(talk, &Message{Kind: KindStop}) // where the link is broken, receive says so
		close(stopped)
	})
	defer func() {
		if !cancelStop() {
			<-stopped
		}
	}()
	// An agent may hang and still tell of itself.
	deadline, release := context.WithDeadline(talk, origin.Add(g.plan.Schedule.Duration()+g.plan.Timeout+overtime))
	defer release()
	interrupted := ctx.Done()
	for {
		wait, cancel := context.WithCancel(deadline)
		stop := func() bool { return false }
		if interrupted != nil {
			stop = context.AfterFunc(ctx, cancel)
		}
		message, err := m.receive(wait, silence)
		stop()
		cancel()
		switch {
		case err != nil && interrupted != nil && ctx.Err() != nil && errors.Is(err, context.Canceled):
			// The interruption: the result must come soon.
			interrupted = nil
			limited, release := context.WithTimeout(talk, stopTimeout)
			defer release()
			deadline = limited
			continue
		case err != nil && errors.Is(err, context.DeadlineExceeded) && interrupted == nil:
			return fmt.Errorf("no result within %v of the interruption", stopTimeout)
		case err != nil && errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("no result %v after the end of the schedule", g.plan.Timeout+overtime)
		case err != nil:
			return err
		case message.Kind == KindProgress:
			m.mu.Lock()
			m.latest = *message.Progress
			m.mu.Unlock()
		case message.Kind == KindResult:
			return g.take(talk, m, message)
		default:
			return fmt.Errorf("a message of kind %q during the run", message.Kind)
		}
	}
}

// take keeps a result, measures the clock again and lets the agent go.
func (g *Group) take(ctx context.Context, m *member, message *Message) error {
	log, err := readLog(message.Body, g.plan.Workload.EntryNames())
	if err != nil {
		return err
	}
	if m.after, err = m.measureOffset(ctx, g.base); err != nil {
		return fmt.Errorf("measuring its clock after the run: %w", err)
	}
	m.result, m.log, m.ok = message.Result, log, log.Count(measure.OK)
	_ = m.send(ctx, &Message{Kind: KindBye}) // everything that counts has arrived
	return nil
}

// show tells the plan's Progress of all agents together, about once a second. Percentiles of a second are not shipped.
func (g *Group) show(over chan struct{}, origin time.Time) {
	if g.plan.Progress == nil {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-over:
			return
		case <-ticker.C:
		}
		all := engine.Progress{Elapsed: time.Since(origin)}
		if all.Elapsed < 0 {
			continue
		}
		for _, m := range g.members {
			m.mu.Lock()
			all.Due += m.latest.Due
			for o, n := range m.latest.Outcomes {
				all.Outcomes[o] += n
				all.Done += n
			}
			m.mu.Unlock()
		}
		g.plan.Progress(all)
	}
}

// merge adds everything up.
func (g *Group) merge(ctx context.Context, origin time.Time) (engine.Report, error) {
	report := engine.Report{Engine: g.Name(), Start: origin, Interrupted: ctx.Err() != nil}
	var merged *measure.Summary
	for _, m := range g.members {
		if m.lost != nil {
			continue
		}
		if merged == nil {
			merged = m.log
		} else if err := merged.Merge(m.log); err != nil {
			return report, fmt.Errorf("%s: %w", m, err)
		}
		r := m.result
		report.Elapsed = max(report.Elapsed, r.Elapsed)
		report.Due, report.Sent, report.Done = report.Due+r.Due, report.Sent+r.Sent, report.Done+r.Done
		report.Connections, report.Reconnects = report.Connections+r.Connections, report.Reconnects+r.Reconnects
		report.MaxBacklog = max(report.MaxBacklog, r.MaxBacklog)
		report.Capped, report.CapHits = report.Capped+r.Capped, report.CapHits+r.CapHits
		report.ClientCPU += r.CPU
	}
	if merged == nil {
		return report, fmt.Errorf("all agents are lost: %w", g.failure())
	}
	if err := g.plan.Recorder.Adopt(merged); err != nil {
		return report, err
	}
	g.window = g.plan.Schedule.Duration()
	if report.Interrupted {
		g.window = min(g.window, report.Elapsed)
	}
	g.findHoles(report.Interrupted)
	g.limit = offsetLimit(g.plan.Schedule)
	return report, nil
}

// offsetLimit is the largest drift of a clock during a run: 10 ms, or one gap of a constant schedule.
func offsetLimit(s schedule.Schedule) time.Duration {
	limit := 10 * time.Millisecond
	if gap, ok := schedule.Gap(s); ok {
		limit = min(limit, gap)
	}
	return limit
}
