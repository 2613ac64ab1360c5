package identity

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
)

// Entry is one of whom and what there is, as the administration shows it: without secrets.
type Entry struct {
	Kind       string   `json:"kind"` // "user", "role", "group", "account", "oidc-provider", "policy", "service-credential", "credential"
	Name       string   `json:"name"` // the ARN where there is one, else "policy NAME" or "access-key ID"
	UniqueID   string   `json:"unique_id,omitempty"`
	AccessKeys []string `json:"access_keys,omitempty"` // ids
	// RunTime is set where the administration declared it, not the config file.
	RunTime bool `json:"run_time"`
	BuiltIn bool `json:"built_in,omitempty"` // the well-known credential
	Spec    any  `json:"spec,omitempty"`     // as a configuration has it; of Show only

	// Of Directory.Delete.
	Ref [4]string `json:"-"` // kind, partition, account, name
}

// List shows all there is, ordered by kind and name.
func (d *Directory) List() []Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now.Load()
	entries := make([]Entry, 0, len(d.entities))
	known := map[string]bool{}
	for _, e := range d.entities {
		entry := e.entry(now)
		for _, id := range entry.AccessKeys {
			known[id] = true
		}
		entries = append(entries, entry)
	}
	for _, c := range now.credentials {
		if !known[c.AccessKeyID] {
			entries = append(entries, Entry{Kind: "credential", Name: c.Principal.ARN, AccessKeys: []string{c.AccessKeyID}, BuiltIn: c.BuiltIn})
		}
	}
	slices.SortFunc(entries, func(x, y Entry) int {
		return cmp.Or(strings.Compare(x.Kind, y.Kind), strings.Compare(x.Name, y.Name), slices.Compare(x.AccessKeys, y.AccessKeys))
	})
	return entries
}

// ErrFixed is wrapped where a name means an access key of the short form, or the built-in one, and nothing else.
var ErrFixed = errors.New("is nothing but a credential of the config file, or the built-in one, which only a restart changes")

// Show finds what a name of List means, with all that it was declared by but secrets. Errors: ErrUnknown, ErrFixed.
func (d *Directory) Show(name string) (Entry, error) {
	err := ErrUnknown
	for _, entry := range d.List() {
		if entry.Name != name {
			continue
		}
		if entry.Kind == "credential" {
			err = ErrFixed
			continue
		}
		r := ref{entry.Ref[0], entry.Ref[1], entry.Ref[2], entry.Ref[3]}
		d.mu.Lock()
		e := d.entities[r.fold()]
		d.mu.Unlock()
		if e != nil {
			entry.Spec = withoutSecrets(e.spec)
			return entry, nil
		}
	}
	return Entry{}, err
}

func (e *entity) entry(now *Snapshot) Entry {
	entry := Entry{Kind: e.kind, RunTime: e.admin, Ref: [4]string{e.kind, e.partition, e.account, e.name}}
	a := now.Account(e.partition, e.account)
	switch spec := e.spec.(type) {
	case *UserConfig:
		u := a.users[spec.Name]
		entry.Name, entry.UniqueID, entry.AccessKeys = u.ARN, u.UniqueID, u.AccessKeyIDs
	case *GroupConfig:
		entry.Name, entry.UniqueID = a.groups[spec.Name].ARN, a.groups[spec.Name].UniqueID
	case *RoleConfig:
		entry.Name, entry.UniqueID = a.roles[spec.Name].ARN, a.roles[spec.Name].UniqueID
	case *ProviderConfig:
		entry.Name = a.providers[issuerOf(spec.URL)].ARN
	case *AccountConfig:
		entry.Name = a.RootARN()
		for _, k := range spec.AccessKeys {
			entry.AccessKeys = append(entry.AccessKeys, k.ID)
		}
	case *ServiceCredentialConfig:
		entry.Name, entry.AccessKeys = "access-key "+spec.ID, []string{spec.ID}
	default:
		entry.Name = "policy " + e.name
	}
	return entry
}

// withoutSecrets is a spec that may be shown.
func withoutSecrets(spec any) any {
	switch spec := spec.(type) {
	case *UserConfig:
		shown := *spec
		shown.AccessKeys = idsOnly(spec.AccessKeys)
		return &shown
	case *AccountConfig:
		shown := *spec
		shown.AccessKeys = idsOnly(spec.AccessKeys)
		return &shown
	case *ServiceCredentialConfig:
		shown := *spec
		shown.Secret = ""
		return &shown
	}
	return spec
}

func idsOnly(keys []AccessKeyConfig) []AccessKeyConfig {
	keys = slices.Clone(keys)
	for i := range keys {
		keys[i].Secret = ""
	}
	return keys
}

// Export is all that is declared but the short form of credentials, without secrets: applied where it came from it changes
// nothing.
func (d *Directory) Export() Config {
	d.mu.Lock()
	entities := sortedEntities(maps.Clone(d.entities))
	d.mu.Unlock()
	var c Config
	accounts := map[accountKey]*AccountConfig{}
	var order []accountKey
	for _, e := range entities {
		if e.kind == kindAccount {
			own := *withoutSecrets(e.spec).(*AccountConfig)
			accounts[e.in()] = &own
			order = append(order, e.in())
		}
	}
	for _, e := range entities {
		if e.account != "" && accounts[e.in()] == nil {
			accounts[e.in()] = &AccountConfig{ID: e.account, Partition: e.partition}
			order = append(order, e.in())
		}
		a := accounts[e.in()]
		switch spec := withoutSecrets(e.spec).(type) {
		case *Document:
			if c.Policies == nil {
				c.Policies = map[string]Document{}
			}
			c.Policies[e.name] = *spec
		case *UserConfig:
			a.Users = append(a.Users, *spec)
		case *GroupConfig:
			a.Groups = append(a.Groups, *spec)
		case *RoleConfig:
			a.Roles = append(a.Roles, *spec)
		case *ProviderConfig:
			a.Providers = append(a.Providers, *spec)
		case *ServiceCredentialConfig:
			c.ServiceCredentials = append(c.ServiceCredentials, *spec)
		}
	}
	for _, key := range order {
		c.Accounts = append(c.Accounts, *accounts[key])
	}
	return c
}
