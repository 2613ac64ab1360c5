package wire

// badDigit marks bytes that are not in the base64 alphabet; the digits' own bits stay below it.
const badDigit = 0x80

// digitOf is the value of each base64 digit of the standard alphabet (RFC 4648 section 4).
var digitOf = func() (t [256]uint8) {
	for i := range t {
		t[i] = badDigit
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = uint8(i)
	}
	return t
}()

// blob reads padded base64 in place; nil stands for null. The standard library's decoder is not used because it
// skips line breaks, which an escape could bring in.
func (l *lexer) blob() []byte {
	var text []byte
	switch l.peek() {
	case '"':
		text = l.quoted()
	case 'n':
		l.literal("null")
		return nil
	default:
		l.mismatch(wantBlob)
	}
	if l.err != nil {
		return nil
	}
	n, ok := decodeBase64(text)
	if !ok {
		l.fail(badBlob)
		return nil
	}
	return text[:n:n]
}

// decodeBase64 decodes b onto itself and returns the decoded length. Unused bits of the last digit are ignored.
func decodeBase64(b []byte) (n int, ok bool) {
	if len(b)%4 != 0 {
		return 0, false
	}
	if len(b) == 0 {
		return 0, true
	}
	bad := uint8(0)
	i := 0
	for ; i < len(b)-4; i += 4 {
		q := b[i : i+4 : i+4]
		d0, d1, d2, d3 := digitOf[q[0]], digitOf[q[1]], digitOf[q[2]], digitOf[q[3]]
		bad |= d0 | d1 | d2 | d3
		b[n], b[n+1], b[n+2] = d0<<2|d1>>4, d1<<4|d2>>2, d2<<6|d3
		n += 3
	}
	q := [4]byte(b[i:])
	last := 3
	if q[3] == '=' {
		last, q[3] = 2, 'A'
		if q[2] == '=' {
			last, q[2] = 1, 'A'
		}
	}
	d0, d1, d2, d3 := digitOf[q[0]], digitOf[q[1]], digitOf[q[2]], digitOf[q[3]]
	bad |= d0 | d1 | d2 | d3
	group := [3]byte{d0<<2 | d1>>4, d1<<4 | d2>>2, d2<<6 | d3}
	n += copy(b[n:], group[:last])
	return n, bad&badDigit == 0
}
