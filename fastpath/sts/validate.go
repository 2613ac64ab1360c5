package sts

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"trent/fastpath/authz"
)

// checks reads a form's parameters and collects what is wrong with them, as the service lists it.
type checks struct {
	form  *Form
	found []string
}

// Patterns of the service's model, in its own words where they are shown.
const (
	namePattern  = `[\w+=,.@-]*`
	tagPattern   = `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`
	valuePattern = `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`
	extPattern   = `[\w+=,.@:\/-]*`
	codePattern  = `[\d]*`
	keyPattern   = `[\w]*`
	mfaPattern   = `[\w+=/:,.@-]*`
)

var (
	patterns = map[string]*regexp.Regexp{
		namePattern: regexp.MustCompile(`^[\w+=,.@-]*$`), tagPattern: regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$`),
		valuePattern: regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`), extPattern: regexp.MustCompile(`^[\w+=,.@:\/-]*$`),
		codePattern: regexp.MustCompile(`^[\d]*$`), keyPattern: regexp.MustCompile(`^[\w]*$`),
		mfaPattern: regexp.MustCompile(`^[\w+=/:,.@-]*$`),
	}
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
)

func (c *checks) wrong(value, at, constraint string) {
	c.found = append(c.found, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member must %s", value, at, constraint))
}

// text reads a text with bounds in characters; pattern may be empty.
func (c *checks) text(name string, required bool, least, most int, pattern string) string {
	v := c.form.get(name)
	at := strings.ToLower(name[:1]) + name[1:]
	if v == nil {
		if required {
			c.wrong("null", at, "not be null")
		}
		return ""
	}
	c.check(*v, at, least, most, pattern)
	return *v
}

func (c *checks) check(v, at string, least, most int, pattern string) {
	shown := "'" + v + "'"
	if len(v) > 2048 {
		shown = "'" + v[:64] + "…'"
	}
	if n := characters(v); n < least {
		c.wrong(shown, at, fmt.Sprintf("have length greater than or equal to %d", least))
	} else if n > most {
		c.wrong(shown, at, fmt.Sprintf("have length less than or equal to %d", most))
	}
	if pattern != "" && !patterns[pattern].MatchString(v) {
		c.wrong(shown, at, "satisfy regular expression pattern: "+pattern)
	}
}

// seconds reads DurationSeconds; 0: it is not given.
func (c *checks) seconds(least, most int) int { return c.number("DurationSeconds", least, most) }

// tokenSize reads MinimumSessionTokenSize.
func (c *checks) tokenSize() int { return c.number("MinimumSessionTokenSize", 0, maxToken) }

// number reads an integer; 0: it is not given.
func (c *checks) number(name string, least, most int) int {
	v := c.form.get(name)
	at := strings.ToLower(name[:1]) + name[1:]
	if v == nil {
		return 0
	}
	n, err := strconv.ParseInt(*v, 10, 32)
	if err != nil {
		c.wrong("'"+*v+"'", at, "be an integer")
		return 0
	}
	if int(n) < least {
		c.wrong("'"+*v+"'", at, fmt.Sprintf("have value greater than or equal to %d", least))
	} else if int(n) > most {
		c.wrong("'"+*v+"'", at, fmt.Sprintf("have value less than or equal to %d", most))
	}
	return int(n)
}

func (c *checks) tags() []authz.Tag {
	members := c.form.list("Tags")
	c.count(len(members), "tags", maxTags)
	var tags []authz.Tag
	for i, m := range members {
		t := authz.Tag{Key: m.values["Key"], Value: m.values["Value"]}
		at := "tags." + strconv.Itoa(i+1) + ".member."
		if _, ok := m.values["Key"]; !ok {
			c.wrong("null", at+"key", "not be null")
		} else {
			c.check(t.Key, at+"key", 1, maxTagName, tagPattern)
		}
		if _, ok := m.values["Value"]; !ok {
			c.wrong("null", at+"value", "not be null")
		} else {
			c.check(t.Value, at+"value", 0, maxTagValue, valuePattern)
		}
		tags = append(tags, t)
	}
	return tags
}

func (c *checks) count(n int, at string, most int) {
	if n > most {
		c.wrong("'["+strconv.Itoa(n)+" members]'", at, fmt.Sprintf("have length less than or equal to %d", most))
	}
}

func (c *checks) transitive() []string {
	members := c.form.list("TransitiveTagKeys")
	c.count(len(members), "transitiveTagKeys", maxTags)
	var names []string
	for i, m := range members {
		c.check(m.values[""], "transitiveTagKeys."+strconv.Itoa(i+1)+".member", 1, maxTagName, tagPattern)
		names = append(names, m.values[""])
	}
	return names
}

func (c *checks) policyARNs() []string {
	members := c.form.list("PolicyArns")
	c.count(len(members), "policyArns", maxPolicyARNs)
	var arns []string
	for i, m := range members {
		c.check(m.values["arn"], "policyArns."+strconv.Itoa(i+1)+".member.arn", 20, 2048, "")
		arns = append(arns, m.values["arn"])
	}
	return arns
}

// done is the refusal of all that is wrong; nil: nothing is.
func (c *checks) done() *Error {
	switch n := len(c.found); n {
	case 0:
		return nil
	case 1:
		return invalid("1 validation error detected: %s", c.found[0])
	default:
		return invalid("%d validation errors detected: %s", n, strings.Join(c.found, "; "))
	}
}

// roleARN takes a role's ARN apart; false: it is none.
func roleARN(arn string) (partition, account, name string, ok bool) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[2] != "iam" || part[3] != "" || !accountPattern.MatchString(part[4]) {
		return "", "", "", false
	}
	path, found := strings.CutPrefix(part[5], "role/")
	name = path[strings.LastIndexByte(path, '/')+1:]
	return part[1], part[4], name, found && name != "" && strings.HasPrefix(part[1], "aws")
}
