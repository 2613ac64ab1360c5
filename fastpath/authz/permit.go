package authz

import "strings"

// Permits tells whether the policy lets the caller do action ("kms:PutKeyPolicy") on the key of the ARN resource, over
// TLS and not through another service. It is for the check that a new policy does not lock its author out, and not
// a decision on a request: what an account principal is allowed counts as allowed to all of the account, and a
// statement with a condition that is not known from the caller alone counts neither as Allow nor as Deny.
func (p *Policy) Permits(caller Caller, action, resource string) bool {
	permitted := false
	for i := range p.Statements {
		s := &p.Statements[i]
		if !s.covers(action, resource) || !s.means(&caller) || !caller.meets(s.Conditions) {
			continue
		}
		if !s.Allow {
			return false
		}
		permitted = true
	}
	return permitted
}

// covers tells whether the statement is about action and resource. One without either element has no effect.
func (s *Statement) covers(action, resource string) bool {
	action = strings.ToLower(action)
	names := func(patterns []string) bool {
		for _, p := range patterns {
			if wildcard(strings.ToLower(p), action) {
				return true
			}
		}
		return false
	}
	holds := func(patterns []string) bool {
		for _, p := range patterns {
			if wildcard(p, resource) {
				return true
			}
		}
		return false
	}
	switch {
	case s.Actions != nil && !names(s.Actions), s.NotActions != nil && names(s.NotActions), s.Actions == nil && s.NotActions == nil:
		return false
	case s.Resources != nil && !holds(s.Resources), s.NotResources != nil && holds(s.NotResources), s.Resources == nil && s.NotResources == nil:
		return false
	}
	return true
}

// means tells whether the caller is one of the statement's principals.
func (s *Statement) means(caller *Caller) bool {
	if s.NotPrincipals != nil {
		return !caller.among(s.NotPrincipals)
	}
	return caller.among(s.Principals)
}

func (c *Caller) among(principals []Principal) bool {
	for _, p := range principals {
		switch {
		case p.Kind == Anyone, p.Kind == AWSPrincipal && c.is(p.Name):
			return true
		}
	}
	return false
}

// is tells whether a name under AWS means the caller: itself, its role, its account, or everybody.
func (c *Caller) is(name string) bool {
	if name == "*" || name == c.Account || name == c.ARN || name == "arn:"+c.Partition+":iam::"+c.Account+":root" {
		return true
	}
	role, ok := strings.CutPrefix(c.role(), "arn:"+c.Partition+":iam::"+c.Account+":role/")
	if !ok {
		return false
	}
	// A session does not tell its role's path.
	path, ok := strings.CutPrefix(name, "arn:"+c.Partition+":iam::"+c.Account+":role/")
	return ok && path[strings.LastIndexByte(path, '/')+1:] == role
}

// role is the ARN of the role whose session the caller is, else its own ARN.
func (c *Caller) role() string {
	session, ok := strings.CutPrefix(c.ARN, "arn:"+c.Partition+":sts::"+c.Account+":assumed-role/")
	if !ok {
		return c.ARN
	}
	name, _, _ := strings.Cut(session, "/")
	return "arn:" + c.Partition + ":iam::" + c.Account + ":role/" + name
}

// meets tells whether all conditions surely hold.
func (c *Caller) meets(conditions []Condition) bool {
	for i := range conditions {
		if !c.meetsOne(&conditions[i]) {
			return false
		}
	}
	return true
}

func (c *Caller) meetsOne(k *Condition) bool {
	value, present, known := c.value(strings.ToLower(k.Key))
	for _, v := range k.Values {
		known = known && !strings.Contains(v, "${")
	}
	operator := strings.ToLower(k.Operator)
	operator, ifExists := strings.CutSuffix(operator, "ifexists")
	equal, negated, ok := permitTest(operator)
	switch {
	case !known:
		return false
	case operator == "null":
		return anyOf(k.Values, func(v string) bool { return strings.EqualFold(v, "true") != present })
	case !ok:
		return false
	case !present:
		return ifExists || negated
	}
	return anyOf(k.Values, func(v string) bool { return equal(v, value) }) != negated
}

// value is what a condition key has in a request of the caller; known is false where only the request would tell.
func (c *Caller) value(key string) (value string, present, known bool) {
	switch key {
	case "aws:principalarn":
		return c.role(), true, true
	case "aws:principalaccount", "kms:calleraccount":
		return c.Account, true, true
	case "aws:securetransport":
		return "true", true, true
	case "aws:viaawsservice", "aws:principalisawsservice":
		return "false", true, true
	case "kms:viaservice", "aws:calledvia", "aws:sourcearn", "aws:sourceaccount":
		return "", false, true
	}
	return "", false, false
}

// permitTest finds an operator's test of one value against the key's.
func permitTest(operator string) (equal func(pattern, value string) bool, negated, ok bool) {
	exact := func(a, b string) bool { return a == b }
	switch operator {
	case "stringequals":
		return exact, false, true
	case "stringnotequals":
		return exact, true, true
	case "stringequalsignorecase", "bool":
		return strings.EqualFold, false, true
	case "stringnotequalsignorecase":
		return strings.EqualFold, true, true
	case "stringlike", "arnlike", "arnequals":
		return wildcard, false, true
	case "stringnotlike", "arnnotlike", "arnnotequals":
		return wildcard, true, true
	}
	return nil, false, false
}

func anyOf(values []string, test func(string) bool) bool {
	for _, v := range values {
		if test(v) {
			return true
		}
	}
	return false
}

// wildcard matches '*' with any text and '?' with any one byte, in time proportional to the product of the lengths.
func wildcard(pattern, text string) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0: // let the last star take one more
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
