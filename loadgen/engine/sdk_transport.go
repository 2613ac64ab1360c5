package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// sdkTransport makes the connections of the SDK's HTTP client: to the checked addresses only, counted and timed. Those opened
// before the first hit are handed out first, so that a run starts with a warm pool like the other engines'.
type sdkTransport struct {
	run *run

	mu    sync.Mutex
	stash []net.Conn // opened ahead
	fresh time.Time  // until when they may be handed out; a pool would not use older ones without knowing that they still stand
	all   map[*sdkConn]struct{}
}

// stashFor is how long connections opened ahead are good for, chosen: shorter than any server's limit on idle connections.
const stashFor = 5 * time.Second

func newSDKTransport(r *run) *sdkTransport {
	return &sdkTransport{run: r, all: map[*sdkConn]struct{}{}}
}

// warm opens the pool's connections, unless the plan wants them late. It fails only where none can be opened.
func (t *sdkTransport) warm() error {
	r := t.run
	if r.plan.Connect.late() {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.soft, r.timeout)
	defer cancel()
	const atATime = 16
	var wg sync.WaitGroup
	var failure error
	turns := make(chan struct{}, atATime)
	for range r.plan.connections() {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			c, err := t.open(ctx)
			t.mu.Lock()
			defer t.mu.Unlock()
			if err != nil {
				failure = err
				return
			}
			t.stash = append(t.stash, c)
			r.connected++
		})
	}
	wg.Wait()
	t.fresh = time.Now().Add(stashFor)
	if r.connected == 0 && r.soft.Err() == nil {
		return fmt.Errorf("connecting to %s: %w", r.plan.Target.URL, failure)
	}
	return nil
}

// dial is the client's way to a connection.
func (t *sdkTransport) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if c := t.opened(); c != nil {
		return c, nil
	}
	call, _ := ctx.Value(callKey{}).(*callTrace)
	if call != nil {
		call.reached(dialling)
	}
	c, err := t.open(ctx)
	if err != nil {
		return nil, &connectError{err}
	}
	t.run.reconnects.Add(1)
	return c, nil
}

// opened takes a connection that was opened ahead; nil where none is left that is fresh.
func (t *sdkTransport) opened() net.Conn {
	t.mu.Lock()
	n := len(t.stash)
	if n > 0 && time.Now().Before(t.fresh) {
		c := t.stash[n-1]
		t.stash = t.stash[:n-1]
		t.mu.Unlock()
		return c
	}
	stale := t.stash
	t.stash = nil
	t.mu.Unlock()
	for _, c := range stale {
		c.Close() // forgets itself, by the same lock
	}
	return nil
}

// connectError tells a connection that could not be made from a failed exchange.
type connectError struct{ err error }

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// open dials and secures a connection.
func (t *sdkTransport) open(ctx context.Context) (stream net.Conn, err error) {
	d := t.run.destination
	err = d.open(ctx, t.run.timeout, func(ctx context.Context, raw net.Conn) (net.Conn, error) {
		c := &sdkConn{Conn: raw, raw: raw, transport: t}
		if d.tls != nil {
			if call, ok := ctx.Value(callKey{}).(*callTrace); ok {
				call.reached(handshaking)
			}
			secured := tls.Client(raw, d.tls)
			if err := secured.HandshakeContext(ctx); err != nil {
				return nil, err
			}
			c.Conn = secured
		}
		t.mu.Lock()
		t.all[c] = struct{}{}
		t.mu.Unlock()
		stream = c
		return c.Conn, nil
	})
	if err != nil {
		return nil, err
	}
	return stream, nil
}

// close ends all connections.
func (t *sdkTransport) close() {
	t.mu.Lock()
	all := t.all
	t.all, t.stash = map[*sdkConn]struct{}{}, nil
	t.mu.Unlock()
	for c := range all {
		c.raw.Close()
	}
}

func (t *sdkTransport) forget(c *sdkConn) {
	t.mu.Lock()
	delete(t.all, c)
	t.mu.Unlock()
}

// sdkConn is a connection that notes, for the call that has it, when its request goes out, whether an answer begins like one, and
// what ended it.
type sdkConn struct {
	net.Conn
	raw       net.Conn // below TLS
	transport *sdkTransport
	call      atomic.Pointer[callTrace]
	asked     atomic.Bool // the call's answer has not begun
}

// serve says whose request goes over the connection next.
func (c *sdkConn) serve(call *callTrace) {
	c.asked.Store(true)
	c.call.Store(call)
}

func (c *sdkConn) Write(b []byte) (int, error) {
	call := c.call.Load()
	if call != nil {
		call.wrote()
	}
	n, err := c.Conn.Write(b)
	if err != nil && call != nil {
		call.broke(err)
	}
	return n, err
}

func (c *sdkConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	call := c.call.Load()
	if call == nil {
		return n, err
	}
	if n > 0 && c.asked.CompareAndSwap(true, false) && !plausible(b[:n]) {
		call.broke(errMalformed)
	}
	if err != nil {
		call.broke(err)
	}
	return n, err
}

// Close is the HTTP client's.
func (c *sdkConn) Close() error {

	c.transport.forget(c)
	return c.raw.Close() // not the TLS one's: it would wait for a peer that does not read
}

// bounded ends a body that is longer than any answer of the service.
type bounded struct {
	io.ReadCloser
	left int
}

var errBodyTooLong = fmt.Errorf("%w: body too long", errMalformed)

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errBodyTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: %w", errTruncated, err)
	}
	return n, err
}
