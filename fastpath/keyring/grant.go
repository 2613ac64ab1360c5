package keyring

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"trent/store"
)

// GrantID names a grant; the API shows its 64 hexadecimal digits.
type GrantID [32]byte

// String is the id as the API shows it.
func (g GrantID) String() string { return hex.EncodeToString(g[:]) }

// ParseGrantID reads what String writes, in either letter case.
func ParseGrantID[T ~string | ~[]byte](text T) (id GrantID, ok bool) {
	if len(text) != hex.EncodedLen(len(id)) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(text))
	return id, err == nil
}

// GrantOperation is one of the operations that a grant can allow. Values are stable: they are part of records.
type GrantOperation uint8

// Operations of grants (AWS KMS API Reference, "CreateGrant").
const (
	GrantNothing GrantOperation = iota
	GrantDecrypt
	GrantEncrypt
	GrantGenerateDataKey
	GrantGenerateDataKeyWithoutPlaintext
	GrantReEncryptFrom
	GrantReEncryptTo
	GrantSign
	GrantVerify
	GrantGetPublicKey
	GrantCreateGrant
	GrantRetireGrant
	GrantDescribeKey
	GrantGenerateDataKeyPair
	GrantGenerateDataKeyPairWithoutPlaintext
	GrantGenerateMac
	GrantVerifyMac
	GrantDeriveSharedSecret
	GrantEncapsulate
	GrantDecapsulate
	NumGrantOperations
)

// Grant is one grant on a key. A principal is an ARN, a service principal a name such as "s3.amazonaws.com"; of
// Grantee and GranteeService, as of Retiring and RetiringService, at most one is set.
type Grant struct {
	Key     ID
	ID      GrantID
	Name    string // empty: none
	Created time.Time
	Issuer  string // account that made it

	Grantee, GranteeService   string
	Retiring, RetiringService string // both may be empty

	Operations []GrantOperation // each once, in the order in which they were given
	// Equals and Subset constrain the encryption context; nil: no constraint of the kind.
	Equals, Subset []Tag
	SourceARN      string // empty: no constraint
}

// Allows tells whether the grant lists an operation.
func (g *Grant) Allows(op GrantOperation) bool {
	for _, o := range g.Operations {
		if o == op {
			return true
		}
	}
	return false
}

// grantee and retiring are the names under which a grant stands in the indexes. ARNs have colons and service
// principals have none, so that the two kinds do not meet.
func (g *Grant) grantee() string {
	if g.GranteeService != "" {
		return g.GranteeService
	}
	return g.Grantee
}

func (g *Grant) retiring() string {
	if g.RetiringService != "" {
		return g.RetiringService
	}
	return g.Retiring
}

// ErrTooManyGrants says that a key has all the grants it may have. Found by errors.As on a pointer.
type ErrTooManyGrants struct{ Limit, Current int }

func (e *ErrTooManyGrants) Error() string {
	return fmt.Sprintf("keyring: key has %d grants of at most %d", e.Current, e.Limit)
}

// ErrGrantMissing: the key has no such grant, or there is no such key.
var ErrGrantMissing = errors.New("keyring: no such grant")

// errSettled ends a write that has nothing to commit.
var errSettled = errors.New("keyring: nothing to write")

// CreateGrant adds g, whose ID must be new, to its key and returns its id. If g has a name and the key has a grant
// that is the same in everything but id and date, nothing is written and the id of that one is returned. With dry
// nothing is written in any case. The key's state is the caller's to check. Errors: ErrKeyMissing,
// *ErrTooManyGrants, store.ErrConflict after many attempts, store.ErrUnavailable, store.ErrAmbiguous.
func (k *Keyring) CreateGrant(ctx context.Context, g Grant, dry bool) (GrantID, error) {
	id := g.ID
	g.Created = toMillis(g.Created)
	_, err := k.write(ctx, g.Key, func() (txn store.Txn, err error) {
		c, counted, err := k.children(ctx, g.Key)
		if err != nil {
			return txn, err
		}
		if g.Name != "" {
			known, err := k.grantNamed(ctx, &g)
			if err == nil {
				id = known
				return txn, errSettled
			}
			if !errors.Is(err, ErrGrantMissing) {
				return txn, err
			}
		}
		if err := k.roomForGrant(ctx, g.Key, c.grants); err != nil {
			return txn, err
		}
		if dry {
			return txn, errSettled
		}
		c.grants++
		txn.Require = []store.Condition{
			{Key: g.Key.storeKey(kindChildren), Revision: counted},
			{Key: grantKey(g.Key, g.ID)},
		}
		txn.Put = []store.Record{
			{Key: g.Key.storeKey(kindChildren), Value: encodeChildren(c)},
			{Key: grantKey(g.Key, g.ID), Value: encodeGrant(&g)},
		}
		for _, key := range g.indexKeys() {
			txn.Put = append(txn.Put, store.Record{Key: key, Value: encodeGrantID(g.ID)})
		}
		return txn, nil
	})
	if errors.Is(err, errSettled) {
		err = nil
	}
	return id, err
}

// roomForGrant is an *ErrTooManyGrants where another grant would be one too many. AWS managed keys may have any number (AWS
// KMS Developer Guide, "Resource quotas").
func (k *Keyring) roomForGrant(ctx context.Context, key ID, grants int) error {
	if grants < k.grantsPerKey {
		return nil
	}
	r, err := k.Record(ctx, key)
	if err != nil || r.Manager == AWS {
		return err
	}
	return &ErrTooManyGrants{Limit: k.grantsPerKey, Current: grants}
}

// grantNamed finds the grant of the same name and parameters. Errors: ErrGrantMissing, store.ErrUnavailable,
// ErrRecord.
func (k *Keyring) grantNamed(ctx context.Context, g *Grant) (GrantID, error) {
	rec, err := k.store.Load(ctx, grantNameKey(g))
	if errors.Is(err, store.ErrNotFound) {
		return GrantID{}, ErrGrantMissing
	}
	if err != nil {
		return GrantID{}, fmt.Errorf("loading the name of a grant: %w", err)
	}
	return decodeGrantID(rec.Value)
}

// DeleteGrant takes a grant from its key. Errors: ErrGrantMissing, store.ErrConflict after many attempts,
// store.ErrUnavailable, store.ErrAmbiguous, ErrRecord.
func (k *Keyring) DeleteGrant(ctx context.Context, key ID, id GrantID) error {
	_, err := k.write(ctx, key, func() (txn store.Txn, err error) {
		g, revision, err := k.grant(ctx, key, id)
		if err != nil {
			return txn, err
		}
		c, counted, err := k.children(ctx, key)
		if err != nil {
			return txn, err
		}
		c.grants--
		return store.Txn{
			Require: []store.Condition{
				{Key: key.storeKey(kindChildren), Revision: counted},
				{Key: grantKey(key, id), Revision: revision},
			},
			Put:    []store.Record{{Key: key.storeKey(kindChildren), Value: encodeChildren(c)}},
			Delete: append(g.indexKeys(), grantKey(key, id)),
		}, nil
	})
	if errors.Is(err, ErrKeyMissing) { // it is being deleted, and its grants with it
		return ErrGrantMissing
	}
	return err
}

// Grant returns one grant of a key. It reads the store. That the key is not being deleted is the caller's to check.
// Errors: ErrGrantMissing, store.ErrUnavailable, ErrRecord.
func (k *Keyring) Grant(ctx context.Context, key ID, id GrantID) (Grant, error) {
	g, _, err := k.grant(ctx, key, id)
	return g, err
}

func (k *Keyring) grant(ctx context.Context, key ID, id GrantID) (Grant, store.Revision, error) {
	rec, err := k.store.Load(ctx, grantKey(key, id))
	if errors.Is(err, store.ErrNotFound) {
		return Grant{}, 0, ErrGrantMissing
	}
	if err != nil {
		return Grant{}, 0, fmt.Errorf("loading a grant: %w", err)
	}
	g, err := decodeGrant(rec.Value)
	g.Key, g.ID = key, id
	return g, rec.Revision, err
}
