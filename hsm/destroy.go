package hsm

import "context"

// Destroyer is what a module also is that keeps keys itself, where others enclose them in tokens: a token that is
// deleted is the end of an enclosed key, and of one in a device only with this.
type Destroyer interface {
	// Destroy takes the key of a token out of the module, for ever. Errors: ErrToken where the token is not that key's,
	// or it is gone already; ErrDomain, ErrUnavailable, ErrBusy, and ErrDeadline for ctx's.
	Destroy(ctx context.Context, k *Key) error
}
