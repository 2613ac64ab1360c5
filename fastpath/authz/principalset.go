package authz

import "slices"

// cover is how a statement's principals mean a caller. The stronger of two is the greater.
type cover uint8

const (
	coverNone cover = iota
	// The caller's account is named: what is allowed so is allowed to those whom their identity policies allow it.
	coverAccount
	// The entity behind the session is named (the role, or the user who federated): permissions boundary and session
	// policies still limit what is allowed so (IAM User Guide, "Policy evaluation for requests within a single account").
	coverEntity
	// The user or the session itself is named, or everybody.
	coverDirect
)

// fewNames is how many names are compared one by one; more of them are looked up.
const fewNames = 4

// principalSet is a Principal or a NotPrincipal element.
type principalSet struct {
	anyone    bool
	accounts  []accountName
	names     []string            // ARNs and unique ids, if few
	lookup    map[string]struct{} // else
	services  []string
	federated []string
}

// accountName is an account principal; no partition: it was given by its id alone.
type accountName struct{ partition, id string }

func compilePrincipals(list []Principal) *principalSet {
	s := new(principalSet)
	for _, p := range list {
		switch p.Kind {
		case Anyone:
			s.anyone = true
		case ServicePrincipal:
			s.services = append(s.services, p.Name)
		case FederatedPrincipal:
			s.federated = append(s.federated, p.Name)
		case AWSPrincipal:
			partition, id, isRoot := rootARN(p.Name)
			switch {
			case p.Name == "*":
				s.anyone = true
			case isRoot:
				s.accounts = append(s.accounts, accountName{partition, id})
			case digits(p.Name):
				s.accounts = append(s.accounts, accountName{"", p.Name})
			default:
				s.names = append(s.names, p.Name)
			}
		}
	}
	if len(s.names) > fewNames {
		s.lookup = make(map[string]struct{}, len(s.names))
		for _, name := range s.names {
			s.lookup[name] = struct{}{}
		}
	}
	return s
}

// rootARN takes apart an ARN like arn:aws:iam::111122223333:root.
func rootARN(s string) (partition, account string, ok bool) {
	const before, between, after = "arn:", ":iam::", ":root"
	n := len(s) - len(after)
	if n < len(before)+len(between)+12 || s[:len(before)] != before || s[n:] != after {
		return "", "", false
	}
	account = s[n-12 : n]
	partition = s[len(before) : n-12-len(between)]
	return partition, account, s[n-12-len(between):n-12] == between && digits(account)
}

// covers tells how the set means the caller.
func (s *principalSet) covers(c *Caller) cover {
	if s.anyone || s.special(c) {
		return coverDirect
	}
	if len(s.names) > 0 {
		if s.named(c.ARN) || c.Role == "" && s.named(c.UniqueID) {
			return coverDirect
		}
		if s.entity(c) {
			return coverEntity
		}
	}
	if s.account(c) {
		return coverAccount
	}
	return coverNone
}

// entity tells whether the set names what stands behind a session.
func (s *principalSet) entity(c *Caller) bool {
	return c.Role != "" && (s.named(c.Role) || s.named(c.UniqueID)) || c.Federator != "" && s.named(c.Federator)
}

func (s *principalSet) named(name string) bool {
	if name == "" {
		return false
	}
	if s.lookup != nil {
		_, ok := s.lookup[name]
		return ok
	}
	for _, n := range s.names {
		if n == name {
			return true
		}
	}
	return false
}

func (s *principalSet) account(c *Caller) bool {
	for i := range s.accounts {
		if a := &s.accounts[i]; a.id == c.Account && (a.partition == "" || a.partition == c.Partition) {
			return true
		}
	}
	return false
}

// special tells whether the set names the caller as a service or by its identity provider.
func (s *principalSet) special(c *Caller) bool {
	if len(s.services) > 0 && c.Type == CallerService {
		for _, name := range s.services {
			if name == c.Service || slices.Contains(c.ServiceNames, name) {
				return true
			}
		}
	}
	return len(s.federated) > 0 && c.Federated != "" && slices.Contains(s.federated, c.Federated)
}

// spares tells whether a NotPrincipal element in a Deny leaves the caller alone: everything that the caller is must be
// named, a session's role and the account too, and who has a permissions boundary is never spared (IAM User Guide, "AWS
// JSON policy elements: NotPrincipal").
func (s *principalSet) spares(c *Caller) bool {
	if c.Policies.Boundary != nil {
		return false
	}
	if s.anyone || s.special(c) {
		return true
	}
	if !s.account(c) {
		return false
	}
	if c.Type == CallerAccount {
		return true
	}
	if c.Role == "" && c.Federator == "" || c.federatedRoot() {
		return s.named(c.ARN) || s.named(c.UniqueID)
	}
	return s.named(c.ARN) && s.entity(c)
}
