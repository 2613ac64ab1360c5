//go:build race

package hsm

// poison fills a wiped slot, so that in builds for the race detector whoever still uses it gets wrong results.
func poison(s *slotState) {
	for i := range s.material {
		s.material[i] = 0xdb
	}
	for i := range s.midstate.Inner {
		s.midstate.Inner[i], s.midstate.Outer[i] = 0xdbdbdbdb, 0xdbdbdbdb
	}
}
