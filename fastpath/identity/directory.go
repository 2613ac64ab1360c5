package identity

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"trent/fastpath/authz"
	"trent/store"
)

// Directory is who there is, now.
type Directory struct {
	now     atomic.Pointer[Snapshot]
	options Options

	mu       sync.Mutex // of changes; what is below belongs to it
	entities map[ref]*entity
	gone     map[ref]int               // generations of what the administration deleted
	declared map[ref][sha256.Size]byte // digests of what Options.Config declares
	seal     sealer
}

// Options of a Directory.
type Options struct {
	Config Config // with its files read
	// Account is whom the built-in credential speaks for, which is there while Config has no access key; and whose root
	// credentials without account and arn are. Empty: DefaultAccount.
	Account string
	Strict  bool // policies may name principals only that exist
	// Credentials are further ones, ready made.
	Credentials []Credential
	// Store keeps what the administration changes; nil: it lasts until the process ends. SealFile is the file with the key
	// of these records, made with the first of them.
	Store    store.Store
	SealFile string
	Started  time.Time // when temporary credentials of Config count as issued
	Logf     func(format string, args ...any)
}

// Open makes a directory of what is declared. Errors: *ConfigError, what wraps ErrCredential, the store's.
func Open(ctx context.Context, o Options) (*Directory, error) {
	if o.Account == "" {
		o.Account = DefaultAccount
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	d := &Directory{options: o}
	declared, err := o.Config.entities()
	if err != nil {
		return nil, err
	}
	d.entities, d.gone, d.declared, d.seal.file = declared, map[ref]int{}, map[ref][sha256.Size]byte{}, o.SealFile
	for key, e := range declared {
		d.declared[key] = e.digest()
	}
	if err := d.load(ctx); err != nil {
		return nil, err
	}
	snapshot, err := d.build(d.entities)
	if err != nil {
		return nil, err
	}
	d.now.Store(snapshot)
	return d, nil
}

// NewDirectory makes a directory of credentials alone. Errors wrap ErrCredential and name the access key id, never the
// secret.
func NewDirectory(credentials []Credential) (*Directory, error) {
	return Open(context.Background(), Options{Credentials: append([]Credential{}, credentials...)})
}

// Check finds what is wrong in a configuration whose files are read. Errors: *ConfigError.
func (c *Config) Check() error {
	_, err := Open(context.Background(), Options{Config: *c})
	return err
}

// HasKeys tells whether any access key is declared; while none is, the built-in credential is there.
func (c *Config) HasKeys() bool {
	for i := range c.Accounts {
		if len(c.Accounts[i].AccessKeys) > 0 {
			return true
		}
		for j := range c.Accounts[i].Users {
			if len(c.Accounts[i].Users[j].AccessKeys) > 0 {
				return true
			}
		}
	}
	return len(c.Credentials)+len(c.ServiceCredentials) > 0
}

// build makes the snapshot of what is declared and of the credentials that came ready made.
func (d *Directory) build(all map[ref]*entity) (*Snapshot, error) {
	o := &d.options
	s, err := build(all, o.Config.Credentials, o.Account, o.Started)
	if err != nil {
		return nil, err
	}
	ready := o.Credentials
	if ready == nil && !o.Config.HasKeys() {
		ready = []Credential{builtIn(s.Account("aws", o.Account))}
	}
	for i := range ready {
		c := ready[i]
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("credential %d (%q): %w", i+1, c.AccessKeyID, err)
		}
		if s.credentials[c.AccessKeyID] != nil {
			return nil, fmt.Errorf("credential %d (%q): %w: the access key id is given twice", i+1, c.AccessKeyID, ErrCredential)
		}
		if c.Principal.UserIdentity == nil {
			c.Principal.UserIdentity = appendUserIdentity(nil, &c.Principal.Caller, issuer{}, c.AccessKeyID, nil)
		}
		s.credentials[c.AccessKeyID] = &c
		s.builtIn = s.builtIn || c.BuiltIn
	}
	if old := d.now.Load(); old != nil {
		s.Generation = old.Generation + 1
	}
	return s, nil
}

// Current is the snapshot of this moment. What several look-ups of one request must agree on is looked up in one.
func (d *Directory) Current() *Snapshot { return d.now.Load() }

// Lookup returns the credential of an access key id, nil if it is unknown. It allocates nothing and takes no lock.
func (d *Directory) Lookup(accessKeyID []byte) *Credential { return d.now.Load().Lookup(accessKeyID) }

// Role returns a role by its name, nil if there is none.
func (d *Directory) Role(partition, account, name string) *Role {
	return d.now.Load().Role(partition, account, name)
}

// User returns a user by its name, nil if there is none.
func (d *Directory) User(partition, account, name string) *User {
	return d.now.Load().User(partition, account, name)
}

// Account returns an account; one that nothing declares is empty and in no organization.
func (d *Directory) Account(partition, id string) *Account {
	return d.now.Load().Account(partition, id)
}

// ResourceControl are the resource control policies that hold for what the account owns, a list a level; nil: none.
func (d *Directory) ResourceControl(partition, account string) [][]*authz.Compiled {
	return d.now.Load().ResourceControl(partition, account)
}

// Organization is the place of an account in an organization; the zero value: it is in none.
func (d *Directory) Organization(partition, account string) Organization {
	return d.now.Load().Organization(partition, account)
}

// PrincipalByUniqueID returns the ARN of the user, group or role that has a unique id; false: nobody has it any more.
func (d *Directory) PrincipalByUniqueID(id string) (arn string, ok bool) {
	return d.now.Load().PrincipalByUniqueID(id)
}

// UniqueID returns the unique id of the user or role of an ARN; false: there is none.
func (d *Directory) UniqueID(arn string) (id string, ok bool) { return d.now.Load().UniqueID(arn) }

// Accepts tells whether a policy may name the principal: always but with strict principals, which must exist.
func (d *Directory) Accepts(partition string, p authz.Principal) bool {
	return !d.options.Strict || d.Known(partition, p)
}

// Known tells whether a principal of a policy exists.
func (d *Directory) Known(partition string, p authz.Principal) bool {
	return d.now.Load().Known(partition, p)
}

// Strict says whether policies may name only principals that exist.
func (d *Directory) Strict() bool { return d.options.Strict }

// HasBuiltIn says whether the well-known credential is active.
func (d *Directory) HasBuiltIn() bool { return d.now.Load().builtIn }

// All lists the credentials in no particular order.
func (d *Directory) All() []*Credential {
	byID := d.now.Load().credentials
	all := make([]*Credential, 0, len(byID))
	for _, c := range byID {
		all = append(all, c)
	}
	return all
}
