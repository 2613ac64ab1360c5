package sigv4

import (
	"bytes"
	"slices"
)

const (
	maxParams   = 32         // query parameters of one request
	maxLifetime = 7 * 86_400 // seconds, the most that X-Amz-Expires may say
)

// param is one query parameter as offsets into the scratch: encoded canonically.
type param struct{ name, nameEnd, valueEnd int }

// readQueryForm reads a presigned query. A request with none of its parameters is not authenticated at all.
func (out *Verified) readQueryForm(rawQuery []byte) error {
	c := &out.claim
	var algorithmName, date, lifetime []byte
	found, hasLifetime := false, false
	// Decoding never lengthens, so that params does not move while views into it are taken.
	out.params = slices.Grow(out.params[:0], len(rawQuery))
	for name, value, rest := nextParam(rawQuery); name != nil; name, value, rest = nextParam(rest) {
		var target *[]byte
		switch string(name) {
		case "X-Amz-Algorithm":
			target, found = &algorithmName, true
		case "X-Amz-Credential":
			target, found = &c.credential, true
		case "X-Amz-Signature":
			target, found = &c.signature, true
		case "X-Amz-SignedHeaders":
			target = &c.signedHeaders
		case "X-Amz-Date":
			target = &date
		case "X-Amz-Expires":
			target, hasLifetime = &lifetime, true
		case "X-Amz-Security-Token":
			target = &c.token
		default:
			continue
		}
		*target = out.decode(value)
	}
	if !found {
		return errMissing
	}
	out.Presigned = true
	if len(algorithmName) == 0 || len(c.credential) == 0 || len(c.signature) == 0 || len(c.signedHeaders) == 0 || len(date) == 0 {
		return errIncompleteQuery(c, algorithmName, date)
	}
	if string(algorithmName) != algorithm {
		return errAlgorithm(algorithmName)
	}
	if !c.splitCredential() {
		return errCredentialElements(c.credential)
	}
	if !c.setTime(date) {
		return errDateFormat(date)
	}
	if hasLifetime {
		n, ok := digits(lifetime)
		if !ok || len(lifetime) > len("604800") || n < 1 || n > maxLifetime {
			return errLifetime(lifetime)
		}
		c.lifetime = int64(n)
	}
	if c.token == nil {
		c.token, _ = out.Header("x-amz-security-token")
	}
	return nil
}

// nextParam cuts the first parameter off a raw query; name is nil at the end. Empty parts are skipped.
func nextParam(query []byte) (name, value, rest []byte) {
	for len(query) > 0 {
		part := query
		if i := bytes.IndexByte(query, '&'); i >= 0 {
			part, query = query[:i], query[i+1:]
		} else {
			query = nil
		}
		if len(part) == 0 {
			continue
		}
		if i := bytes.IndexByte(part, '='); i >= 0 {
			return part[:i:i], part[i+1:], query
		}
		return part, nil, query
	}
	return nil, nil, nil
}

// decode undoes percent-encoding into params, whose capacity holds the whole query.
func (out *Verified) decode(value []byte) []byte {
	start := len(out.params)
	for i := 0; i < len(value); {
		c, n := decodeByte(value[i:])
		out.params = append(out.params, c)
		i += n
	}
	return out.params[start:]
}

// decodeByte reads one byte of a query component and says how many bytes it took. A '%' that begins no
// escape stands for itself.
func decodeByte(s []byte) (c byte, n int) {
	switch {
	case s[0] == '+':
		return ' ', 1
	case s[0] == '%' && len(s) >= 3:
		high, low := unhex(s[1]), unhex(s[2])
		if high|low < 16 {
			return high<<4 | low, 3
		}
	}
	return s[0], 1
}

// unhex gives a hexadecimal digit's value, 255 for any other byte.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// appendCanonicalQuery appends the canonical query string: each name and value decoded and encoded anew,
// sorted by the encoded names, then values. A query form's own signature is left out.
func (out *Verified) appendCanonicalQuery(dst, rawQuery []byte) ([]byte, error) {
	if len(rawQuery) == 0 {
		return dst, nil
	}
	// The encoded parameters are laid down in params behind the decoded ones, which are still in use, and
	// then copied in order. Encoding at most trebles.
	base := len(out.params)
	encoded := slices.Grow(out.params, 3*len(rawQuery))
	n := 0
	for name, value, rest := nextParam(rawQuery); name != nil; name, value, rest = nextParam(rest) {
		if out.Presigned && string(name) == "X-Amz-Signature" {
			continue
		}
		if n == maxParams {
			return nil, errTooManyParams
		}
		p := &out.query[n]
		p.name = len(encoded)
		encoded = appendEncodedParam(encoded, name)
		p.nameEnd = len(encoded)
		encoded = appendEncodedParam(encoded, value)
		p.valueEnd = len(encoded)
		n++
	}
	slices.SortStableFunc(out.query[:n], func(a, b param) int {
		if order := bytes.Compare(encoded[a.name:a.nameEnd], encoded[b.name:b.nameEnd]); order != 0 {
			return order
		}
		return bytes.Compare(encoded[a.nameEnd:a.valueEnd], encoded[b.nameEnd:b.valueEnd])
	})
	for i, p := range out.query[:n] {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, encoded[p.name:p.nameEnd]...)
		dst = append(dst, '=')
		dst = append(dst, encoded[p.nameEnd:p.valueEnd]...)
	}
	out.params = encoded[:base]
	return dst, nil
}

func appendEncodedParam(dst, component []byte) []byte {
	for i := 0; i < len(component); {
		c, n := decodeByte(component[i:])
		dst = appendEncoded(dst, c)
		i += n
	}
	return dst
}
