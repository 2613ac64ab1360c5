package engine

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"trent/loadgen/measure"
)

// vegetaEngine lets vegeta's attack loop pace and its workers wait, and sends the hits itself.
//
// vegeta times a hit from when a worker takes it, numbers hits apart from their targets, and drops overdue ones when given a
// duration. So its targets are stubs, its results are only drained and its duration is 0: the pacer sleeps until a hit is due and
// ends the attack, and the round tripper finds operation, key and due time of a hit by the count in its X-Vegeta-Seq header,
// sends it over a connection of the run and records it.
type vegetaEngine struct{}

// Name is "vegeta".
func (vegetaEngine) Name() string { return "vegeta" }

// Run is described at Engine.
func (vegetaEngine) Run(ctx context.Context, p *Plan) (Report, error) {
	if _, ok := p.Schedule.(ClosedLoop); ok {
		return Report{}, ErrOpenOnly
	}
	r, err := prepare(ctx, p)
	if err != nil {
		return Report{}, err
	}
	return r.vegeta(), nil
}

// maxWorkers bounds vegeta's workers, each of which is a goroutine with a stack of some kilobytes.
const maxWorkers = 4096

// workersFor is rate × timeout, the hits that can be under way at once, between the number of connections and the bound.
func workersFor(rate float64, timeout time.Duration, connections int) int {
	return min(max(int(math.Ceil(rate*timeout.Seconds())), connections), maxWorkers)
}

func (r *run) vegeta() Report {
	a := newAttack(r, workersFor(r.plan.Schedule.MeanRate(), r.timeout, len(r.lanes)))
	stop := r.supervise()
	attacker := vegeta.NewAttacker(
		// Client first and alone: options that set up vegeta's own transport panic on another, and its timeouts cost a timer a hit.
		vegeta.Client(&http.Client{Transport: a}),
		vegeta.Workers(uint64(min(a.workers, 2*len(r.lanes)))), vegeta.MaxWorkers(uint64(a.workers)), vegeta.Redirects(vegeta.NoFollow),
	)
	stub := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodPost, URL: "https://" + r.destination.host + "/"})
	for range attacker.Attack(stub, a, 0, "") {
		continue // unread results pile up goroutines
	}
	a.clock.close()
	interrupted := r.soft.Err() != nil
	stop()
	if interrupted {
		a.overdue(r.interruptedAt)
	}
	report := r.finish("vegeta", interrupted)
	report.CapHits = a.capHits
	report.MaxBacklog = int(a.most.Load())
	return report
}

// attack is the pacer and the round tripper of one run.
type attack struct {
	run     *run
	workers int
	lanes   chan *lane
	ring    []pending // released hits by vegeta's count of them; a slot is written before the hit's tick and read after it
	mask    uint64

	// Used by the attack loop only.
	clock   clock
	pacer   *pacer
	ticks   uint64 // vegeta's count
	blocked bool   // the last hit found all workers busy
	capHits uint64

	underway atomic.Int64 // hits released and not finished
	busy     atomic.Int64 // hits waiting for a lane
	most     atomic.Int64

	mu    sync.Mutex // guards shard
	shard *measure.Shard
}

func newAttack(r *run, workers int) *attack {
	size := 1
	for size < workers+2 {
		size *= 2
	}
	a := &attack{run: r, workers: workers, lanes: make(chan *lane, len(r.lanes)), ring: make([]pending, size), mask: uint64(size - 1),
		shard: r.plan.Recorder.NewShard(), clock: r.newClock(r.origin), pacer: newPacer(r.plan.Schedule)}
	for _, l := range r.lanes {
		a.lanes <- l
	}
	return a
}

// Rate is asked by nobody during an attack.
func (a *attack) Rate(time.Duration) float64 { return a.run.plan.Schedule.MeanRate() }

// Pace waits until the next hit is due. vegeta calls it from one goroutine.
func (a *attack) Pace(time.Duration, uint64) (wait time.Duration, stop bool) {
	hit, ok := a.pacer.next(a.run.soft, a.clock)
	if !ok {
		return 0, true
	}
	a.run.due.Add(1)
	if a.blocked {
		// The loop was held up by the workers' waiting for answers, not by the pacer: that is a wait of the hit.
		hit.handed = hit.due
	}
	held := a.underway.Add(1) > int64(a.workers)
	hit.held = held || a.blocked
	if a.blocked = held; held {
		a.capHits++
	}
	a.ring[a.ticks&a.mask] = hit
	a.ticks++
	return 0, false
}

// RoundTrip sends the hit of the request's tick.
func (a *attack) RoundTrip(request *http.Request) (*http.Response, error) {
	defer a.underway.Add(-1)
	tick, err := strconv.ParseUint(request.Header.Get("X-Vegeta-Seq"), 10, 64)
	if err != nil {
		panic("engine: vegeta sent a request without a number")
	}
	hit := a.ring[tick&a.mask]
	if l := a.lane(&hit); l != nil {
		l.send(hit)
		a.lanes <- l
	}
	return &http.Response{Status: "200 OK", StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: request}, nil
}

// lane takes a free connection, waiting for one while the hit may still be sent. Nil: the hit was recorded as never sent.
func (a *attack) lane(hit *pending) *lane {
	select {
	case l := <-a.lanes:
		hit.free = !hit.held
		return l
	default:
	}
	a.raise(a.busy.Add(1))
	defer a.busy.Add(-1)
	timer := time.NewTimer(hit.due + a.run.timeout - a.run.now())
	defer timer.Stop()
	select {
	case l := <-a.lanes:
		return l
	case <-timer.C:
		a.unsent(*hit, nameNoConnection)
	case <-a.run.soft.Done():
		a.unsent(*hit, nameInterrupted)
	}
	return nil
}

func (a *attack) raise(busy int64) {
	for {
		most := a.most.Load()
		if busy <= most || a.most.CompareAndSwap(most, busy) {
			return
		}
	}
}

// unsent records a hit that no lane has.
func (a *attack) unsent(p pending, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.run.unsent(a.shard, p, name)
}

// overdue records, after an interruption, the hits that had been due by then while the loop was held up.
func (a *attack) overdue(until time.Duration) {
	for {
		hit, ok := a.pacer.skip(until)
		if !ok {
			return
		}
		a.run.due.Add(1)
		a.unsent(hit, nameInterrupted)
	}
}
