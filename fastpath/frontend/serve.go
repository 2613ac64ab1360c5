package frontend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// Serve accepts connections on l until Shutdown, closes l, and then returns nil.
func (s *Server) Serve(l net.Listener) error { return s.ServeAt(l, nil) }

// ServeAt is Serve for one of several listeners: door is what their requests have as Request.Door.
func (s *Server) ServeAt(l net.Listener, door any) error {
	s.mu.Lock()
	if s.draining.Load() {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	if err := s.http.Serve(&listener{Listener: l, server: s, door: door}); err != nil {
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	}
	return nil
}

// Shutdown drains: it stops accepting, closes idle connections at once, and lets requests in flight finish;
// their answers close their connections. When ctx ends first, it closes what is left and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := s.draining.CompareAndSwap(false, true)
	for l := range s.listeners {
		_ = l.Close()
	}
	if first && len(s.connections) == 0 {
		close(s.empty)
	}
	open := s.open()
	s.mu.Unlock()
	s.shaking.close()
	for _, c := range open {
		c.closeIfIdle()
	}
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	open = s.open()
	s.mu.Unlock()
	for _, c := range open {
		c.state.Store(stateClosing)
		_ = c.Conn.Close()
	}
	return fmt.Errorf("draining: %d connections closed with a request in flight: %w", len(open), ctx.Err())
}

// open lists the connections; s.mu is held.
func (s *Server) open() []*connection {
	open := make([]*connection, 0, len(s.connections))
	for c := range s.connections {
		open = append(open, c)
	}
	return open
}

// closeIfIdle closes a connection between requests. fasthttp's goroutine notices and ends.
func (c *connection) closeIfIdle() {
	if c.state.CompareAndSwap(stateIdle, stateClosing) {
		_ = c.Conn.Close()
	}
}

// connState follows fasthttp's states, on the goroutine that serves the connection.
func (s *Server) connState(conn net.Conn, state fasthttp.ConnState) {
	c := connectionOf(conn)
	switch state {
	case fasthttp.StateActive:
		c.state.CompareAndSwap(stateIdle, stateActive)
	case fasthttp.StateIdle:
		if len(c.out) > 0 {
			return // held back until the next pipelined request is answered
		}
		c.state.CompareAndSwap(stateActive, stateIdle)
		if s.draining.Load() {
			c.closeIfIdle()
		}
	case fasthttp.StateClosed:
		c.wipe() // what could not be sent; no other connection owns this buffer
		if c.records != nil {
			c.records.records.clear()
		}
		s.forget(c)
	}
}

func (s *Server) forget(c *connection) {
	s.shaking.leave(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.connections[c]; !ok {
		return
	}
	delete(s.connections, c)
	if s.draining.Load() && len(s.connections) == 0 {
		close(s.empty)
	}
}

// listener hands out connections of ours.
type listener struct {
	net.Listener
	server   *Server
	door     any
	reported time.Time // of the last shortage
}

const (
	acceptPause   = 50 * time.Millisecond // accepting rests when the system is short of something
	shortageEvery = time.Minute           // shortages are logged no more often: clients can cause them
)

// Accept returns io.EOF, which ends fasthttp's Serve without an error, once the server drains.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		switch {
		case err == nil:
		case l.server.draining.Load():
			return nil, io.EOF
		case isShortage(err):
			if l.reported.IsZero() || time.Since(l.reported) >= shortageEvery {
				l.reported = time.Now()
				l.server.o.Logf("accepting connections: %v", err)
			}
			time.Sleep(acceptPause)
			continue
		default:
			return nil, err
		}
		conn, c := l.server.newConnection(raw)
		c.door = l.door
		if !l.server.remember(c) {
			_ = raw.Close()
			return nil, io.EOF
		}
		return conn, nil
	}
}

// isShortage says whether accepting may work again by itself.
func isShortage(err error) bool {
	for _, passing := range [...]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

func (s *Server) remember(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.connections[c] = struct{}{}
	s.stats.accepted.Add(1)
	return true
}
