package link_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/internal/session"
	"trent/hsm/link"
	"trent/hsm/link/linktest"
)

// Kinds on the wire, as the package comment lists them.
const (
	wireIdentify = iota + 1
	wireIdentity
	wireDeliver
	wireDelivered
	wireHello
	wireWelcome
	wireOpen
	wireOpened
	wireEnvelope
	wireRefusal
)

const (
	wireCall      = 1
	wireForget    = 2
	wireStatus    = 3
	wirePing      = 8
	wireGoodbye   = 9
	wireAnswer    = 0x80
	wireGoingAway = 0x7f
)

func frame(kind byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(2+len(body)))
	return append(append(b, 1, kind), body...)
}

func wireMessage(id uint32, kind byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(9+len(body)))
	b = binary.BigEndian.AppendUint32(b, id)
	return append(append(b, kind), body...)
}

// raw is one end of the wire in the hands of a test.
type raw struct {
	net.Conn
	session *session.Conn
}

// envelope sends messages.
func (r *raw) envelope(t testing.TB, messages []byte) {
	t.Helper()
	b, err := r.session.Seal(nil, messages)
	if err != nil {
		t.Fatal(err)
	}
	r.Write(frame(wireEnvelope, b)) // the other end may have closed already
}

// next gives the messages of the next envelope; false: the connection ended.
func (r *raw) next(t testing.TB) ([]byte, bool) {
	t.Helper()
	r.SetReadDeadline(time.Now().Add(linktest.Patience))
	f, err := readFrame(r)
	if err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Error("the other end neither answers nor closes the connection")
		}
		return nil, false
	}
	if f[5] != wireEnvelope {
		return nil, false
	}
	b, err := r.session.Open(nil, f[6:])
	if err != nil {
		t.Error(err)
	}
	return b, true
}

// expectEnd reads until the connection ends.
func (r *raw) expectEnd(t testing.TB) {
	t.Helper()
	for {
		if _, ok := r.next(t); !ok {
			return
		}
	}
}

// drain reads whatever comes until the connection ends.
func (r *raw) drain(t testing.TB) {
	t.Helper()
	r.SetReadDeadline(time.Now().Add(linktest.Patience))
	if _, err := io.Copy(io.Discard, r); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Error("the other end does not close the connection")
		}
	}
}

// dialRaw connects to a server without a word.
func dialRaw(t testing.TB, address string) *raw {
	t.Helper()
	c, err := net.Dial("unix", address[len("unix:"):])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &raw{Conn: c}
}

// ask sends a frame and gives the answer.
func (r *raw) ask(t testing.TB, f []byte) []byte {
	t.Helper()
	if _, err := r.Write(f); err != nil {
		t.Fatal(err)
	}
	r.SetReadDeadline(time.Now().Add(linktest.Patience))
	answer, err := readFrame(r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func newSessionPool(t testing.TB) *session.Pool {
	t.Helper()
	pool, err := session.OpenPool(session.PoolOptions{Slots: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

// rawHost is a listed host that does with a session what a test says.
func rawHost(t testing.TB, p *pair) *raw {
	t.Helper()
	h := session.Host{Peers: p.domain.NewHost(t), Pool: newSessionPool(t)}
	r := dialRaw(t, p.address)
	hello, hs, err := h.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := hs.Finish(r.ask(t, frame(wireHello, hello))[6:], time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ticket.Wipe)
	open, o, err := ticket.Open(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r.session, err = o.Finish(r.ask(t, frame(wireOpen, open))[6:]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.session.Close)
	return r
}

// rawModule is a module of the domain that does with its sessions what a test says: serve is called with each
// connection.
func rawModule(t testing.TB, o link.Options, serve func(r *raw)) *link.Client {
	t.Helper()
	d := linktest.NewDomain(t)
	responder := session.Responder{Authority: d.NewMember(t, true), Pool: newSessionPool(t)}
	o.Address, o.Host = linktest.Socket(t), linktest.LinkHost(t, d.NewHost(t))
	l, err := net.Listen("unix", o.Address[len("unix:"):])
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r := &raw{Conn: conn}
			if r.accept(&responder) {
				serve(r)
				r.session.Close()
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return linktest.Connect(t, o)
}

// accept answers greetings until the session is open.
func (r *raw) accept(responder *session.Responder) bool {
	for {
		f, err := readFrame(r)
		if err != nil {
			return false
		}
		switch f[5] {
		case wireHello:
			answer, err := responder.Answer(nil, f[6:], time.Now())
			if err != nil {
				return false
			}
			r.Write(frame(wireWelcome, answer))
		case wireOpen:
			answer, k, err := responder.Accept(nil, f[6:], time.Now())
			if err != nil {
				return false
			}
			r.session = k
			r.Write(frame(wireOpened, answer))
			return true
		default:
			return false
		}
	}
}

// result is the body of a call's answer without an error.
func result(out, secret, public string) []byte {
	b := make([]byte, 1+len(hsm.MaterialID{}))
	for _, s := range []string{out, secret, public} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	return b
}
