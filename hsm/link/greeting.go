package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"trent/hsm"
	"trent/hsm/internal/session"
)

// refusal is why a module closes a connection before its session. Values are part of the wire.
type refusal uint8

// Refusals.
const (
	refuseVersion      refusal = iota + 1 // of the wire
	refuseMalformed                       // a frame that does not belong here
	refuseHost                            // not of this domain, not listed, or altered
	refuseStale                           // the module holds an older state than the host knows
	refuseOutOfService                    // the module holds no state
	refuseExpired                         // the session is over
	refuseBusy                            // too many connections or handshakes at a time
	numRefusals
)

var errRefused = errors.New("link: the module refuses this host: it must be listed in the domain's state, and the module's be the same domain")

// errorOfRefusal is the client's error.
func errorOfRefusal(r refusal) error {
	switch r {
	case refuseVersion:
		return errVersion
	case refuseHost:
		return errRefused
	case refuseStale:
		return errors.Join(hsm.ErrOutOfService, session.ErrStale)
	case refuseOutOfService:
		return hsm.ErrOutOfService
	case refuseExpired:
		return session.ErrExpired
	case refuseBusy:
		return errors.New("link: the module has too many connections")
	}
	return fmt.Errorf("%w: refusal %d", errPeer, r)
}

// appendRefusal appends the frame of a refusal: its code, and the versions of the wire that the module speaks, from
// and to. Its form is that of version 1 for ever.
func appendRefusal(dst []byte, r refusal) []byte {
	return appendFrame(dst, frameRefusal, []byte{byte(r), Version, Version})
}

func parseRefusal(body []byte) (refusal, error) {
	if len(body) != 3 || body[0] == 0 || body[0] >= byte(numRefusals) || body[1] > body[2] {
		return 0, errFrame
	}
	return refusal(body[0]), nil
}

// greeting is a connection before its session, at the client's end.
type greeting struct {
	conn   net.Conn
	reader *frameReader
	stop   func() bool // of watching the context
}

// greet connects.
func (c *Client) greet(ctx context.Context) (*greeting, error) {
	network, at, err := splitAddress(c.opts.Address)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, at)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	g := &greeting{conn: conn, reader: newFrameReader(newRawReader(conn), maxGreeting)}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	g.stop = context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return g, nil
}

func (g *greeting) close() {
	g.stop()
	g.conn.Close()
}

// finish makes the connection free of deadlines. Error: the context ended.
func (g *greeting) finish() error {
	if !g.stop() {
		g.conn.Close()
		return context.DeadlineExceeded
	}
	g.reader.limit = maxFrame
	return g.conn.SetDeadline(time.Time{})
}

// ask sends a frame and returns the body of the answer, which must be of that kind.
func (g *greeting) ask(kind frameKind, body []byte, want frameKind) ([]byte, error) {
	if _, err := g.conn.Write(appendFrame(nil, kind, body)); err != nil {
		// The module may have said why, before it closed the connection.
		if _, refused := g.answer(want); refused != nil && !errors.Is(refused, errEnded) {
			return nil, refused
		}
		return nil, fmt.Errorf("greeting the module: %w", err)
	}
	return g.answer(want)
}

var errEnded = errors.New("link: the connection ended before an answer")

func (g *greeting) answer(want frameKind) ([]byte, error) {
	kind, body, err := g.reader.next()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errEnded, err)
	}
	if kind == frameRefusal {
		r, err := parseRefusal(body)
		if err != nil {
			return nil, err
		}
		return nil, errorOfRefusal(r)
	}
	if kind != want {
		return nil, fmt.Errorf("%w: a frame of kind %d where %d belongs", errPeer, kind, want)
	}
	return body, nil
}

// handshake makes a session.
func (g *greeting) handshake(h *Host) (*session.Ticket, error) {
	began := time.Now()
	hello, hs, err := h.session.Hello(nil)
	if err != nil {
		return nil, err
	}
	defer hs.Abandon()
	answer, err := g.ask(frameHello, hello, frameWelcome)
	if err != nil {
		return nil, err
	}
	t, err := hs.Finish(answer, began)
	return t, translate(err)
}

// open opens the connection under a session.
func (g *greeting) open(t *session.Ticket) (*session.Conn, error) {
	message, o, err := t.Open(nil, time.Now())
	if err != nil {
		return nil, err
	}
	defer o.Abandon()
	answer, err := g.ask(frameOpen, message, frameOpened)
	if err != nil {
		return nil, err
	}
	k, err := o.Finish(answer)
	return k, translate(err)
}
