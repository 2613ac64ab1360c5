package frontend_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"trent/fastpath/frontend"
)

const canary = "CANARY-plaintext-CANARY"

// TestWiping: after an answer was sent, the request's body and the connection's buffers hold nothing of it:
// also when the answer outgrew the buffer, ended shorter than it began, waited for others in a pipeline, or
// the body was over the limit.
func TestWiping(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var bodies [][]byte // views of request bodies that outlive their handler: the test's sin
	s, address := start(t, frontend.Options{}, handlerFunc(func(r *frontend.Request, w *frontend.Response) {
		mu.Lock()
		defer mu.Unlock()
		if string(r.RawQuery) == "alone" { // all answers before it are sent
			for i, body := range bodies {
				if bytes.Contains(body, []byte(canary)) && &body[0] != &r.Body[0] {
					t.Errorf("buffer %d holds the canary at the next request", i)
				}
			}
		}
		bodies = append(bodies, r.Body[:cap(r.Body)], w.Body[:cap(w.Body)])
		echo(r, w)
		switch string(r.Path) {
		case "/shorter":
			w.Body = append(w.Body[:0], "{}"...)
		case "/elsewhere":
			w.Body = append(make([]byte, 0, 4096), w.Body...)
			bodies = append(bodies, w.Body[:cap(w.Body)])
		}
	}))
	c := dial(t, address)
	r := bufio.NewReader(c)
	n := 0
	for _, path := range []string{"/", "/shorter", "/elsewhere"} {
		for _, size := range []int{1, 100, 5000, 50} { // 50 last: buffers that grew stay, or are given up
			request := strings.Replace(post(strings.Repeat(canary, size)), "/", path, 1)
			write(t, c, strings.Replace(request, " HTTP", "?alone HTTP", 1)+request)
			got := answers(t, r, 2)
			if path != "/shorter" && !strings.Contains(got[1], canary) {
				t.Fatal("the canary is not in the answer: the test cannot fail")
			}
			n += 2
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// Shutdown orders the connection's goroutine before what follows.
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(bodies) < 2*n {
		t.Fatalf("%d buffers seen for %d requests", len(bodies), n)
	}
	for i, body := range bodies {
		if bytes.Contains(body, []byte(canary)) {
			t.Errorf("buffer %d, of %d bytes, holds the canary", i, len(body))
		}
	}
}

// TestUnsentAnswerIsWiped: the client goes away before its answer is written.
func TestUnsentAnswerIsWiped(t *testing.T) {
	t.Parallel()
	g := newGate()
	var kept []byte
	s, address := start(t, frontend.Options{}, handlerFunc(func(r *frontend.Request, w *frontend.Response) {
		g.Serve(r, w)
		kept = w.Body[:cap(w.Body)]
	}))
	c := dial(t, address)
	write(t, c, post(strings.Repeat(canary, 100)))
	<-g.entered
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	close(g.leave)
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(kept) == 0 || bytes.Contains(kept, []byte(canary)) {
		t.Errorf("%d bytes, with the canary", len(kept))
	}
}

// TestRefusedBodyLeavesNoTrace: the answer to a body over the limit shows none of it.
func TestRefusedBodyLeavesNoTrace(t *testing.T) {
	t.Parallel()
	_, address := start(t, frontend.Options{MaxBody: 100}, echo)
	c := dial(t, address)
	write(t, c, post(strings.Repeat(canary, 100)))
	answer, err := io.ReadAll(c)
	if err != nil || bytes.Contains(answer, []byte(canary)) || !bytes.Contains(answer, []byte("413")) {
		t.Errorf("%q, %v", answer, err)
	}
}
