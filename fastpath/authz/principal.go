package authz

import "strings"

var principalKinds = map[string]PrincipalKind{
	"AWS":           AWSPrincipal,
	"Service":       ServicePrincipal,
	"Federated":     FederatedPrincipal,
	"CanonicalUser": CanonicalUserPrincipal,
}

// principals is "*", or an object of kinds, each a string or a list of strings.
func (p *parser) principals(m *member) []Principal {
	n := &m.value
	if n.kind == '"' && n.text == "*" {
		return []Principal{{Anyone, "*"}}
	}
	if n.kind != '{' {
		p.fail(n.at, "%s is \"*\" or an object, not %s", m.name, n.what())
		return nil
	}
	if len(n.members) == 0 {
		p.fail(n.at, "%s names nobody", m.name)
	}
	var out []Principal
	for i := range n.members {
		kind, ok := principalKinds[n.members[i].name]
		if !ok {
			p.fail(n.members[i].at, "%s has no member %q (it has AWS, Service, Federated, CanonicalUser)", m.name, n.members[i].name)
			continue
		}
		for j, name := range p.list(&n.members[i]) {
			at := n.members[i].value.at
			if items := n.members[i].value.items; j < len(items) {
				at = items[j].at
			}
			if !principalForm(kind, name) {
				p.failPrincipal(at, name)
			}
			out = append(out, Principal{kind, name})
		}
	}
	return out
}

// principalForm checks the form of a name (IAM User Guide, "AWS JSON policy elements: Principal"). Wildcards
// stand for everybody or not at all: "*" is a name, "arn:aws:iam::1:role/*" is none.
func principalForm(kind PrincipalKind, name string) bool {
	switch kind {
	case AWSPrincipal:
		return name == "*" || digits(name) || uniqueID(name) || PrincipalARN(name)
	case ServicePrincipal:
		return ServiceName(name)
	default:
		return name != "" && !strings.ContainsAny(name, "*? ")
	}
}

// ServiceName tells whether s has the form of a service principal: a name of letters, digits and hyphens with dots.
func ServiceName(s string) bool {
	return strings.Contains(s, ".") && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == "" &&
		s[0] != '.' && s[len(s)-1] != '.'
}

func digits(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// uniqueID is an id such as AIDA… or AROA…, which stands in place of a principal that was deleted (IAM User
// Guide, "Unique identifiers": 16 to 128 upper-case letters and digits).
func uniqueID(s string) bool {
	return len(s) >= 16 && len(s) <= 128 && s[0] == 'A' && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// PrincipalARN tells whether s is the ARN of an account, user, role, assumed role or federated user. Groups are no
// principals.
func PrincipalARN(s string) bool {
	part := strings.SplitN(s, ":", 6)
	if len(part) != 6 || part[0] != "arn" || !strings.HasPrefix(part[1], "aws") || part[3] != "" || !digits(part[4]) ||
		strings.ContainsAny(s, "*? ") {
		return false
	}
	kind, rest, found := strings.Cut(part[5], "/")
	switch part[2] {
	case "iam":
		return part[5] == "root" || found && rest != "" && (kind == "user" || kind == "role")
	case "sts":
		if kind == "assumed-role" {
			role, session, _ := strings.Cut(rest, "/")
			return role != "" && session != ""
		}
		return kind == "federated-user" && rest != ""
	}
	return false
}
