package session

import "sync"

// remembered is how many messages an end keeps in mind. Whoever has recorded more of them than that can have each
// answered once more, and gains nothing by it but the work it makes.
const remembered = 1024

// seen is the newest messages that were found authentic, by hash. It saves work; that a message repeated is of no use to
// others than its author comes of the agreement itself. Safe for concurrent use.
type seen struct {
	mu    sync.Mutex
	ids   map[[32]byte]struct{}
	order [][32]byte // a ring, once it is full
	next  int
}

func (s *seen) has(id *[32]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.ids[*id]
	return ok
}

// add puts a message in mind; false: it is there already.
func (s *seen) add(id *[32]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.ids[*id]; ok {
		return false
	}
	if s.ids == nil {
		s.ids = make(map[[32]byte]struct{}, remembered)
	}
	if len(s.order) < remembered {
		s.order = append(s.order, *id)
	} else {
		delete(s.ids, s.order[s.next])
		s.order[s.next] = *id
		s.next = (s.next + 1) % remembered
	}
	s.ids[*id] = struct{}{}
	return true
}
