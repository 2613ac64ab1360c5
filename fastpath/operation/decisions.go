package operation

import (
	"fmt"

	"trent/fastpath/authz"
)

// Authorization is what becomes of decisions.
type Authorization uint8

// Modes of authorization.
const (
	Enforce Authorization = iota // what is denied is refused
	LogOnly                      // what policies deny is told to Options.Denied, and done
	Off                          // every caller may do everything in its own account, and nothing in others
)

var authorizationNames = [...]string{"enforce", "log", "off"}

// String is the mode as settings name it.
func (a Authorization) String() string { return authorizationNames[a] }

// ParseAuthorization is the inverse of String.
func ParseAuthorization(text string) (Authorization, error) {
	for i, name := range authorizationNames {
		if name == text {
			return Authorization(i), nil
		}
	}
	return 0, fmt.Errorf("authorization is enforce, log or off, not %q", text)
}

// Principals knows what stands beside callers in the directory of identities. Its functions may be called at any time, and
// may be nil.
type Principals struct {
	// Accepts tells whether policies and grants may name a principal; nil: whoever is well-formed.
	Accepts func(partition string, p authz.Principal) bool
	// ResourceControl are the resource control policies that hold for an account's keys; nil: there are none.
	ResourceControl func(partition, account string) [][]*authz.Compiled
	// Organization is the organization of an account and where it stands in it; nil: no account is in one.
	Organization func(partition, account string) (id string, paths []string)
}

// Made is one decision of a request. Its texts may be views that end with the call.
type Made struct {
	Action   authz.Action
	Resource string // ARN; "arn:…:*" for actions without a resource
	authz.Decision
}

// maxMade is the most decisions that a request needs: UpdateAlias and ReplicateKey.
const maxMade = 4

// Decisions are those that Authorize made for the call, in order: none where authorization is off.
func (c *Call) Decisions() []Made { return c.made[:c.madeCount] }

// decided notes a decision.
func (s *Service) decided(c *Call, d *authz.Decision) {
	if c.madeCount < len(c.made) {
		m := &c.made[c.madeCount]
		m.Action, m.Resource, m.Decision = c.asked.Action, c.asked.Resource, *d
		c.madeCount++
		if s.onDecision != nil {
			s.onDecision(m)
		}
	}
}
