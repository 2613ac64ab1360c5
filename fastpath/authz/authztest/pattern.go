package authztest

import (
	"regexp"
	"strconv"
	"strings"

	"trent/fastpath/authz"
)

// A pattern is a list of runes in which these stand for any text and any one character; what they are in a text of their
// own is never meant.
const (
	anyText rune = -1
	anyOne  rune = -2
)

// wild reads '*' and '?' of a pattern without variables.
func wild(pattern string) []rune {
	var out []rune
	for _, c := range pattern {
		switch c {
		case '*':
			c = anyText
		case '?':
			c = anyOne
		}
		out = append(out, c)
	}
	return out
}

func plain(text string) []rune { return []rune(text) }

// like matches '*' and '?'.
func like(pattern, text string) bool { return likeRunes(wild(pattern), []rune(text)) }

// likeRunes tries everything that a wildcard can stand for.
func likeRunes(p, t []rune) bool {
	if len(p) == 0 {
		return len(t) == 0
	}
	switch p[0] {
	case anyText:
		for i := 0; i <= len(t); i++ {
			if likeRunes(p[1:], t[i:]) {
				return true
			}
		}
		return false
	case anyOne:
		return len(t) > 0 && likeRunes(p[1:], t[1:])
	}
	return len(t) > 0 && p[0] == t[0] && likeRunes(p[1:], t[1:])
}

// splitPattern cuts a pattern at its colons into at most n parts.
func splitPattern(p []rune, n int) [][]rune {
	var parts [][]rune
	for len(parts) < n-1 {
		at := -1
		for i, c := range p {
			if c == ':' {
				at = i
				break
			}
		}
		if at < 0 {
			break
		}
		parts, p = append(parts, p[:at]), p[at+1:]
	}
	return append(parts, p)
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// expand puts the values of policy variables into a pattern (IAM User Guide, "IAM policy elements: Variables and tags").
// False: one has no value.
func (e evaluation) expand(pattern string, variables bool) ([]rune, bool) {
	if !variables {
		return wild(pattern), true
	}
	var out []rune
	rest := pattern
	for {
		at := variable.FindStringSubmatchIndex(rest)
		if at == nil {
			return append(out, wild(rest)...), true
		}
		out = append(out, wild(rest[:at[0]])...)
		name := rest[at[2]:at[3]]
		rest = rest[at[1]:]
		if name == "*" || name == "?" || name == "$" {
			out = append(out, plain(name)...)
			continue
		}
		name, fallback, hasDefault := strings.Cut(name, ",")
		fallback = strings.TrimSpace(fallback)
		values, present := e.values(strings.TrimSpace(name))
		switch {
		case present && len(values) == 1:
			out = append(out, plain(values[0])...)
		case !present && hasDefault && len(fallback) >= 2 && fallback[0] == '\'' && fallback[len(fallback)-1] == '\'':
			out = append(out, plain(fallback[1:len(fallback)-1])...)
		default:
			return nil, false
		}
	}
}

// values are those of a condition key: the caller's, the endpoint's and the resource's, or those that the request knows.
func (e evaluation) values(key string) ([]string, bool) {
	c := e.r.Caller
	one := func(v string) ([]string, bool) { return []string{v}, v != "" }
	service, name, _ := strings.Cut(key, "/")
	switch strings.ToLower(service) {
	case "aws:principalarn":
		if c.Type == authz.CallerAssumedRole {
			return one(c.Role)
		}
		return one(c.ARN)
	case "aws:multifactorauthpresent":
		return one(onlyIf(c.Temporary && c.Type != authz.CallerAnonymous, strconv.FormatBool(c.MFA > 0)))
	case "aws:principalisawsservice":
		return one(onlyIf(c.Type != authz.CallerAnonymous, strconv.FormatBool(c.Type == authz.CallerService)))
	case "aws:principalservicename":
		return one(c.Service)
	case "aws:sourceidentity":
		return one(c.SourceIdentity)
	case "aws:principalorgpaths":
		return c.OrgPaths, len(c.OrgPaths) > 0
	case "aws:principalservicenameslist":
		return c.ServiceNames, len(c.ServiceNames) > 0
	case "aws:principalaccount", "kms:calleraccount":
		return one(c.Account)
	case "aws:principaltype":
		return one(c.Type.String())
	case "aws:userid":
		return one(c.ID)
	case "aws:username":
		return one(c.UserName)
	case "aws:principalorgid":
		return one(c.OrgID)
	case "aws:principaltag":
		for _, t := range c.Tags {
			if strings.EqualFold(t.Key, name) {
				return []string{t.Value}, true
			}
		}
		return nil, false
	case "aws:resourceaccount":
		return one(e.r.ResourceAccount)
	case "aws:sourceip":
		if e.r.Endpoint != nil {
			return nil, false // aws:VpcSourceIp is there in its place
		}
	case "aws:sourcevpce", "aws:sourcevpc":
		if e.r.Endpoint == nil {
			return nil, false
		}
		if strings.EqualFold(service, "aws:sourcevpce") {
			return one(e.r.Endpoint.ID)
		}
		return one(e.r.Endpoint.VPC)
	}
	id, rest := authz.KeyNamed(key)
	return e.r.Facts.Values(nil, id, rest)
}

// onlyIf is s, or, where there is none, nothing.
func onlyIf(there bool, s string) string {
	if there {
		return s
	}
	return ""
}
