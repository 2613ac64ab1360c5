package engine

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"trent/loadgen/measure"
	"trent/loadgen/workload"
)

// loop sends its share of a run's hits over its share of the connections, all by itself on a thread of its own: it waits for
// answers and for the next due time at once, so that a hit costs neither a switch of goroutines nor a wake-up of another thread.
type loop struct {
	run    *run
	pool   *pool
	poller *poller
	pacer  *pacer
	late   lateness
	slots  []slot
	busy   int // slots that wait for an answer or for a connection
	scan   time.Duration

	stopped bool // nothing is sent any more

	// What a hit needs while it is sent.
	signer  *signer
	signers []*signer // by entry, where the workload has several callers
	shard   *measure.Shard
	hit     workload.Hit
	body    []byte
	request []byte

	// The slots free for a hit, those longest idle first. Others read the count.
	idle  []int32
	first int
	free  atomic.Int64

	mu   sync.Mutex
	made []connected // by the goroutines that open connections
}

// connected is the end of an attempt to open a connection for a slot.
type connected struct {
	slot int32
	conn *conn
	err  error
}

// slot is the place of a connection in a loop. It holds at most one hit.
type slot struct {
	conn     *conn // nil: to be opened
	socket   *socket
	turn     int32 // of the connection, in the order of those that the slot has had
	busy     bool  // a hit is under way or waits for the connection
	ended    bool  // the server has closed its side
	answer   answer
	pending  pending
	sample   measure.Sample
	deadline time.Duration
}

func (l *loop) now() time.Duration { return l.run.now() }

// work runs until every hit of the schedule is recorded. It must have a goroutine of its own, whose thread ends with it.
func (l *loop) work() {
	runtime.LockOSThread()
	exactTimers()
	for {
		now := l.now()
		l.release(now)
		if !l.pacer.more && l.busy == 0 && l.pool.waiting.Load() == 0 {
			return
		}
		events, err := l.poller.wait(l.patience(now))
		if err != nil {
			panic("engine: " + err.Error()) // the descriptors are ours: only a mistake of this program makes it fail
		}
		if len(events) == 0 {
			l.late.woke(l.now())
			continue
		}
		l.late.target = 0
		for i := range events {
			l.event(&events[i])
			l.release(l.now())
		}
	}
}

// patience is how long to wait for answers at the most.
func (l *loop) patience(now time.Duration) time.Duration {
	wait := time.Hour
	if l.busy > 0 {
		if now >= l.scan {
			l.expire(now)
		}
		wait = l.scan - now
	}
	if !l.pacer.more {
		return wait
	}
	moment, spin := l.pacer.wakeUp(now)
	return min(wait, l.late.sleep(now, moment, spin))
}

// release hands over the hits that are due by now, each as soon as the one before has been sent.
func (l *loop) release(now time.Duration) {
	for {
		hit, ok := l.pacer.take(now)
		if !ok {
			break
		}
		l.run.due.Add(1)
		switch i, ok := l.takeIdle(); {
		case l.pool.waiting.Load() > 0 || !ok:
			if ok {
				l.putIdle(i)
			}
			l.pool.put(l, hit)
		default:
			hit.free = true
			l.start(i, hit, now)
			now = l.now()
		}
	}
	l.drain()
}

// drain gives hits that wait to free slots.
func (l *loop) drain() {
	for l.pool.waiting.Load() > 0 && l.free.Load() > 0 {
		hit, ok := l.pool.take()
		if !ok {
			return
		}
		i, _ := l.takeIdle()
		l.start(i, hit, l.now())
	}
}

func (l *loop) takeIdle() (int32, bool) {
	n := l.free.Load()
	if n == 0 {
		return 0, false
	}
	i := l.idle[l.first]
	if l.first++; l.first == len(l.idle) {
		l.first = 0
	}
	l.free.Store(n - 1)
	return i, true
}

func (l *loop) putIdle(i int32) {
	n := l.free.Load()
	l.idle[(l.first+int(n))%len(l.idle)] = i
	l.free.Store(n + 1)
}

// start begins a hit in a free slot.
func (l *loop) start(i int32, p pending, now time.Duration) {
	s := &l.slots[i]
	l.run.sequence.HitOf(p.n, int(p.entry), &l.hit)
	s.pending, s.busy = p, true
	s.sample = measure.Sample{
		N: p.n, Entry: uint16(l.hit.Entry), Due: p.due, Handed: p.handed,
		ConnFree: measure.Never, FirstWrite: measure.Never, FirstByte: measure.Never, Done: measure.Never,
	}
	l.busy++
	switch {
	case l.stopped:
		l.record(i, measure.NeverSent, []byte(nameInterrupted))
	case now-p.due > l.run.timeout:
		l.record(i, measure.NeverSent, []byte(nameNoConnection))
	case s.conn == nil:
		l.connect(i, p.due+l.run.timeout-now)
	default:
		if p.free {
			now = p.handed
		}
		l.send(i, now)
	}
}

// send writes a slot's hit over its connection, which became free at a moment.
func (l *loop) send(i int32, free time.Duration) {
	r, s := l.run, &l.slots[i]
	s.sample.ConnFree = free
	if !r.budget.take(1) {
		r.capped.Add(1)
		l.record(i, measure.NeverSent, []byte(nameCap))
		return
	}
	now := time.Now()
	l.body = r.bodies.Append(l.body[:0], &l.hit)
	signer := l.signer
	if l.signers != nil {
		signer = l.signers[l.hit.Entry]
	}
	l.request = signer.appendRequest(l.request[:0], r.bodies.Operation(&l.hit), l.body, now)
	begun := now.Sub(r.origin)
	s.deadline = begun + r.timeout
	l.scan = min(l.scan, s.deadline+r.timeout/slackShare)
	s.conn.inbox.begin(&s.answer)
	s.conn.firstWrite, s.conn.firstByte = measure.Never, measure.Never
	s.conn.noteWrite()
	r.sent.Add(1)
	if _, err := s.conn.stream.Write(l.request); err != nil {
		l.fail(i, err)
	}
}

// event acts on what the poller reports of a socket or of the bell.
func (l *loop) event(e *unix.EpollEvent) {
	if e.Fd == bellID {
		l.answerBell()
		return
	}
	s := &l.slots[e.Fd]
	if s.conn == nil || s.turn != e.Pad {
		return // of a connection that is closed
	}
	if e.Events&unix.EPOLLOUT != 0 && len(s.socket.out) > 0 {
		if err := s.socket.flush(); err != nil {
			l.broken(e.Fd, err)
			return
		}
	}
	if e.Events&^unix.EPOLLOUT == 0 {
		return
	}
	s.ended = s.ended || e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	if s.busy {
		l.receive(e.Fd)
	} else {
		l.unasked(e.Fd)
	}
}

// receive reads what has come of an answer.
func (l *loop) receive(i int32) {
	s := &l.slots[i]
	in := &s.conn.inbox
	for {
		if err := in.fill(); err == errAgain {
			return
		} else if err = in.ended(&s.answer, err); err != nil {
			l.fail(i, err)
			return
		}
		complete, err := in.advance(&s.answer)
		switch {
		case err != nil:
			l.fail(i, err)
			return
		case complete || in.stage == untilClose && s.answer.body != nil:
			l.finish(i)
			return
		}
	}
}

// unasked looks at a connection without a hit of which there is news: it ended, or what came is no one's answer, or it was a
// message of TLS only.
func (l *loop) unasked(i int32) {
	s := &l.slots[i]
	s.conn.inbox.begin(&s.answer)
	if err := s.conn.inbox.fill(); err != errAgain || s.ended {
		l.drop(i)
	}
}

// finish records a whole answer.
func (l *loop) finish(i int32) {
	s := &l.slots[i]
	c := s.conn
	done := l.now()
	if done > s.deadline {
		l.fail(i, os.ErrDeadlineExceeded)
		return
	}
	l.times(s, done)
	s.sample.Status = uint16(s.answer.status)
	outcome, name := verdictOf(&s.answer)
	l.run.tapped(s.sample.N, int(s.sample.Entry), outcome, s.answer.body)
	// More than the answer came: its end, perhaps, or what nobody asked for.
	more := s.socket.full || c.records != nil && c.records.pending()
	surplus := more && c.inbox.fill() != errAgain
	l.record(i, outcome, name)
	if s.answer.closes || s.ended || surplus {
		l.drop(i)
	}
}

// fail records a hit whose exchange failed, and closes its connection.
func (l *loop) fail(i int32, err error) {
	s := &l.slots[i]
	l.times(s, l.now())
	outcome, name := faultOf(err)
	if l.run.hard.Err() != nil {
		outcome, name = l.run.cut()
	}
	l.drop(i)
	l.record(i, outcome, []byte(name))
}

// broken is a connection on which writing failed.
func (l *loop) broken(i int32, err error) {
	if l.slots[i].busy {
		l.fail(i, err)
	} else {
		l.drop(i)
	}
}

func (l *loop) times(s *slot, done time.Duration) {
	since := s.conn.epoch.Sub(l.run.origin)
	s.sample.Done = done
	if s.conn.firstWrite != measure.Never {
		s.sample.FirstWrite = since + s.conn.firstWrite
	}
	if s.conn.firstByte != measure.Never {
		s.sample.FirstByte = since + s.conn.firstByte
	}
}

// record keeps what became of a slot's hit and frees the slot.
func (l *loop) record(i int32, outcome measure.Outcome, name []byte) {
	s := &l.slots[i]
	s.sample.Outcome = outcome
	if len(name) > 0 {
		s.sample.ErrorName = l.run.plan.Recorder.Intern(name)
	}
	l.run.recorded.Add(1)
	l.shard.Record(&s.sample)
	s.busy = false
	l.busy--
	l.putIdle(i)
}

// drop closes a slot's connection; its next hit opens another.
func (l *loop) drop(i int32) {
	s := &l.slots[i]
	if s.conn != nil {
		s.conn.close()
	}
	s.conn, s.socket, s.ended = nil, nil, false
}

// expire ends the hits whose time is over, and says when to look again.
func (l *loop) expire(now time.Duration) {
	l.scan = now + l.run.timeout + l.run.timeout/slackShare
	for i := range l.slots {
		s := &l.slots[i]
		if !s.busy || s.conn == nil {
			continue // one that connects has a limit of its own
		}
		if now >= s.deadline {
			l.fail(int32(i), os.ErrDeadlineExceeded)
			continue
		}
		l.scan = min(l.scan, s.deadline+l.run.timeout/slackShare)
	}
}
