package wire

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// lexer reads one JSON text (RFC 8259) in place. Strings are unescaped where they stand, behind the reading
// position, so nothing before position i is ever read again. After a failure i is at the end, where every
// reader fails without progress; the first failure is kept.
type lexer struct {
	b   []byte
	i   int
	err *Error
}

// maxDepth is how deep skipped members may nest (chosen: Jackson's own default).
const maxDepth = 1000

// begin goes to the top-level object. It is false for an empty body, which stands for {}.
func (l *lexer) begin() bool {
	l.space()
	if l.i == len(l.b) {
		return false
	}
	switch l.b[l.i] {
	case '{', '[':
		return true // a list is refused where the object is entered, with the service's text
	}
	l.fail(malformed)
	return false
}

// end checks that only white space follows.
func (l *lexer) end() {
	l.space()
	if l.i < len(l.b) {
		l.fail(malformed)
	}
}

// fail keeps the first failure and stops all progress.
func (l *lexer) fail(e *Error) {
	if l.err == nil {
		l.err = e
	}
	l.i = len(l.b)
}

// peek is the byte at the reading position, 0 at the end.
func (l *lexer) peek() byte {
	if l.i < len(l.b) {
		return l.b[l.i]
	}
	return 0
}

// space skips white space.
func (l *lexer) space() {
	for l.i < len(l.b) {
		if c := l.b[l.i]; c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return
		}
		l.i++
	}
}

// enter consumes the opening of an object or list and tells whether an entry follows.
func (l *lexer) enter(want wanted) bool {
	open, closing := byte('{'), byte('}')
	if want == wantList {
		open, closing = '[', ']'
	}
	if l.peek() != open {
		l.mismatch(want)
		return false
	}
	l.i++
	l.space()
	if l.peek() == closing {
		l.i++
		return false
	}
	return l.err == nil
}

// more consumes what stands after an entry and tells whether another one follows.
func (l *lexer) more(closing byte) bool {
	l.space()
	switch l.peek() {
	case ',':
		l.i++
		l.space()
		return true
	case closing:
		l.i++
		return false
	}
	l.fail(malformed)
	return false
}

// name reads a member's name and goes to its value.
func (l *lexer) name() []byte {
	if l.peek() != '"' {
		l.fail(malformed)
		return nil
	}
	name := l.quoted()
	l.space()
	if l.peek() != ':' {
		l.fail(malformed)
		return nil
	}
	l.i++
	l.space()
	return name
}

// null consumes a null, if there is one.
func (l *lexer) null() bool {
	if l.peek() != 'n' {
		return false
	}
	l.literal("null")
	return true
}

// literal consumes one of the three words of the grammar.
func (l *lexer) literal(word string) {
	if len(l.b)-l.i < len(word) || string(l.b[l.i:l.i+len(word)]) != word {
		l.fail(malformed)
		return
	}
	l.i += len(word)
}

// text reads a string; nil stands for null.
func (l *lexer) text() []byte {
	switch l.peek() {
	case '"':
		return l.quoted()
	case 'n':
		l.literal("null")
		return nil
	}
	l.mismatch(wantString)
	return nil
}

// quoted reads the string that starts here.
func (l *lexer) quoted() []byte {
	b, i := l.b, l.i+1
	start := i
	for {
		for len(b)-i >= 8 {
			if hit := special(binary.LittleEndian.Uint64(b[i:])); hit != 0 {
				i += bits.TrailingZeros64(hit) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			break
		}
		switch c := b[i]; {
		case c == '"':
			l.i = i + 1
			return b[start:i:i]
		case c == '\\':
			return l.unescape(start, i)
		case c < ' ':
			l.fail(malformed)
			return nil
		case c < utf8.RuneSelf:
			i++
		default:
			_, n := utf8.DecodeRune(b[i:])
			if n == 1 {
				l.fail(malformed)
				return nil
			}
			i += n
		}
	}
	l.fail(malformed)
	return nil
}

// unescape finishes a string in which an escape stands at i; to is where the next byte goes.
func (l *lexer) unescape(start, i int) []byte {
	b, to := l.b, i
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			l.i = i + 1
			return b[start:to:to]
		case c == '\\':
			r, n := escaped(b[i:])
			if n == 0 {
				l.fail(malformed)
				return nil
			}
			i += n
			// An escape is never shorter than the UTF-8 of what it stands for.
			to += utf8.EncodeRune(b[to:to+utf8.RuneLen(r)], r)
		case c < ' ':
			l.fail(malformed)
			return nil
		case c < utf8.RuneSelf:
			b[to] = c
			to++
			i++
		default:
			_, n := utf8.DecodeRune(b[i:])
			if n == 1 {
				l.fail(malformed)
				return nil
			}
			to += copy(b[to:], b[i:i+n])
			i += n
		}
	}
	l.fail(malformed)
	return nil
}

// escaped reads the escape at the start of b and returns its character and its length; length 0 is a bad
// escape or a lone surrogate.
func escaped(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := hex4(b)
		if r < 0xD800 || r > 0xDFFF {
			if r < 0 {
				return 0, 0
			}
			return r, 6
		}
		if low := hex4(b[min(6, len(b)):]); r < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF {
			return (r-0xD800)<<10 | (low - 0xDC00) + 0x10000, 12
		}
	}
	return 0, 0
}

// hex4 reads the \uXXXX at the start of b; -1 if there is none.
func hex4(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	r := rune(0)
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
