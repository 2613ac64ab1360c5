package appliance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// keeper is a Member that remembers the token it holds, for hosts that have lost theirs, and keeps the audit log.
type keeper struct {
	hsm.Member
	log     *domain.Log // nil: none is kept
	changed func()      // after another state was installed
	left    func()      // after the module erased itself
	logf    func(format string, args ...any)
	token   atomic.Pointer[[]byte]
}

// Install implements hsm.Member. A log that cannot be written does not undo what was installed: its next reader sees the
// gap.
func (k *keeper) Install(ctx context.Context, token []byte) error {
	if err := k.Member.Install(ctx, token); err != nil {
		return err
	}
	kept := bytes.Clone(token)
	if old := k.token.Swap(&kept); old != nil && bytes.Equal(*old, kept) {
		return nil
	}
	if k.log != nil {
		if err := k.keep(token); err != nil {
			k.logf("audit log: %v", err)
		}
	}
	k.changed()
	return nil
}

// Execute implements hsm.Member. A command may have had the module erase itself.
func (k *keeper) Execute(ctx context.Context, command []byte) ([]byte, error) {
	token, err := k.Member.Execute(ctx, command)
	if err == nil {
		if _, gone := k.Identity(ctx); errors.Is(gone, hsm.ErrOutOfService) {
			k.left()
		}
	}
	return token, err
}

// DoBatch implements hsm.Batcher.
func (k *keeper) DoBatch(cs []*hsm.Call) {
	if b, ok := k.Member.(hsm.Batcher); ok {
		b.DoBatch(cs)
		return
	}
	for _, c := range cs {
		c.Err = k.Do(c)
	}
}

// keep adds the entries of a token to the log: its own, and those before it that the log lacks.
func (k *keeper) keep(token []byte) error {
	entries, err := domain.TokenEntries(token)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		e, err := domain.ParseEntry(entry)
		if err != nil {
			return err
		}
		if e.Number <= k.log.Head().Count && i < len(entries)-1 {
			continue
		}
		if err := k.log.Append(entry); err != nil {
			return err
		}
	}
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
