package identity

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"trent/fastpath/authz"
)

var (
	accountPattern      = regexp.MustCompile(`^[0-9]{12}$`)
	accessKeyIDPattern  = regexp.MustCompile(`^[A-Za-z0-9_]{1,128}$`)
	partitionPattern    = regexp.MustCompile(`^aws(-[a-z]+)*$`)
	namePattern         = regexp.MustCompile(`^[\w+=,.@-]+$`)
	pathPattern         = regexp.MustCompile(`^/([\x21-\x7e]*/)?$`)
	uniqueIDPattern     = regexp.MustCompile(`^[A-Z2-7][A-Z0-9]{15,127}$`)
	organizationPattern = regexp.MustCompile(`^o-[a-z0-9]{10,32}$`)
	orgPathPattern      = regexp.MustCompile(`^(o-[a-z0-9]{10,32})/r-[a-z0-9]{4,32}(/ou-[a-z0-9]{4,32}-[a-z0-9]{8,32})*/?$`)
	issuerPattern       = regexp.MustCompile(`^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[\x21-\x7e]*)?$`)
)

// Limits of IAM (IAM User Guide, "IAM and AWS STS quotas").
const (
	maxUserName, maxRoleName, maxGroupName = 64, 64, 128
	maxPath                                = 512
	maxTags, maxTagKey, maxTagValue        = 50, 128, 256
	minMaxSession, maxMaxSession           = 3600, 43200 // seconds
)

// wrong is an error about path.
func wrong(path, format string, args ...any) error {
	return &ConfigError{Path: path, Text: fmt.Sprintf(format, args...)}
}

func checkAccount(path string, a *AccountConfig) error {
	switch {
	case !accountPattern.MatchString(a.ID):
		return wrong(path+".id", "an account id has 12 digits, not %q", a.ID)
	case !partitionPattern.MatchString(partitionOr(a.Partition)):
		return wrong(path+".partition", "unknown partition %q (aws, aws-cn, aws-us-gov)", a.Partition)
	}
	o := a.Organization
	if o == nil {
		if a.ServiceControlPolicies != nil || a.ResourceControlPolicies != nil {
			return wrong(path, "an account without organization has no control policies; give organization: {id: o-…}")
		}
		return nil
	}
	if !organizationPattern.MatchString(o.ID) {
		return wrong(path+".organization.id", "an organization's id is o- and 10 to 32 lower-case letters or digits, not %q", o.ID)
	}
	for i, p := range o.Paths {
		m := orgPathPattern.FindStringSubmatch(p)
		if m == nil || m[1] != o.ID {
			return wrong(path+".organization.paths"+indexed(i), "a path is %s/r-…/ou-…/, not %q", o.ID, p)
		}
	}
	return nil
}

func checkName(path, what, name string, most int) error {
	if !namePattern.MatchString(name) || len(name) > most {
		return wrong(path+".name", "the name of a %s has 1 to %d letters, digits or _+=,.@-, not %q", what, most, name)
	}
	return nil
}

func checkPath(path, p string) error {
	if p != "" && (!pathPattern.MatchString(p) || len(p) > maxPath) {
		return wrong(path+".path", "a path begins and ends with / and has at most %d characters, not %q", maxPath, p)
	}
	return nil
}

func checkUniqueID(path, prefix, id string) error {
	if id != "" && (!uniqueIDPattern.MatchString(id) || !strings.HasPrefix(id, prefix)) {
		return wrong(path+".unique_id", "a unique id here is %s and 12 or more upper-case letters or digits, not %q", prefix, id)
	}
	return nil
}

// tags checks and orders tags.
func tags(path string, m map[string]string) ([]authz.Tag, error) {
	if len(m) > maxTags {
		return nil, wrong(path+".tags", "there are %d tags, more than %d", len(m), maxTags)
	}
	out := make([]authz.Tag, 0, len(m))
	folded := map[string]bool{}
	for k, v := range m {
		switch n := utf8.RuneCountInString(k); {
		case n < 1 || n > maxTagKey:
			return nil, wrong(path+".tags", "the key of a tag has 1 to %d characters, not %d", maxTagKey, n)
		case utf8.RuneCountInString(v) > maxTagValue:
			return nil, wrong(path+".tags."+k, "the value of a tag has at most %d characters", maxTagValue)
		case folded[strings.ToLower(k)]:
			return nil, wrong(path+".tags", "the keys of tags do not differ by case alone, as %q does", k)
		}
		folded[strings.ToLower(k)] = true
		out = append(out, authz.Tag{Key: k, Value: v})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

func checkKey(path string, k *AccessKeyConfig) error {
	switch {
	case !accessKeyIDPattern.MatchString(k.ID):
		return wrong(path+".access_key_id", "an access key id has 1 to 128 letters, digits or underscores")
	case k.Secret == "":
		return wrong(path+".secret_access_key", "the secret access key is empty")
	}
	return nil
}
