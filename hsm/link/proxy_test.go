package link_test

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"trent/hsm/link/linktest"
)

// Directions through a proxy.
const (
	toModule = iota
	toHost
)

// proxy is somebody between host and module who sees whole frames, and does with them what a test says.
type proxy struct {
	address string
	target  string
	// through gives what is passed on instead of a frame: the nth of its direction on connection conn, all from 0. It is
	// called by one goroutine at a time.
	through func(conn, direction, n int, frame []byte) [][]byte

	mu    sync.Mutex
	conns [][2]net.Conn // the module's end, the host's end
	wg    sync.WaitGroup
}

func newProxy(t testing.TB, target string, through func(conn, direction, n int, frame []byte) [][]byte) *proxy {
	t.Helper()
	p := &proxy{address: linktest.Socket(t), target: target, through: through}
	l, err := net.Listen("unix", p.address[len("unix:"):])
	if err != nil {
		t.Fatal(err)
	}
	p.wg.Go(func() {
		for {
			host, err := l.Accept()
			if err != nil {
				return
			}
			module, err := net.Dial("unix", target[len("unix:"):])
			if err != nil {
				host.Close()
				continue
			}
			p.mu.Lock()
			n := len(p.conns)
			p.conns = append(p.conns, [2]net.Conn{module, host})
			p.mu.Unlock()
			p.wg.Go(func() { p.pump(n, toModule, host, module) })
			p.wg.Go(func() { p.pump(n, toHost, module, host) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			c[0].Close()
			c[1].Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) pump(conn, direction int, from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	for n := 0; ; n++ {
		frame, err := readFrame(from)
		if err != nil {
			return
		}
		p.mu.Lock()
		out := [][]byte{frame}
		if p.through != nil {
			out = p.through(conn, direction, n, frame)
		}
		p.mu.Unlock()
		for _, f := range out {
			if _, err := to.Write(f); err != nil {
				return
			}
		}
	}
}

// send sends a frame over the proxy's own end of a connection; a test's hook may call it.
func (p *proxy) send(conn, direction int, frame []byte) { p.conns[conn][direction].Write(frame) }

// readFrame reads a frame with its header.
func readFrame(from io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	frame := append(head, make([]byte, binary.BigEndian.Uint32(head))...)
	_, err := io.ReadFull(from, frame[4:])
	return frame, err
}
