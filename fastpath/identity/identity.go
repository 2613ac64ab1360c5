// Package identity knows who calls: principals, and the access keys that speak for them.
//
// It is not authentication (fastpath/sigv4 verifies signatures with the secrets kept here) and not
// authorization (fastpath/authz decides). A Directory is immutable and safe for concurrent use; it owns
// no goroutine.
package identity

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"trent/fastpath/authz"
)

// Principal is who a request acts as.
type Principal struct {
	authz.Caller
	// UserIdentity is the userIdentity element of the principal's CloudTrail records, as JSON. Immutable.
	UserIdentity []byte
}

// Secret is a secret access key. It prints as a placeholder.
type Secret []byte

// String redacts.
func (Secret) String() string { return "[secret]" }

// Format redacts for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secret]")) }

// Credential is an access key and whom it speaks for.
type Credential struct {
	AccessKeyID  string
	Secret       Secret
	SessionToken string    // empty for long-term keys
	Expires      time.Time // zero: never; real time, not the test clock
	Principal    Principal
	BuiltIn      bool // the well-known default pair
}

// The built-in credential: well known, so a server that uses it listens on loopback only.
const (
	BuiltInAccessKeyID = "test"
	BuiltInSecret      = "test"
	DefaultAccount     = "000000000000"
)

// BuiltIn is the default credential: the root of account in the commercial partition.
func BuiltIn(account string) Credential {
	return Credential{
		AccessKeyID: BuiltInAccessKeyID,
		Secret:      Secret(BuiltInSecret),
		Principal:   Root("aws", account),
		BuiltIn:     true,
	}
}

// Root is the root principal of an account.
func Root(partition, account string) Principal {
	return Principal{Caller: authz.Caller{
		Type: authz.CallerAccount, Partition: partition, Account: account,
		ARN: "arn:" + partition + ":iam::" + account + ":root", ID: account,
	}}
}

// Directory finds credentials by access key id.
type Directory struct {
	byID    map[string]*Credential
	builtIn bool
}

var (
	accountPattern     = regexp.MustCompile(`^[0-9]{12}$`)
	accessKeyIDPattern = regexp.MustCompile(`^[A-Za-z0-9_]{1,128}$`)
	partitionPattern   = regexp.MustCompile(`^aws(-[a-z]+)*$`)
)

// ErrCredential is wrapped by every refusal of NewDirectory.
var ErrCredential = errors.New("credential is not valid")

// NewDirectory checks the credentials and indexes them. Errors wrap ErrCredential and name the access
// key id, never the secret.
func NewDirectory(credentials []Credential) (*Directory, error) {
	d := &Directory{byID: make(map[string]*Credential, len(credentials))}
	for i := range credentials {
		c := credentials[i]
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("credential %d (%q): %w", i+1, c.AccessKeyID, err)
		}
		if d.byID[c.AccessKeyID] != nil {
			return nil, fmt.Errorf("credential %d (%q): %w: the access key id is given twice", i+1, c.AccessKeyID, ErrCredential)
		}
		d.byID[c.AccessKeyID] = &c
		d.builtIn = d.builtIn || c.BuiltIn
	}
	return d, nil
}

func (c *Credential) check() error {
	switch {
	case !accessKeyIDPattern.MatchString(c.AccessKeyID):
		return fmt.Errorf("%w: an access key id has 1 to 128 letters, digits or underscores", ErrCredential)
	case len(c.Secret) == 0:
		return fmt.Errorf("%w: the secret access key is empty", ErrCredential)
	case !accountPattern.MatchString(c.Principal.Account):
		return fmt.Errorf("%w: an account id has 12 digits, not %q", ErrCredential, c.Principal.Account)
	case !partitionPattern.MatchString(c.Principal.Partition):
		return fmt.Errorf("%w: unknown partition %q (aws, aws-cn, aws-us-gov)", ErrCredential, c.Principal.Partition)
	}
	return nil
}

// Lookup returns the credential of an access key id, nil if it is unknown. It allocates nothing.
func (d *Directory) Lookup(accessKeyID []byte) *Credential { return d.byID[string(accessKeyID)] }

// HasBuiltIn says whether the well-known credential is active.
func (d *Directory) HasBuiltIn() bool { return d.builtIn }

// All lists the credentials in no particular order.
func (d *Directory) All() []*Credential {
	all := make([]*Credential, 0, len(d.byID))
	for _, c := range d.byID {
		all = append(all, c)
	}
	return all
}
