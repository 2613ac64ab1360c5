package wire

import (
	"math/bits"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

const lowerHex = "0123456789abcdef"

// appendString appends s as a JSON string (RFC 8259 section 7): quotes, backslashes and control characters
// are escaped, everything else stands as it is; bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := plainLength(s); i < len(s); i += plainLength(s[i:]) {
		c := s[i]
		if c < utf8.RuneSelf {
			dst = appendEscape(append(dst, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
			start = i + 1
		}
		i += n
	}
	return append(append(dst, s[start:]...), '"')
}

// plainLength is how many bytes at the start of s are ASCII that stands in a JSON string as it is.
func plainLength(s string) int {
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		// The compiler makes one load of this.
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if hit := special(w); hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// appendEscape appends the escape of a quote, backslash or control character.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
}

// appendTimestamp appends seconds since the epoch with one to three decimals, as the service does:
// 1568565290.0, 1593622000.191.
func appendTimestamp(dst []byte, t Timestamp) []byte {
	if t < 0 {
		dst = append(dst, '-')
		t = -t
	}
	dst = strconv.AppendInt(dst, int64(t/1000), 10)
	ms := int(t % 1000)
	dst = append(dst, '.', byte('0'+ms/100))
	if ms%100 != 0 {
		dst = append(dst, byte('0'+ms/10%10))
	}
	if ms%10 != 0 {
		dst = append(dst, byte('0'+ms%10))
	}
	return dst
}

// appendInt appends a 32-bit integer.
func appendInt(dst []byte, n int32) []byte { return strconv.AppendInt(dst, int64(n), 10) }

// closeObject ends an object whose members were appended from start, each after a comma.
func closeObject(dst []byte, start int) []byte {
	if len(dst) == start {
		return append(dst, "{}"...)
	}
	dst[start] = '{'
	return append(dst, '}')
}

// closeList is closeObject for lists.
func closeList(dst []byte, start int) []byte {
	if len(dst) == start {
		return append(dst, "[]"...)
	}
	dst[start] = '['
	return append(dst, ']')
}

// appendStrings appends a list of strings.
func appendStrings(dst []byte, list []string) []byte {
	start := len(dst)
	for _, s := range list {
		dst = appendString(append(dst, ','), s)
	}
	return closeList(dst, start)
}

// appendEnums appends a list of enum values.
func appendEnums[E interface{ String() string }](dst []byte, list []E) []byte {
	start := len(dst)
	for _, v := range list {
		dst = append(dst, ',', '"')
		dst = append(append(dst, v.String()...), '"')
	}
	return closeList(dst, start)
}

// appendStructures appends a list of structures.
func appendStructures[S any, P interface {
	*S
	Response
}](dst []byte, list []S) []byte {
	start := len(dst)
	for i := range list {
		dst = P(&list[i]).AppendJSON(append(dst, ','))
	}
	return closeList(dst, start)
}

// appendPairs appends a map.
func appendPairs(dst []byte, pairs []ResponsePair) []byte {
	start := len(dst)
	for _, p := range pairs {
		dst = appendString(append(dst, ','), p.Key)
		dst = appendString(append(dst, ':'), p.Value)
	}
	return closeObject(dst, start)
}

// AppendText appends text, which need not be UTF-8, as a JSON string in the same way as answers hold it.
func AppendText(dst, text []byte) []byte {
	return appendString(dst, unsafe.String(unsafe.SliceData(text), len(text)))
}
