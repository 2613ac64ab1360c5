package identity

import (
	"time"

	"trent/fastpath/authz"
)

// Account is an account with its principals. Immutable: a change of anything in it makes another.
type Account struct {
	Partition, ID string
	Organization  Organization
	// ServiceControl and ResourceControl are the control policies by level, as authz has them; nil: none hold.
	ServiceControl, ResourceControl [][]*authz.Compiled

	users     map[string]*User  // by name
	groups    map[string]*Group // by name
	roles     map[string]*Role  // by name
	providers map[string]*Provider
	declared  bool
}

// Organization is an account's place in an organization; the zero value is none.
type Organization struct {
	ID         string
	Paths      []string // "o-…/r-…/ou-…/"
	Management bool     // not limited by control policies
}

// User is an IAM user.
type User struct {
	Account      *Account
	Name, Path   string
	ARN          string
	UniqueID     string // "AIDA…"
	Groups       []string
	AccessKeyIDs []string
	caller       authz.Caller // with a long-term key
}

// Group is an IAM group.
type Group struct {
	Name, Path, ARN, UniqueID string // "AGPA…"
	policies                  []*authz.Compiled
}

// Role is an IAM role.
type Role struct {
	Account    *Account
	Name, Path string
	ARN        string
	UniqueID   string          // "AROA…"
	Trust      *authz.Compiled // nil: nobody may assume it
	MaxSession time.Duration
	Tags       []authz.Tag
	caller     authz.Caller // of a session without a name
}

// Provider is an OIDC provider of an account.
type Provider struct {
	URL       string   // as it was declared, "https://…"
	Issuer    string   // without scheme: "host/path", the prefix of its condition keys
	ARN       string   // arn:aws:iam::ACCOUNT:oidc-provider/ISSUER
	ClientIDs []string // audiences that are taken; none: any
	Keys      []byte   // JSON Web Key Set
}

// User returns the user of a name, nil if there is none.
func (a *Account) User(name string) *User { return a.users[name] }

// Role returns the role of a name, nil if there is none.
func (a *Account) Role(name string) *Role { return a.roles[name] }

// Provider returns the OIDC provider of an issuer ("host/path", with or without scheme), nil if there is none.
func (a *Account) Provider(issuer string) *Provider { return a.providers[issuerOf(issuer)] }

// RootARN is the ARN of the account's root user, which also means the account.
func (a *Account) RootARN() string { return arn(a.Partition, "iam", a.ID, "root") }

func arn(partition, service, account, resource string) string {
	return "arn:" + partition + ":" + service + "::" + account + ":" + resource
}

// serviceControl are the service control policies that limit the account's principals.
func (a *Account) serviceControl() [][]*authz.Compiled {
	if a.Organization.Management {
		return nil
	}
	return a.ServiceControl
}
