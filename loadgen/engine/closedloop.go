package engine

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"trent/loadgen/schedule"
)

// ClosedLoop stands in the place of a schedule where nothing is due by a schedule: each of a number of clients, with a connection of
// its own, thinks for a while, sends a request, waits for its answer, and thinks again. A slow server is sent less, so latencies
// count from when a request was sent, and hide what users who do not wait would see: it is for questions about a fixed number of
// users or of connections (throughput against concurrency), not for latency limits.
type ClosedLoop struct {
	schedule.Schedule // an empty one of the loop's length: nothing is due

	Clients int
	Think   Think
	seed    uint64
}

// Think is the time between an answer and the same client's next request.
type Think struct {
	Mean        time.Duration
	Exponential bool // independent exponential times, else always Mean
}

// String is "50ms" or "exponential:50ms".
func (t Think) String() string {
	if t.Exponential {
		return "exponential:" + t.Mean.String()
	}
	return t.Mean.String()
}

// NewClosedLoop makes a loop of the given length; the seed draws the think times.
func NewClosedLoop(clients int, think Think, length time.Duration, seed uint64) ClosedLoop {
	return ClosedLoop{Schedule: schedule.Constant(0, length), Clients: max(clients, 1), Think: think, seed: seed}
}

// String describes the loop, "closed loop: 10 clients, think 50ms, 30s".
func (l ClosedLoop) String() string {
	return fmt.Sprintf("closed loop: %d clients, think %s, %s", l.Clients, l.Think, l.Duration())
}

// pause is think time n of a client. The first one is a random part of a whole one: clients do not begin in step.
func (l *ClosedLoop) pause(client, n uint64) time.Duration {
	if l.Think.Mean <= 0 {
		return 0
	}
	u := unit(l.seed, client, n)
	switch {
	case l.Think.Exponential:
		return time.Duration(-math.Log(1-u) * float64(l.Think.Mean))
	case n == 0:
		return time.Duration(u * float64(l.Think.Mean))
	}
	return l.Think.Mean
}

// Loop is what clients of a closed loop did beside sending.
type Loop struct {
	Thought time.Duration // all clients together, between their requests
	Pauses  uint64        // how many times
}

// loop runs the clients until the end of the loop. Each sends by a sender of its own, which is called from one goroutine.
func (r *run) loop(l ClosedLoop, senders []func(pending)) Loop {
	var wg sync.WaitGroup
	var n, pauses atomic.Uint64
	var thought atomic.Int64
	for client, send := range senders {
		wg.Go(func() {
			for i := uint64(0); ; i++ {
				begun := r.now()
				if !r.rest(l.pause(uint64(client), i), l.Duration()) {
					return
				}
				now := r.now()
				if i > 0 {
					pauses.Add(1)
					thought.Add(int64(now - begun))
				}
				r.due.Add(1)
				send(pending{n: n.Add(1) - 1, entry: schedule.AnyEntry, due: now, handed: now, free: true})
			}
		})
	}
	wg.Wait()
	return Loop{Thought: time.Duration(thought.Load()), Pauses: pauses.Load()}
}

// rest waits; it is false where the loop ends first. The origin lies ahead of the clients' start.
func (r *run) rest(pause, end time.Duration) bool {
	now := r.now()
	pause += max(-now, 0)
	if max(now, 0)+pause >= end && pause > 0 {
		pause = end - now
	}
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.soft.Done():
		}
	}
	return r.now() < end && r.soft.Err() == nil
}

// closed executes a plan's closed loop over lanes.
func (r *run) closed(engine string, l ClosedLoop) Report {
	stop := r.supervise()
	senders := make([]func(pending), len(r.lanes))
	for i, lane := range r.lanes {
		senders[i] = lane.send
	}
	loop := r.loop(l, senders)
	interrupted := r.soft.Err() != nil
	stop()
	report := r.finish(engine, interrupted)
	report.Loop = &loop
	return report
}
