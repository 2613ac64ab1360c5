package authz

import (
	"fmt"
	"strings"
	"time"
)

// Given are values of condition keys that somebody made up for a request, to see what would be decided. They go before what the
// request has of its own.
type Given struct {
	values map[givenKey][]string
	// Next knows the keys that were not given; nil: the request has none of them.
	Next Facts
}

type givenKey struct {
	key  Key
	name string // in lower case
}

// derived are the keys that follow from caller and resource, and cannot be given.
var derived = map[Key]string{
	KeyPrincipalArn: "the principal", KeyPrincipalAccount: "the principal", KeyPrincipalType: "the principal", KeyPrincipalIsAWSService: "the principal",
	KeyPrincipalServiceName: "the principal", KeyPrincipalServiceNamesList: "the principal", KeyKMSCallerAccount: "the principal",
	KeyResourceAccount: "the resource",
}

// Give adds the values of a key. Errors: a key that does not exist, or follows from something else; a value that is not of the
// key's type; several values of a key that has one.
func (g *Given) Give(name string, values ...string) error {
	key, rest := KeyNamed(name)
	row := key.Row()
	from, follows := derived[key]
	switch {
	case key == KeyNone || key == KeyOther && ours(name):
		return fmt.Errorf("there is no condition key %q: did you mean %s?", name, nearestKey(name))
	case follows:
		return fmt.Errorf("%s follows from %s and cannot be given", row.Name, from)
	}
	id := givenKey{key, strings.ToLower(rest)}
	values = append(g.values[id], values...)
	if len(values) > 1 && key != KeyOther && !row.Multi {
		return fmt.Errorf("%s has one value, not several", name)
	}
	for _, v := range values {
		if want := row.Type.refuses(v); want != "" {
			return fmt.Errorf("%s=%s: the value must be %s", name, v, want)
		}
	}
	if g.values == nil {
		g.values = map[givenKey][]string{}
	}
	g.values[id] = values
	return nil
}

// refuses says what a value that is not of the type should be.
func (t KeyType) refuses(v string) string {
	ok, want := true, ""
	switch t {
	case BoolKey:
		_, ok = boolean(v)
		want = "true or false"
	case NumericKey:
		_, ok = number(v)
		want = "a decimal number"
	case DateKey:
		_, ok = date(v)
		want = "a date such as 2026-01-31T00:00:00Z, or seconds since 1970"
	case IPKey:
		_, ok = prefix(v)
		want = "an IP address"
	case ARNKey:
		ok, want = splitARN(v, false, new([6]string)), "an ARN"
	}
	if ok {
		return ""
	}
	return want
}

// Values implements Facts.
func (g *Given) Values(dst []string, key Key, name string) ([]string, bool) {
	if values, ok := g.values[givenKey{key, strings.ToLower(name)}]; ok {
		return append(dst, values...), true
	}
	if g.Next != nil {
		return g.Next.Values(dst, key, name)
	}
	return dst, false
}

func (g *Given) one(key Key) (string, bool) {
	if values := g.values[givenKey{key: key}]; len(values) > 0 {
		return values[0], true
	}
	return "", false
}

func (g *Given) set(into *string, key Key) {
	if v, ok := g.one(key); ok {
		*into = v
	}
}

// Caller is the caller with what was given of it: tags, organization, second factor and the like. now is the request's time.
func (g *Given) Caller(c Caller, now time.Time) *Caller {
	if v, ok := g.one(KeyCurrentTime); ok {
		now, _ = date(v)
	}
	g.set(&c.OrgID, KeyPrincipalOrgID)
	g.set(&c.ID, KeyUserid)
	g.set(&c.UserName, KeyUsername)
	g.set(&c.FederatedProvider, KeyFederatedProvider)
	g.set(&c.SourceIdentity, KeySourceIdentity)
	if paths := g.values[givenKey{key: KeyPrincipalOrgPaths}]; paths != nil {
		c.OrgPaths = paths
	}
	if v, ok := g.one(KeyTokenIssueTime); ok {
		t, _ := date(v)
		c.Issued, c.Temporary = t.Unix(), true
	}
	if v, ok := g.one(KeyMultiFactorAuthPresent); ok {
		c.Temporary, c.MFA = true, 0
		if strings.EqualFold(v, "true") {
			c.MFA = now.Unix()
		}
	}
	if v, ok := g.one(KeyMultiFactorAuthAge); ok {
		age, _ := time.ParseDuration(v + "s")
		c.Temporary, c.MFA = true, now.Add(-age).Unix()
	}
	var tags []Tag // those that were given are found first
	for id, values := range g.values {
		if id.key == KeyPrincipalTag {
			tags = append(tags, Tag{id.name, values[0]})
		}
	}
	c.Tags = append(tags, c.Tags...)
	return &c
}

// Endpoint is the VPC endpoint that what was given tells of; nil: of none.
func (g *Given) Endpoint() *Endpoint {
	var e Endpoint
	given := false
	for key, into := range map[Key]*string{
		KeySourceVpce: &e.ID, KeySourceVpc: &e.VPC, KeySourceVpcArn: &e.VPCARN, KeyVpceAccount: &e.Account, KeyVpceOrgID: &e.OrgID, KeyVpcSourceIp: new(string),
	} {
		if v, ok := g.one(key); ok {
			*into, given = v, true
		}
	}
	if paths := g.values[givenKey{key: KeyVpceOrgPaths}]; paths != nil {
		e.OrgPaths, given = paths, true
	}
	if !given {
		return nil
	}
	return &e
}
