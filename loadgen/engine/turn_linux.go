package engine

import (
	"io"
	"os"
	"syscall"
)

// turn sends a request and reads its answer under one wait of the runtime's poller, by one write and one read. The usual way costs
// a read more, which is tried right after the write and finds nothing.
//
// The poller forgets what it has heard of a connection when a wait begins; as the request is written after that, its answer cannot
// be missed. The end of a connection that came before can: a peer that closed makes itself heard again by a reset, but one that
// only half closed (as servers do that linger) does not. So a connection that has rested is used in the usual way.
type turn struct {
	wire *wire
	raw  syscall.RawConn // nil: not to be had
	in   []byte
	n    int
	err  error
	f    func(fd uintptr) bool
}

func (t *turn) init(w *wire) {
	t.wire, t.f = w, t.step
	if c, ok := w.Conn.(syscall.Conn); ok {
		t.raw, _ = c.SyscallConn()
	}
}

// possible reports whether a request may be held for around.
func (t *turn) possible() bool { return t.raw != nil }

// around sends what the wire holds and reads into b.
func (t *turn) around(b []byte) (int, error) {
	t.in, t.n, t.err = b, 0, nil
	if err := t.raw.Read(t.f); err != nil {
		return 0, err
	}
	return t.n, t.err
}

// step is called with the descriptor, again whenever it has become readable, until it returns true.
func (t *turn) step(fd uintptr) bool {
	if len(t.wire.out) > 0 {
		t.err = t.send(int(fd))
		t.wire.out = t.wire.out[:0]
		return t.err != nil
	}
	for {
		n, err := syscall.Read(int(fd), t.in)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			t.err = os.NewSyscallError("read", err)
		case n == 0 && len(t.in) > 0:
			t.err = io.EOF
		default:
			t.n = n
		}
		return true
	}
}

// send writes what is held. What the socket has no room for goes the usual way, which waits.
func (t *turn) send(fd int) error {
	t.wire.note()
	n, err := syscall.Write(fd, t.wire.out)
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		n = 0
	case err != nil:
		return os.NewSyscallError("write", err)
	}
	if n < len(t.wire.out) {
		_, err := t.wire.Conn.Write(t.wire.out[n:])
		return err
	}
	return nil
}
