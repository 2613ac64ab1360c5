package frontend

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestDoneIsNotDisplaced: a handshake that is done is left alone, however long its goroutine takes to say so.
func TestDoneIsNotDisplaced(t *testing.T) {
	t.Parallel()
	s := newShaking(1, 0)
	enter := func(state int32) net.Conn {
		ours, theirs := net.Pipe()
		c := &connection{records: &received{Conn: ours}}
		s.enter(c)
		c.shaken.Store(state)
		return theirs
	}
	done := enter(handshakeDone)
	going := enter(handshakeGoesOn)
	enter(handshakeGoesOn)
	if inFlight, displaced := s.counts(); inFlight != 1 || displaced != 1 {
		t.Errorf("%d in flight, %d displaced", inFlight, displaced)
	}
	if _, err := going.Write([]byte("x")); err == nil {
		t.Error("the one that went on is not closed")
	}
	if err := done.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := done.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the one that was done: %v", err)
	}
}
