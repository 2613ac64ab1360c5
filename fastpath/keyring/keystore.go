package keyring

import (
	"errors"
	"fmt"
	"time"

	"trent/store"
)

// DefaultKeyStores is how many custom key stores an account may have in a Region, of both types and in all states
// (AWS KMS Developer Guide, "Resource quotas").
const DefaultKeyStores = 10

// StoreType is the API's CustomKeyStoreType. Values are stable: they are part of records.
type StoreType uint8

// Types of custom key stores.
const (
	StoreTypeNone StoreType = iota
	CloudHSMStore
	ExternalStore
	numStoreTypes
)

// ConnectionState is the API's ConnectionState. Values are stable: they are part of records.
type ConnectionState uint8

// Connection states.
const (
	ConnectionNone ConnectionState = iota
	Connected
	Connecting
	ConnectionFailed
	Disconnected
	Disconnecting
	numConnectionStates
)

var connectionText = [numConnectionStates]string{"", "CONNECTED", "CONNECTING", "FAILED", "DISCONNECTED", "DISCONNECTING"}

// String is the API's text, empty for no state.
func (s ConnectionState) String() string { return textOf(connectionText[:], uint8(s)) }

// Moving says whether the state is to end by itself.
func (s ConnectionState) Moving() bool { return s == Connecting || s == Disconnecting }

// Connectivity is the API's XksProxyConnectivity. Values are stable: they are part of records.
type Connectivity uint8

// Ways to an external key store's proxy.
const (
	ConnectivityNone Connectivity = iota
	PublicEndpoint
	VPCEndpointService
	numConnectivities
)

// KeyStore is one custom key store.
type KeyStore struct {
	Scope
	ID       string         // "cks-" and 17 hex digits
	Revision store.Revision // of its record
	Name     string
	Type     StoreType
	State    ConnectionState
	Failure  string // the API's ConnectionErrorCode; only in ConnectionFailed
	Created  time.Time
	Attempt  uint32    // counts what was begun: connections and their ends
	Began    time.Time // when the latest was
	Next     time.Time // when a moving state is looked at again

	Cluster     string // CloudHSM cluster
	TrustAnchor string // PEM

	Connectivity Connectivity // and what follows: external key stores
	Endpoint     string
	Path         string
	Service      string // VPC endpoint service
	ServiceOwner string
	AccessKeyID  string

	// Secret is the store's password or secret access key as the module encrypted it. It never holds plaintext.
	Secret []byte
}

// place is the store as the due index and Holds name it.
func (s *KeyStore) place() ID { return s.Key(s.ID) }

// ARN names the store to administrators; the API has no ARN of custom key stores.
func (s *KeyStore) ARN() string { return s.place().ARN() }

// Errors about custom key stores.
var (
	ErrStoreMissing   = errors.New("keyring: no such custom key store")
	ErrStoreState     = errors.New("keyring: connection state of the custom key store forbids it")
	ErrStoreHasKeys   = errors.New("keyring: custom key store has keys")
	ErrExternalInUse  = errors.New("keyring: external key is another key's of the same custom key store")
	errStoreNotUnique = errors.New("keyring: custom key store exists already")
)

// ErrTooManyStores says that an account has all the custom key stores it may have. Found by errors.As on a pointer.
type ErrTooManyStores struct{ Limit, Current int }

func (e *ErrTooManyStores) Error() string {
	return fmt.Sprintf("keyring: account has %d custom key stores of at most %d", e.Current, e.Limit)
}

// Kinds of store keys of custom key stores.
const (
	kindStore       = "cks"
	kindStoreRoster = "ckr"
	kindStoreKeys   = "ckn"
	kindStoreTaken  = "ckx"
)

const (
	storePrefix   = "cks-"
	storeIDDigits = 17
)

// setStore fills the id of a custom key store; false: it can be none.
func setStore[T ~string | ~[]byte](c *cacheKey, id T) bool {
	if len(id) != len(storePrefix)+storeIDDigits || string(id[:len(storePrefix)]) != storePrefix {
		return false
	}
	for i := range storeIDDigits {
		digit := id[len(storePrefix)+i]
		switch {
		case digit >= '0' && digit <= '9':
			digit -= '0'
		case digit >= 'a' && digit <= 'f':
			digit -= 'a' - 10
		default:
			return false
		}
		c.id[i/2] = c.id[i/2]<<4 | digit
	}
	c.kind = 2
	return true
}

func storeKeyOf(s Scope, kind, id string) []byte { return []byte(s.prefix(kind) + id) }

func takenKey(s Scope, storeID, external string) []byte {
	return []byte(s.prefix(kindStoreTaken) + storeID + separator + external)
}

// Fields of a custom key store's record.
const (
	storeFieldFailure = iota + 1
	storeFieldCluster
	storeFieldTrustAnchor
	storeFieldEndpoint
	storeFieldPath
	storeFieldService
	storeFieldServiceOwner
	storeFieldAccessKeyID
	storeFieldSecret
)

func (s *KeyStore) fields() [9]*string {
	return [9]*string{
		&s.Failure, &s.Cluster, &s.TrustAnchor, &s.Endpoint, &s.Path, &s.Service, &s.ServiceOwner, &s.AccessKeyID, nil,
	}
}

func encodeKeyStore(s *KeyStore) []byte {
	b := []byte{recordVersion, uint8(s.Type), uint8(s.State), uint8(s.Connectivity)}
	b = appendTime(appendTime(appendTime(b, s.Created), s.Began), s.Next)
	b = append(b, byte(s.Attempt>>24), byte(s.Attempt>>16), byte(s.Attempt>>8), byte(s.Attempt))
	b = appendStr16(b, s.Name)
	for i, field := range s.fields() {
		if field != nil && *field != "" {
			b = appendBytes32(append(b, uint8(i+1)), *field)
		}
	}
	if len(s.Secret) > 0 {
		b = appendBytes32(append(b, storeFieldSecret), s.Secret)
	}
	return b
}

// decodeKeyStore fills all of s but its Scope, ID and Revision.
func decodeKeyStore(value []byte, s *KeyStore) error {
	d := reader{b: value}
	d.version()
	s.Type, s.State, s.Connectivity = StoreType(d.u8()), ConnectionState(d.u8()), Connectivity(d.u8())
	s.Created, s.Began, s.Next = d.time(), d.time(), d.time()
	s.Attempt = d.u32()
	s.Name = d.str16()
	fields := s.fields()
	for last := uint8(0); len(d.b) > 0; {
		tag, value := d.u8(), d.bytes32()
		if tag <= last || tag > storeFieldSecret || len(value) == 0 || d.bad { // an empty field is not written
			d.bad = true
			break
		}
		if last = tag; tag == storeFieldSecret {
			s.Secret = append([]byte(nil), value...)
		} else {
			*fields[tag-1] = string(value)
		}
	}
	if s.Type == StoreTypeNone || s.Type >= numStoreTypes || s.State == ConnectionNone || s.State >= numConnectionStates ||
		s.Connectivity >= numConnectivities {
		d.bad = true
	}
	return d.done("custom key store")
}
