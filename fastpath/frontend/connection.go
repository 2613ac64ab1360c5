package frontend

import (
	"container/list"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

// States of a connection. Shutdown closes an idle one by taking it from idle to closing; a request that
// arrives takes it from idle to active. Whoever is first wins, so that no request is executed on a
// connection that cannot be answered.
const (
	stateIdle int32 = iota
	stateActive
	stateClosing
)

const (
	headRoom    = 512      // bytes kept free before a body for the head of its answer
	bodyRoom    = 7680     // holds the answers of Decrypt of 4,096 bytes and of every data key pair
	outCapacity = 8 << 10  // of a new buffer
	keptOut     = 64 << 10 // a larger buffer is given up once it is sent
	lingerTime  = time.Second
)

// connection is our end of a client's connection. It owns the answers until they are sent. Everything but
// state is the business of the one goroutine that serves the connection.
type connection struct {
	net.Conn // *tls.Conn, or the raw one of a plaintext listener
	server   *Server
	state    atomic.Int32
	secured  bool
	info     ConnectionTLS
	remote   netip.AddrPort
	door     any // of the listener

	place   *list.Element // among the handshakes in flight, whose business these are
	entered time.Time
	shaken  atomic.Int32

	requests scrub     // fasthttp's buffer of what the client sends
	records  *received // nil: plaintext

	out      []byte // answers that are not sent yet
	start    int    // where the answer in the making begins in out
	request  Request
	response Response
	head     [headRoom]byte

	dateSecond int64
	date       [len(http.TimeFormat)]byte
}

// tlsConnection is a connection with TLS, which fasthttp recognizes by these two methods.
type tlsConnection struct {
	*connection
	tls *tls.Conn
}

func (s *Server) newConnection(raw net.Conn) (net.Conn, *connection) {
	c := &connection{Conn: raw, server: s}
	if address, ok := raw.RemoteAddr().(*net.TCPAddr); ok {
		c.remote = address.AddrPort()
	}
	if s.o.Plaintext {
		return c, c
	}
	c.records = &received{Conn: raw, owner: c}
	secure := tls.Server(c.records, s.tls)
	c.Conn, c.secured = secure, true
	return &tlsConnection{connection: c, tls: secure}, c
}

func connectionOf(c net.Conn) *connection {
	if t, ok := c.(*tlsConnection); ok {
		return t.connection
	}
	return c.(*connection)
}

// Handshake is called once, before the first request is read.
func (t *tlsConnection) Handshake() error {
	err := t.SetDeadline(time.Now().Add(t.server.o.HandshakeTimeout))
	if err == nil {
		err = t.tls.Handshake()
	}
	if !t.shaken.CompareAndSwap(handshakeGoesOn, handshakeDone) && err == nil {
		err = errShut
	}
	t.server.shaking.leave(t.connection)
	if err != nil {
		t.server.stats.failed.Add(1)
		return err
	}
	state := t.tls.ConnectionState()
	t.info = ConnectionTLS{
		Version: state.Version, CipherSuite: state.CipherSuite, Curve: state.CurveID, ServerName: state.ServerName,
	}
	t.server.stats.handshake(state.Version, state.CurveID)
	if state.DidResume {
		t.server.stats.resumed.Add(1)
	}
	return nil
}

// ConnectionState is part of what fasthttp recognizes.
func (t *tlsConnection) ConnectionState() tls.ConnectionState { return t.tls.ConnectionState() }

func (c *connection) tlsInfo() *ConnectionTLS {
	if !c.secured {
		return nil
	}
	return &c.info
}

// errShut is what a read meets once Shutdown has closed the connection.
var errShut = errors.New("the server closed the connection")

// Read hides from fasthttp the two errors that it takes for an end with nothing to tidy: net.ErrClosed, and
// io.EOF between two chunks. Its error handler is where the body that was read so far is cleared. The first read is
// into the buffer that it keeps for the connection, others may be into a body.
func (c *connection) Read(p []byte) (int, error) {
	buffered := c.requests.buf == nil || c.requests.holds(p)
	if buffered {
		c.requests.before(p)
	}
	n, err := c.Conn.Read(p)
	if buffered {
		c.requests.after(n)
	}
	if err != nil {
		c.requests.clear() // what is in it is the beginning of a request that has no end
	}
	switch {
	case err == nil:
	case err == io.EOF && c.state.Load() == stateActive:
		err = io.ErrUnexpectedEOF
	case errors.Is(err, net.ErrClosed):
		err = errShut
	}
	return n, err
}

// Write is called by fasthttp when it flushes its rendering of answers, p. The answers themselves lie in
// out, complete and in order; they are sent instead, and cleared.
func (c *connection) Write(p []byte) (int, error) {
	if err := c.send(); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *connection) send() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.out)
	c.wipe()
	if err != nil {
		c.server.stats.aborted.Add(1)
	}
	return err
}

// wipe clears the answers over the buffer's whole capacity: a handler may have begun a longer answer than
// it ended with.
func (c *connection) wipe() {
	clear(c.out[:cap(c.out)])
	c.out = c.out[:0]
	if cap(c.out) > keptOut {
		c.out = nil
	}
}

// begin makes room for an answer behind those that are not sent yet.
func (c *connection) begin() *Response {
	c.start = len(c.out)
	from := c.start + headRoom
	if cap(c.out) < from+bodyRoom {
		larger := make([]byte, c.start, c.start+outCapacity+cap(c.out))
		copy(larger, c.out)
		clear(c.out[:cap(c.out)])
		c.out = larger
	}
	w := &c.response
	*w = Response{Status: http.StatusOK, Body: c.out[from:from:cap(c.out)]}
	return w
}

// answerForm is how an answer is framed.
type answerForm struct{ closing, http10, headOnly bool }

// finish puts the head in front of the body. Both now belong to the answers to be sent.
func (c *connection) finish(w *Response, at time.Time, form answerForm) {
	body := w.Body
	if w.RequestID == [36]byte{} {
		w.RequestID = newRequestID()
	}
	head := c.appendHead(c.head[:0], w, at, form)
	if form.headOnly {
		clear(body)
		body = body[:0]
	}
	from := c.start + headRoom
	all := c.out[:cap(c.out)]
	if cap(body) > 0 && &body[:1][0] == &all[from] && len(head) <= headRoom {
		copy(all[c.start:], head)
		copy(all[c.start+len(head):], body)
		c.out = all[:c.start+len(head)+len(body)]
	} else {
		// The body outgrew the buffer and lies elsewhere; its beginning may lie here too.
		larger := make([]byte, 0, c.start+headRoom+len(head)+2*len(body))
		larger = append(larger, c.out[:c.start]...)
		larger = append(larger, head...)
		larger = append(larger, body...)
		clear(all)
		c.out = larger
		clear(body[:cap(body)])
	}
	*w = Response{}
}

// linger ends a connection whose client may still be sending: it sends the answer, says that no more will
// come, and reads on for a moment. Closing at once would reset the connection, and the client might never
// read the answer (RFC 9112, section 9.6).
func (c *connection) linger() {
	if c.SetWriteDeadline(time.Now().Add(c.server.o.WriteTimeout)) != nil || c.send() != nil {
		return
	}
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	scrap := make([]byte, 16<<10)
	for {
		if _, err := c.Conn.Read(scrap); err != nil {
			break
		}
	}
	clear(scrap)
}
