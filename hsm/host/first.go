package host

import (
	"context"
	"errors"

	"trent/hsm"
)

// Join makes one module of several members of a domain.
func Join(members []hsm.Member) hsm.Module {
	if len(members) == 1 {
		return members[0]
	}
	return first(members)
}

// first sends each call to the first member that takes it.
type first []hsm.Member

// Do implements hsm.Module. What was not started at one member goes to the next.
func (f first) Do(c *hsm.Call) (err error) {
	for _, m := range f {
		if err = m.Do(c); !errors.Is(err, hsm.ErrBusy) && !errors.Is(err, hsm.ErrOutOfService) {
			return err
		}
	}
	return err
}

// Forget implements hsm.Module. A member that cannot be reached holds nothing ready once it is back: its end wiped it.
func (f first) Forget(ctx context.Context, m hsm.MaterialID) error {
	var errs []error
	for _, one := range f {
		if err := one.Forget(ctx, m); err != nil && !errors.Is(err, hsm.ErrBusy) && !errors.Is(err, hsm.ErrOutOfService) {
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
