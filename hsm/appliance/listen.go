package appliance

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// ConsoleName is the console's socket in the state directory.
const ConsoleName = "console.sock"

// ListenConsole makes the console's socket in a state directory.
func ListenConsole(state string) (net.Listener, error) {
	if err := checkDir(state); err != nil {
		return nil, err
	}
	return listenUnix(filepath.Join(state, ConsoleName))
}

// Listen makes the socket for hosts: "unix:PATH", "tcp:HOST:PORT" or "HOST:PORT".
func Listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if err := checkDir(filepath.Dir(path)); err != nil {
			return nil, err
		}
		return listenUnix(path)
	}
	return net.Listen("tcp", strings.TrimPrefix(address, "tcp:"))
}

// listenUnix makes a Unix socket for this user. A socket that a dead process left is replaced; a live one is an error.
func listenUnix(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("socket path %s has %d bytes, more than %d: choose a shorter directory", path, len(path), maxSocketPath)
	}
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("socket %s: another process answers on it", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := listenPrivate(path)
	if err != nil {
		return nil, err
	}
	return peerListener{l}, nil
}

// checkDir makes a socket's directory, for this user alone, or checks the one that is there.
func checkDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("directory %s can be entered by others (mode %v): chmod 700 it, or choose another for the socket", dir, info.Mode().Perm())
	}
	return nil
}

// limit bounds how many connections of a listener are open at a time; further ones wait in the kernel's queue.
func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, free: make(chan struct{}, n), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitedConn{Conn: c, release: func() { <-l.free }}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.release)
	return err
}
