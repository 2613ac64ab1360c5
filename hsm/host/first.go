package host

import (
	"context"
	"errors"
	"fmt"

	"trent/hsm"
)

// Join makes one module of several members of a domain.
func Join(members []hsm.Member) hsm.Module { return first(members) }

// first sends each call to the first member that takes it.
type first []hsm.Member

// Do implements hsm.Module. What was not started at one member goes to the next; where there is none left, the HSM is
// unavailable, whatever the last one said.
func (f first) Do(c *hsm.Call) (err error) {
	for _, m := range f {
		if err = m.Do(c); err == nil || !notStarted(err) {
			return err
		}
	}
	if err == hsm.ErrBusy { // and not what wraps it: it is there, and has too much to do
		return err
	}
	return fmt.Errorf("%w: no module can be reached: %v", hsm.ErrUnavailable, err)
}

// notStarted: the call is safe to be sent to another member.
func notStarted(err error) bool {
	return errors.Is(err, hsm.ErrBusy) || errors.Is(err, hsm.ErrOutOfService)
}

// Forget implements hsm.Module. A member that cannot be reached has forgotten by its end, or by its sweep of idle keys.
func (f first) Forget(ctx context.Context, m hsm.MaterialID) error {
	var errs []error
	for _, one := range f {
		if err := one.Forget(ctx, m); err != nil && !notStarted(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Status implements hsm.Module: that of the first member that answers.
func (f first) Status(ctx context.Context) (s hsm.Status, err error) {
	for _, m := range f {
		if s, err = m.Status(ctx); err == nil {
			return s, nil
		}
	}
	return s, err
}

// Close implements hsm.Module.
func (f first) Close() error {
	var errs []error
	for _, m := range f {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
