package identity

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"trent/fastpath/authz"
)

// Maker is whom temporary credentials were made of, as they remember it.
type Maker struct {
	Partition, Account string
	ARN                string // of the role, the user or the account's root
	UniqueID           string // that it had then; empty for the root
}

// Revive is the principal of temporary credentials as things stand in this snapshot: the policies of their maker are those
// that it has now. A federated one is a federated user that the maker vouches for. Nil: the maker is gone, or another has
// its name.
func (s *Snapshot) Revive(m Maker, federated bool, with *Session) *Principal {
	part := strings.SplitN(m.ARN, ":", 6)
	if len(part) != 6 {
		return nil
	}
	kind, rest, _ := strings.Cut(part[5], "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	switch kind {
	case "root":
		a := s.Account(m.Partition, m.Account)
		if federated { // of all that the root user may do, as its policies of others allow
			p := a.Federated(with)
			p.Policies.Identity = []*authz.Compiled{everything()}
			return p
		}
		return a.Root(with.AccessKeyID, with)
	case "role":
		if r := s.Role(m.Partition, m.Account, name); r != nil && r.ARN == m.ARN && r.UniqueID == m.UniqueID {
			return r.Session(with)
		}
	case "user":
		if u := s.User(m.Partition, m.Account, name); u != nil && u.ARN == m.ARN && u.UniqueID == m.UniqueID {
			if federated {
				return u.Federated(with)
			}
			return u.Session(with)
		}
		if l := s.loose[m.ARN]; l != nil && l.caller.UniqueID == m.UniqueID {
			return l.revive(federated, with)
		}
	}
	return nil
}

// everything is a policy that allows everything.
var everything = sync.OnceValue(func() *authz.Compiled {
	p, err := authz.Parse(authz.KindIdentity, []byte(allowAll))
	if err != nil {
		panic("identity: " + err.Error())
	}
	return authz.Compile(authz.KindIdentity, []byte(allowAll), p)
})

// revive is a session of a user of the short form.
func (l *looseCaller) revive(isFederated bool, with *Session) *Principal {
	c := l.caller
	if isFederated {
		return federated(c, issuer{kind: "IAMUser", id: c.UniqueID, arn: c.ARN, account: c.Account, name: c.UserName}, with)
	}
	with.apply(&c)
	return newPrincipal(c, issuer{}, with.AccessKeyID, with)
}

// PolicyText is the document of a policy that can be named: a shared one or one of AWS's own, by name or ARN.
func (s *Snapshot) PolicyText(name string) (string, bool) {
	name = policyName(name)
	if shared := s.named[name]; shared != nil {
		return shared.Text, true
	}
	text, ok := managedPolicies[name]
	return text, ok
}

// Owner is the account whose access key it is; false: nobody's that is known.
func (s *Snapshot) Owner(accessKeyID string) (account string, ok bool) {
	if c := s.credentials[accessKeyID]; c != nil && c.Principal.Type != authz.CallerService {
		return c.Principal.Account, true
	}
	return "", false
}

// All lists the credentials in no particular order.
func (s *Snapshot) All() []*Credential { return slices.Collect(maps.Values(s.credentials)) }
