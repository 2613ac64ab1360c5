package sts

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a form. The largest legal request has about 200 parameters; a web identity token 20,000 bytes.
const (
	maxParameters = 512
	maxForm       = 128 << 10 // bytes
)

// Form is the parameters of a request. The zero value has none.
type Form struct{ pairs []pair }

type pair struct{ name, value string }

// ParseForm reads parts in the form encoding (URL Standard, "application/x-www-form-urlencoded"): a query, a body, or both.
// Stricter than the standard: what is encoded must be UTF-8, and no name may be given twice. Parameters of a presigned
// query (X-Amz-…) are left out. Its error is an *Error.
func ParseForm(parts ...[]byte) (Form, error) {
	var f Form
	for _, part := range parts {
		if len(part) > maxForm {
			return Form{}, malformedQuery("it is too long")
		}
		for text := range strings.SplitSeq(string(part), "&") {
			if text == "" {
				continue
			}
			name, value, _ := strings.Cut(text, "=")
			name, okName := unescape(name)
			value, okValue := unescape(value)
			switch {
			case !okName || !okValue:
				return Form{}, malformedQuery("a parameter is not encoded as a form is, in UTF-8")
			case len(f.pairs) == maxParameters:
				return Form{}, malformedQuery("it has too many parameters")
			case strings.HasPrefix(name, "X-Amz-"):
				continue
			}
			f.pairs = append(f.pairs, pair{name, value})
		}
	}
	slices.SortFunc(f.pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(f.pairs); i++ {
		if f.pairs[i].name == f.pairs[i-1].name {
			return Form{}, malformedQuery("a parameter is given twice")
		}
	}
	return f, nil
}

// unescape undoes the encoding of a name or value; false: it is none.
func unescape(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, utf8.ValidString(s)
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '+':
			b = append(b, ' ')
		case '%':
			if i+2 >= len(s) {
				return "", false
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			b = append(b, byte(n))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b), utf8.Valid(b)
}

// get is a parameter's value; nil: it is not given.
func (f *Form) get(name string) *string {
	i, ok := slices.BinarySearchFunc(f.pairs, name, func(p pair, name string) int { return strings.Compare(p.name, name) })
	if !ok {
		return nil
	}
	return &f.pairs[i].value
}

// Action is what operation the request asks for; empty: it does not say.
func (f *Form) Action() string {
	if v := f.get("Action"); v != nil {
		return *v
	}
	return ""
}

// member is an entry of a list: its members by name, of a list of texts under "".
type member struct {
	index  int
	values map[string]string
}

// list reads NAME.member.N and NAME.member.N.FIELD, in order of N. A member whose number is none is not read.
func (f *Form) list(name string) []member {
	byIndex := map[int]*member{}
	for _, p := range f.pairs {
		rest, ok := strings.CutPrefix(p.name, name+".member.")
		if !ok {
			continue
		}
		number, field, _ := strings.Cut(rest, ".")
		i, err := strconv.Atoi(number)
		if err != nil || i < 1 {
			continue
		}
		if byIndex[i] == nil {
			byIndex[i] = &member{index: i, values: map[string]string{}}
		}
		byIndex[i].values[field] = p.value
	}
	out := make([]member, 0, len(byIndex))
	for _, m := range byIndex {
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b member) int { return cmp.Compare(a.index, b.index) })
	return out
}
