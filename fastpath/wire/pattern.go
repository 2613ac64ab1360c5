package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// dfa is a pattern of the model as a table: the class of each code point up to U+00FF, the next state by state
// and class. State 0 is dead, state 1 the start. No pattern of the model admits a code point above U+00FF.
type dfa struct {
	classOf [256]uint8
	classes int
	next    []uint8 // next[state*classes + class]
	final   uint64  // accepting states, by bit
}

// match tells whether the whole of s, which is UTF-8, matches.
func (d *dfa) match(s []byte) bool {
	state := 1
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			if c > 0xC3 {
				return false
			}
			i++
			c = c<<6 | s[i]&0x3F
		}
		state = int(d.next[state*d.classes+int(d.classOf[c])])
		if state == 0 {
			return false
		}
	}
	return d.final&(1<<state) != 0
}

// isASCII is the pattern of key ids, which is on the path of every request: one or more ASCII characters.
func isASCII(s []byte) bool {
	n := len(s)
	for len(s) >= 8 {
		if binary.LittleEndian.Uint64(s)&highBits != 0 {
			return false
		}
		s = s[8:]
	}
	for _, c := range s {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return n > 0
}

// longer tells whether s has more than limit characters. Most strings are decided by their bytes.
func longer(s []byte, limit int) bool { return len(s) > limit && utf8.RuneCount(s) > limit }

// shorter tells whether s has fewer than limit characters.
func shorter(s []byte, limit int) bool {
	return len(s) < limit || len(s) < limit*utf8.UTFMax && utf8.RuneCount(s) < limit
}
