package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"trent/loadgen/measure"
)

// pool holds the hits that wait for a connection, of all loops of a run: whichever has a connection free first takes the next.
type pool struct {
	loops   []*loop
	waiting atomic.Int64 // len of queue

	mu    sync.Mutex
	queue fifo
	most  int
}

// put keeps a hit for which its loop has no free slot, and wakes another that has one.
func (p *pool) put(from *loop, hit pending) {
	p.mu.Lock()
	p.queue.push(hit)
	p.most = max(p.most, p.queue.count)
	p.waiting.Store(int64(p.queue.count))
	p.mu.Unlock()
	for _, other := range p.loops {
		if other != from && other.free.Load() > 0 {
			other.poller.ring()
			return
		}
	}
}

func (p *pool) take() (pending, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	hit, ok := p.queue.pop()
	p.waiting.Store(int64(p.queue.count))
	return hit, ok
}

// perLoop is the rate from which a run gets one more loop, chosen: about a third of what one core can send.
const perLoop = 25_000

// loops is how many loops the run's connections can be given to: none where the system or the connections are not fit for it, or
// the plan has connections replaced, which lanes do.
func (r *run) loops() int {
	if r.plan.Connect.churns() {
		return 0
	}
	for _, l := range r.lanes {
		if l.conn != nil && !l.conn.wire.turn.possible() {
			return 0
		}
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0
	}
	wanted := 1 + int(r.plan.Schedule.MeanRate()/perLoop)
	return max(1, min(wanted, set.Count(), len(r.lanes)))
}

// looped runs the plan on n loops; ok is false where the system lacks what they need.
func (r *run) looped(n int) (report Report, ok bool) {
	p := &pool{}
	closeAll := func() {
		for _, l := range p.loops {
			l.close()
		}
	}
	for i := range n {
		l, err := newLoop(r, p, i, n)
		if err != nil {
			closeAll()
			return Report{}, false
		}
		p.loops = append(p.loops, l)
	}
	undo, restore := spareProcessor(n), r.restore
	r.restore = func() { undo(); restore() }
	ring := func() {
		for _, l := range p.loops {
			l.poller.ring()
		}
	}
	stop := r.supervise()
	unwatch, unwatchHard := whenDone(r.soft, ring), whenDone(r.hard, ring)
	var wg sync.WaitGroup
	for _, l := range p.loops {
		wg.Go(l.work)
	}
	wg.Wait()
	interrupted := r.soft.Err() != nil
	unwatch()
	unwatchHard()
	stop()
	report = r.finish("native", interrupted)
	report.MaxBacklog = p.most
	closeAll()
	return report, true
}

// newLoop makes loop i of n, which takes every n-th hit and every n-th connection.
func newLoop(r *run, p *pool, i, n int) (*loop, error) {
	poller, err := newPoller()
	if err != nil {
		return nil, err
	}
	t := &r.plan.Target
	l := &loop{run: r, pool: p, poller: poller, pacer: newShare(r.plan.Schedule, i, n), scan: time.Hour, late: newLateness(),
		signer: newSigner(t.Credentials, t.Region, r.destination.host), signers: t.signers(r.plan.Workload, r.destination.host),
		shard: r.plan.Recorder.NewShard(), body: make([]byte, 0, 8<<10), request: make([]byte, 0, 16<<10)}
	for at := i; at < len(r.lanes); at += n {
		slot := slot{conn: r.lanes[at].conn}
		r.lanes[at].conn = nil
		l.slots = append(l.slots, slot)
	}
	l.idle = make([]int32, len(l.slots))
	for i := range l.slots {
		if l.slots[i].conn != nil {
			l.adopt(int32(i))
		}
		l.putIdle(int32(i))
	}
	return l, nil
}

func (l *loop) close() {
	for i := range l.slots {
		l.drop(int32(i))
	}
	l.poller.close()
}

// adopt takes over the connection of a slot; it drops one that cannot be.
func (l *loop) adopt(i int32) error {
	s := &l.slots[i]
	var err error
	if s.socket, err = detach(s.conn); err == nil {
		s.turn++
		err = l.poller.watch(s.socket.fd, i, s.turn)
	}
	if err != nil {
		l.drop(i)
	}
	return err
}

// connect opens a connection for a slot that has a hit, beside the loop and within a time.
func (l *loop) connect(i int32, within time.Duration) {
	go func() {
		c, err := l.run.destination.connect(l.run.hard, within)
		l.mu.Lock()
		l.made = append(l.made, connected{i, c, err})
		l.poller.ring() // under the lock: the loop, which may end once it has the connection, does not have it before
		l.mu.Unlock()
	}()
}

// answerBell takes the connections that have been made, and stops where the run was interrupted.
func (l *loop) answerBell() {
	l.mu.Lock()
	made := l.made
	l.made = nil
	l.mu.Unlock()
	for _, m := range made {
		l.join(m)
	}
	if l.run.soft.Err() != nil && !l.stopped {
		l.stop()
	}
	if l.run.hard.Err() == nil {
		return
	}
	for i := range l.slots {
		if s := &l.slots[i]; s.busy && s.conn != nil {
			l.fail(int32(i), l.run.hard.Err())
		}
	}
}

// join sends a slot's hit over the connection that was made for it.
func (l *loop) join(m connected) {
	s := &l.slots[m.slot]
	s.conn = m.conn
	if m.err == nil {
		m.err = l.adopt(m.slot)
	}
	if m.err != nil {
		s.sample.Done = l.now()
		outcome, name := l.run.connectFailure(m.err)
		l.record(m.slot, outcome, []byte(name))
		return
	}
	l.run.reconnects.Add(1)
	if l.stopped {
		l.record(m.slot, measure.NeverSent, []byte(nameInterrupted))
		return
	}
	l.run.sequence.HitOf(s.pending.n, int(s.pending.entry), &l.hit)
	l.send(m.slot, l.now())
}

// stop records the hits that are due and not sent.
func (l *loop) stop() {
	l.stopped = true
	now := l.now()
	for {
		hit, ok := l.pacer.take(now)
		if !ok {
			break
		}
		l.run.due.Add(1)
		l.run.unsent(l.shard, hit, nameInterrupted)
	}
	l.pacer.more = false
	for {
		hit, ok := l.pool.take()
		if !ok {
			return
		}
		l.run.unsent(l.shard, hit, nameInterrupted)
	}
}
