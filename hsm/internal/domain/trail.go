package domain

import "fmt"

// A domain token carries the audit log's entries of the last steps, its own last. A member that missed some of their
// tokens, while it was running and out of reach, does those commands again one after the other, each held against the
// rules of the state before it, as if it had got the tokens. So it still installs only what follows from its own state.

// Bounds of the entries before a token's own.
const (
	maxTrail      = 64
	maxTrailBytes = 24 << 10 // some fifty rotations
)

// extend is the trail of the next token: this one's with its own entry, without the oldest that have no room.
func (h *holding) extend() [][]byte {
	all := append(h.trail[:len(h.trail):len(h.trail)], h.entry)
	size, from := 0, len(all)
	for from > 0 && len(all)-from < maxTrail && size+len(all[from-1]) <= maxTrailBytes {
		from--
		size += len(all[from])
	}
	return all[from:]
}

// readTrail reads the entries of a token, and checks that each follows the one before.
func (t *token) readTrail(r *reader) {
	n := r.count(int(r.u8()), maxTrail+1)
	r.require(n > 0)
	var last AuditHead
	for i := range n {
		b := r.take(r.count(int(r.u32()), MaxEntry))
		if r.bad {
			return
		}
		e, err := ParseEntry(b)
		if err != nil || i > 0 && (e.Number != last.Count+1 || e.Previous != last.Hash) {
			r.bad = true
			return
		}
		if last = e.Head(); i < n-1 {
			t.trail = append(t.trail, b)
		}
		t.entry = b
	}
	r.require(last == t.state.Audit)
}

// walk does the commands between a state and a token's again and returns the state before the token's. Error: ErrStale
// where the token does not reach back that far.
func (t *token) walk(s *State) (*State, error) {
	for _, b := range t.trail {
		e, err := ParseEntry(b)
		if err != nil {
			return nil, err
		}
		if e.Number <= s.Number {
			continue
		}
		if e.Number > s.Number+1 {
			break
		}
		if s, _, err = e.Replay(s); err != nil {
			return nil, err
		}
	}
	if s.Number+1 != t.state.Number {
		return nil, fmt.Errorf("%w: the token of state %d reaches back to state %d, and this module is at %d: restart it, and it takes the newest",
			ErrStale, t.state.Number, t.state.Number-1-uint64(len(t.trail)), s.Number)
	}
	return s, nil
}

// passes reports whether the entry after number that a token carries follows one of this hash; a token that carries none
// passes: its reach is for others to ask.
func (t *token) passes(number uint64, hash *[32]byte) bool {
	for _, b := range append(t.trail[:len(t.trail):len(t.trail)], t.entry) {
		if e, err := ParseEntry(b); err == nil && e.Number == number+1 {
			return e.Previous == *hash
		}
	}
	return true
}
