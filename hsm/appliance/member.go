package appliance

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"

	"trent/hsm"
)

// keeper is a Member that remembers the token it holds, for hosts that have lost theirs.
type keeper struct {
	hsm.Member
	token atomic.Pointer[[]byte]
}

// Install implements hsm.Member.
func (k *keeper) Install(ctx context.Context, token []byte) error {
	if err := k.Member.Install(ctx, token); err != nil {
		return err
	}
	kept := bytes.Clone(token)
	k.token.Store(&kept)
	return nil
}

// held is the token, nil for none.
func (k *keeper) held() []byte {
	if t := k.token.Load(); t != nil {
		return *t
	}
	return nil
}

// hostMember is what hosts reach of a member: never the first join, which is the console's.
type hostMember struct{ *keeper }

// Install implements hsm.Member. A module without a domain would take a token of any.
func (h hostMember) Install(ctx context.Context, token []byte) error {
	id, err := h.Identity(ctx)
	if err != nil {
		return err
	}
	if id.Domain == ([16]byte{}) {
		return fmt.Errorf("%w: a module joins its first domain by its console only", hsm.ErrDomain)
	}
	return h.keeper.Install(ctx, token)
}
