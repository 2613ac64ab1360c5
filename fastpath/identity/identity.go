// Package identity knows who calls: accounts with their users, groups, roles, sessions and policies, and the access keys
// that speak for them.
//
// It is not authentication (fastpath/sigv4 verifies signatures with the secrets kept here) and not authorization
// (fastpath/authz decides). A Directory is safe for concurrent use and owns no goroutine: readers take the current
// Snapshot by one atomic load; changes come one at a time, are durable, and are in force before they are answered.
package identity

import (
	"errors"
	"fmt"
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

// Credential is an access key and whom it speaks for. Immutable once it is in a directory.
type Credential struct {
	AccessKeyID  string
	Secret       Secret
	SessionToken string    // empty for long-term keys
	Expires      time.Time // zero: never; real time, not the test clock
	Principal    Principal
	Service      string // service principal whose key pair it is, which may act for others; empty: of nobody
	BuiltIn      bool   // the well-known default pair

	Session any // what made temporary credentials keeps of them; nil: they were declared, or are no temporary ones
}

// The built-in credential: well known, so a server that uses it listens on loopback only.
const (
	BuiltInAccessKeyID = "test"
	BuiltInSecret      = "test"
	DefaultAccount     = "000000000000"
)

// BuiltIn is the default credential: the root of account in the commercial partition.
func BuiltIn(account string) Credential {
	return builtIn(&Account{Partition: "aws", ID: account})
}

func builtIn(a *Account) Credential {
	return Credential{
		AccessKeyID: BuiltInAccessKeyID, Secret: Secret(BuiltInSecret), Principal: *a.Root(BuiltInAccessKeyID, nil), BuiltIn: true,
	}
}

// Root is the root principal of an account that nothing else is known of.
func Root(partition, account string) Principal {
	a := Account{Partition: partition, ID: account}
	return *a.Root("", nil)
}

// ErrCredential is wrapped by every refusal of NewDirectory.
var ErrCredential = errors.New("credential is not valid")

func (c *Credential) check() error {
	switch {
	case !accessKeyIDPattern.MatchString(c.AccessKeyID):
		return fmt.Errorf("%w: an access key id has 1 to 128 letters, digits or underscores", ErrCredential)
	case len(c.Secret) == 0:
		return fmt.Errorf("%w: the secret access key is empty", ErrCredential)
	case c.Principal.Type != authz.CallerService && !accountPattern.MatchString(c.Principal.Account):
		return fmt.Errorf("%w: an account id has 12 digits, not %q", ErrCredential, c.Principal.Account)
	case !partitionPattern.MatchString(c.Principal.Partition):
		return fmt.Errorf("%w: unknown partition %q (aws, aws-cn, aws-us-gov)", ErrCredential, c.Principal.Partition)
	}
	return nil
}
