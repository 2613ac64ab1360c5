package wire

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// badDigit marks bytes that are not in the base64 alphabet; the digits' own bits stay below it.
const badDigit = 0x80

// alphabet is the standard one (RFC 4648 section 4).
var alphabet = [64]byte([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))

// digitOf is the value of each base64 digit.
var digitOf = func() (t [256]uint8) {
	for i := range t {
		t[i] = badDigit
	}
	for i, c := range alphabet {
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
	// Eight digits give six bytes, stored as eight: what is read of b is always ahead of what is written.
	for ; i < len(b)-8; i += 8 {
		q := b[i : i+8 : i+8]
		d0, d1, d2, d3 := digitOf[q[0]], digitOf[q[1]], digitOf[q[2]], digitOf[q[3]]
		d4, d5, d6, d7 := digitOf[q[4]], digitOf[q[5]], digitOf[q[6]], digitOf[q[7]]
		bad |= d0 | d1 | d2 | d3 | d4 | d5 | d6 | d7
		binary.BigEndian.PutUint64(b[n:], uint64(d0)<<58|uint64(d1)<<52|uint64(d2)<<46|uint64(d3)<<40|
			uint64(d4)<<34|uint64(d5)<<28|uint64(d6)<<22|uint64(d7)<<16)
		n += 6
	}
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

// appendBlob appends a blob as a JSON string of padded base64.
func appendBlob(dst, b []byte) []byte {
	n := base64.StdEncoding.EncodedLen(len(b))
	dst = append(slices.Grow(dst, n+2), '"')
	out := dst[len(dst) : len(dst)+n]
	// Six bytes of an eight-byte load give eight digits. The table is one cache line; one of pairs (8 KiB) is
	// faster in a benchmark but would push the rest of a request out of the cache.
	for len(b) >= 8 && len(out) >= 8 {
		x, q := binary.BigEndian.Uint64(b), out[:8:8]
		q[0], q[1] = alphabet[x>>58], alphabet[x>>52&63]
		q[2], q[3] = alphabet[x>>46&63], alphabet[x>>40&63]
		q[4], q[5] = alphabet[x>>34&63], alphabet[x>>28&63]
		q[6], q[7] = alphabet[x>>22&63], alphabet[x>>16&63]
		b, out = b[6:], out[8:]
	}
	base64.StdEncoding.Encode(out, b)
	return append(dst[:len(dst)+n], '"')
}
