package authztest

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"trent/fastpath/authz"
)

// holds tells whether one condition holds (IAM User Guide, "IAM JSON policy elements: Condition operators" and
// "Conditions with multiple context keys or values").
func (e evaluation) holds(c *authz.Condition, variables bool) bool {
	operator := strings.ToLower(c.Operator)
	operator, all := strings.CutPrefix(operator, "forallvalues:")
	operator, some := strings.CutPrefix(operator, "foranyvalue:")
	operator, ifExists := strings.CutSuffix(operator, "ifexists")
	values, present := e.values(c.Key)
	if operator == "null" {
		return slices.ContainsFunc(c.Values, func(v string) bool { return strings.EqualFold(v, "true") != present })
	}
	positive, negated := positiveOf(operator)
	test := func(value string) bool {
		hit := slices.ContainsFunc(c.Values, func(want string) bool { return e.compare(positive, want, value, variables) })
		return hit != negated
	}
	switch {
	case !present && (ifExists || all):
		return true
	case !present && some:
		return false
	case !present:
		return negated
	case all:
		for _, v := range values {
			if !test(v) {
				return false
			}
		}
		return true
	case some:
		return slices.ContainsFunc(values, test)
	}
	// One operator against several values: any of them that matches counts, and a negated one must hold of all.
	if negated {
		return !slices.ContainsFunc(values, func(v string) bool { return !test(v) })
	}
	return slices.ContainsFunc(values, test)
}

var opposites = map[string]string{
	"stringnotequals": "stringequals", "stringnotequalsignorecase": "stringequalsignorecase", "stringnotlike": "stringlike",
	"numericnotequals": "numericequals", "datenotequals": "dateequals", "notipaddress": "ipaddress",
	"arnnotequals": "arnequals", "arnnotlike": "arnlike",
}

func positiveOf(operator string) (string, bool) {
	if p, ok := opposites[operator]; ok {
		return p, true
	}
	return operator, false
}

// compare compares one value of the request with one of the policy.
func (e evaluation) compare(operator, want, value string, variables bool) bool {
	switch operator {
	case "bool":
		w, wOK := truth(want)
		v, vOK := truth(value)
		return wOK && vOK && w == v
	case "binaryequals":
		w, wErr := base64.StdEncoding.DecodeString(want)
		v, vErr := base64.StdEncoding.DecodeString(value)
		return wErr == nil && vErr == nil && string(w) == string(v)
	case "ipaddress":
		a, err := netip.ParseAddr(value)
		if err != nil {
			return false
		}
		if p, err := netip.ParsePrefix(want); err == nil {
			return p.Contains(a)
		}
		one, err := netip.ParseAddr(want)
		return err == nil && one == a
	}
	if order, ok := strings.CutPrefix(operator, "numeric"); ok {
		w, wErr := strconv.ParseFloat(want, 64)
		v, vErr := strconv.ParseFloat(value, 64)
		return wErr == nil && vErr == nil && ordered(order, v, w)
	}
	if order, ok := strings.CutPrefix(operator, "date"); ok {
		w, wOK := instant(want)
		v, vOK := instant(value)
		return wOK && vOK && ordered(order, v, w)
	}
	pattern, ok := e.expand(want, variables)
	if !ok {
		return false
	}
	switch operator {
	case "stringequals":
		return literal(want, pattern) == value
	case "stringequalsignorecase":
		return strings.EqualFold(literal(want, pattern), value)
	case "stringlike":
		return likeRunes(pattern, []rune(value))
	case "arnequals", "arnlike":
		patterns, parts := splitPattern(pattern, 6), strings.SplitN(value, ":", 6)
		if len(patterns) != 6 || len(parts) != 6 {
			return false
		}
		for i := range parts {
			if !likeRunes(patterns[i], []rune(parts[i])) {
				return false
			}
		}
		return true
	}
	return false
}

// literal is a pattern whose wildcards are characters like others.
func literal(_ string, pattern []rune) string {
	var b strings.Builder
	for _, c := range pattern {
		switch c {
		case anyText:
			c = '*'
		case anyOne:
			c = '?'
		}
		b.WriteRune(c)
	}
	return b.String()
}

func truth(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// instant is a date as Unix seconds: RFC 3339, or seconds since the epoch.
func instant(s string) (float64, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return float64(t.UnixMilli()) / 1000, true
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	return float64(seconds), err == nil
}

func ordered(order string, v, w float64) bool {
	switch order {
	case "equals":
		return v == w
	case "lessthan":
		return v < w
	case "lessthanequals":
		return v <= w
	case "greaterthan":
		return v > w
	case "greaterthanequals":
		return v >= w
	}
	return false
}
