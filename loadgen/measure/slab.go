package measure

import "slices"

// slab is room for the packed latencies of the blocks of a run, taken from the system at the start, so that a run takes as much
// memory in its first minutes as in its last day. There are two halves: when blocks are joined, those of one are written anew to the
// other.
type slab struct{ now, other []byte }

// slabSize is the bytes of a half: about an hour of one operation's latencies, by the second at first. Chosen.
const slabSize = 2 << 20

func (s *slab) init() {
	// Repeat writes to the pages; those of a fresh slice would be had from the system one by one.
	s.now, s.other = slices.Repeat([]byte{1}, slabSize)[:0], slices.Repeat([]byte{1}, slabSize)[:0]
}

// keep copies p into the slab. Without room for it ok is false and the copy is elsewhere: p may lie in the other half.
func (s *slab) keep(p packed) (kept packed, ok bool) {
	from := len(s.now)
	if len(p) > cap(s.now)-from {
		return slices.Clone(p), false
	}
	s.now = append(s.now, p...)
	return packed(s.now[from:len(s.now):len(s.now)]), true
}

// turn begins the other half. What is kept in this one must be kept anew before the next turn.
func (s *slab) turn() { s.now, s.other = s.other[:0], s.now }
