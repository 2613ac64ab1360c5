package engine

import (
	"context"
	"net"
	"time"
)

// stampedConn notes when the first bytes of a request go to the network, below TLS.
type stampedConn struct {
	net.Conn
	armed bool
	wrote time.Time // of the first Write since armed
}

func (c *stampedConn) Write(b []byte) (int, error) {
	if c.armed {
		c.armed = false
		c.wrote = time.Now()
	}
	return c.Conn.Write(b)
}

// conn is one connection, used by one goroutine at a time. Close may come from another.
type conn struct {
	stamped *stampedConn
	stream  net.Conn // over stamped; the same without TLS
	inbox   inbox
	waiting bool
	read    time.Time   // of the first bytes of an answer
	unwatch func() bool // ends the watch of a context; nil without one
}

func newConn(stamped *stampedConn, stream net.Conn) *conn {
	c := &conn{stamped: stamped, stream: stream}
	c.inbox = inbox{source: stream, data: make([]byte, 0, 8<<10), onRead: c.noteRead}
	return c
}

func (c *conn) noteRead() {
	if c.waiting {
		c.waiting = false
		c.read = time.Now()
	}
}

// exchange sends a request and reads its answer, whose views are valid until the next exchange. After an error, or an answer that
// closes, the connection must be closed.
func (c *conn) exchange(request []byte, timeout time.Duration, a *answer) error {
	c.stamped.wrote, c.read = time.Time{}, time.Time{}
	c.stamped.armed, c.waiting = true, true
	if err := c.stream.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := c.stream.Write(request); err != nil {
		return err
	}
	return c.inbox.read(a)
}

// close ends the connection at once. The underlying connection is closed and not the TLS one, whose closing would send an alert
// and wait up to 5 s for a peer that does not read.
func (c *conn) close() {
	if c.unwatch != nil {
		c.unwatch()
	}
	c.stamped.Close()
}

// watch cuts the connection off when ctx ends, under an exchange if there is one.
func (c *conn) watch(ctx context.Context) {
	c.unwatch = context.AfterFunc(ctx, func() { c.stamped.Close() })
}
