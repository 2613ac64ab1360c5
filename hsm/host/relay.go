package host

import (
	"context"
	"errors"
	"fmt"

	"trent/hsm"
)

// Relay has one of the modules do a signed command, publishes the successor, and brings it to all modules. Commands that two
// give at a time for one state become one of them: the other is refused, by the module or at publication, and nothing of it
// is installed. undelivered says which modules do not hold the successor yet; Attend goes on trying. Errors: those of
// hsm.Member, ErrConflict, the store's.
func (h *Host) Relay(ctx context.Context, command []byte, modules []Module) (token []byte, undelivered, err error) {
	if token, err = h.execute(ctx, command, modules); err != nil {
		return nil, nil, err
	}
	if err := h.Publish(ctx, token); err != nil {
		return nil, nil, fmt.Errorf("publishing what the command makes: %w", err)
	}
	return token, h.deliver(ctx, modules), nil
}

// ErrNotHeld is a domain token whose state no module holds.
var ErrNotHeld = errors.New("host: no module holds the state of this domain token")

// CatchUp takes a newer token than the host's, of a state that operators had made at a module's console: one of the modules
// must hold it, since only modules know whether it is of their line. Then all get it. Errors: hsm.ErrDomain, ErrNotHeld,
// ErrConflict, ErrNotListed, the store's.
func (h *Host) CatchUp(ctx context.Context, token []byte, modules []Module) (undelivered, err error) {
	s, _, err := hsm.ParseDomainToken(token)
	if err != nil {
		return nil, err
	}
	if !held(ctx, s, modules) {
		return nil, ErrNotHeld
	}
	if err := h.Adopt(ctx, token); err != nil {
		return nil, err
	}
	if err := h.Reload(ctx); err != nil {
		return nil, err
	}
	return h.deliver(ctx, modules), nil
}

func held(ctx context.Context, s *hsm.DomainState, modules []Module) bool {
	for _, m := range modules {
		if id, err := m.Identity(ctx); err == nil && id.InService && id.Domain == s.Domain && id.Hash == s.Hash() {
			return true
		}
	}
	return false
}

// deliver brings the newest token to all.
func (h *Host) deliver(ctx context.Context, modules []Module) error {
	var failed []error
	for i, m := range modules {
		if err := h.Deliver(ctx, m); err != nil {
			failed = append(failed, fmt.Errorf("hsm %d: %w", i+1, err))
		}
	}
	return errors.Join(failed...)
}

// execute asks one module after the other: a command may be for one of them alone, or remove one, and one may be out of
// service or behind. The refusal of the first that knew better is the answer.
func (h *Host) execute(ctx context.Context, command []byte, modules []Module) (token []byte, err error) {
	var first error
	for _, m := range modules {
		if err := h.Deliver(ctx, m); err != nil && first == nil {
			first = err
			continue
		}
		token, err := m.Execute(ctx, command)
		switch {
		case err == nil && len(token) == 0:
			return nil, fmt.Errorf("%w: the module gave no domain token", hsm.ErrDomain)
		case err == nil:
			return token, nil
		case errors.Is(err, hsm.ErrQuorum):
			return nil, err // it is the same everywhere
		}
		if first == nil || errors.Is(first, hsm.ErrOutOfService) {
			first = err
		}
	}
	if first == nil {
		first = fmt.Errorf("%w: there is no module", hsm.ErrUnavailable)
	}
	return nil, first
}
