package domain

import "errors"

// Errors of Open and OpenMember, for errors.Is. Each is wrapped by a sentence that says what to do; after any of
// them nothing on disk has changed.
var (
	ErrSealedByOther  = errors.New("it is sealed under another key")
	ErrDamaged        = errors.New("the file is damaged")
	ErrNewerVersion   = errors.New("the file is of a newer version")
	ErrSealKeyExposed = errors.New("the seal key is exposed")
	ErrSealKeyMissing = errors.New("the seal key is missing")
	// ErrActive is Drop's: the key that seals stays.
	ErrActive = errors.New("domain: the active domain key cannot be dropped")
	// ErrClosed is what everything gives after Close, and after a module erased itself.
	ErrClosed = errors.New("domain: closed")
	// ErrFull is Rotate's: no room for another domain key.
	ErrFull = errors.New("domain: no room for another domain key")
)
