package frontend

import (
	"container/list"
	"sync"
	"time"
)

// shaking bounds the TLS handshakes in flight, which cost memory and the dearest computations that a stranger can ask
// for. At the bound accepting waits, so that a crowd of honest clients queues in the system; but a handshake that takes
// longer than grace makes room for the next, the oldest first, so that clients who stop halfway keep nobody out.
type shaking struct {
	max   int
	grace time.Duration

	mu        sync.Mutex
	freed     sync.Cond  // of mu
	inside    *list.List // of *connection, the oldest first
	displaced uint64
	closed    bool
}

func newShaking(limit int, grace time.Duration) *shaking {
	s := &shaking{max: limit, grace: grace, inside: list.New()}
	s.freed.L = &s.mu
	return s
}

// enter waits for room. Once the server drains it does not.
func (s *shaking) enter(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && s.inside.Len() >= s.max {
		oldest := s.inside.Front().Value.(*connection)
		left := s.grace - time.Since(oldest.entered)
		if left <= 0 {
			s.remove(oldest)
			if oldest.shaken.CompareAndSwap(handshakeGoesOn, handshakeDisplaced) {
				s.displaced++
				_ = oldest.records.Close() // its goroutine notices and ends
			}
			continue
		}
		alarm := time.AfterFunc(left, s.freed.Broadcast)
		s.freed.Wait()
		alarm.Stop()
	}
	c.entered = time.Now()
	c.place = s.inside.PushBack(c)
}

// How a handshake stands. On a busy machine one may be done long before its goroutine comes to leave.
const (
	handshakeGoesOn int32 = iota
	handshakeDone
	handshakeDisplaced
)

// leave is called at the end of a handshake, and of a connection.
func (s *shaking) leave(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c)
}

func (s *shaking) remove(c *connection) {
	if c.place != nil {
		s.inside.Remove(c.place)
		c.place = nil
		s.freed.Broadcast()
	}
}

// close lets in whoever waits: their connections are closed already.
func (s *shaking) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.freed.Broadcast()
}

func (s *shaking) counts() (inFlight int, displaced uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inside.Len(), s.displaced
}
