package link

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Who reads from a line. Whoever has the role may touch the frame reader, and fill entries. A caller that finds the role
// free takes it until it has its own answer: so a single call costs no hop from a reading goroutine to its own. What is
// then still pending is left to the reader, a goroutine that also reads while nothing is on its way for longer.
const (
	nobody uint32 = iota
	somebody
)

// restless is after how long without a call the reader takes the role, to notice the end of the connection.
const restless = 10 * time.Millisecond

// start runs the line's two goroutines, the reader and the flusher, which end with the connection.
func (l *line) start() {
	l.client.enlist(l)
	done := make(chan struct{})
	l.client.running.Go(func() { l.out.runFlusher(done) })
	l.client.running.Go(func() {
		l.fail(l.read())
		close(done)
		l.conduit.Close()
		l.settle()
		l.client.delist(l)
		l.reader.wipe()
		close(l.over)
	})
	// The module waits for the first envelope before it believes that the host is who opened the connection.
	l.ping()
}

// ping asks for a sign of life.
func (l *line) ping() {
	l.pings.Add(1)
	l.out.send(0, kindPing, nil)
	l.needReader()
}

// needReader makes sure that somebody reads.
func (l *line) needReader() {
	if l.role.CompareAndSwap(nobody, somebody) {
		l.takeOver <- struct{}{}
	}
}

// isIdle reports whether no answer is awaited.
func (l *line) isIdle() bool { return l.table.pending.Load() == 0 && l.pings.Load() == 0 }

// read is the reader. It returns why the connection ended, and has the role then.
func (l *line) read() error {
	timer := time.NewTimer(restless)
	defer timer.Stop()
	calls := l.table.next.Load()
	for {
		select {
		case <-l.takeOver:
		case <-timer.C:
			timer.Reset(restless)
			if now := l.table.next.Load(); now != calls {
				calls = now
				continue
			}
			if !l.role.CompareAndSwap(nobody, somebody) {
				continue
			}
		}
		for {
			if err := l.readFrame(); err != nil {
				return err
			}
			if l.isIdle() {
				l.role.Store(nobody)
				// Whoever became pending before found the role taken.
				if l.isIdle() || !l.role.CompareAndSwap(nobody, somebody) {
					break
				}
			}
		}
	}
}

// lead reads for everybody, until e has its result or its time is over. The caller has the role, and loses it.
func (l *line) lead(e *entry) {
	e.leads.Store(true)
	for e.state.Load() == entryArmed && !l.late(e) {
		if err := l.readFrame(); err != nil {
			l.fail(err)
			break
		}
	}
	e.leads.Store(false)
	if l.isIdle() {
		l.role.Store(nobody)
		if l.isIdle() || !l.role.CompareAndSwap(nobody, somebody) {
			return
		}
	}
	l.takeOver <- struct{}{}
}

// readFrame reads one frame, and hands the answers in it to their callers. It may return early without an error, for its
// caller to look at the time.
func (l *line) readFrame() error {
	if why := l.why.Load(); why != nil {
		return *why // what has come before the end is not looked at any more
	}
	kind, body, err := l.reader.next()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.conn.SetReadDeadline(time.Time{})
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if kind != frameEnvelope {
		return fmt.Errorf("%w: a frame of kind %d", errPeer, kind)
	}
	messages, err := openEnvelope(l.conduit, body)
	if err != nil {
		return err
	}
	l.heard.Add(1)
	err = l.handleAll(messages)
	clear(messages)
	return err
}
