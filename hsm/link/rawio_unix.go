//go:build unix

package link

import (
	"io"
	"net"
	"syscall"
)

// Sockets are read and written here, not by net.Conn, because those calls do not wait: so they need not tell the
// scheduler that they might. Telling it costs a process that was idle a moment ago the waking of another thread, for
// each call; where one request follows another, that is half of its CPU time.

// rawConn gives access to the socket of a connection; nil: it has none.
func rawConn(conn net.Conn) syscall.RawConn {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// tryWriter writes as much to a connection as it takes without waiting. For one goroutine at a time.
type tryWriter struct {
	raw  syscall.RawConn
	step func(fd uintptr) bool // once, for it would allocate
	buf  []byte
	n    int
	err  error
}

// newTryWriter is for a connection of the operating system's; for others it writes nothing.
func newTryWriter(conn net.Conn) *tryWriter {
	t := &tryWriter{raw: rawConn(conn)}
	t.step = func(fd uintptr) bool {
		for t.n < len(t.buf) {
			n, err := writeNow(fd, t.buf[t.n:])
			switch err {
			case 0:
				t.n += n
			case syscall.EINTR:
			case syscall.EAGAIN:
				return true
			default:
				t.err = err
				return true
			}
		}
		return true
	}
	return t
}

// write says how much was written; less than all without an error: the connection takes no more now.
func (t *tryWriter) write(buf []byte) (int, error) {
	if t.raw == nil {
		return 0, nil
	}
	t.buf, t.n, t.err = buf, 0, nil
	err := t.raw.Write(t.step)
	t.buf = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// rawReader reads from a connection, and waits where there is nothing. For one goroutine at a time.
type rawReader struct {
	raw  syscall.RawConn
	step func(fd uintptr) bool
	buf  []byte
	n    int
	err  error
}

// newRawReader is the connection itself where that is none of the operating system's.
func newRawReader(conn net.Conn) io.Reader {
	r := &rawReader{raw: rawConn(conn)}
	if r.raw == nil {
		return conn
	}
	r.step = func(fd uintptr) bool {
		for {
			n, err := readNow(fd, r.buf)
			switch err {
			case 0:
				r.n = n
				if n == 0 {
					r.err = io.EOF
				}
				return true
			case syscall.EINTR:
			case syscall.EAGAIN:
				return false
			default:
				r.err = err
				return true
			}
		}
	}
	return r
}

// Read implements io.Reader. Errors: io.EOF, os.ErrDeadlineExceeded, net.ErrClosed, the operating system's.
func (r *rawReader) Read(buf []byte) (int, error) {
	if len(buf) == 0 {
		return 0, nil
	}
	r.buf, r.n, r.err = buf, 0, nil
	err := r.raw.Read(r.step)
	r.buf = nil
	if err == nil {
		err = r.err
	}
	return r.n, err
}
