package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trent/hsm"
)

// Join makes one module of several members of a domain.
func Join(members []hsm.Member) hsm.Module { return first(members) }

// first sends each call to the first member that takes it.
type first []hsm.Member

// patience is how long a call waits where no member can be reached: longer than a child takes to be started again, and
// far less than clients wait for an answer.
const patience = time.Second

// Do implements hsm.Module. What was not started at one member goes to the next; where there is none for the time of
// patience, the HSM is unavailable.
func (f first) Do(c *hsm.Call) error {
	err := f.try(c)
	if err == nil || !notStarted(err) {
		return err
	}
	end := time.Now().Add(patience)
	if !c.Deadline.IsZero() && c.Deadline.Before(end) {
		end = c.Deadline
	}
	for err != nil && notStarted(err) {
		if err == hsm.ErrBusy { // and not what wraps it: a member is there, and has too much to do
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w: no module can be reached: %v", hsm.ErrUnavailable, err)
		}
		time.Sleep(5 * time.Millisecond)
		err = f.try(c)
	}
	return err
}

func (f first) try(c *hsm.Call) (err error) {
	for _, m := range f {
		if err = m.Do(c); err == nil || !notStarted(err) {
			return err
		}
	}
	return err
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
