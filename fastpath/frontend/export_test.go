package frontend

import "time"

// SetClock lets tests move the authority's clock.
func (ca *CA) SetClock(now func() time.Time) { ca.now = now }

// IssuedKept is how many certificates the authority keeps now.
func (ca *CA) IssuedKept() int {
	ca.mu.RLock()
	defer ca.mu.RUnlock()
	return len(ca.issued)
}

// MaxIssued is its bound.
const MaxIssued = maxIssued

// ClaimAll marks all connections as Shutdown marks idle ones, without closing them: the moment at which a
// request arrives on one.
func (s *Server) ClaimAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.connections {
		c.state.Store(stateClosing)
	}
}

// SetGrace sets what a handshake may take before it makes room for others.
func (s *Server) SetGrace(d time.Duration) {
	s.shaking.mu.Lock()
	defer s.shaking.mu.Unlock()
	s.shaking.grace = d
}

// Waiting is how many handshakes wait for their turn.
func (s *Server) Waiting() int {
	s.shaking.mu.Lock()
	defer s.shaking.mu.Unlock()
	return s.shaking.waiting
}
