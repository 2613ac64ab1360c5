package frontend

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// shortOf is a listener on a system that has no file descriptors left, for a while.
type shortOf struct {
	failures chan struct{} // one for each failing Accept
	passed   chan struct{} // closed when accepting was tried once more
	closed   chan struct{}
	once     sync.Once
}

func (l *shortOf) Accept() (net.Conn, error) {
	if _, ok := <-l.failures; ok {
		return nil, os.NewSyscallError("accept4", syscall.EMFILE)
	}
	close(l.passed)
	<-l.closed
	return nil, net.ErrClosed
}

func (l *shortOf) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *shortOf) Addr() net.Addr { return &net.TCPAddr{} }

// TestShortage: accepting survives a shortage of descriptors, which clients can cause, with one line in the log.
func TestShortage(t *testing.T) {
	t.Parallel()
	l := &shortOf{failures: make(chan struct{}, 3), passed: make(chan struct{}), closed: make(chan struct{})}
	for range cap(l.failures) {
		l.failures <- struct{}{}
	}
	close(l.failures)
	var log strings.Builder
	s, err := New(Options{Plaintext: true, Logf: func(format string, args ...any) { fmt.Fprintf(&log, format+"\n", args...) }}, echoHandler{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	<-l.passed
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "too many open files") {
		t.Errorf("%d lines: %s", n, log.String())
	}
}
