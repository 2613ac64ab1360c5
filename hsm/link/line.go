package link

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"trent/hsm"
	"trent/hsm/internal/session"
)

// Errors of a line, wrapped by why a call was not started.
var (
	errPeer   = errors.New("link: the module broke the rules of the link")
	errSilent = errors.New("link: the module is silent")
	errUnsent = &downError{errors.New("link: the connection ended before the request was sent")}
)

// line is one connection of a client.
type line struct {
	client  *Client
	conn    net.Conn
	conduit *session.Conn
	reader  *frameReader
	out     *outbox
	table   *table
	ends    time.Time // of the session

	role     atomic.Uint32 // who reads
	takeOver chan struct{} // makes the reader, who then has the role, read
	pings    atomic.Int32  // not answered yet

	heard   atomic.Uint32 // frames
	away    chan struct{} // closed when the module sends away
	leaving atomic.Bool   // away is closed
	over    chan struct{} // closed when the reader has ended and every entry has its result
	why     atomic.Pointer[error]
}

func newLine(c *Client, conn net.Conn, r *frameReader, k *session.Conn) *line {
	l := &line{
		client: c, conn: conn, conduit: k, reader: r, ends: k.Ends(), table: newTable(c.opts.InFlight),
		takeOver: make(chan struct{}, 1), away: make(chan struct{}), over: make(chan struct{}),
	}
	l.out = newOutbox(conn, k, c.opts.WriteTimeout, l.fail)
	return l
}

// fail ends the connection; the reader does the rest.
func (l *line) fail(why error) {
	l.why.CompareAndSwap(nil, &why)
	l.out.shut(errClosing)
	l.conn.Close()
}

// settle gives every request that has no answer its error. The connection is closed: a frame that was not handed to
// it by now never will be.
func (l *line) settle() {
	handed := l.out.handed.Load()
	for i := range l.table.entries {
		e := &l.table.entries[i]
		switch e.state.Load() {
		case entryArmed, entryAbandoned:
			if !l.table.claim(e) {
				continue
			}
			if e.frame > handed {
				e.deliver(errUnsent)
			} else {
				e.deliver(hsm.ErrUnavailable)
			}
		}
	}
}

// openEnvelope opens an envelope in place.
func openEnvelope(k conduit, body []byte) ([]byte, error) {
	if len(body) < session.Overhead {
		return nil, errFrame
	}
	messages, err := k.Open(body[session.HeaderSize:session.HeaderSize], body)
	if err != nil {
		return nil, fmt.Errorf("opening an envelope: %w", err)
	}
	return messages, nil
}

func (l *line) handleAll(b []byte) error {
	for len(b) > 0 {
		m, rest, err := nextMessage(b)
		if err != nil {
			return err
		}
		if err := l.handle(m); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

func (l *line) handle(m message) error {
	switch m.kind {
	case kindGoingAway:
		if m.id != 0 || len(m.body) != 0 {
			return errPeer
		}
		if l.leaving.CompareAndSwap(false, true) {
			close(l.away)
		}
		return nil
	case kindPing | answerBit:
		if m.id != 0 || len(m.body) != 0 {
			return errPeer
		}
		l.pings.Store(0)
		return nil
	}
	e := l.table.find(m.id)
	if e == nil || m.kind != e.kind|answerBit {
		return fmt.Errorf("%w: an answer of kind %d to no request", errPeer, m.kind)
	}
	if !l.table.claim(e) {
		return nil // its caller is gone
	}
	if e.call == nil {
		e.reply = slices.Clone(m.body)
		e.deliver(nil)
		return nil
	}
	err, bad := fillCall(e.call, m.body)
	if bad != nil {
		e.deliver(hsm.ErrUnavailable)
		return fmt.Errorf("%w: a malformed result", errPeer)
	}
	e.deliver(err)
	return nil
}

// do runs a call. started false: nothing was sent, and another line may be tried.
func (l *line) do(c *hsm.Call, deadline int64) (started bool, err error) {
	e, id, err := l.entry(laneOf(c), deadline, nil)
	if err != nil || e == nil {
		return err != nil, err
	}
	e.kind, e.call = kindCall, c
	e.deadline.Store(deadline)
	var left time.Duration
	if deadline != 0 {
		if left = time.Duration(deadline) - time.Since(l.client.base); left <= 0 {
			l.table.release(e)
			return true, hsm.ErrDeadline
		}
	}
	buf, err := l.out.begin(callSize(c))
	if err != nil {
		l.table.release(e)
		return false, nil
	}
	e.frame = l.out.frame()
	l.table.arm(e)
	writer := l.out.commit(appendCall(buf, id, c, left))
	if deadline != 0 {
		l.client.sweeper.arm(deadline)
	}
	if writer {
		if l.table.used.Load() > 1 {
			yield()
		}
		l.out.write(e)
	}
	if l.role.CompareAndSwap(nobody, somebody) {
		l.lead(e)
	}
	err = l.wait(e)
	return err != errUnsent, err
}

// late reports whether an entry's time is over.
func (l *line) late(e *entry) bool {
	d := e.deadline.Load()
	return d != 0 && int64(time.Since(l.client.base)) >= d
}

// wait returns once the entry's result is there or its time is over.
func (l *line) wait(e *entry) error {
	for {
		switch e.state.Load() {
		case entryDone:
			err := e.err
			l.table.release(e)
			return err
		case entryArmed:
			if l.late(e) && l.table.abandon(e) {
				return hsm.ErrDeadline
			}
		}
		<-e.wake
	}
}

// roomLimit bounds the wait for a free entry of a call without deadline.
const roomLimit = 10 * time.Second

// entry takes an entry, waiting for one until the deadline or done; nil without an error: the line is over. Error:
// hsm.ErrBusy.
func (l *line) entry(lane lane, deadline int64, done <-chan struct{}) (*entry, uint32, error) {
	if e, id := l.table.take(lane); e != nil {
		return e, id, nil
	}
	limit := roomLimit
	if deadline != 0 {
		limit = time.Duration(deadline) - time.Since(l.client.base)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	r := &l.table.anyRoom
	if lane == long {
		r = &l.table.someRoom
	}
	r.waiters.Add(1)
	defer r.waiters.Add(-1)
	for {
		if e, id := l.table.take(lane); e != nil {
			return e, id, nil
		}
		select {
		case <-r.wake:
		case <-l.over:
			return nil, 0, nil
		case <-done:
			return nil, 0, hsm.ErrBusy
		case <-timer.C:
			return nil, 0, hsm.ErrBusy
		}
	}
}

// isGood reports whether the line is up, and the module wants it to be.
func (l *line) isGood() bool { return l.why.Load() == nil && !l.leaving.Load() }

// retire lets the line end once it has its answers: nothing is sent on it after the goodbye.
func (l *line) retire() {
	l.out.end(kindGoodbye)
	l.needReader()
}
