package wire

import (
	"bytes"
	"math"
	"slices"
)

// boolean reads a boolean; false, false stands for null.
func (l *lexer) boolean() (v, ok bool) {
	switch l.peek() {
	case 't':
		l.literal("true")
		return true, true
	case 'f':
		l.literal("false")
		return false, true
	case 'n':
		l.literal("null")
		return false, false
	}
	l.mismatch(wantBoolean)
	return false, false
}

// integer reads a 32-bit integer, cutting off a fraction; 0, false stands for null.
func (l *lexer) integer() (int32, bool) {
	if l.null() {
		return 0, false
	}
	v, ok := l.number(wantInteger, 0)
	if !ok || v < math.MinInt32 || v > math.MaxInt32 {
		l.fail(integerRange)
		return 0, false
	}
	return int32(v), true
}

// timestamp reads seconds since the epoch, cut to milliseconds; 0, false stands for null.
func (l *lexer) timestamp() (Timestamp, bool) {
	if l.null() {
		return 0, false
	}
	v, ok := l.number(wantTimestamp, 3)
	if !ok {
		l.fail(timestampRange)
		return 0, false
	}
	return Timestamp(v), true
}

// number reads a number and returns it times 10^scale, cut to an integer of at most 18 digits. It is exact:
// no binary fraction is involved. Failures of type and grammar are kept; ok is false for them too.
func (l *lexer) number(want wanted, scale int) (v int64, ok bool) {
	c := l.peek()
	if c != '-' && (c < '0' || c > '9') {
		l.mismatch(want)
		return 0, false
	}
	whole, fraction, exponent, ok := l.numeral()
	if !ok {
		return 0, false
	}
	negative := whole[0] == '-'
	if negative {
		whole = whole[1:]
	}
	if whole[0] == '0' {
		whole = whole[1:]
	}
	if len(whole) == 0 { // zeros after the point shift the first digit
		trimmed := bytes.TrimLeft(fraction, "0")
		exponent -= len(fraction) - len(trimmed)
		fraction = trimmed
		if len(fraction) == 0 {
			return 0, true
		}
	}
	digits := len(whole) + exponent + scale // digits before the point of the result
	if digits > 18 {
		return 0, false
	}
	for k := range digits {
		v *= 10
		switch {
		case k < len(whole):
			v += int64(whole[k] - '0')
		case k-len(whole) < len(fraction):
			v += int64(fraction[k-len(whole)] - '0')
		}
	}
	if negative {
		v = -v
	}
	return v, true
}

// maxExponent is where exponents are clamped; no body is long enough for digits to make up for more.
const maxExponent = 1 << 30

// numeral reads a number by the grammar of RFC 8259 section 6: whole with its sign, the digits after the point, the
// exponent.
func (l *lexer) numeral() (whole, fraction []byte, exponent int, ok bool) {
	start := l.i
	if l.peek() == '-' {
		l.i++
	}
	first := l.i
	l.digits()
	if l.i == first || l.i > first+1 && l.b[first] == '0' {
		l.fail(malformed)
		return nil, nil, 0, false
	}
	whole = l.b[start:l.i]
	if l.peek() == '.' {
		l.i++
		if fraction = l.digits(); len(fraction) == 0 {
			l.fail(malformed)
			return nil, nil, 0, false
		}
	}
	if c := l.peek(); c == 'e' || c == 'E' {
		l.i++
		sign := l.peek()
		if sign == '+' || sign == '-' {
			l.i++
		}
		digits := l.digits()
		if len(digits) == 0 {
			l.fail(malformed)
			return nil, nil, 0, false
		}
		for _, d := range digits {
			exponent = min(exponent*10+int(d-'0'), maxExponent)
		}
		if sign == '-' {
			exponent = -exponent
		}
	}
	return whole, fraction, exponent, true
}

// digits consumes decimal digits.
func (l *lexer) digits() []byte {
	start := l.i
	for l.i < len(l.b) && l.b[l.i]-'0' <= 9 {
		l.i++
	}
	return l.b[start:l.i]
}

// texts reads a list of strings; a null element is nil.
func (l *lexer) texts(store *[][]byte) [][]byte {
	if l.null() {
		return nil
	}
	list := listIn(*store)
	for more := l.enter(wantList); more; more = l.more(']') {
		list = append(list, l.text())
	}
	*store = list
	return list
}

// enums reads a list of enum values and their texts; a null element is 0.
func enums[E ~uint8](l *lexer, store *[]E, raw *[][]byte, parse func([]byte) E) []E {
	texts := l.texts(raw)
	if texts == nil {
		return nil
	}
	list := listIn(*store)
	for _, text := range texts {
		var v E
		if text != nil {
			v = parse(text)
		}
		list = append(list, v)
	}
	*store = list
	return list
}

// pairs reads a map of strings, each key once.
func (l *lexer) pairs(store *[]Pair) []Pair {
	if l.null() {
		return nil
	}
	list := listIn(*store)
	for more := l.enter(wantMap); more; more = l.more('}') {
		key := l.name()
		list = append(list, Pair{key, l.text()})
	}
	*store = list
	return lastOfEach(list)
}

// listIn empties storage for a list that is present, hence not nil.
func listIn[T any](store []T) []T {
	if store == nil {
		return make([]T, 0, 4)
	}
	return store[:0]
}

// fewPairs is up to how many entries comparing each with each is faster than sorting.
const fewPairs = 16

// lastOfEach removes all but the last entry of each key, in place. Large maps are sorted by it, so that thousands
// of entries do not cost millions of comparisons.
func lastOfEach(list []Pair) []Pair {
	if len(list) <= fewPairs {
		kept := list[:0]
		for _, p := range list {
			at := slices.IndexFunc(kept, func(q Pair) bool { return string(q.Key) == string(p.Key) })
			if at >= 0 {
				kept[at] = p
			} else {
				kept = append(kept, p)
			}
		}
		return kept
	}
	slices.SortStableFunc(list, func(p, q Pair) int { return bytes.Compare(p.Key, q.Key) })
	kept := list[:1]
	for _, p := range list[1:] {
		if last := &kept[len(kept)-1]; string(last.Key) == string(p.Key) {
			*last = p
		} else {
			kept = append(kept, p)
		}
	}
	return kept
}
