package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"trent/loadgen/measure"
	"trent/loadgen/workload"
)

// grace is how long hits under way may take to finish after an interruption.
const grace = time.Second

// lead is the time between the start of a run's goroutines and its origin, so that the first hit does not come late.
const lead = 2 * time.Millisecond

// run is what the engines share while a plan is executed.
type run struct {
	plan        *Plan
	destination *destination
	sequence    *workload.Sequence
	bodies      *workload.Bodies
	budget      *budget
	timeout     time.Duration
	origin      time.Time
	newClock    func(origin time.Time) clock
	cpu         time.Duration
	restore     func() // undoes what was changed of the process
	lanes       []*lane

	// soft ends when the plan's context does: nothing is sent any more. hard ends a grace later: what is under way is cut off.
	soft, hard context.Context
	cancelHard context.CancelFunc

	interruptedAt time.Duration // when soft ended; read after supervise's stop

	due        atomic.Uint64
	sent       atomic.Uint64
	recorded   atomic.Uint64
	reconnects atomic.Uint64
	capped     atomic.Uint64
	connected  int
	opening    Handshakes
	overtime   atomic.Bool // hits were cut off because the run had to end
}

// prepare checks a plan and opens its connections. The caller must call finish if it returns no error.
func prepare(ctx context.Context, p *Plan) (*run, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	d, err := resolve(ctx, &p.Target)
	if err != nil {
		return nil, err
	}
	return prepareAt(ctx, p, d)
}

func prepareAt(ctx context.Context, p *Plan, d *destination) (*run, error) {
	r := newRun(ctx, p, d)
	lanes := p.connections()
	if l, ok := p.Schedule.(ClosedLoop); ok {
		lanes = l.Clients
	}
	for i := range lanes {
		r.lanes = append(r.lanes, newLane(r, i))
	}
	if err := r.connectAll(); err != nil {
		r.cancelHard()
		r.closeAll()
		return nil, err
	}
	r.begin()
	return r, nil
}

// newRun makes a run without connections.
func newRun(ctx context.Context, p *Plan, d *destination) *run {
	d.tls, d.meter = p.Connect.configure(d.tls, p.connections()), newHandshakeMeter()
	r := &run{
		plan: p, destination: d, timeout: p.timeout(), newClock: newClock, budget: p.Keys.budget,
		sequence: p.Workload.Sequence(p.Seed), bodies: p.Workload.Bodies(p.Keys), soft: ctx,
	}
	r.hard, r.cancelHard = context.WithCancel(context.WithoutCancel(ctx))
	return r
}

// begin sets the origin; what went before it is none of the run's measurement.
func (r *run) begin() {
	r.opening = r.destination.meter.split()
	r.restore = oneThreadPerCPU()
	r.cpu = processCPU()
	r.origin = time.Now().Add(lead)
	if !r.plan.Start.IsZero() {
		r.origin = r.plan.Start
	}
}

// connectAll opens the connections, a few at a time and all within the timeout, unless the plan wants them late. It fails only where
// none can be opened: the others are tried again when they get a hit.
func (r *run) connectAll() error {
	if r.plan.Connect.late() {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.soft, r.timeout)
	defer cancel()
	const atATime = 16
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failure error
	turns := make(chan struct{}, atATime)
	for _, l := range r.lanes {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			c, err := r.destination.connect(ctx, r.timeout)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failure = err
				return
			}
			c.watch(r.hard)
			l.conn = c
			l.age.renew(&r.plan.Connect, r.plan.Seed, 0)
			r.connected++
		})
	}
	wg.Wait()
	if r.connected == 0 && r.soft.Err() == nil {
		return fmt.Errorf("connecting to %s: %w", r.plan.Target.URL, failure)
	}
	return nil
}

// closeAll may be called only when no goroutine uses the lanes.
func (r *run) closeAll() {
	for _, l := range r.lanes {
		l.drop()
	}
}

// supervise starts what runs beside the hits: progress, the grace after an interruption, and the end of a run whose last answers
// do not come. The returned function ends all.
func (r *run) supervise() (stop func()) {
	over := make(chan struct{})
	var wg sync.WaitGroup
	end := time.AfterFunc(r.plan.Schedule.Duration()+r.timeout+grace-r.now(), func() {
		r.overtime.Store(true)
		r.cancelHard()
	})
	wg.Go(func() {
		select {
		case <-over:
			return
		case <-r.soft.Done():
		}
		r.interruptedAt = r.now()
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-over:
		case <-timer.C:
			r.cancelHard()
		}
	})
	wg.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				// Counting drains the shards, which keeps the workers from doing it; with or without a display.
				counts := r.plan.Recorder.Counts()
				if r.plan.Progress != nil {
					r.plan.Progress(Progress{Elapsed: r.now(), Due: r.due.Load(), Counts: counts})
				}
			}
		}
	})
	return func() { end.Stop(); close(over); wg.Wait() }
}

// cut says what became of a hit whose connection the run itself ended. It is known where hard has ended: either the run was
// interrupted, or the hit had been due for longer than the timeout and the grace when the run had to end.
func (r *run) cut() (measure.Outcome, string) {
	if r.soft.Err() == nil && r.overtime.Load() {
		return measure.Timeout, nameTimeout
	}
	return measure.ConnError, nameInterrupted
}

func (r *run) now() time.Duration { return time.Since(r.origin) }

// finish closes everything and reports. The lanes must be unused.
func (r *run) finish(engine string, interrupted bool) Report {
	elapsed := r.now()
	cpu := processCPU() - r.cpu
	r.cancelHard()
	r.closeAll()
	r.restore()
	return Report{
		Engine: engine, Start: r.origin, Elapsed: elapsed, ClientCPU: cpu, Interrupted: interrupted,
		Due: r.due.Load(), Sent: r.sent.Load(), Done: r.recorded.Load(),
		Connections: r.connected, Reconnects: r.reconnects.Load(), Capped: r.capped.Load(),
		Opening: r.opening, Handshakes: r.destination.meter.split(),
	}
}

// lane is a connection with all that is needed to send hits over it. It has one user at a time.
type lane struct {
	run     *run
	conn    *conn // nil: to be opened
	age     age
	signer  *signer
	signers []*signer      // by entry, where the workload has several callers
	shard   *measure.Shard // made on first use
	body    []byte
	request []byte
	answer  answer
	sample  measure.Sample
	hit     workload.Hit
}

func newLane(r *run, index int) *lane {
	t := &r.plan.Target
	return &lane{
		run: r, age: age{lane: uint64(index)},
		signer: newSigner(t.Credentials, t.Region, r.destination.host), signers: t.signers(r.plan.Workload, r.destination.host),
		body: make([]byte, 0, 8<<10), request: make([]byte, 0, 16<<10),
	}
}

func (l *lane) drop() {
	if l.conn != nil {
		l.conn.close()
		l.conn = nil
	}
}

// send sends a hit, waits for its answer and records it, whatever becomes of it.
func (l *lane) send(p pending) {
	r := l.run
	r.sequence.HitOf(p.n, int(p.entry), &l.hit)
	l.sample = measure.Sample{
		N: p.n, Entry: uint16(l.hit.Entry), Due: p.due, Handed: p.handed,
		ConnFree: measure.Never, FirstWrite: measure.Never, FirstByte: measure.Never, Done: measure.Never,
	}
	outcome, name := l.try(p)
	l.sample.Outcome = outcome
	if len(name) > 0 {
		l.sample.ErrorName = r.plan.Recorder.Intern(name)
	}
	r.recorded.Add(1)
	if l.shard == nil {
		l.shard = r.plan.Recorder.NewShard()
	}
	l.shard.Record(&l.sample)
}

func (l *lane) try(p pending) (measure.Outcome, []byte) {
	r, s := l.run, &l.sample
	now := r.now()
	if r.soft.Err() != nil {
		return measure.NeverSent, []byte(nameInterrupted)
	}
	if now-p.due > r.timeout {
		return measure.NeverSent, []byte(nameNoConnection)
	}
	if r.plan.Connect.churns() {
		l.retire(now)
	}
	if p.free && l.conn != nil {
		now = p.handed
	}
	if l.conn == nil {
		begun := now
		if r.plan.Connect.HandshakeOnly && !r.budget.take(1) {
			r.capped.Add(1)
			return measure.NeverSent, []byte(nameCap)
		}
		if err := l.reconnect(p.due + r.timeout - now); err != nil {
			s.Done = r.now()
			outcome, name := r.connectFailure(err)
			return outcome, []byte(name)
		}
		now = r.now()
		if r.plan.Connect.HandshakeOnly {
			return l.handshaken(begun, now)
		}
	}
	s.ConnFree = now
	if !r.budget.take(1) {
		r.capped.Add(1)
		return measure.NeverSent, []byte(nameCap)
	}
	l.body = r.bodies.Append(l.body[:0], &l.hit)
	signer := l.signer
	if l.signers != nil {
		signer = l.signers[l.hit.Entry]
	}
	l.request = signer.appendRequest(l.request[:0], r.bodies.Operation(&l.hit), l.body, time.Now())
	return l.exchange()
}

func (l *lane) exchange() (measure.Outcome, []byte) {
	r, s := l.run, &l.sample
	c := l.conn
	err := c.exchange(l.request, r.timeout, &l.answer)
	since := c.epoch.Sub(r.origin)
	s.Done = since + c.done
	if c.firstWrite != measure.Never {
		s.FirstWrite = since + c.firstWrite
		r.sent.Add(1)
	}
	if c.firstByte != measure.Never {
		s.FirstByte = since + c.firstByte
	}
	l.age.requests++
	if err != nil {
		l.drop()
		outcome, name := faultOf(err)
		if r.hard.Err() != nil {
			outcome, name = r.cut()
		}
		return outcome, []byte(name)
	}
	s.Status = uint16(l.answer.status)
	outcome, name := verdictOf(&l.answer)
	r.tapped(s.N, int(s.Entry), outcome, l.answer.body)
	if l.answer.closes || r.plan.Connect.Requests > 0 && l.age.requests >= r.plan.Connect.Requests {
		l.drop()
	}
	return outcome, name
}

// unsent records a hit that no lane took.
func (r *run) unsent(shard *measure.Shard, p pending, name string) {
	var hit workload.Hit
	r.sequence.HitOf(p.n, int(p.entry), &hit)
	r.recorded.Add(1)
	shard.Record(&measure.Sample{
		N: p.n, Entry: uint16(hit.Entry), Due: p.due, Handed: p.handed,
		ConnFree: measure.Never, FirstWrite: measure.Never, FirstByte: measure.Never, Done: measure.Never,
		Outcome: measure.NeverSent, ErrorName: r.plan.Recorder.Intern([]byte(name)),
	})
}
