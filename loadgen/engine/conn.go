package engine

import (
	"context"
	"net"
	"os"
	"time"

	"trent/loadgen/measure"
)

// conn is one connection, used by one goroutine at a time. Close may come from another. Its times count from epoch.
type conn struct {
	epoch    time.Time
	wire     *wire
	stream   net.Conn // over wire; the same without TLS
	records  *records // the same as stream where it is one
	inbox    inbox
	deadline time.Duration // as set
	unwatch  func() bool   // ends the watch of a context; nil without one

	// The moments of the last exchange; measure.Never for one that did not come.
	firstWrite, firstByte, done time.Duration
}

// newConn takes a connected stream. Secured, if given, makes the stream over it that requests go through.
func newConn(raw net.Conn, secured func(net.Conn) (net.Conn, error)) (*conn, error) {
	c := &conn{epoch: time.Now(), wire: &wire{Conn: raw}}
	c.wire.init(c.noteWrite)
	c.stream = c.wire
	if secured != nil {
		var err error
		if c.stream, err = secured(c.wire); err != nil {
			return nil, err
		}
	}
	c.inbox = inbox{source: c.stream, data: make([]byte, 0, 8<<10), onRead: c.noteRead}
	return c, nil
}

func (c *conn) now() time.Duration { return time.Since(c.epoch) }

func (c *conn) noteWrite() { c.firstWrite = c.now() }

func (c *conn) noteRead() {
	if c.firstByte == measure.Never {
		c.firstByte = c.now()
	}
}

// exchange sends a request and reads its answer, whose views are valid until the next exchange. After an error, or an answer that
// closes, the connection must be closed.
func (c *conn) exchange(request []byte, timeout time.Duration, a *answer) error {
	begun := c.now()
	c.firstWrite, c.firstByte = measure.Never, measure.Never
	c.wire.begin(begun-c.done < rested)
	err := c.limit(begun, timeout)
	if err == nil {
		err = c.converse(request, a)
	}
	c.done = c.now()
	if err == nil && c.done-begun > timeout {
		return os.ErrDeadlineExceeded
	}
	return err
}

// rested is the time from which a connection has rested and its request is not held, chosen: shorter than any server's limit on
// idle connections. See turn.
const rested = 250 * time.Millisecond

// slackShare is the part of a timeout by which the deadline of a connection may be late. Moving a deadline costs several readings
// of the clock and a timer, so it is moved when a sixteenth of the timeout has passed; an answer that comes in that sixteenth is
// late all the same.
const slackShare = 16

// limit sees to it that the exchange ends when its time is over, or a slack later.
func (c *conn) limit(begun, timeout time.Duration) error {
	need, slack := begun+timeout, timeout/slackShare
	if need <= c.deadline && c.deadline <= need+slack {
		return nil
	}
	c.deadline = need + slack
	return c.stream.SetDeadline(c.epoch.Add(c.deadline))
}

func (c *conn) converse(request []byte, a *answer) error {
	if _, err := c.stream.Write(request); err != nil {
		return err
	}
	if err := c.inbox.read(a); err != nil {
		return err
	}
	if c.wire.holding() {
		return errMalformed // an answer that was there before the request
	}
	return nil
}

// close ends the connection at once. The underlying connection is closed and not the TLS one, whose closing would send an alert
// and wait up to 5 s for a peer that does not read.
func (c *conn) close() {
	if c.unwatch != nil {
		c.unwatch()
	}
	c.wire.Close()
}

// watch cuts the connection off when ctx ends, under an exchange if there is one.
func (c *conn) watch(ctx context.Context) {
	c.unwatch = context.AfterFunc(ctx, func() { c.wire.Close() })
}
