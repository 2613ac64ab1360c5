package sigv4

import (
	"bytes"
	"math"
)

// maxHeaders bounds a request's headers: an SDK sends about twelve. It is also the width of a bitmap.
const maxHeaders = 64

// header is one header line as offsets into the block: the name, and the value without surrounding space.
type header struct{ name, nameEnd, value, valueLength uint32 }

// headerBlock is a scanned header block.
type headerBlock struct {
	raw   []byte
	n     int
	plain bool               // no value needs more than runs of spaces folded: the block has no tab and no continued line
	keys  [maxHeaders]uint32 // keyOf each name, apart so that a search stays within a few cache lines
	list  [maxHeaders]header
}

func (b *headerBlock) reset() { b.raw, b.n = nil, 0 }

// isOf says whether the scan is of this very slice.
func (b *headerBlock) isOf(raw []byte) bool {
	return b.raw != nil && len(raw) == len(b.raw) && (len(raw) == 0 || &raw[0] == &b.raw[0])
}

// keyOf folds a name's length and three of its bytes, caseless, so that most comparisons are of one word.
func keyOf[T string | []byte](name T) uint32 {
	n := len(name)
	return uint32(n&0xff)<<24 | uint32(name[0]|0x20)<<16 | uint32(name[n-1]|0x20)<<8 | uint32(name[n/2]|0x20)
}

// Scan finds the headers in a raw block. Its error is an *Error. A Verify that follows with the same block
// uses the scan, so that whoever reuses buffers scans, or calls Reset, for each request.
func (out *Verified) Scan(rawHeaders []byte) error {
	b := &out.headers
	b.reset()
	if uint64(len(rawHeaders)) > math.MaxUint32 {
		return errHeaderSyntax
	}
	continued := false
	for pos := 0; pos < len(rawHeaders); {
		length := bytes.IndexByte(rawHeaders[pos:], '\n')
		if length < 0 {
			return errHeaderSyntax
		}
		line, start := rawHeaders[pos:pos+length], pos
		pos += length + 1
		if length > 0 && line[length-1] == '\r' {
			line = line[:length-1]
		}
		if len(line) == 0 {
			break
		}
		if isSpace(line[0]) {
			if b.n == 0 {
				return errHeaderSyntax
			}
			continued = true
			b.continueValue(start, line)
			continue
		}
		if b.n == maxHeaders {
			return errTooManyHeaders
		}
		if !b.add(start, line) {
			return errHeaderSyntax
		}
	}
	b.raw = rawHeaders
	b.plain = !continued && bytes.IndexByte(rawHeaders, '\t') < 0
	return nil
}

// add reads one line that begins at an offset of the block; false: it is not a header.
func (b *headerBlock) add(start int, line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || isSpace(line[colon-1]) {
		return false
	}
	from, to := trim(line, colon+1)
	b.keys[b.n] = keyOf(line[:colon])
	b.list[b.n] = header{uint32(start), uint32(start + colon), uint32(start + from), uint32(to - from)}
	b.n++
	return true
}

// continueValue lengthens the last header's value by a continuation line (RFC 9112, section 5.2: obs-fold).
// The line break stays inside the value; appendFolded takes it out.
func (b *headerBlock) continueValue(start int, line []byte) {
	from, to := trim(line, 0)
	h := &b.list[b.n-1]
	if from == to {
		return
	}
	if h.valueLength == 0 {
		h.value = uint32(start + from)
	}
	h.valueLength = uint32(start+to) - h.value
}

// trim gives the bounds of line from offset from on without the spaces and tabs around.
func trim(line []byte, from int) (start, end int) {
	start, end = from, len(line)
	for start < end && isSpace(line[start]) {
		start++
	}
	for end > start && isSpace(line[end-1]) {
		end--
	}
	return start, end
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func (b *headerBlock) nameOf(i int) []byte {
	h := &b.list[i]
	return b.raw[h.name:h.nameEnd]
}

func (b *headerBlock) valueOf(i int) []byte {
	h := &b.list[i]
	return b.raw[h.value : h.value+h.valueLength]
}

// Header finds the first header of a name, which is given in lower case. The value comes without the space
// around it, and is a view into the scanned block.
func (out *Verified) Header(name string) ([]byte, bool) {
	if name == "" {
		return nil, false
	}
	b := &out.headers
	key := keyOf(name)
	for i, k := range b.keys[:b.n] {
		if k == key && equalFold(b.nameOf(i), name) {
			return b.valueOf(i), true
		}
	}
	return nil, false
}

// equalFold compares a name as received with one in lower case.
func equalFold[T string | []byte](name []byte, lower T) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Signs tells whether the verified signature covers the headers of a name, which is given in lower case.
func (out *Verified) Signs(name string) bool {
	for rest := out.claim.signedHeaders; len(rest) > 0; {
		var one []byte
		one, rest, _ = bytes.Cut(rest, []byte{';'})
		if equalFold(one, name) {
			return true
		}
	}
	return false
}
