package link

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"trent/hsm"
)

// Options are Dial's and New's. The zero value of everything but Address and Host is a default.
type Options struct {
	Address string // "unix:PATH" or "tcp:HOST:PORT"
	Host    *Host  // who this process is, and whom it trusts; shared by the clients of a domain

	Connections  int           // at a time; 0: one for every two processors, 1 to 4
	InFlight     int           // requests on their way over each, of up to MaxCall bytes; 0: DefaultInFlight
	Wait         time.Duration // how long a call waits for a connection where there is none; 0: it fails at once
	DialTimeout  time.Duration // of making a connection, handshake included; 0: 5 s
	WriteTimeout time.Duration // of a write that does not get on; 0: 10 s
	Probe        time.Duration // how often a connection is looked after; silent for four times that long, it is given up; 0: 2 s
	DrainTimeout time.Duration // how long a retired connection may take for its last answers; 0: 1 min
	Backoff      time.Duration // longest time between attempts to connect; 0: 1 s
}

// Defaults and bounds.
const (
	DefaultInFlight = 512
	maxInFlight     = 1 << 16
	maxConnections  = 64
	firstBackoff    = 5 * time.Millisecond
)

func (o Options) withDefaults() (Options, error) {
	if _, _, err := splitAddress(o.Address); err != nil {
		return o, err
	}
	if o.Host == nil {
		return o, errors.New("link: no host is given")
	}
	if o.Connections == 0 {
		o.Connections = max(1, min(runtime.GOMAXPROCS(0)/2, 4))
	}
	if o.InFlight == 0 {
		o.InFlight = DefaultInFlight
	}
	if o.Connections < 0 || o.Connections > maxConnections || o.InFlight < 0 || o.InFlight > maxInFlight {
		return o, fmt.Errorf("link: %d connections with %d requests in flight are out of range", o.Connections, o.InFlight)
	}
	for _, d := range []struct {
		of   *time.Duration
		zero time.Duration
	}{
		{&o.DialTimeout, 5 * time.Second}, {&o.WriteTimeout, 10 * time.Second}, {&o.Probe, 2 * time.Second},
		{&o.DrainTimeout, time.Minute}, {&o.Backoff, time.Second},
	} {
		if *d.of == 0 {
			*d.of = d.zero
		}
	}
	return o, nil
}

// Client is the host's end of the link to one module. Safe for concurrent use.
type Client struct {
	opts    Options
	base    time.Time // where its clock begins
	lines   []atomic.Pointer[line]
	turn    atomic.Uint32
	sweeper *sweeper

	down  atomic.Pointer[downError] // why there is no connection
	mu    sync.Mutex
	live  map[*line]struct{} // with those that end
	up    chan struct{}      // closed and made anew when a connection comes up
	retry chan struct{}      // tells keepers to try again now

	making  chan struct{} // held by the keeper that makes a session
	closing sync.Once
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

var _ hsm.Member = (*Client)(nil)

// New makes a client, which connects in the background and goes on trying until Close. Error: options that make no
// sense.
func New(o Options) (*Client, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{opts: o, base: time.Now(), live: map[*line]struct{}{}, up: make(chan struct{}), retry: make(chan struct{}, o.Connections), making: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.lines = make([]atomic.Pointer[line], o.Connections)
	c.sweeper = newSweeper(c.base)
	c.down.Store(&downError{errConnecting})
	c.running.Go(func() { c.sweeper.run(c.ctx.Done(), c.eachLine) })
	for i := range c.lines {
		c.running.Go(func() { c.keep(&c.lines[i]) })
	}
	return c, nil
}

// Dial is New, and waits for the first connection. Errors: New's, and why there is no connection when ctx ends.
func Dial(ctx context.Context, o Options) (*Client, error) {
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	if err := c.Ready(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Ready waits until the client has a connection. Error: why there is none when ctx ends.
func (c *Client) Ready(ctx context.Context) error {
	for {
		up := c.upNext()
		if c.pick() != nil {
			return nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return fmt.Errorf("connecting to %s: %w: %w", c.opts.Address, ctx.Err(), c.down.Load().cause)
		case <-c.ctx.Done():
			return errClosed
		}
	}
}

// Err is why there is no connection, as Do would say it; nil: there is one.
func (c *Client) Err() error {
	if c.pick() != nil {
		return nil
	}
	return c.down.Load()
}

// Module is the signing key of the module that the client is connected to; false: it is not.
func (c *Client) Module() (hsm.Fingerprint, bool) {
	l := c.pick()
	if l == nil {
		return hsm.Fingerprint{}, false
	}
	return hsm.Fingerprint(l.conduit.Module()), true
}

// downError is why a call was not started.
type downError struct{ cause error }

func (e *downError) Error() string { return "link: no connection: " + e.cause.Error() }

// Unwrap: nothing was started, which is what hsm.ErrBusy says.
func (e *downError) Unwrap() []error { return []error{hsm.ErrBusy, e.cause} }

var (
	errConnecting = errors.New("link: not connected yet")
	errClosed     = errors.New("link: closed")
)

// Do implements hsm.Module. Without a connection it gives an error that is hsm.ErrBusy, and hsm.ErrOutOfService as well
// when the module waits for a domain token.
func (c *Client) Do(call *hsm.Call) error {
	var deadline int64
	if !call.Deadline.IsZero() {
		if deadline = int64(call.Deadline.Sub(c.base)); deadline <= 0 {
			return hsm.ErrDeadline
		}
	}
	if callSize(call) > MaxCall {
		return hsm.ErrInput
	}
	for {
		l := c.pick()
		if l == nil {
			if err := c.await(deadline); err != nil {
				return err
			}
			continue
		}
		if started, err := l.do(call, deadline); started {
			return err
		}
		c.unpublish(l) // it has ended, or is about to
	}
}

// pick is a line that is up, or nil.
func (c *Client) pick() *line {
	n := uint32(len(c.lines))
	if n == 1 {
		return c.lines[0].Load()
	}
	turn := c.turn.Add(1)
	for i := range n {
		if l := c.lines[(turn+i)%n].Load(); l != nil {
			return l
		}
	}
	return nil
}

// unpublish lets nobody else pick a line.
func (c *Client) unpublish(l *line) {
	for i := range c.lines {
		c.lines[i].CompareAndSwap(l, nil)
	}
}

// await waits for a connection, as long as the options and the deadline say. Errors: *downError, hsm.ErrDeadline.
func (c *Client) await(deadline int64) error {
	limit, late := c.opts.Wait, error(nil)
	if deadline != 0 {
		if left := time.Duration(deadline) - time.Since(c.base); left < limit {
			limit, late = left, hsm.ErrDeadline
		}
	}
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		for {
			up := c.upNext()
			if c.pick() != nil {
				return nil
			}
			select {
			case <-up:
				continue
			case <-timer.C:
			case <-c.ctx.Done():
			}
			break
		}
	}
	if late != nil {
		return late
	}
	return c.down.Load()
}

func (c *Client) upNext() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up
}

// announce wakes those who wait for a connection.
func (c *Client) announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.up)
	c.up = make(chan struct{})
}

func (c *Client) eachLine(f func(*line)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range c.live {
		f(l)
	}
}

func (c *Client) enlist(l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live[l] = struct{}{}
}

func (c *Client) delist(l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, l)
}

// Close ends all connections; calls in progress end with hsm.ErrBusy or hsm.ErrUnavailable.
func (c *Client) Close() error {
	c.closing.Do(func() {
		c.down.Store(&downError{errClosed})
		c.cancel()
	})
	c.running.Wait()
	return nil
}

// String names the module's address.
func (c *Client) String() string { return "link(" + c.opts.Address + ")" }
