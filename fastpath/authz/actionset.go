package authz

import "strings"

// actionSet is a set of actions.
type actionSet [(NumActions + 63) / 64]uint64

func (s *actionSet) has(a Action) bool { return s[a>>6]&(1<<(a&63)) != 0 }

func (s *actionSet) add(a Action) { s[a>>6] |= 1 << (a & 63) }

func (s *actionSet) join(t *actionSet) {
	for i := range s {
		s[i] |= t[i]
	}
}

// actionsOf is the actions that an Action element covers, or, negated, those that a NotAction element leaves.
// Patterns are matched without regard to case; one that names no action of Trent's covers nothing.
func actionsOf(patterns []string, negated bool) actionSet {
	var s actionSet
	for _, p := range patterns {
		if !strings.ContainsAny(p, "*?") {
			s.add(ActionNamed(p)) // ActionNone is nobody's
			continue
		}
		p = strings.ToLower(p)
		for a := ActionNone + 1; a < NumActions; a++ {
			if Wildcard(p, lowerNames[a]) {
				s.add(a)
			}
		}
	}
	if negated {
		for i := range s {
			s[i] = ^s[i]
		}
		s[0] &^= 1 << ActionNone
	}
	return s
}

// lowerNames are actionNames in lower case.
var lowerNames = func() (names [NumActions]string) {
	for a, name := range actionNames {
		names[a] = strings.ToLower(name)
	}
	return names
}()
