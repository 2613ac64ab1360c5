package sigv4

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// appendCanonicalRequest appends method, path, query, headers, their names and the body's hash, each ended
// by a line feed but the last ("Create a canonical request" in the IAM User Guide).
func (out *Verified) appendCanonicalRequest(dst []byte, r *Request) ([]byte, error) {
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	dst = appendCanonicalPath(dst, r.Path)
	dst = append(dst, '\n')
	dst, err := out.appendCanonicalQuery(dst, r.RawQuery)
	if err != nil {
		return nil, err
	}
	dst = append(dst, '\n')
	if dst, err = out.appendCanonicalHeaders(dst); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(r.Body)
	return appendHex(dst, &sum), nil
}

// appendCanonicalHeaders appends the signed headers, an empty line, and the list of their names.
func (out *Verified) appendCanonicalHeaders(dst []byte) ([]byte, error) {
	names := out.claim.signedHeaders
	start := len(dst)
	dst, signed, ok := out.appendSignedHeaders(dst, names)
	if !ok {
		// Rare: not sorted, in upper case, or naming a header that is not there.
		out.names = appendSortedNames(out.names[:0], names)
		names = out.names
		if dst, signed, ok = out.appendSignedHeaders(dst[:start], names); !ok {
			return nil, errMismatch
		}
	}
	if err := out.checkSigned(signed); err != nil {
		return nil, err
	}
	dst = append(dst, '\n')
	dst = append(dst, names...)
	return append(dst, '\n'), nil
}

// appendSignedHeaders appends a line for each of the names, which are separated by semicolons. signed has a
// bit for each header of the block that was used. ok is false when the names are not in ascending order or
// one of them is not in the block.
func (out *Verified) appendSignedHeaders(dst, names []byte) (_ []byte, signed uint64, ok bool) {
	var previous []byte
	for more := true; more; {
		name := names
		if i := bytes.IndexByte(names, ';'); i >= 0 {
			name, names = names[:i], names[i+1:]
		} else {
			more = false
		}
		if len(name) == 0 || bytes.Compare(previous, name) > 0 {
			return dst, 0, false
		}
		previous = name
		dst = append(dst, name...)
		var used uint64
		if dst, used = out.appendValues(dst, name); used == 0 {
			return dst, 0, false
		}
		signed |= used
		dst = append(dst, '\n')
	}
	return dst, signed, true
}

// appendValues appends a colon and the values of all headers of a name, in the order received and separated
// by commas.
func (out *Verified) appendValues(dst, name []byte) (_ []byte, used uint64) {
	b := &out.headers
	key := keyOf(name)
	separator := byte(':')
	for i, k := range b.keys[:b.n] {
		if k != key || !equalFold(b.nameOf(i), name) {
			continue
		}
		dst = append(dst, separator)
		separator = ','
		used |= 1 << i
		if value := b.valueOf(i); b.plain && !hasDoubleSpace(value) {
			dst = append(dst, value...)
		} else {
			dst = appendFolded(dst, value)
		}
	}
	return dst, used
}

// hasDoubleSpace says whether two spaces follow each other. Most values have no space at all.
func hasDoubleSpace(value []byte) bool {
	for {
		i := bytes.IndexByte(value, ' ')
		if i < 0 || i+1 >= len(value) {
			return false
		}
		if value[i+1] == ' ' {
			return true
		}
		value = value[i+1:]
	}
}

// appendFolded appends a value with every run of spaces, tabs and line breaks turned into one space.
func appendFolded(dst, value []byte) []byte {
	space := false
	for _, c := range value {
		if isSpace(c) || c == '\r' || c == '\n' {
			space = true
			continue
		}
		if space {
			dst = append(dst, ' ')
			space = false
		}
		dst = append(dst, c)
	}
	return dst
}

// appendSortedNames appends the list of names in lower case and ascending order.
func appendSortedNames(dst, names []byte) []byte {
	list := bytes.Split(bytes.ToLower(names), []byte{';'})
	slices.SortFunc(list, bytes.Compare)
	for i, name := range list {
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = append(dst, name...)
	}
	return dst
}

// checkSigned refuses a request whose Host or x-amz-* headers are not all signed: what is unsigned could be
// changed on the way.
func (out *Verified) checkSigned(signed uint64) error {
	b := &out.headers
	host := false
	for i := range b.list[:b.n] {
		name := b.nameOf(i)
		if signed&(1<<i) != 0 {
			host = host || len(name) == len("host") && equalFold(name, "host")
			continue
		}
		if len(name) > len(amzPrefix) && equalFold(name[:len(amzPrefix)], amzPrefix) {
			return errNotSigned(name)
		}
	}
	if !host {
		return errHostNotSigned
	}
	return nil
}

const amzPrefix = "x-amz-"

// appendCanonicalPath appends the path with empty and dot segments resolved and encoded once more: the path
// of a request is encoded already, and all services but S3 sign it encoded twice.
func appendCanonicalPath(dst, path []byte) []byte {
	if len(path) <= 1 {
		return append(dst, '/')
	}
	start := len(dst)
	for rest := path; len(rest) > 0; {
		segment := rest
		i := bytes.IndexByte(rest, '/')
		if i >= 0 {
			segment, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		switch string(segment) {
		case "", ".":
		case "..":
			if last := bytes.LastIndexByte(dst[start:], '/'); last >= 0 {
				dst = dst[:start+last]
			}
		default:
			dst = append(dst, '/')
			for _, c := range segment {
				dst = appendEncoded(dst, c)
			}
		}
	}
	if len(dst) == start || path[len(path)-1] == '/' || endsInDots(path) {
		dst = append(dst, '/')
	}
	return dst
}

// endsInDots says whether a path's last segment is "." or "..", which stand for a directory.
func endsInDots(path []byte) bool {
	return bytes.HasSuffix(path, []byte("/.")) || bytes.HasSuffix(path, []byte("/.."))
}

// appendEncoded appends a byte percent-encoded, unless it is unreserved (RFC 3986, section 2.3).
func appendEncoded(dst []byte, c byte) []byte {
	if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' {
		return append(dst, c)
	}
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
}

// hexPairs has the two digits of every byte value.
var hexPairs = func() (pairs [256][2]byte) {
	const digits = "0123456789abcdef"
	for i := range pairs {
		pairs[i] = [2]byte{digits[i>>4], digits[i&15]}
	}
	return pairs
}()

// appendHex appends a hash in hexadecimal: a third of the time that encoding/hex takes, four times a request.
func appendHex(dst []byte, hash *[sha256.Size]byte) []byte {
	var text [2 * sha256.Size]byte
	for i, b := range hash {
		pair := &hexPairs[b]
		text[2*i], text[2*i+1] = pair[0], pair[1]
	}
	return append(dst, text[:]...)
}
