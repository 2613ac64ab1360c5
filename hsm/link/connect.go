package link

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"trent/hsm"
	"trent/hsm/internal/session"
)

// splitAddress takes an address apart, for net.Dial.
func splitAddress(address string) (network, at string, err error) {
	network, at, _ = strings.Cut(address, ":")
	switch {
	case network == "unix" && at != "":
		return network, at, nil
	case network == "tcp":
		if _, _, err := net.SplitHostPort(at); err == nil {
			return network, at, nil
		}
	}
	return "", "", fmt.Errorf("link: %q is no address: give unix:PATH or tcp:HOST:PORT", address)
}

// keep holds one connection up, until Close: it is the only one that makes, replaces and publishes it.
func (c *Client) keep(place *atomic.Pointer[line]) {
	wait := firstBackoff
	var old *line // that works, but is to be replaced
	defer func() { c.leave(place, old) }()
	for c.ctx.Err() == nil {
		l, err := c.connect(c.ctx)
		if err != nil {
			if c.ctx.Err() == nil {
				c.down.Store(&downError{err})
			}
			if old != nil && !old.isGood() { // a module that is going away serves until it is left
				c.leave(place, old)
				old = nil
			}
			c.pause(wait)
			wait = min(2*wait, c.opts.Backoff)
			continue
		}
		wait = firstBackoff
		place.Store(l)
		c.announce()
		c.leave(place, old)
		old = l
		if why := c.watch(l); why != nil {
			if c.ctx.Err() == nil {
				c.down.Store(&downError{why})
			}
			c.leave(place, l)
			old = nil
		}
	}
}

// leave lets nobody else use a line, and ends it in its own time.
func (c *Client) leave(place *atomic.Pointer[line], l *line) {
	if l == nil {
		return
	}
	place.CompareAndSwap(l, nil)
	c.running.Go(func() { c.drain(l) })
}

// pause waits between attempts, at least half of that time; shorter when something has happened that makes an attempt
// worth while.
func (c *Client) pause(d time.Duration) {
	timer := time.NewTimer(d/2 + upTo(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.retry:
	case <-c.ctx.Done():
	}
}

// upTo is a time from 0 to d, at random, so that many hosts do not do something at once.
func upTo(d time.Duration) time.Duration {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(max(d, 0)+1))
}

// retryNow ends every keeper's pause.
func (c *Client) retryNow() {
	for range c.lines {
		select {
		case c.retry <- struct{}{}:
		default:
		}
	}
}

// watch looks after a line until it should be used no more, and says why; nil: it works, and is to be replaced.
func (c *Client) watch(l *line) error {
	tick := time.NewTicker(c.opts.Probe)
	defer tick.Stop()
	renew := time.NewTimer(time.Until(renewal(time.Now(), l.ends)))
	defer renew.Stop()
	heard, silent := l.heard.Load(), 0
	for {
		select {
		case <-c.ctx.Done():
			return errClosed
		case <-l.over:
			return *l.why.Load()
		case <-l.away:
			return nil // it may be the session alone that is over
		case <-renew.C:
			return nil
		case <-tick.C:
			if l.conduit.Spent() {
				return nil
			}
		}
		if now := l.heard.Load(); now != heard {
			heard, silent = now, 0
			continue
		}
		if silent++; silent > 3 {
			l.fail(errSilent)
			continue
		}
		l.ping()
	}
}

// drain ends a line that is not used for new calls any more.
func (c *Client) drain(l *line) {
	defer l.fail(errClosed)
	if c.ctx.Err() != nil {
		return
	}
	l.retire()
	timer := time.NewTimer(c.opts.DrainTimeout)
	defer timer.Stop()
	select {
	case <-l.over:
	case <-timer.C:
	case <-c.ctx.Done():
	}
}

// connect makes a connection: a handshake where there is no session to use, and the opening. Its error says what the
// module waits for: hsm.ErrOutOfService for a domain token.
func (c *Client) connect(ctx context.Context) (*line, error) {
	t := c.opts.Host.current(time.Now())
	if t == nil {
		// One of the client's connections makes the session, the others use it.
		select {
		case c.making <- struct{}{}:
			defer func() { <-c.making }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		t = c.opts.Host.current(time.Now())
	}
	l, err := c.open(ctx, t)
	if errors.Is(err, errTicket) {
		// A session that another module made, or an old one, may say nothing to this one; a new one will.
		l, err = c.open(ctx, nil)
	}
	return l, err
}

// errTicket is a connection that was refused under a session that is not new.
var errTicket = errors.New("link: the session is not good here")

// open makes a connection under a ticket, or under a new one if that is nil.
func (c *Client) open(ctx context.Context, t *session.Ticket) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.DialTimeout)
	defer cancel()
	g, err := c.greet(ctx)
	if err != nil {
		return nil, err
	}
	fresh := t == nil
	var k *session.Conn
	if fresh {
		if t, err = g.handshake(c.opts.Host); err == nil {
			c.opts.Host.keep(t, time.Now())
		}
	}
	if err == nil {
		k, err = g.open(t)
	}
	if err != nil {
		g.close()
		if !fresh && (errors.Is(err, errRefused) || errors.Is(err, session.ErrExpired) || errors.Is(err, session.ErrClosed)) {
			return nil, fmt.Errorf("%w: %w", errTicket, err)
		}
		return nil, err
	}
	if err := g.finish(); err != nil {
		k.Close()
		return nil, err
	}
	l := newLine(c, g.conn, g.reader, k)
	l.start()
	return l, nil
}

// translate turns the session's errors into those of a module that needs a domain token.
func translate(err error) error {
	switch {
	case errors.Is(err, session.ErrOutOfService), errors.Is(err, session.ErrStale):
		return errors.Join(hsm.ErrOutOfService, err)
	}
	return err
}
