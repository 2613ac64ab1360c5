package wire

// skip reads over one value of any kind. Containers are kept as bits (1 is an object), not on the stack, so
// the depth of a body costs nothing but its own bytes.
func (l *lexer) skip() {
	var objects [maxDepth/64 + 1]uint64
	depth := 0
	for {
		switch c := l.peek(); {
		case c == '{' || c == '[':
			if depth == maxDepth {
				l.fail(malformed)
				return
			}
			bit := uint64(1) << (depth % 64)
			objects[depth/64] &^= bit
			want := wantList
			if c == '{' {
				objects[depth/64] |= bit
				want = wantStructure
			}
			if l.enter(want) {
				depth++
				if c == '{' {
					l.name()
				}
				continue
			}
		case c == '"':
			l.quoted()
		case c == 't':
			l.literal("true")
		case c == 'f':
			l.literal("false")
		case c == 'n':
			l.literal("null")
		case c == '-' || '0' <= c && c <= '9':
			l.numeral()
		default:
			l.fail(malformed)
		}
		for {
			if depth == 0 || l.err != nil {
				return
			}
			object := objects[(depth-1)/64]&(1<<((depth-1)%64)) != 0
			closing := byte(']')
			if object {
				closing = '}'
			}
			if l.more(closing) {
				if object {
					l.name()
				}
				break
			}
			depth--
		}
	}
}
