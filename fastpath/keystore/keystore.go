// Package keystore is what lies behind custom key stores: CloudHSM clusters, and external key stores' proxies, as a
// Backend. Scripted is the one there is so far, which plays what its configuration declares; connections to real
// clusters and proxies implement the same interface.
//
// It is not the record of a custom key store, nor its connection state, nor the API's errors: those are keyring's and
// operation's. It neither starts goroutines nor keeps anything durable. All is safe for concurrent use.
package keystore

import (
	"context"
	"fmt"
	"time"
)

// ProxyTimeout bounds one call of an external key store's proxy (XKS proxy API specification, "Timeouts").
const ProxyTimeout = 250 * time.Millisecond

// Call names what is asked of a backend, as in the configuration.
type Call string

// Calls.
const (
	Create     Call = "create"
	Update     Call = "update"
	Connect    Call = "connect"
	Disconnect Call = "disconnect"
	CreateKey  Call = "create_key"
	Encrypt    Call = "encrypt"
	Decrypt    Call = "decrypt"
	Random     Call = "random"
)

// Target is what a custom key store says of where it leads.
type Target struct {
	Partition, Account, Region string

	Store   string    // id of the custom key store; empty: it is being created
	Attempt uint32    // number of the connection that is being made or ended
	Began   time.Time // when that was

	Cluster     string // CloudHSM; empty: an external key store
	TrustAnchor string // PEM

	Endpoint, Path        string // of the proxy
	VPC                   bool   // reached through a VPC endpoint service
	Service, ServiceOwner string
	AccessKeyID           string

	Secret []byte // the kmsuser's password or the secret access key; the caller's to wipe, not to be kept
}

// ExternalKey is what a key manager says of a key.
type ExternalKey struct {
	Spec   string   // AES_256
	Usage  []string // ENCRYPT, DECRYPT, …
	Status string   // ENABLED, DISABLED
}

// Backend reaches clusters and proxies. Every method's errors are *Failure, or the context's.
type Backend interface {
	// Check tells whether the target is fit for Create, Update, Connect, or, of a cluster, CreateKey. Before an update
	// from another cluster, related is that one, else empty.
	Check(ctx context.Context, call Call, t *Target, related string) error
	// SharesBackups tells whether two clusters have a common backup history.
	SharesBackups(t *Target, other string) bool
	// Connect makes the connection. *Later: not done yet; call again then.
	Connect(ctx context.Context, t *Target) error
	// Disconnect ends the connection. *Later as Connect's.
	Disconnect(ctx context.Context, t *Target) error
	// ExternalKey asks the proxy for a key.
	ExternalKey(ctx context.Context, t *Target, id string) (ExternalKey, error)
	// Use passes Encrypt, Decrypt or Random to the cluster, or Encrypt or Decrypt by an external key to the proxy.
	Use(ctx context.Context, call Call, t *Target, external string) error
}

// Failure is a call that failed. Name is one of the API's exceptions, of its connection error codes, of the proxy API's
// errors, or one of the names below.
type Failure struct{ Name string }

func (f *Failure) Error() string { return "keystore: " + f.Name }

// Failures of a proxy that the proxy API has no name for.
const (
	NoConnection = "NoConnection" // no TCP
	NoTLS        = "NoTLS"
	NoAnswer     = "NoAnswer"  // none within ProxyTimeout
	Malformed    = "Malformed" // an answer that cannot be understood
)

// Later says that a connection is not made or ended before At.
type Later struct{ At time.Time }

func (l *Later) Error() string {
	return fmt.Sprintf("keystore: not before %s", l.At.Format(time.RFC3339))
}
