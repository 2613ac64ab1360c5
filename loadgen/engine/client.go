package engine

import (
	"context"
	"slices"
	"sync"
	"time"
)

// callTimeout bounds a single call whose context has no earlier deadline.
const callTimeout = 30 * time.Second

// Client sends single signed calls over connections that it keeps. It is safe for concurrent use and starts no goroutine.
type Client struct {
	target      Target
	destination *destination
	budget      *budget
	skew        time.Duration // of the signing time; see Skewed

	mu     sync.Mutex
	idle   []*caller
	closed bool
}

// caller is a connection with its signer.
type caller struct {
	conn   *conn
	signer *signer
	skew   time.Duration
	answer answer
}

// Skewed is a client whose clock is off by d when it signs: what a client sends whose clock was stepped. It shares the cap on
// requests and nothing else.
func (c *Client) Skewed(d time.Duration) *Client {
	return &Client{target: c.target, destination: c.destination, budget: c.budget, skew: d}
}

// NewClient checks the target by its rules, looking its name up; a refusal is a *TargetError.
func NewClient(t Target) (*Client, error) {
	d, err := resolve(context.Background(), &t)
	if err != nil {
		return nil, err
	}
	return newClient(t, d), nil
}

func newClient(t Target, d *destination) *Client {
	return &Client{target: t, destination: d, budget: &budget{limit: t.MaxRequests}}
}

// Call sends one operation ("CreateKey") with a JSON body and returns the HTTP status and a copy of the answer's body, whatever
// the status. Errors: ErrRequestCap, the context's, or a connection that failed; then the call may have had its effect or not. A
// kept connection that turns out closed before an answer began is replaced once.
func (c *Client) Call(ctx context.Context, operation string, body []byte) (status int, response []byte, err error) {
	if !c.budget.take(1) {
		return 0, nil, ErrRequestCap
	}
	return c.call(ctx, operation, body, nil)
}

// call sends without counting; seen, if given, looks at the connection after the answer.
func (c *Client) call(ctx context.Context, operation string, body []byte, seen func(*caller)) (int, []byte, error) {
	for {
		k, kept, err := c.acquire(ctx)
		if err != nil {
			return 0, nil, err
		}
		err = k.exchange(ctx, operation, body)
		if err == nil {
			status, response := k.answer.status, slices.Clone(k.answer.body)
			if seen != nil {
				seen(k)
			}
			c.release(k)
			return status, response, nil
		}
		k.conn.close()
		if ctx.Err() != nil {
			return 0, nil, ctx.Err()
		}
		if outcome := stale(err); !kept || !outcome {
			return 0, nil, err
		}
		c.dropIdle() // the others are likely as old
	}
}

// CallOnce is Call over a connection of its own, so that the request is sent once at the most: after an error the call had its
// effect once or not at all.
func (c *Client) CallOnce(ctx context.Context, operation string, body []byte) (status int, response []byte, err error) {
	if !c.budget.take(1) {
		return 0, nil, ErrRequestCap
	}
	connection, err := c.destination.connect(ctx, callTimeout)
	if err != nil {
		return 0, nil, err
	}
	defer connection.close()
	k := &caller{conn: connection, skew: c.skew, signer: newSigner(c.target.Credentials, c.target.Region, c.destination.host)}
	if err := k.exchange(ctx, operation, body); err != nil {
		return 0, nil, err
	}
	return k.answer.status, slices.Clone(k.answer.body), nil
}

// stale reports whether an exchange failed as it does on a kept connection that the server has closed meanwhile.
func stale(err error) bool {
	_, name := faultOf(err)
	return name == nameClosed || name == nameReset
}

func (k *caller) exchange(ctx context.Context, operation string, body []byte) error {
	timeout := callTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	k.conn.watch(ctx)
	defer k.conn.unwatch()
	request := k.signer.appendRequest(nil, operation, body, time.Now().Add(k.skew))
	return k.conn.exchange(request, timeout, &k.answer)
}

func (c *Client) acquire(ctx context.Context) (k *caller, kept bool, err error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		k, c.idle = c.idle[n-1], c.idle[:n-1]
		c.mu.Unlock()
		return k, true, nil
	}
	c.mu.Unlock()
	connection, err := c.destination.connect(ctx, callTimeout)
	if err != nil {
		return nil, false, err
	}
	return &caller{conn: connection, skew: c.skew, signer: newSigner(c.target.Credentials, c.target.Region, c.destination.host)}, false, nil
}

func (c *Client) release(k *caller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || k.answer.closes {
		k.conn.close()
		return
	}
	c.idle = append(c.idle, k)
}

func (c *Client) dropIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.idle {
		k.conn.close()
	}
	c.idle = nil
}

// Close closes the connections kept. Calls under way finish.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.dropIdle()
}
