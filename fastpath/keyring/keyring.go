// Package keyring owns what is kept of keys: key, token, alias, tag and policy records in the store, and
// the bounded, lock-free read cache over them.
package keyring

import (
	"context"
	"errors"
	"time"

	"trent/hsm"
	"trent/store"
)

// Options of a Keyring. The zero value is usable.
type Options struct {
	CacheBytes    int64            // bound of the cache; 0: 256 MiB
	AliasesPerKey int              // 0: 50, the service's default quota
	Clock         func() time.Time // scheduled deletion and dates of aliases; nil: time.Now
}

// Keyring finds keys. Safe for concurrent use.
type Keyring struct{}

var errStub = errors.New("keyring: being written")

func Open(s store.Store, m hsm.Module, o Options) (*Keyring, error)   { return nil, errStub }
func (k *Keyring) Close() error                                       { return errStub }
func (k *Keyring) ByID(ctx context.Context, id ID) (*Snapshot, error) { return nil, errStub }
func (k *Keyring) Resolve(ctx context.Context, caller Scope, name []byte) (Resolved, error) {
	return Resolved{}, errStub
}
func Classify(name []byte) Form { return 0 }
func (k *Keyring) ByMaterial(ctx context.Context, scope Scope, m hsm.MaterialID) (*Snapshot, *hsm.Key, error) {
	return nil, nil, errStub
}
func (k *Keyring) Create(ctx context.Context, n NewKey) (*Snapshot, error) { return nil, errStub }
func (k *Keyring) Update(ctx context.Context, id ID, f func(r *Record) error) (*Snapshot, error) {
	return nil, errStub
}
func (k *Keyring) Record(ctx context.Context, id ID) (Record, error)         { return Record{}, errStub }
func (k *Keyring) Policy(ctx context.Context, id ID) ([]byte, error)         { return nil, errStub }
func (k *Keyring) PutPolicy(ctx context.Context, id ID, policy []byte) error { return errStub }
func (k *Keyring) Tags(ctx context.Context, id ID) ([]Tag, error)            { return nil, errStub }
func (k *Keyring) EditTags(ctx context.Context, id ID, f func([]Tag) ([]Tag, error)) error {
	return errStub
}
func (k *Keyring) CreateAlias(ctx context.Context, scope Scope, name string, target ID) error {
	return errStub
}
func (k *Keyring) UpdateAlias(ctx context.Context, scope Scope, name string, target ID) error {
	return errStub
}
func (k *Keyring) DeleteAlias(ctx context.Context, scope Scope, name string) error { return errStub }
func (k *Keyring) ListKeys(ctx context.Context, scope Scope, after string, limit int) ([]string, bool, error) {
	return nil, false, errStub
}
func (k *Keyring) ListAliases(ctx context.Context, scope Scope, keyID, after string, limit int) ([]Alias, bool, error) {
	return nil, false, errStub
}
func (k *Keyring) Delete(ctx context.Context, id ID) error { return errStub }
func (k *Keyring) Due(ctx context.Context, now time.Time, limit int) ([]ID, error) {
	return nil, errStub
}
