package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trent/hsm"
)

// Forget implements hsm.Module. Errors: ctx's, those of a call.
func (c *Client) Forget(ctx context.Context, m hsm.MaterialID) error {
	rest, err := c.ask(ctx, kindForget, m[:])
	if err == nil && len(rest) != 0 {
		return errMessage
	}
	return err
}

// Status implements hsm.Module.
func (c *Client) Status(ctx context.Context) (hsm.Status, error) {
	rest, err := c.ask(ctx, kindStatus, nil)
	if err != nil {
		return hsm.Status{}, err
	}
	return parseStatus(rest)
}

// Identity implements hsm.Member. Without a session it asks in clear: what it says then is proved by nothing but the
// handshake that follows.
func (c *Client) Identity(ctx context.Context) (hsm.MemberIdentity, error) {
	rest, err := c.ask(ctx, kindIdentity, nil)
	if errors.Is(err, hsm.ErrBusy) {
		rest, err = c.askInClear(ctx, frameIdentify, nil, frameIdentity)
	}
	if err != nil {
		return hsm.MemberIdentity{}, err
	}
	return parseIdentity(rest)
}

// Execute implements hsm.Member. It needs a session.
func (c *Client) Execute(ctx context.Context, command []byte) ([]byte, error) {
	if len(command) > MaxToken {
		return nil, hsm.ErrCommand
	}
	return c.ask(ctx, kindExecute, command)
}

// Install implements hsm.Member. Without a session it delivers the token in clear: the token proves itself, and says
// nothing to anybody who has not a member's key.
func (c *Client) Install(ctx context.Context, domainToken []byte) error {
	if len(domainToken) > MaxToken {
		return hsm.ErrDomain
	}
	rest, err := c.ask(ctx, kindInstall, domainToken)
	if errors.Is(err, hsm.ErrBusy) {
		rest, err = c.askInClear(ctx, frameDeliver, domainToken, frameDelivered)
	}
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return errMessage
	}
	c.retryNow()
	return nil
}

// ask sends a request other than a call, and returns what the answer holds beyond the code. Errors: the module's as
// *remoteError, *downError where nothing was sent, hsm.ErrUnavailable, ctx's.
func (c *Client) ask(ctx context.Context, kind messageKind, body []byte) ([]byte, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l := c.pick()
		if l == nil {
			return nil, c.down.Load()
		}
		reply, started, err := l.ask(ctx, kind, body)
		if !started {
			c.unpublish(l)
			continue
		}
		if err != nil {
			return nil, err
		}
		rest, err, bad := parseAnswer(reply)
		if bad != nil {
			l.fail(bad)
			return nil, hsm.ErrUnavailable
		}
		return rest, err
	}
}

func (l *line) ask(ctx context.Context, kind messageKind, body []byte) (reply []byte, started bool, err error) {
	var deadline int64
	if d, ok := ctx.Deadline(); ok {
		deadline = max(1, int64(time.Until(d)+time.Since(l.client.base)))
	}
	e, id, err := l.entry(brief, deadline, ctx.Done())
	if err != nil || e == nil {
		return nil, err != nil, err
	}
	e.kind = kind
	e.deadline.Store(0) // the context's is watched here
	buf, err := l.out.begin(messageHeader + len(body))
	if err != nil {
		l.table.release(e)
		return nil, false, nil
	}
	e.frame = l.out.frame()
	l.table.arm(e)
	if l.out.commit(appendMessage(buf, id, kind, body)) {
		l.out.write(e)
	}
	l.needReader()
	return l.waitContext(ctx, e, id)
}

// waitContext is wait for requests that a context can end.
func (l *line) waitContext(ctx context.Context, e *entry, id uint32) (reply []byte, started bool, err error) {
	done := ctx.Done()
	for {
		select {
		case <-e.wake:
		case <-done:
			if l.table.abandon(e) {
				l.out.send(id, kindCancel, nil)
				return nil, true, ctx.Err()
			}
			done = nil // the result is being written
		}
		if e.state.Load() == entryDone {
			reply, err = e.reply, e.err
			l.table.release(e)
			return reply, err != errUnsent, err
		}
	}
}

// askInClear asks over a connection of its own, before any session.
func (c *Client) askInClear(ctx context.Context, kind frameKind, body []byte, want frameKind) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.DialTimeout)
	defer cancel()
	g, err := c.greet(ctx)
	if err != nil {
		return nil, &downError{err}
	}
	defer g.close()
	answer, err := g.ask(kind, body, want)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", hsm.ErrUnavailable, err)
	}
	rest, err, bad := parseAnswer(answer)
	if bad != nil {
		return nil, fmt.Errorf("%w: %w", hsm.ErrUnavailable, bad)
	}
	return rest, err
}
