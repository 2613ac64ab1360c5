package host_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/host"
)

// scripted is a member that answers calls with the errors it was given, then with success.
type scripted struct {
	hsm.Member
	errs  []error
	calls int
}

func (s *scripted) Do(*hsm.Call) error {
	s.calls++
	if len(s.errs) == 0 {
		return nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	return err
}

func (s *scripted) Status(context.Context) (hsm.Status, error) { return hsm.Status{}, s.Do(nil) }
func (s *scripted) Forget(context.Context, hsm.MaterialID) error {
	return s.Do(nil)
}
func (s *scripted) Close() error { return s.Do(nil) }

// TestJoin: a call goes on to the next member only where it was not started.
func TestJoin(t *testing.T) {
	t.Parallel()
	down := fmt.Errorf("%w: no connection", hsm.ErrBusy)
	for name, c := range map[string]struct {
		a, b   []error
		want   error
		calls  [2]int
		passed time.Duration // of the deadline
	}{
		"the first":                 {nil, nil, nil, [2]int{1, 0}, 0},
		"the first is down":         {[]error{down}, nil, nil, [2]int{1, 1}, 0},
		"the first is out":          {[]error{hsm.ErrOutOfService}, nil, nil, [2]int{1, 1}, 0},
		"it may have run":           {[]error{hsm.ErrUnavailable}, nil, hsm.ErrUnavailable, [2]int{1, 0}, 0},
		"refused":                   {[]error{hsm.ErrAuthentication}, nil, hsm.ErrAuthentication, [2]int{1, 0}, 0},
		"both are busy":             {[]error{down}, []error{hsm.ErrBusy}, hsm.ErrBusy, [2]int{1, 1}, 0},
		"both are down for a while": {[]error{down, down}, []error{down}, nil, [2]int{2, 2}, 0},
		"both are down, no time":    {[]error{down}, []error{down}, hsm.ErrUnavailable, [2]int{1, 1}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := &scripted{errs: c.a}, &scripted{errs: c.b}
			call := &hsm.Call{}
			if c.passed != 0 {
				call.Deadline = time.Now().Add(-c.passed)
			}
			err := host.Join([]hsm.Member{a, b}).Do(call)
			if !errors.Is(err, c.want) || c.want == nil && err != nil || [2]int{a.calls, b.calls} != c.calls {
				t.Errorf("%v after %d and %d calls; want %v after %v", err, a.calls, b.calls, c.want, c.calls)
			}
			if c.want == hsm.ErrUnavailable && errors.Is(err, hsm.ErrBusy) {
				t.Errorf("%v says that there is an HSM", err)
			}
		})
	}
}
