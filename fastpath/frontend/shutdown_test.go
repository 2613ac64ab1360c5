package frontend_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"trent/fastpath/frontend"
)

// gate is a handler whose requests wait to be let through.
type gate struct {
	entered, leave chan struct{}
}

func newGate() *gate { return &gate{make(chan struct{}, 100), make(chan struct{})} }

func (g *gate) Serve(r *frontend.Request, w *frontend.Response) {
	g.entered <- struct{}{}
	<-g.leave
	echo(r, w)
}

// TestDrain: Shutdown closes idle connections at once, fresh ones included, refuses new ones, and waits for
// the request in flight, whose answer says that the connection closes.
func TestDrain(t *testing.T) {
	t.Parallel()
	g := newGate()
	s, address := start(t, frontend.Options{}, g)
	fresh, used, busy := dial(t, address), dial(t, address), dial(t, address)
	write(t, used, post("{}"))
	<-g.entered
	g.leave <- struct{}{}
	usedReader := bufio.NewReader(used)
	answers(t, usedReader, 1)
	write(t, busy, post("in flight")+post("never begun"))
	<-g.entered

	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	for name, c := range map[string]io.Reader{"fresh": fresh, "used": usedReader} {
		if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
			t.Errorf("%s: %q, %v", name, rest, err)
		}
	}
	select {
	case err := <-done:
		t.Fatalf("shut down with a request in flight: %v", err)
	default:
	}
	if c, err := net.Dial("tcp", address); err == nil {
		if rest, _ := io.ReadAll(c); len(rest) > 0 {
			t.Errorf("a new connection was answered: %q", rest)
		}
		_ = c.Close()
	}
	close(g.leave)
	resp, err := http.ReadResponse(bufio.NewReader(busy), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "in flight" || !resp.Close {
		t.Errorf("%q, closing %v, %v", body, resp.Close, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if open := s.Stats().Open; open != 0 {
		t.Errorf("%d connections open", open)
	}
}

// TestDrainDeadline: what does not end in time is closed.
func TestDrainDeadline(t *testing.T) {
	t.Parallel()
	g := newGate()
	s, address := start(t, frontend.Options{}, g)
	c := dial(t, address)
	write(t, c, post("{}"))
	<-g.entered
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if rest, _ := io.ReadAll(c); len(rest) > 0 {
		t.Errorf("answered %q", rest)
	}
	close(g.leave)
}

// TestClaimed: a request that arrives on a connection which Shutdown already took for idle is not executed,
// since it could not be answered.
func TestClaimed(t *testing.T) {
	t.Parallel()
	executed := make(chan struct{}, 10)
	s, address := start(t, frontend.Options{}, handlerFunc(func(r *frontend.Request, w *frontend.Response) {
		executed <- struct{}{}
		echo(r, w)
	}))
	c := dial(t, address)
	write(t, c, post("{}"))
	r := bufio.NewReader(c)
	answers(t, r, 1)
	<-executed
	s.ClaimAll()
	write(t, c, post("{}"))
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	select {
	case <-executed:
		t.Error("it was executed")
	default:
	}
}
