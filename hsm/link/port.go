package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"trent/hsm/internal/session"
)

// port is one connection of a server.
type port struct {
	server *Server
	conn   net.Conn
	born   time.Time
	reader *frameReader

	mu      sync.Mutex // guards the three below until the session; afterwards they do not change
	conduit *session.Conn
	out     *outbox
	why     error // why it ended, the first reason

	request  request      // of the call that runs in the reading goroutine
	inFlight atomic.Int32 // requests that wait for a worker or have one
	waiting  atomic.Int64 // their bytes
	quiet    *sync.Cond   // inFlight is less
	heard    atomic.Uint32
	lastSeen uint32 // of heard, by the janitor
	since    time.Time
	stranger bool        // before the first envelope; guarded by server.mu
	evicted  bool        // to make room for another stranger; guarded by server.mu
	told     atomic.Bool // that the server is leaving
	cancels  cancels
}

func newPort(s *Server, conn net.Conn) *port {
	now := time.Now()
	p := &port{server: s, conn: conn, born: now, reader: newFrameReader(newRawReader(conn), maxGreeting), stranger: true, since: now}
	p.quiet = sync.NewCond(&p.mu)
	return p
}

// run serves the connection until its end. Error: why it ended; nil: as it should.
func (p *port) run() error {
	err := p.serve()
	p.fail(err)
	p.cancels.all()
	p.settled()
	p.server.remove(p)
	p.reader.wipe()
	p.mu.Lock()
	if err = p.why; errors.Is(err, io.EOF) || errors.Is(err, errGoodbye) {
		err = nil
	}
	p.mu.Unlock()
	if p.server.opts.Closed != nil {
		p.server.opts.Closed(p.conn.RemoteAddr(), err)
	}
	return err
}

// fail ends the connection; what reads it does the rest.
func (p *port) fail(why error) {
	p.mu.Lock()
	if p.why == nil {
		p.why = why
	}
	out, k := p.out, p.conduit
	p.mu.Unlock()
	if out != nil {
		out.shut(errClosing)
	}
	p.conn.Close()
	if k != nil {
		k.Close()
	}
}

var (
	errGoodbye = errors.New("link: the host said goodbye")
	errIdle    = errors.New("link: the host was idle for too long")
	errOver    = errors.New("link: the session is over")
	errListed  = errors.New("link: the host is not in the domain's state any more")
)

func (p *port) serve() error {
	p.conn.SetDeadline(time.Now().Add(p.server.opts.HandshakeTimeout))
	if err := p.greet(); err != nil {
		return err
	}
	p.reader.limit = maxFrame
	done := make(chan struct{})
	defer close(done)
	p.server.running.Go(func() { p.out.runFlusher(done) })
	if p.server.isLeaving() {
		p.goAway()
	}
	// The first envelope shows that this is the host that opened the session, and not somebody who repeats it.
	if err := p.serveFrame(); err != nil {
		return err
	}
	p.conn.SetDeadline(time.Time{})
	p.server.known(p)
	for {
		if err := p.serveFrame(); err != nil {
			if errors.Is(err, errGoodbye) {
				p.settled()
				p.out.flushNow()
				p.out.awaitEmpty()
			}
			return err
		}
	}
}

// maxQueued is how many bytes of answers may wait for a host that does not read before it is not read either.
const maxQueued = 1 << 20

// serveFrame reads a frame and does what its messages ask for. Answers are written when nothing more has come.
func (p *port) serveFrame() error {
	if !p.reader.ready() {
		p.out.flushNow()
		p.out.awaitRoom(maxQueued)
	}
	kind, body, err := p.reader.next()
	if err != nil {
		if err == io.EOF {
			return err
		}
		return fmt.Errorf("reading: %w", err)
	}
	if kind != frameEnvelope {
		return fmt.Errorf("%w: a frame of kind %d", errHost, kind)
	}
	messages, err := openEnvelope(p.conduit, body)
	if err != nil {
		return err
	}
	p.heard.Add(1)
	defer clear(messages)
	return p.handleAll(messages, time.Now())
}

// handleAll does what the messages of an envelope ask for, which came at that time.
func (p *port) handleAll(b []byte, now time.Time) error {
	for len(b) > 0 {
		m, rest, err := nextMessage(b)
		if err != nil {
			return err
		}
		if err := p.handle(m, now); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

var errHost = errors.New("link: the host broke the rules of the link")

func (p *port) handle(m message, now time.Time) error {
	switch m.kind {
	case kindCall:
		return p.call(m, now)
	case kindForget, kindStatus, kindIdentity, kindExecute, kindInstall:
		return p.administer(m)
	case kindCancel:
		p.cancels.cancel(m.id)
		return emptyBody(m)
	case kindPing:
		if m.id != 0 {
			return errHost
		}
		return errors.Join(emptyBody(m), p.hold(0, kindPing|answerBit, nil))
	case kindGoodbye:
		return errGoodbye
	}
	return fmt.Errorf("%w: a message of kind %d", errHost, m.kind)
}

func emptyBody(m message) error {
	if len(m.body) != 0 {
		return errMessage
	}
	return nil
}

// hold queues an answer of the reading goroutine.
func (p *port) hold(id uint32, kind messageKind, body []byte) error {
	buf, err := p.out.begin(messageHeader + len(body))
	if err != nil {
		return err
	}
	p.out.hold(appendMessage(buf, id, kind, body))
	return nil
}

// call runs a call at once, or hands it to a worker.
func (p *port) call(m message, now time.Time) error {
	p.server.calls.Add(1)
	r := &p.request
	if err := r.parseCall(m.body); err != nil {
		return err
	}
	switch laneOf(&r.Call) {
	case brief:
		return p.hand(&p.server.brief, m, now)
	case long:
		return p.hand(&p.server.long, m, now)
	}
	r.run(p.server.opts.Module, now, func(err error) error {
		buf, closed := p.out.begin(r.resultSize())
		if closed != nil {
			return closed
		}
		p.out.hold(r.appendResult(buf, m.id, err))
		return nil
	})
	return nil
}

// maxWaiting bounds the bytes of a connection's requests in flight.
const maxWaiting = 16 << 20

// enter counts a request in; false: there are too many.
func (p *port) enter(size int) bool {
	p.inFlight.Add(1)
	if p.waiting.Add(int64(size)) <= maxWaiting && int(p.inFlight.Load()) <= p.server.opts.InFlight {
		return true
	}
	p.leave(size)
	return false
}

func (p *port) leave(size int) {
	p.waiting.Add(-int64(size))
	if p.inFlight.Add(-1) == 0 {
		p.mu.Lock()
		p.quiet.Broadcast()
		p.mu.Unlock()
	}
}

// settled waits until no request is in flight.
func (p *port) settled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.inFlight.Load() > 0 {
		p.quiet.Wait()
	}
}

// look is the janitor's visit.
func (p *port) look(now time.Time) {
	p.mu.Lock()
	k := p.conduit
	p.mu.Unlock()
	if heard := p.heard.Load(); heard != p.lastSeen || k == nil { // before the session the connection has a deadline
		p.lastSeen, p.since = heard, now
	} else if now.Sub(p.since) >= p.server.opts.IdleTimeout {
		p.fail(errIdle)
	}
	if k == nil || now.Before(k.Ends()) && !k.Spent() {
		return
	}
	p.goAway()
	if now.After(k.Ends().Add(overtime)) {
		p.fail(errOver)
	}
}

// overtime is how long a host may take to leave a connection whose session is over.
const overtime = 30 * time.Second

// goAway tells the host to take its calls elsewhere, once.
func (p *port) goAway() {
	p.mu.Lock()
	out := p.out
	p.mu.Unlock()
	if out == nil {
		if p.server.isLeaving() {
			p.fail(ErrServerClosed)
		}
		return
	}
	if p.told.CompareAndSwap(false, true) {
		out.send(0, kindGoingAway, nil)
	}
}

// recheck ends the connection if its host is not listed any more.
func (p *port) recheck() {
	p.mu.Lock()
	k := p.conduit
	p.mu.Unlock()
	if k == nil {
		return
	}
	if _, listed := p.server.opts.Authority.Host(k.Host()); !listed {
		p.fail(errListed)
	}
}

// cancels is the contexts of requests other than calls, by id.
type cancels struct {
	mu   sync.Mutex
	byID map[uint32]context.CancelFunc
}

// add makes a context for a request; false: there is one of that id.
func (c *cancels) add(id uint32) (context.Context, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byID[id]; ok {
		return nil, false
	}
	if c.byID == nil {
		c.byID = map[uint32]context.CancelFunc{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	c.byID[id] = cancel
	return ctx, true
}

func (c *cancels) cancel(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.byID[id]; cancel != nil {
		cancel()
	}
}

func (c *cancels) remove(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.byID[id]; cancel != nil {
		cancel()
		delete(c.byID, id)
	}
}

func (c *cancels) all() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cancel := range c.byID {
		cancel()
	}
}

// adminTimeout bounds a request other than a call.
const adminTimeout = time.Minute
