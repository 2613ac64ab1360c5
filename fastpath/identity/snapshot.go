package identity

import (
	"strings"

	"trent/fastpath/authz"
)

// Snapshot is all that is known at one moment. Immutable.
type Snapshot struct {
	// Generation differs between snapshots of a Directory: what was derived from one of another generation is stale.
	Generation uint64

	accounts    map[accountKey]*Account
	credentials map[string]*Credential
	named       map[string]*Document    // shared policies
	byUniqueID  map[string]string       // ARNs of the users, groups and roles that are there
	loose       map[string]*looseCaller // principals of the short form, by ARN
	builtIn     bool
}

// Lookup returns the credential of an access key id, nil if it is unknown. It allocates nothing.
func (s *Snapshot) Lookup(accessKeyID []byte) *Credential { return s.credentials[string(accessKeyID)] }

// Account returns an account; one that nothing declares is empty and in no organization.
func (s *Snapshot) Account(partition, id string) *Account {
	if a := s.accounts[accountKey{partition, id}]; a != nil {
		return a
	}
	return &Account{Partition: partition, ID: id}
}

// Role returns a role by its name, nil if there is none.
func (s *Snapshot) Role(partition, account, name string) *Role {
	if a := s.accounts[accountKey{partition, account}]; a != nil {
		return a.roles[name]
	}
	return nil
}

// User returns a user by its name, nil if there is none.
func (s *Snapshot) User(partition, account, name string) *User {
	if a := s.accounts[accountKey{partition, account}]; a != nil {
		return a.users[name]
	}
	return nil
}

// ResourceControl are the resource control policies that hold for what the account owns, a list a level; nil: none.
func (s *Snapshot) ResourceControl(partition, account string) [][]*authz.Compiled {
	a := s.accounts[accountKey{partition, account}]
	if a == nil || a.Organization.Management {
		return nil
	}
	return a.ResourceControl
}

// Organization is the place of an account in an organization; the zero value: it is in none.
func (s *Snapshot) Organization(partition, account string) Organization {
	if a := s.accounts[accountKey{partition, account}]; a != nil {
		return a.Organization
	}
	return Organization{}
}

// knownAccount tells whether an account is declared, or an access key speaks for it.
func (s *Snapshot) knownAccount(partition, id string) bool {
	if s.accounts[accountKey{partition, id}] != nil {
		return true
	}
	for _, c := range s.credentials {
		if c.Principal.Account == id && c.Principal.Partition == partition {
			return true
		}
	}
	return false
}

// PrincipalByUniqueID returns the ARN of the user, group or role that has a unique id; false: nobody has it any more.
func (s *Snapshot) PrincipalByUniqueID(id string) (arn string, ok bool) {
	arn, ok = s.byUniqueID[id]
	return arn, ok
}

// UniqueID returns the unique id of the user or role of an ARN; false: there is none.
func (s *Snapshot) UniqueID(arn string) (id string, ok bool) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[2] != "iam" {
		return "", false
	}
	kind, rest, _ := strings.Cut(part[5], "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	switch kind {
	case "user":
		if u := s.User(part[1], part[4], name); u != nil && u.ARN == arn {
			return u.UniqueID, true
		}
	case "role":
		if r := s.Role(part[1], part[4], name); r != nil && r.ARN == arn {
			return r.UniqueID, true
		}
	}
	return "", false
}

// Known tells whether a principal of a policy exists, as the service looks when a policy is written.
func (s *Snapshot) Known(partition string, p authz.Principal) bool {
	switch p.Kind {
	case authz.AWSPrincipal:
		return s.KnownARN(partition, p.Name)
	case authz.ServicePrincipal:
		return knownService(p.Name)
	case authz.FederatedPrincipal:
		return s.knownProvider(p.Name)
	}
	return true
}

// KnownARN tells whether a name under AWS is somebody's: "*", an account, a unique id, or the ARN of an account, user,
// role, role session or federated user. Sessions exist where their role, or account, does.
func (s *Snapshot) KnownARN(partition, name string) bool {
	if name == "*" {
		return true
	}
	if accountPattern.MatchString(name) {
		return s.knownAccount(partition, name)
	}
	part := strings.SplitN(name, ":", 6)
	if len(part) != 6 {
		_, ok := s.byUniqueID[name]
		return ok && !strings.HasPrefix(name, groupPrefix)
	}
	if part[1] != partition || !authz.PrincipalARN(name) {
		return false
	}
	if s.loose[name] != nil {
		return true
	}
	kind, rest, _ := strings.Cut(part[5], "/")
	switch kind {
	case "root", "federated-user":
		return s.knownAccount(partition, part[4])
	case "assumed-role":
		role, _, _ := strings.Cut(rest, "/")
		return s.Role(partition, part[4], role) != nil || s.looseRole(arn(partition, "iam", part[4], "role/"+role))
	case "role":
		if s.looseRole(name) {
			return true
		}
	}
	_, ok := s.UniqueID(name)
	return ok
}

// looseRole tells whether a session of the short form has the role.
func (s *Snapshot) looseRole(role string) bool {
	for _, l := range s.loose {
		if l.caller.Role == role {
			return true
		}
	}
	return false
}

// knownService goes by the endings that the names of AWS services have.
func knownService(name string) bool {
	for _, ending := range [...]string{".amazonaws.com", ".amazonaws.com.cn", ".amazon.com", ".aws.internal", ".api.aws"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// wellKnownProviders need no declaration (IAM User Guide, "Available keys for AWS OIDC federation").
var wellKnownProviders = map[string]bool{
	"accounts.google.com": true, "graph.facebook.com": true, "www.amazon.com": true, "cognito-identity.amazonaws.com": true,
}

func (s *Snapshot) knownProvider(name string) bool {
	if wellKnownProviders[name] {
		return true
	}
	part := strings.SplitN(name, ":", 6)
	if len(part) != 6 {
		return false
	}
	if strings.HasPrefix(part[5], "saml-provider/") { // nothing is known of these
		return s.knownAccount(part[1], part[4])
	}
	a := s.accounts[accountKey{part[1], part[4]}]
	return a != nil && a.providers[strings.TrimPrefix(part[5], "oidc-provider/")] != nil
}
