package frontend

import (
	"container/list"
	"crypto/tls"
	"sync"
	"time"
)

// shaking bounds the TLS handshakes in flight, which cost memory and the dearest computations that a stranger can ask
// for. One is in flight from its ClientHello on: before that a connection costs what an idle one does, and keeps nobody
// out. At the bound others wait their turn, so that a crowd of honest clients is served one after another; but a handshake
// that takes longer than grace makes room for those who wait, the oldest first.
type shaking struct {
	max   int
	grace time.Duration

	mu        sync.Mutex
	freed     sync.Cond  // of mu
	inside    *list.List // of *connection, the oldest first
	waiting   int
	alarm     *time.Timer // rings when the oldest has had its time and somebody waits
	displaced uint64
	closed    bool
}

func newShaking(limit int, grace time.Duration) *shaking {
	s := &shaking{max: limit, grace: grace, inside: list.New()}
	s.freed.L = &s.mu
	s.alarm = time.AfterFunc(time.Hour, s.ring)
	s.alarm.Stop()
	return s
}

// hooked is the TLS policy with a hook that counts handshakes: what the policy says itself comes after it.
func (s *shaking) hooked(policy *tls.Config) *tls.Config {
	config := policy.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		s.enter(hello.Conn.(*received).owner)
		if policy.GetConfigForClient != nil {
			if chosen, err := policy.GetConfigForClient(hello); chosen != nil || err != nil {
				return chosen, err
			}
		}
		return policy, nil
	}
	return config
}

// enter waits for room. Once the server drains it does not.
func (s *shaking) enter(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && s.inside.Len() >= s.max {
		s.waiting++
		if s.makeRoom(); s.inside.Len() >= s.max {
			s.freed.Wait()
		}
		s.waiting--
	}
	c.entered = time.Now()
	c.place = s.inside.PushBack(c)
}

func (s *shaking) ring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom()
}

// makeRoom gives up as many handshakes that have had their time as there are others waiting, and sees to it that it is
// called again. s.mu is held.
func (s *shaking) makeRoom() {
	for n := s.waiting; n > 0 && s.inside.Len() > 0; n-- {
		oldest := s.inside.Front().Value.(*connection)
		if left := s.grace - time.Since(oldest.entered); left > 0 {
			s.alarm.Reset(left)
			return
		}
		s.remove(oldest)
		if oldest.shaken.CompareAndSwap(handshakeGoesOn, handshakeDisplaced) {
			s.displaced++
			_ = oldest.records.Close() // its goroutine notices and ends
		}
	}
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
		s.freed.Signal()
	}
}

// close lets in whoever waits: their connections are closed already, or will be.
func (s *shaking) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.alarm.Stop()
	s.freed.Broadcast()
}

func (s *shaking) counts() (inFlight int, displaced uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inside.Len(), s.displaced
}
