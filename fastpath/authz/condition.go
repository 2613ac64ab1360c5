package authz

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"time"
)

// condition is one test of a Condition block in its compiled form. Values that cannot be read as what the operator
// compares are left out: they match nothing.
type condition struct {
	operator
	key  Key
	name string

	patterns []pattern           // texts
	lookup   map[string]struct{} // in place of patterns, of many plain texts
	arns     []arnPattern
	numbers  []float64
	dates    []time.Time
	prefixes []netip.Prefix
	// bools tells which of false and true are among the values.
	bools [2]bool
	// unknown marks an operator that does not exist: the condition never holds.
	unknown bool
}

// arnPattern is a pattern of an ARN, whose six parts are matched one by one.
type arnPattern [6]pattern

func compileCondition(c *Condition, variables bool) condition {
	op, ok := operatorNamed(c.Operator)
	out := condition{operator: op, unknown: !ok}
	out.key, out.name = KeyNamed(c.Key)
	for _, v := range c.Values {
		out.add(v, variables)
	}
	if len(out.patterns) > fewNames && out.comparison == compareText {
		out.index()
	}
	return out
}

// index makes a lookup of the texts, if all are plain.
func (c *condition) index() {
	lookup := make(map[string]struct{}, len(c.patterns))
	for i := range c.patterns {
		if c.patterns[i].form != exactly {
			return
		}
		lookup[c.patterns[i].text] = struct{}{}
	}
	c.patterns, c.lookup = nil, lookup
}

// add reads one value of the policy.
func (c *condition) add(v string, variables bool) {
	switch c.comparison {
	case compareText, compareFolded, compareLike:
		if p, ok := compilePattern(v, c.comparison == compareLike, variables); ok {
			c.patterns = append(c.patterns, p)
		}
	case compareARN:
		if p, ok := compileARN(v, variables); ok {
			c.arns = append(c.arns, p)
		}
	case compareNumber:
		if n, ok := number(v); ok {
			c.numbers = append(c.numbers, n)
		}
	case compareDate:
		if t, ok := date(v); ok {
			c.dates = append(c.dates, t)
		}
	case compareBool, testNull:
		if b, ok := boolean(v); ok {
			c.bools[b] = true
		}
	case compareBinary:
		// Both sides are base64; the policy's is brought to the form that the request's has.
		if b, err := base64.StdEncoding.DecodeString(v); err == nil {
			c.patterns = append(c.patterns, pattern{text: base64.StdEncoding.EncodeToString(b)})
		}
	case compareIP:
		if p, ok := prefix(v); ok {
			c.prefixes = append(c.prefixes, p)
		}
	}
}

// holds decides the condition for a request.
func (c *condition) holds(r *Request) bool {
	values, present := r.values(c.key, c.name)
	// An empty text alone is an empty set to the set operators (IAM User Guide, "Set operators for multivalued context keys").
	present = present && len(values) > 0 && (c.quantifier == unquantified || len(values) > 1 || values[0] != "")
	switch {
	case c.unknown:
		return false
	case c.comparison == testNull:
		return c.bools[bit(!present)]
	case !present && (c.ifExists || c.quantifier == forAllValues):
		return true
	case !present:
		return c.negated && c.quantifier != forAnyValue
	}
	switch c.quantifier {
	case forAllValues:
		for _, v := range values {
			if c.matches(r, v) == c.negated {
				return false
			}
		}
		return true
	case forAnyValue:
		for _, v := range values {
			if c.matches(r, v) != c.negated {
				return true
			}
		}
		return false
	}
	for _, v := range values {
		if c.matches(r, v) {
			return !c.negated
		}
	}
	return c.negated
}

// matches tells whether a value of the request matches any of the policy's.
func (c *condition) matches(r *Request, value string) bool {
	switch c.comparison {
	case compareText, compareLike, compareBinary:
		if c.lookup != nil {
			_, ok := c.lookup[value]
			return ok
		}
		for i := range c.patterns {
			if c.patterns[i].matches(r, value) {
				return true
			}
		}
	case compareFolded:
		for i := range c.patterns {
			if c.patterns[i].equalFold(r, value) {
				return true
			}
		}
	case compareARN:
		return c.matchesARN(r, value)
	case compareNumber:
		return c.matchesNumber(value)
	case compareDate:
		return c.matchesDate(value)
	case compareBool:
		b, ok := boolean(value)
		return ok && c.bools[b]
	case compareIP:
		return c.matchesIP(value)
	}
	return false
}

func (c *condition) matchesNumber(value string) bool {
	n, ok := number(value)
	if !ok && c.key == KeyEpochTime { // given as a date
		var t time.Time
		if t, ok = date(value); ok {
			n = float64(t.Unix())
		}
	}
	if !ok {
		return false
	}
	for _, want := range c.numbers {
		sign := 0
		if n < want {
			sign = -1
		} else if n > want {
			sign = 1
		}
		if c.order.compare(sign) {
			return true
		}
	}
	return false
}

func (c *condition) matchesDate(value string) bool {
	t, ok := date(value)
	if !ok {
		return false
	}
	for i := range c.dates {
		if c.order.compare(t.Compare(c.dates[i])) {
			return true
		}
	}
	return false
}

func (c *condition) matchesIP(value string) bool {
	ip, err := netip.ParseAddr(value)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	for _, p := range c.prefixes {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func compileARN(v string, variables bool) (out arnPattern, ok bool) {
	var segments [6]string
	if !splitARN(v, variables, &segments) {
		return out, false
	}
	for i, s := range segments {
		if out[i], ok = compilePattern(s, true, variables); !ok {
			return out, false
		}
	}
	return out, true
}

// splitARN cuts a text into the six parts of an ARN; colons of variables are none of its own.
func splitARN(s string, variables bool, out *[6]string) bool {
	for i := range 5 {
		at := 0
		for at < len(s) && s[at] != ':' {
			if variables && strings.HasPrefix(s[at:], "${") {
				if end := strings.IndexByte(s[at:], '}'); end > 0 {
					at += end
				}
			}
			at++
		}
		if at >= len(s) {
			return false
		}
		out[i], s = s[:at], s[at+1:]
	}
	out[5] = s
	return true
}

func (c *condition) matchesARN(r *Request, value string) bool {
	var segments [6]string
	if !splitARN(value, false, &segments) {
		return false
	}
next:
	for i := range c.arns {
		for j := len(segments) - 1; j >= 0; j-- { // the last tells most
			if !c.arns[i][j].matches(r, segments[j]) {
				continue next
			}
		}
		return true
	}
	return false
}
