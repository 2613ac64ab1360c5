package wire

import (
	"strconv"
	"unicode/utf8"
)

// rule is the constraints of one member or list element. Limits of 0 are none: the model has no maximum of 0,
// and a minimum of 0 says nothing.
type rule struct {
	required  bool
	sensitive bool
	min, max  int
	match     func([]byte) bool
	pattern   string // the text of match
	values    string // an enum's values as printed
}

// maxViolations is how many violations are spelled out; the count tells of the rest. It bounds the answer to
// a body with very many bad entries (chosen).
const maxViolations = 100

// violations builds the text of a ValidationException in the order in which constraints are reported.
type violations struct {
	count int
	path  []byte // of the structure being walked, with its final dot
	text  []byte
}

// err is the exception, or nil if nothing was reported.
func (v *violations) err() *Error {
	if v.count == 0 {
		return nil
	}
	noun := " validation errors detected: "
	if v.count == 1 {
		noun = " validation error detected: "
	}
	return &Error{Code: CodeValidationException, Message: strconv.Itoa(v.count) + noun + string(v.text)}
}

// report appends one violation. value is text as printed between "Value" and "at", empty to leave it out.
func (v *violations) report(value []byte, name, must string) {
	v.count++
	if v.count > maxViolations {
		return
	}
	if v.count > 1 {
		v.text = append(v.text, "; "...)
	}
	v.text = append(append(v.text, "Value "...), value...)
	if len(value) > 0 {
		v.text = append(v.text, ' ')
	}
	v.text = append(v.text, "at '"...)
	v.text = append(append(v.text, v.path...), name...)
	v.text = append(v.text, "' failed to satisfy constraint: "...)
	v.text = append(v.text, must...)
}

const (
	mustNotBeNull = "Member must not be null"
	mustSatisfy   = "Member must satisfy constraint: ["
	mapSatisfy    = "Map value must satisfy constraint: [" + mustNotBeNull + "]"
)

func atMost(unit string, n int) string {
	return "Member must have " + unit + " less than or equal to " + strconv.Itoa(n)
}

func atLeast(unit string, n int) string {
	return "Member must have " + unit + " greater than or equal to " + strconv.Itoa(n)
}

func (r *rule) mustMatch() string {
	return "Member must satisfy regular expression pattern: " + r.pattern
}
func (r *rule) mustBeOne() string { return "Member must satisfy enum value set: " + r.values }

// missing reports a null member and tells whether it was one; sensitive members do not even show the null.
func (v *violations) missing(absent bool, name string, r rule) bool {
	if absent && r.required {
		if r.sensitive {
			v.report(nil, name, mustNotBeNull)
		} else {
			v.report([]byte("null"), name, mustNotBeNull)
		}
	}
	return absent
}

// quote prints a value between quotes.
func quote(s []byte) []byte { return append(append([]byte{'\''}, s...), '\'') }

// lengths reports the length of a string, blob or list.
func (v *violations) lengths(n int, value []byte, name string, r rule) {
	if r.max > 0 && n > r.max {
		v.report(value, name, atMost("length", r.max))
	}
	if n < r.min {
		v.report(value, name, atLeast("length", r.min))
	}
}

// member checks a string.
func (v *violations) member(name string, s []byte, r rule) {
	if v.missing(s == nil, name, r) {
		return
	}
	var value []byte
	if !r.sensitive {
		value = quote(s)
	}
	v.lengths(utf8.RuneCount(s), value, name, r)
	if r.match != nil && !r.match(s) {
		v.report(value, name, r.mustMatch())
	}
}

// blob checks a blob, whose value is never shown.
func (v *violations) blob(name string, b []byte, r rule) {
	if !v.missing(b == nil, name, r) {
		v.lengths(len(b), nil, name, r)
	}
}

// integer checks an integer.
func (v *violations) integer(name string, n int32, has bool, r rule) {
	if v.missing(!has, name, r) {
		return
	}
	value := quote(strconv.AppendInt(nil, int64(n), 10))
	if r.max > 0 && int(n) > r.max {
		v.report(value, name, atMost("value", r.max))
	}
	if int(n) < r.min {
		v.report(value, name, atLeast("value", r.min))
	}
}

// enum checks an enum value; raw is the text of an unknown one.
func (v *violations) enum(name string, value uint8, raw []byte, r rule) {
	if !v.missing(value == 0, name, r) && value == unknownValue {
		v.report(quote(raw), name, r.mustBeOne())
	}
}

// list checks a list of strings or, by their texts, of enum values, of which known tells. Constraints of elements
// are reported once for the whole list, all of them, whichever was violated: the form that services of this
// family are known to use; not recorded of this one.
func (v *violations) list(name string, list [][]byte, r, each rule, known func([]byte) bool) {
	if v.missing(list == nil, name, r) {
		return
	}
	v.lengths(len(list), printList(list), name, r)
	for _, s := range list {
		if s == nil || each.max > 0 && longer(s, each.max) || shorter(s, each.min) ||
			each.match != nil && !each.match(s) || known != nil && !known(s) {
			v.report(printList(list), name, mustSatisfy+each.all()+"]")
			return
		}
	}
}

// all lists every constraint of an element.
func (r *rule) all() string {
	text := ""
	if r.max > 0 {
		text += atMost("length", r.max) + ", "
	}
	if r.min > 0 {
		text += atLeast("length", r.min) + ", "
	}
	if r.match != nil {
		text += r.mustMatch() + ", "
	}
	if r.values != "" {
		text += r.mustBeOne() + ", "
	}
	return text + mustNotBeNull
}

// pairs checks a map, whose only constraint is that it has no null values.
func (v *violations) pairs(name string, pairs []Pair, r rule) {
	if v.missing(pairs == nil, name, r) {
		return
	}
	for _, p := range pairs {
		if p.Value == nil {
			v.report(printPairs(pairs), name, mapSatisfy)
			return
		}
	}
}

// enter goes into a structure, a list's element if index is not 0, and returns the path to go back to.
func (v *violations) enter(name string, index int) (back int) {
	back = len(v.path)
	v.path = append(v.path, name...)
	if index > 0 {
		v.path = append(strconv.AppendInt(append(v.path, '.'), int64(index), 10), ".member"...)
	}
	v.path = append(v.path, '.')
	return back
}

// leave goes back.
func (v *violations) leave(back int) { v.path = v.path[:back] }

// nullElement reports a null in a list of structures.
func (v *violations) nullElement(name string, index int) {
	v.report([]byte("null"), name+"."+strconv.Itoa(index)+".member", mustNotBeNull)
}

// printList prints a list in Java's style.
func printList(list [][]byte) []byte {
	out := []byte("'[")
	for i, s := range list {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = appendOrNull(out, s)
	}
	return append(out, "]'"...)
}

// printPairs prints a map in Java's style.
func printPairs(pairs []Pair) []byte {
	out := []byte("'{")
	for i, p := range pairs {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = appendOrNull(append(append(out, p.Key...), '='), p.Value)
	}
	return append(out, "}'"...)
}

// appendOrNull appends a value of a list or map.
func appendOrNull(out, s []byte) []byte {
	if s == nil {
		return append(out, "null"...)
	}
	return append(out, s...)
}
