package link

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"trent/hsm/internal/session"
)

// conduit is one end of a session's connection: *session.Conn.
type conduit interface {
	Seal(dst, plaintext []byte) ([]byte, error)
	Open(dst, envelope []byte) ([]byte, error)
	Close()
}

// What an envelope is longer than its messages, in bytes.
const (
	envelopeHead = frameHeader + session.HeaderSize
	envelopeTail = session.Overhead - session.HeaderSize
)

// writeRounds is how often a caller writes for others before it lets the flusher do it.
const writeRounds = 8

// outbox coalesces what is sent over a connection. Whoever adds a message and finds nobody writing becomes the writer:
// it seals and writes what has queued up, in as few frames as hold it, and looks again. It never waits for the peer:
// what the connection does not take at once goes to the flusher, a goroutine that sleeps otherwise, and so does
// what others queue for longer than the writer has time.
type outbox struct {
	conn    net.Conn
	conduit conduit
	timeout time.Duration // of a write that does not get on
	failed  func(error)

	mu      sync.Mutex
	room    *sync.Cond // there is less in the queue
	queue   frames     // not locked by mu between begin and commit, but by their caller, who holds mu
	spare   frames     // an empty one to swap with
	writing bool       // somebody is the writer
	ended   bool       // the last message is queued
	closing error      // not nil: nothing more is written

	handed atomic.Uint64 // the last frame that may have reached the peer

	try   *tryWriter
	rest  frames // what the flusher begins with; the writer's
	from  int    // in rest.buf; 0: nothing is left of it
	flush chan struct{}
}

// frames is a run of envelopes not sealed yet, each with room for its header and tag.
type frames struct {
	buf   []byte
	ends  []int  // of the complete ones, in buf
	begin int    // of the one that is being filled
	first uint64 // number of the first
}

func newOutbox(conn net.Conn, c conduit, timeout time.Duration, failed func(error)) *outbox {
	o := &outbox{conn: conn, conduit: c, timeout: timeout, failed: failed, flush: make(chan struct{}, 1), try: newTryWriter(conn)}
	o.room = sync.NewCond(&o.mu)
	o.queue.first = 1
	return o
}

// begin locks the outbox for one message of at most size bytes, to be appended to the buffer that it returns and
// ended by commit. Error: why nothing is taken any more; the outbox is not locked then.
func (o *outbox) begin(size int) ([]byte, error) {
	o.mu.Lock()
	if o.closing != nil || o.ended {
		err := o.closing
		o.mu.Unlock()
		if err == nil {
			err = errClosing
		}
		return nil, err
	}
	q := &o.queue
	if used := len(q.buf) - q.begin; used > 0 && used+size > batchSize {
		q.cut()
	}
	q.reserve(envelopeHead + size + envelopeTail)
	if len(q.buf) == q.begin {
		q.buf = q.buf[:q.begin+envelopeHead]
	}
	return q.buf, nil
}

// frame is the number of the frame that is being filled; between begin and commit.
func (o *outbox) frame() uint64 { return o.queue.first + uint64(len(o.queue.ends)) }

// commit unlocks. true: the caller is the writer now and must call write.
func (o *outbox) commit(buf []byte) bool {
	o.queue.buf = buf
	writer := !o.writing
	o.writing = true
	o.mu.Unlock()
	return writer
}

// hold unlocks, and leaves the writing to the next flushNow or to whoever else writes.
func (o *outbox) hold(buf []byte) {
	o.queue.buf = buf
	o.mu.Unlock()
}

// flushNow writes what is queued, unless somebody does.
func (o *outbox) flushNow() {
	o.mu.Lock()
	idle := !o.writing && len(o.queue.buf) > 0
	if idle {
		o.writing = true
	}
	o.mu.Unlock()
	if idle {
		o.write(nil)
	}
}

// end queues the last message and writes it.
func (o *outbox) end(kind messageKind) {
	buf, err := o.begin(messageHeader)
	if err != nil {
		return
	}
	o.ended = true
	if o.commit(appendMessage(buf, 0, kind, nil)) {
		o.write(nil)
	}
}

// send queues and writes a whole message. Error: begin's.
func (o *outbox) send(id uint32, kind messageKind, body []byte) error {
	buf, err := o.begin(messageHeader + len(body))
	if err != nil {
		return err
	}
	if o.commit(appendMessage(buf, id, kind, body)) {
		o.write(nil)
	}
	return nil
}

// reserve makes room for n bytes more. The buffer that it leaves held plaintext.
func (f *frames) reserve(n int) {
	if cap(f.buf)-len(f.buf) >= n {
		return
	}
	grown := make([]byte, len(f.buf), max(2*cap(f.buf), len(f.buf)+n, 8<<10))
	copy(grown, f.buf)
	clear(f.buf)
	f.buf = grown
}

// cut ends the frame that is being filled; reserve has left room for its tag.
func (f *frames) cut() {
	f.buf = f.buf[:len(f.buf)+envelopeTail]
	f.ends = append(f.ends, len(f.buf))
	f.begin = len(f.buf)
}

// take makes what is queued the writer's; false: there is nothing, and the caller is the writer no longer.
func (o *outbox) take() (frames, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := &o.queue
	if len(q.buf) == 0 || o.closing != nil {
		o.writing = false
		o.room.Broadcast()
		return frames{}, false
	}
	if len(q.buf) > q.begin {
		q.cut()
	}
	taken := *q
	o.queue = frames{buf: o.spare.buf[:0], ends: o.spare.ends[:0], first: taken.first + uint64(len(taken.ends))}
	o.spare = frames{}
	o.room.Broadcast()
	return taken, true
}

// giveBack keeps a buffer for the next time. What it held is sealed.
func (o *outbox) giveBack(f frames) {
	if cap(f.buf) > keptSize {
		return
	}
	o.mu.Lock()
	o.spare = f
	o.mu.Unlock()
}

// write is the writer's loop: it goes on until nothing is queued. With the writer's own entry, it ends earlier when
// that has its answer, or after some rounds.
func (o *outbox) write(own *entry) {
	for round := 0; ; round++ {
		if own != nil && (round == writeRounds || own.state.Load() != entryArmed) {
			o.wakeFlusher()
			return
		}
		f, ok := o.take()
		if !ok {
			return
		}
		if err := o.seal(&f); err != nil {
			clear(f.buf)
			o.failed(err)
			return
		}
		o.handed.Store(f.first + uint64(len(f.ends)) - 1)
		n, err := o.try.write(f.buf)
		if err != nil {
			o.broke(&f, n, err)
			return
		}
		if n < len(f.buf) {
			o.rest, o.from = f, n
			o.wakeFlusher()
			return
		}
		o.giveBack(f)
	}
}

// seal seals every frame in place.
func (o *outbox) seal(f *frames) error {
	begin := 0
	for _, end := range f.ends {
		putFrameHeader(f.buf[begin:], frameEnvelope, end-begin-frameHeader)
		out, err := o.conduit.Seal(f.buf[begin:begin+frameHeader:end], f.buf[begin+envelopeHead:end-envelopeTail])
		if err != nil {
			return fmt.Errorf("sealing an envelope: %w", err)
		}
		if len(out) != end-begin {
			panic("link: an envelope of another length than its room")
		}
		begin = end
	}
	return nil
}

// broke ends the connection after a write of n bytes: frames that did not go out whole were not read by anybody.
func (o *outbox) broke(f *frames, n int, err error) {
	last := f.first - 1
	for _, end := range f.ends {
		if end <= n {
			last++
		}
	}
	o.handed.Store(last)
	o.failed(fmt.Errorf("writing: %w", err))
}

func (o *outbox) wakeFlusher() {
	select {
	case o.flush <- struct{}{}:
	default:
	}
}

// runFlusher writes what others could not, until done.
func (o *outbox) runFlusher(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-o.flush:
		}
		if o.rest.buf != nil {
			f := o.rest
			o.rest = frames{}
			o.conn.SetWriteDeadline(time.Now().Add(o.timeout))
			n, err := o.conn.Write(f.buf[o.from:])
			if err != nil {
				o.broke(&f, o.from+n, err)
				return
			}
			o.conn.SetWriteDeadline(time.Time{})
			o.giveBack(f)
		}
		o.write(nil)
	}
}

// shut takes nothing more, for a reason, and wipes what is queued; the first reason stays.
func (o *outbox) shut(why error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing == nil {
		o.closing = why
		clear(o.queue.buf)
		o.queue.buf, o.queue.ends, o.queue.begin = nil, nil, 0
	}
	o.room.Broadcast()
}

// awaitRoom waits until less than limit bytes are queued, or nothing more is taken.
func (o *outbox) awaitRoom(limit int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue.buf) >= limit && o.closing == nil {
		o.room.Wait()
	}
}

// awaitEmpty waits until all is handed to the connection, or nothing more is taken.
func (o *outbox) awaitEmpty() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.writing && o.closing == nil {
		o.room.Wait()
	}
}

// yield lets those who are about to queue something do so before the caller writes. With 64 callers it halves the CPU
// time of a call, at both ends.
func yield() { runtime.Gosched() }

var errClosing = errors.New("link: the connection is closing")
