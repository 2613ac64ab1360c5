package keyring

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"trent/fastpath/authz"
	"trent/hsm"
	"trent/store"
)

// ID names one copy of a key: a multi-Region key has one in each of its Regions.
type ID struct{ Partition, Account, Region, Key string }

// ARN is the key's ARN.
func (id ID) ARN() string {
	return "arn:" + id.Partition + ":kms:" + id.Region + ":" + id.Account + ":key/" + id.Key
}

// Scope is whose names are meant: bare key ids and alias names belong to the caller's account and the
// Region of the endpoint.
type Scope struct{ Partition, Account, Region string }

// Key is the ID of a key of this scope.
func (s Scope) Key(key string) ID {
	return ID{Partition: s.Partition, Account: s.Account, Region: s.Region, Key: key}
}

// AliasARN is the ARN of an alias of this scope; name begins with "alias/".
func (s Scope) AliasARN(name string) string {
	return "arn:" + s.Partition + ":kms:" + s.Region + ":" + s.Account + ":" + name
}

// State is the API's KeyState. Values are stable: they are part of key records.
type State uint8

// Key states (AWS KMS Developer Guide, "Key states").
const (
	StateNone State = iota
	Creating
	Enabled
	Disabled
	PendingDeletion
	PendingImport
	PendingReplicaDeletion
	Unavailable
	Updating
	numStates
)

var stateText = [numStates]string{
	"", "Creating", "Enabled", "Disabled", "PendingDeletion", "PendingImport", "PendingReplicaDeletion",
	"Unavailable", "Updating",
}

// String is the API's text, empty for no state.
func (s State) String() string { return textOf(stateText[:], uint8(s)) }

// Origin is the API's Origin. Values are stable: they are part of key records.
type Origin uint8

// Origins of key material.
const (
	OriginNone Origin = iota
	AWSKMS
	External
	AWSCloudHSM
	ExternalKeyStore
	numOrigins
)

var originText = [numOrigins]string{"", "AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"}

// String is the API's text, empty for no origin.
func (o Origin) String() string { return textOf(originText[:], uint8(o)) }

// Manager is the API's KeyManager. Values are stable: they are part of key records.
type Manager uint8

// Managers of keys.
const (
	ManagerNone Manager = iota
	Customer
	AWS
	numManagers
)

var managerText = [numManagers]string{"", "CUSTOMER", "AWS"}

// String is the API's text, empty for no manager.
func (m Manager) String() string { return textOf(managerText[:], uint8(m)) }

func textOf(table []string, v uint8) string {
	if int(v) < len(table) {
		return table[v]
	}
	return ""
}

// Snapshot is an immutable view of a key, shared by all its readers. It holds what the request path
// needs and nothing that may be large; Attributes, Record, Policy and Tags have the rest.
type Snapshot struct {
	Missing     bool // no such key: only ID and ARN are set
	MultiRegion bool
	State       State
	Spec        hsm.KeySpec
	Usage       hsm.Usage
	Origin      Origin
	Manager     Manager

	ExpiresMillis int64           // when imported material expires next, milliseconds since the epoch; 0: none does
	Current       *hsm.Key        // nil while no material is present
	Policy        *authz.Compiled // key policy; nil only if Missing. Keys with the same text share it
	ARN           string
	Store         string // custom key store that holds the key; empty: none

	ID
	Revision store.Revision // of the key record; 0 if Missing
	Created  time.Time      // to the millisecond, UTC
	Deletion time.Time      // only while pending
	Public   []byte         // SubjectPublicKeyInfo (DER) of the current material, asymmetric keys only

	attributes atomic.Pointer[Attributes] // nil: not loaded yet
}

// Record is everything durable of a key itself; its policy, tags and aliases are read by their own methods.
type Record struct {
	ID
	Revision    store.Revision
	State       State
	Spec        hsm.KeySpec
	Usage       hsm.Usage
	Origin      Origin
	Manager     Manager
	MultiRegion bool
	Created     time.Time
	Deletion    time.Time // zero: none is scheduled
	WindowDays  int       // PendingWindowInDays of the scheduled deletion
	Description string
	Current     hsm.MaterialID // zero: never had material; stays when imported material is deleted

	Rotation  Rotation
	OnDemand  int       // on-demand rotations so far
	ValidTo   time.Time // when the first of the imported materials expires; zero: none does
	Waiting   time.Time // the same for those that wait for a rotation, which are no part of the key yet
	Lacking   bool      // imported material of the key is not here: never imported, deleted or expired
	Store     string    // custom key store; empty: none
	BackingID string    // of a custom key store's key: CloudHSM cluster, or external key
	Primary   string    // multi-Region: the Region of the primary copy, its own exactly if it is the primary; else empty
	Resume    State     // the state that follows a transitional one; StateNone: none is meant
	Settle    time.Time // when a transitional state ends; zero: not by itself
}

// Rotation is a key's automatic rotation; the zero value is off.
type Rotation struct {
	Enabled    bool
	PeriodDays int
	Since      time.Time // what the next date counts from: the last automatic rotation, or when it was enabled
	Next       time.Time // zero: none
}

// Material is one version of a key's material, as a list shows it.
type Material struct {
	ID          hsm.MaterialID
	State       MaterialState
	Import      ImportState
	Expires     Expiration
	Rotation    RotationType // how it became current; zero: by creation or first import
	Created     time.Time
	Rotated     time.Time // when it became current by rotation; zero: never
	ValidTo     time.Time // zero: does not expire
	Description string
}

// MaterialState is the API's KeyMaterialState. Values are stable: they are part of records.
type MaterialState uint8

// States of key material.
const (
	MaterialStateNone MaterialState = iota
	MaterialCurrent
	MaterialNonCurrent
	MaterialPendingRotation
	MaterialPendingMultiRegion // PENDING_MULTI_REGION_IMPORT_AND_ROTATION
	numMaterialStates
)

// ImportState is the API's ImportState, zero for material that was made here. Values are stable.
type ImportState uint8

// Import states.
const (
	NotImported ImportState = iota
	Imported
	PendingReimport // deleted or expired: PENDING_IMPORT
	numImportStates
)

// Expiration is the API's ExpirationModel. Values are stable.
type Expiration uint8

// Expiration models.
const (
	ExpirationNone Expiration = iota
	Expires
	DoesNotExpire
	numExpirations
)

// RotationType is the API's RotationType. Values are stable.
type RotationType uint8

// Rotation types.
const (
	RotationNone RotationType = iota
	Automatic
	OnDemand
	numRotationTypes
)

// Task is a kind of work that falls due. Values are stable: they are part of the due index.
type Task uint8

// Tasks.
const (
	TaskDelete      Task = iota // remove a key whose waiting period is over
	TaskRotate                  // automatic rotation
	TaskExpire                  // delete imported material whose time is over
	TaskWrappingKey             // delete the wrapping key of an import
	TaskSync                    // carry what multi-Region copies share to the others
	TaskSettle                  // end a transitional state
	numTasks
)

// Due is work for a key at a time.
type Due struct {
	ID
	Task Task
	At   time.Time
}

// NewKey is what Create writes. Without a Token the key waits for its material (PendingImport).
type NewKey struct {
	ID
	Spec        hsm.KeySpec
	Usage       hsm.Usage
	Origin      Origin  // zero: AWSKMS
	Manager     Manager // zero: Customer
	MultiRegion bool
	Description string
	Policy      []byte // nil: the account's default policy
	Tags        []Tag
	Token       []byte
	Public      []byte
	Material    hsm.MaterialID
	Created     time.Time
	Store       string // custom key store
	BackingID   string
	RotateDays  int    // period of automatic rotation, on from the start; 0: off
	Alias       string // made with the key, which is then the only one; empty: none
}

// Tag is one tag of a key.
type Tag struct{ Key, Value string }

// Alias is one alias of an account and Region.
type Alias struct {
	Name             string // begins with "alias/"
	Target           string // key id
	Created, Updated time.Time
}

// Resolved is what a name in a request led to.
type Resolved struct {
	Snapshot *Snapshot // never nil without an error; may be Missing
	Alias    []byte    // alias name used, a view into the name given; nil for key ids and key ARNs
	Form     Form
}

// Errors of a Keyring, besides those of the store (store.ErrUnavailable, ErrAmbiguous, ErrConflict).
var (
	ErrKeyMissing      = errors.New("keyring: no such key")
	ErrKeyExists       = errors.New("keyring: key or material exists already")
	ErrAliasExists     = errors.New("keyring: alias exists already")
	ErrAliasMissing    = errors.New("keyring: no such alias")
	ErrUnknownMaterial = errors.New("keyring: material was never issued here")
	ErrNotDue          = errors.New("keyring: key is not due for deletion")
	ErrImmutable       = errors.New("keyring: update changes what cannot change")
	ErrRecord          = errors.New("keyring: record cannot be read by this version")
)

// ErrTooManyAliases says that a key has all the aliases it may have. Found by errors.As on a pointer.
type ErrTooManyAliases struct{ Limit, Current int }

func (e *ErrTooManyAliases) Error() string {
	return fmt.Sprintf("keyring: key has %d aliases of at most %d", e.Current, e.Limit)
}

// NameErrorKind says why a name leads nowhere.
type NameErrorKind uint8

// Kinds of NameError, with what Text then holds.
const (
	InvalidID    NameErrorKind = iota + 1 // neither ARN, alias nor a well-formed key id; the name as given
	InvalidARNID                          // key ARN whose id part is malformed; that part
	OtherRegion                           // ARN of another Region; that Region
	NoAlias                               // no such alias; its full ARN
	MalformedARN                          // begins with "arn:" and is not an ARN of this service; as given
)

// NameError is the failure of Resolve that is the caller's own doing.
type NameError struct {
	Kind NameErrorKind
	Text string
}

func (e *NameError) Error() string {
	switch e.Kind {
	case InvalidID:
		return fmt.Sprintf("keyring: %q is not a key id", e.Text)
	case InvalidARNID:
		return fmt.Sprintf("keyring: %q in a key ARN is not a key id", e.Text)
	case OtherRegion:
		return fmt.Sprintf("keyring: the ARN is of Region %q", e.Text)
	case NoAlias:
		return fmt.Sprintf("keyring: no alias %q", e.Text)
	default:
		return fmt.Sprintf("keyring: %q is not an ARN of a key or an alias", e.Text)
	}
}

// Form is how a request named a key.
type Form uint8

// The four forms of a key's name.
const (
	KeyIDForm Form = iota + 1
	KeyARNForm
	AliasNameForm
	AliasARNForm
)

// IsAlias says whether the form is one of an alias.
func (f Form) IsAlias() bool { return f == AliasNameForm || f == AliasARNForm }
