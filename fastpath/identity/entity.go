package identity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kinds of what the directory keeps, as records and commands name them.
const (
	kindPolicy   = "policy"
	kindAccount  = "account"
	kindUser     = "user"
	kindGroup    = "group"
	kindRole     = "role"
	kindProvider = "oidc-provider"
	kindService  = "service-credential"
)

// ref names an entity. Policies have neither partition nor account, service credentials no account; the name of an
// account is empty.
type ref struct{ kind, partition, account, name string }

func (r ref) String() string {
	switch r.kind {
	case kindPolicy, kindService:
		return r.kind + " " + r.name
	case kindAccount:
		return "account " + r.account
	}
	return r.kind + " " + r.name + " of account " + r.account
}

// fold is the ref under which entities collide: names of one kind do not differ by case alone (IAM User Guide, "IAM
// identifiers"). Providers and access key ids do.
func (r ref) fold() ref {
	if r.kind == kindUser || r.kind == kindGroup || r.kind == kindRole {
		r.name = strings.ToLower(r.name)
	}
	return r
}

func (r ref) in() accountKey { return accountKey{r.partition, r.account} }

type accountKey struct{ partition, id string }

// entity is one thing that was declared: by the config, or by the administration.
type entity struct {
	ref
	spec any    // *AccountConfig without what is in it, *UserConfig …; immutable
	path string // in the configuration that declared it, for errors
	// generation counts how often the administration deleted an entity of this name.
	generation int
	admin      bool // declared by the administration
}

// entities takes a configuration apart. Accounts that only principals name come to be. Errors: *ConfigError.
func (c *Config) entities() (map[ref]*entity, error) {
	all := map[ref]*entity{}
	var err error
	add := func(e entity) {
		key := e.fold()
		if old := all[key]; old != nil && err == nil {
			err = &ConfigError{Path: e.path, Text: "is declared twice, here and at " + old.path}
		}
		all[key] = &e
	}
	for _, name := range slices.Sorted(maps.Keys(c.Policies)) {
		d := c.Policies[name]
		add(entity{ref: ref{kind: kindPolicy, name: name}, spec: &d, path: "policies." + name})
	}
	for i := range c.Accounts {
		c.Accounts[i].entities("accounts"+indexed(i), add)
	}
	for i := range c.ServiceCredentials {
		s := c.ServiceCredentials[i]
		add(entity{ref: ref{kindService, partitionOr(s.Partition), "", s.ID}, spec: &s, path: "service_credentials" + indexed(i)})
	}
	return all, err
}

func (a *AccountConfig) entities(path string, add func(entity)) {
	partition := partitionOr(a.Partition)
	r := func(kind, name string) ref { return ref{kind, partition, a.ID, name} }
	own := *a
	own.Users, own.Groups, own.Roles, own.Providers = nil, nil, nil, nil
	add(entity{ref: r(kindAccount, ""), spec: &own, path: path})
	for i := range a.Users {
		u := a.Users[i]
		add(entity{ref: r(kindUser, u.Name), spec: &u, path: path + ".users" + indexed(i)})
	}
	for i := range a.Groups {
		g := a.Groups[i]
		add(entity{ref: r(kindGroup, g.Name), spec: &g, path: path + ".groups" + indexed(i)})
	}
	for i := range a.Roles {
		role := a.Roles[i]
		add(entity{ref: r(kindRole, role.Name), spec: &role, path: path + ".roles" + indexed(i)})
	}
	for i := range a.Providers {
		p := a.Providers[i]
		add(entity{ref: r(kindProvider, issuerOf(p.URL)), spec: &p, path: path + ".oidc_providers" + indexed(i)})
	}
}

func partitionOr(p string) string {
	if p == "" {
		return "aws"
	}
	return p
}

func indexed(i int) string { return fmt.Sprintf("[%d]", i) }

// issuerOf is a provider's URL without scheme and last slash.
func issuerOf(url string) string {
	return strings.TrimSuffix(strings.TrimPrefix(url, "https://"), "/")
}
