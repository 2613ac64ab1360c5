//go:build unix

package link

import (
	"net"
	"syscall"
)

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
	t := &tryWriter{}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return t
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return t
	}
	t.raw = raw
	t.step = func(fd uintptr) bool {
		for t.n < len(t.buf) {
			n, err := syscall.Write(int(fd), t.buf[t.n:])
			switch {
			case err == syscall.EINTR:
				continue
			case err == syscall.EAGAIN:
				return true
			case err != nil:
				t.err = err
				return true
			}
			t.n += n
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
