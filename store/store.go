// Package store holds what outlives the process: records under ordered keys, written in durable
// transactions. It is the contract only; engines live in the packages below it, and storetest is the
// suite that each of them passes. It is not a cache (fastpath/keyring is) and knows nothing of what the
// bytes mean: nothing but tokens and metadata may be given to it.
package store

import (
	"context"
	"errors"
)

// Revision orders all commits of a store; 0 means absent. Never reused.
type Revision int64

// Record is one stored value.
type Record struct {
	Key, Value []byte   // the caller's to keep; a Value is at most MaxValueBytes
	Revision   Revision // of the commit that last wrote it
}

// Limits of every engine.
const (
	MaxTxnEntries = 64        // conditions, puts and deletes of one transaction together
	MaxValueBytes = 256 << 10 // of one record
	MaxKeyBytes   = 1024
)

// Txn applies all or nothing; at most MaxTxnEntries entries in all.
type Txn struct {
	Require []Condition
	Put     []Record // Revision ignored
	Delete  [][]byte
}

// Condition holds while Key's revision is exactly this; 0: while absent.
type Condition struct {
	Key      []byte
	Revision Revision
}

// Errors of a Store, found again through any wrapping by errors.Is. Where a context ended the call, its
// error is in the chain too.
var (
	ErrNotFound    = errors.New("store: not found")
	ErrConflict    = errors.New("store: a condition does not hold")
	ErrTooLarge    = errors.New("store: transaction too large")
	ErrInvalid     = errors.New("store: malformed transaction")
	ErrUnavailable = errors.New("store: unavailable, not applied")
	ErrAmbiguous   = errors.New("store: may be applied")
	ErrCompacted   = errors.New("store: revision is gone, start again at the head")
)

// Store keeps records durably, ordered by key bytes. Safe for concurrent use. Nothing given to a method is
// kept after it returns, and all bytes it returns are the caller's. A context that has ended makes every
// method return ErrUnavailable (Commit: ErrAmbiguous once the transaction may have been applied; Watch: the
// context's error).
type Store interface {
	// Load is linearizable, and what it returns is durable. A present empty value is not nil. Errors:
	// ErrNotFound, ErrUnavailable.
	Load(ctx context.Context, key []byte) (Record, error)
	// List returns up to limit records of prefix (nil: all) after the key `after` (nil: from the start), in
	// key order, and whether there are more. All are of one moment. Errors: ErrUnavailable.
	List(ctx context.Context, prefix, after []byte, limit int) (rs []Record, more bool, err error)
	// Commit returns once the transaction is durable. All of its records get the revision returned. Deleting
	// an absent key changes nothing; a transaction that changes nothing gets no revision of its own: Commit
	// then returns the newest one that its conditions were checked against. Errors: ErrConflict, ErrTooLarge
	// (and ErrInvalid: see Txn.Check), ErrUnavailable (not applied), ErrAmbiguous (may be applied: Load to
	// find out).
	Commit(ctx context.Context, t Txn) (Revision, error)
	// Watch calls f with every commit after `from`, one a call and in order, and with no changes at least once
	// a second to say how far it is current; a deletion has a nil Value. Calls of f never overlap; a slow f
	// delays no one else, but may find its place gone (ErrCompacted). It returns f's error, ctx's,
	// ErrUnavailable once the store is closed or has failed, or ErrCompacted when `from` is gone or newer than
	// Head: drop the cache, start at Head.
	Watch(ctx context.Context, from Revision, f func(upTo Revision, changes []Record) error) error
	// Head is the newest revision; 0 in a store never written to. Errors: ErrUnavailable.
	Head(ctx context.Context) (Revision, error)
	// Close makes all waiting commits durable and ends the watches with ErrUnavailable; all later calls get
	// ErrUnavailable too. It does not wait for callbacks of Watch. Closing again does nothing.
	Close() error
}
