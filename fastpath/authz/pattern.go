package authz

import (
	"strings"
	"unicode/utf8"
)

// In the text of a compiled pattern these stand for the wildcards, so that a '*' that came from ${*} or from a variable's
// value is a plain one. No policy and no value has these bytes: they are not UTF-8.
const (
	anyWithin = 0xFD // '*' that ends before a colon
	anyText   = 0xFE // '*'
	anyRune   = 0xFF // '?'
)

// form is how a pattern is matched.
type form uint8

const (
	exactly  form = iota // text is the value
	prefixed             // text is how the value begins
	pieced               // pieces stand in the value, with anything between them
	wild                 // text has wildcards
	template             // parts hold variables
)

// pattern is a text of a policy that values are compared with.
type pattern struct {
	form   form
	text   string
	pieces []string
	parts  []part
}

// part is a piece of a template: a text with wildcards, or a variable.
type part struct {
	text     string // or the default of a variable
	variable bool
	fallback bool // the variable has a default
	key      Key
	name     string
}

// compilePattern reads a text; wildcards and variables say whether the text may have them. ok is false for a text whose
// variables cannot be read: nothing matches it.
func compilePattern(s string, wildcards, variables bool) (p pattern, ok bool) {
	if !variables || !strings.Contains(s, "${") {
		return plainPattern(marked(s, wildcards)), true
	}
	var literal strings.Builder
	for s != "" {
		before, rest, found := strings.Cut(s, "${")
		literal.WriteString(marked(before, wildcards))
		if !found {
			break
		}
		v, after, ok := readVariable(rest)
		if !ok {
			return pattern{}, false
		}
		s = after
		if !v.variable { // ${*}, ${?}, ${$}
			literal.WriteString(v.text)
			continue
		}
		p.parts = append(p.parts, part{text: literal.String()}, v)
		literal.Reset()
	}
	if p.parts == nil {
		return plainPattern(literal.String()), true
	}
	p.form = template
	p.parts = append(p.parts, part{text: literal.String()})
	return p, true
}

// readVariable reads what follows "${": a key, or a key and a default in quotes.
func readVariable(s string) (v part, after string, ok bool) {
	for _, escape := range []string{"*", "?", "$"} {
		if after, ok := strings.CutPrefix(s, escape+"}"); ok {
			return part{text: escape}, after, true
		}
	}
	end := strings.IndexAny(s, ",}")
	if end < 0 {
		return part{}, "", false
	}
	v.variable = true
	v.key, v.name = KeyNamed(strings.TrimSpace(s[:end]))
	if s[end] == '}' {
		return v, s[end+1:], v.key != KeyNone
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(s[end+1:], " "), "'")
	if !ok {
		return part{}, "", false
	}
	v.fallback = true
	if v.text, rest, ok = strings.Cut(rest, "'"); !ok {
		return part{}, "", false
	}
	after, ok = strings.CutPrefix(strings.TrimLeft(rest, " "), "}")
	return v, after, ok && v.key != KeyNone
}

func marked(s string, wildcards bool) string {
	if !wildcards || !strings.ContainsAny(s, "*?") {
		return s
	}
	b := []byte(s)
	for i := range b {
		switch b[i] {
		case '*':
			b[i] = anyText
		case '?':
			b[i] = anyRune
		}
	}
	return string(b)
}

func plainPattern(text string) pattern {
	first := 0
	for first < len(text) && text[first] < anyWithin {
		first++
	}
	switch {
	case first == len(text):
		return pattern{form: exactly, text: text}
	case first == len(text)-1 && text[first] == anyText:
		return pattern{form: prefixed, text: text[:first]}
	}
	if strings.IndexByte(text, anyRune) < 0 && strings.IndexByte(text, anyWithin) < 0 {
		return pattern{form: pieced, text: text, pieces: strings.Split(text, string([]byte{anyText}))}
	}
	return pattern{form: wild, text: text}
}

// matches tells whether s is what the pattern describes. A template of which a variable has no value describes nothing.
func (p *pattern) matches(r *Request, s string) bool {
	switch p.form {
	case exactly:
		return p.text == s
	case prefixed:
		return strings.HasPrefix(s, p.text)
	case pieced:
		return matchPieces(p.pieces, s)
	case wild:
		return matchText(p.text, s)
	}
	return r.expand(p.parts) && matchText(r.expanded, s)
}

// everything tells whether the pattern matches any text.
func (p *pattern) everything() bool { return p.form == prefixed && p.text == "" }

// withinParts makes of each '*' of a Resource element one that ends before a colon, unless it is the last of its part of
// the ARN or in the sixth and last part (IAM User Guide, "IAM JSON policy elements: Resource", on wildcards). The pieces of
// a template are looked at one by one: a variable is no end of a part.
func (p pattern) withinParts() pattern {
	colons := 0
	if p.form == pieced || p.form == wild {
		return plainPattern(withinParts(p.text, &colons, true))
	}
	for i := range p.parts {
		if part := &p.parts[i]; !part.variable {
			part.text = withinParts(part.text, &colons, i == len(p.parts)-1)
		}
	}
	return p
}

func withinParts(text string, colons *int, last bool) string {
	b := []byte(text)
	for i, c := range b {
		ends := i+1 < len(b) && b[i+1] == ':' || i+1 == len(b) && last
		switch {
		case c == ':':
			*colons++
		case c == anyText && *colons < 5 && !ends:
			b[i] = anyWithin
		}
	}
	return string(b)
}

// matchText matches a text with the marks of wildcards, in time at most proportional to the product of the lengths.
func matchText[P string | []byte](pattern P, text string) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == anyText:
			star, from = p, t
			p++
		case p < len(pattern) && pattern[p] == anyWithin:
			return matchStates(pattern, text)
		case p < len(pattern) && pattern[p] == anyRune:
			p++
			t += runeLength(text, t)
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0: // let the last star take one more
			from += runeLength(text, from)
			p, t = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == anyText {
		p++
	}
	return p == len(pattern)
}

// matchPieces tells whether s begins with the first of at least two pieces, ends with the last, and has the others between
// them in their order.
func matchPieces(pieces []string, s string) bool {
	first, last := pieces[0], pieces[len(pieces)-1]
	if len(s) < len(first)+len(last) || s[:len(first)] != first || s[len(s)-len(last):] != last {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, piece := range pieces[1 : len(pieces)-1] {
		at := strings.Index(s, piece)
		if at < 0 {
			return false
		}
		s = s[at+len(piece):]
	}
	return true
}

// matchStates is matchText for patterns with a '*' that ends before a colon, where the last '*' is not always the one to
// take more: it keeps all places of the pattern that the text so far can have come to. A '?' is one byte.
func matchStates[P string | []byte](pattern P, text string) bool {
	var few [2][256]bool
	at, next := few[0][:], few[1][:]
	if len(pattern) >= len(at) {
		at, next = make([]bool, len(pattern)+1), make([]bool, len(pattern)+1)
	}
	at, next = at[:len(pattern)+1], next[:len(pattern)+1]
	at[0] = true
	for i := 0; ; i++ {
		for p := range len(pattern) { // a '*' may stand for nothing
			if at[p] && (pattern[p] == anyText || pattern[p] == anyWithin) {
				at[p+1] = true
			}
		}
		if i == len(text) {
			return at[len(pattern)]
		}
		clear(next)
		for p := range len(pattern) {
			switch c := pattern[p]; {
			case !at[p]:
			case c == anyText, c == anyWithin && text[i] != ':':
				next[p] = true
			case c == anyRune, c == text[i]:
				next[p+1] = true
			}
		}
		at, next = next, at
	}
}

func runeLength(s string, at int) int {
	if s[at] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s[at:])
	return n
}

// equalFold is matches without regard to case, for patterns without wildcards.
func (p *pattern) equalFold(r *Request, s string) bool {
	if p.form == exactly {
		return strings.EqualFold(p.text, s)
	}
	return r.expand(p.parts) && strings.EqualFold(view(r.expanded), s)
}

// expand puts the text of a template into r.expanded; it is false where a variable has no value.
func (r *Request) expand(parts []part) bool {
	r.expanded = r.expanded[:0]
	for i := range parts {
		text := parts[i].text
		if parts[i].variable {
			value, ok := r.variable(parts[i].key, parts[i].name)
			if ok {
				text = value
			} else if !parts[i].fallback {
				return false
			}
			if !utf8.ValidString(text) { // it would pass for a wildcard
				return false
			}
		}
		r.expanded = append(r.expanded, text...)
	}
	return true
}
