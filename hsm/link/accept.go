package link

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"trent/hsm/internal/session"
)

// greetings is how many frames a connection may send before its session.
const greetings = 8

// greet is the connection before its session: who the module is, a domain token, a handshake, and the opening, with
// which it ends. Errors: why the connection is closed.
func (p *port) greet() error {
	for range greetings {
		kind, body, err := p.nextGreeting()
		if err != nil {
			return err
		}
		opened, err := p.answerGreeting(kind, body)
		if opened || err != nil {
			return err
		}
	}
	return p.refuse(refuseMalformed, fmt.Errorf("%w: no session after %d frames", errHost, greetings))
}

// nextGreeting reads a frame. Only a domain token may be long, and only while deliveries are allowed.
func (p *port) nextGreeting() (frameKind, []byte, error) {
	kind, body, err := p.reader.next()
	if errors.Is(err, errFrame) && p.reader.announces(frameDeliver) {
		if !p.server.deliveries.take(time.Now()) {
			return 0, nil, p.refuse(refuseBusy, fmt.Errorf("%w: too many domain tokens", errHost))
		}
		p.reader.limit = maxFrame
		kind, body, err = p.reader.next()
		p.reader.limit = maxGreeting
	} else if err == nil && kind == frameDeliver && !p.server.deliveries.take(time.Now()) {
		return 0, nil, p.refuse(refuseBusy, fmt.Errorf("%w: too many domain tokens", errHost))
	}
	switch {
	case errors.Is(err, errVersion):
		return 0, nil, p.refuse(refuseVersion, err)
	case errors.Is(err, errFrame):
		return 0, nil, p.refuse(refuseMalformed, err)
	case err != nil:
		return 0, nil, fmt.Errorf("reading a greeting: %w", err)
	}
	return kind, slices.Clone(body), nil
}

// answerGreeting answers one frame; opened: the session has begun.
func (p *port) answerGreeting(kind frameKind, body []byte) (opened bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.server.opts.HandshakeTimeout)
	defer cancel()
	switch kind {
	case frameIdentify:
		if len(body) != 0 {
			return false, p.refuse(refuseMalformed, errFrame)
		}
		return false, p.write(frameIdentity, p.server.identity(ctx))
	case frameDeliver:
		if !p.server.enterHandshake(ctx) {
			return false, p.refuse(refuseBusy, errTooMany)
		}
		defer p.server.leaveHandshake()
		answer := p.server.install(ctx, body)
		p.server.Recheck()
		return false, p.write(frameDelivered, answer)
	case frameHello, frameOpen:
		if !p.server.enterHandshake(ctx) {
			return false, p.refuse(refuseBusy, errTooMany)
		}
		defer p.server.leaveHandshake()
		if kind == frameHello {
			answer, err := p.server.responder.Answer(nil, body, time.Now())
			if err != nil {
				return false, p.refuseSession(err)
			}
			return false, p.write(frameWelcome, answer)
		}
		return p.open(body)
	}
	return false, p.refuse(refuseMalformed, fmt.Errorf("%w: a frame of kind %d before the session", errHost, kind))
}

var errTooMany = errors.New("link: too many connections or handshakes")

// open begins the session.
func (p *port) open(message []byte) (bool, error) {
	answer, k, err := p.server.responder.Accept(nil, message, time.Now())
	if err != nil {
		return false, p.refuseSession(err)
	}
	if err := p.write(frameOpened, answer); err != nil {
		k.Close()
		return false, err
	}
	p.mu.Lock()
	p.conduit = k
	p.out = newOutbox(p.conn, k, p.server.opts.WriteTimeout, p.fail)
	ended := p.why
	p.mu.Unlock()
	if ended != nil {
		p.fail(ended)
		return true, ended
	}
	p.recheck() // the state may have changed since the host was found in it
	return true, nil
}

func (p *port) write(kind frameKind, body []byte) error {
	if _, err := p.conn.Write(appendFrame(nil, kind, body)); err != nil {
		return fmt.Errorf("greeting a host: %w", err)
	}
	return nil
}

// refuse says why the connection is closed; it returns the cause.
func (p *port) refuse(r refusal, cause error) error {
	p.conn.Write(appendRefusal(nil, r))
	return cause
}

// refuseSession is refuse for errors of the session.
func (p *port) refuseSession(err error) error {
	r := refuseBusy
	switch {
	case errors.Is(err, session.ErrRefused):
		r = refuseHost
	case errors.Is(err, session.ErrStale):
		r = refuseStale
	case errors.Is(err, session.ErrOutOfService):
		r = refuseOutOfService
	case errors.Is(err, session.ErrExpired):
		r = refuseExpired
	}
	return p.refuse(r, err)
}

// enterHandshake takes a permit for asymmetric work; false: none came free in time.
func (s *Server) enterHandshake(ctx context.Context) bool {
	select {
	case s.handshakes <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-s.stop:
	}
	return false
}

func (s *Server) leaveHandshake() { <-s.handshakes }
