package engine

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is a connected descriptor that never waits: a read without data returns errAgain, and what cannot be written yet is kept.
// It stands below TLS in place of the connection that it was taken from, whose descriptor the runtime's poller no longer knows.
//
// Its calls are raw: they do not wait, so the scheduler need not be told of them; and they are the socket's own, which pass by the
// layer of files.
type socket struct {
	fd   int
	full bool   // the last read filled its buffer: there may be more
	out  []byte // not written yet
}

// errAgain is a read that would wait. It is temporary in the sense of net.Error, after which crypto/tls may be asked again.
var errAgain net.Error = again{}

type again struct{}

func (again) Error() string   { return "nothing to read yet" }
func (again) Timeout() bool   { return false }
func (again) Temporary() bool { return true }

// detach takes the descriptor out of a connection, which is closed, and puts it in its place below TLS. The caller must not use
// the connection otherwise.
func detach(c *conn) (*socket, error) {
	file, ok := c.wire.Conn.(syscall.Conn)
	if !ok {
		return nil, syscall.ENOTSUP
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	var failure error
	if err := raw.Control(func(of uintptr) { fd, failure = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if failure != nil {
		return nil, os.NewSyscallError("fcntl", failure)
	}
	if c.unwatch != nil {
		c.unwatch()
		c.unwatch = nil
	}
	c.wire.Conn.Close()
	s := &socket{fd: fd}
	c.wire.direct = s
	if secured, ok := c.stream.(*tls.Conn); ok && c.wire.secrets != nil {
		if r := newRecords(secured, c.wire.secrets, c.wire.seen); r != nil {
			r.under = s
			c.stream, c.inbox.source, c.records = r, r, r
		}
	}
	c.wire.secrets, c.wire.seen = nil, nil
	return s, nil
}

// Read is described at io.Reader; without data the error is errAgain.
func (s *socket) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, errno := receive(s.fd, b)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			s.full = false
			return 0, errAgain
		case errno != 0:
			return 0, os.NewSyscallError("read", errno)
		case n == 0:
			return 0, io.EOF
		}
		s.full = n == len(b)
		return n, nil
	}
}

// Write writes b, or keeps a copy of what the system has no room for.
func (s *socket) Write(b []byte) (int, error) {
	n := 0
	if len(s.out) == 0 {
		var err error
		if n, err = s.write(b); err != nil {
			return n, err
		}
	}
	s.out = append(s.out, b[n:]...)
	return len(b), nil
}

// flush writes what was kept, as far as there is room.
func (s *socket) flush() error {
	n, err := s.write(s.out)
	s.out = s.out[:copy(s.out, s.out[n:])]
	return err
}

func (s *socket) write(b []byte) (written int, err error) {
	for written < len(b) {
		n, errno := send(s.fd, b[written:])
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			return written, nil
		case errno != 0:
			return written, os.NewSyscallError("write", errno)
		}
		written += n
	}
	return written, nil
}

// Close closes the descriptor, once.
func (s *socket) Close() error {
	if s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	return unix.Close(fd)
}
