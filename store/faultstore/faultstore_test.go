package faultstore_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"trent/store"
	"trent/store/faultstore"
	"trent/store/pebblestore"
	"trent/store/storetest"
)

var errFault = errors.New("fault")

func open(t *testing.T) store.Store {
	t.Helper()
	s, err := pebblestore.Open("/store", pebblestore.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestNoFault: without a plan the wrapper is a store like the one it wraps.
func TestNoFault(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return faultstore.Wrap(open(t)) }, nil)
}

// calls makes one call of each kind.
func calls(s store.Store) [5]func(ctx context.Context) error {
	return [...]func(ctx context.Context) error{
		faultstore.Load: func(ctx context.Context) error {
			_, err := s.Load(ctx, []byte("a"))
			return err
		},
		faultstore.List: func(ctx context.Context) error {
			_, _, err := s.List(ctx, nil, nil, 1)
			return err
		},
		faultstore.Commit: func(ctx context.Context) error {
			_, err := s.Commit(ctx, store.Txn{Put: []store.Record{{Key: []byte("a")}}})
			return err
		},
		faultstore.Watch: func(ctx context.Context) error {
			err := s.Watch(ctx, 1, func(store.Revision, []store.Record) error { return errSeen })
			if errors.Is(err, errSeen) {
				return nil
			}
			return err
		},
		faultstore.Head: func(ctx context.Context) error {
			_, err := s.Head(ctx)
			return err
		},
	}
}

var errSeen = errors.New("seen")

func TestCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		first, count int
		fails        [4]bool
	}{
		{"default", 0, 0, [4]bool{true, false, false, false}},
		{"second", 2, 0, [4]bool{false, true, false, false}},
		{"two", 2, 2, [4]bool{false, true, true, false}},
		{"all from the third", 3, -1, [4]bool{false, false, true, true}},
	} {
		for k := faultstore.Load; k <= faultstore.Head; k++ {
			t.Run(c.name+"/"+k.String(), func(t *testing.T) {
				t.Parallel()
				inner := open(t)
				if _, err := inner.Commit(t.Context(), store.Txn{Put: []store.Record{{Key: []byte("a")}}}); err != nil {
					t.Fatal(err)
				}
				s := faultstore.Wrap(inner, faultstore.Fault{Kind: k, First: c.first, Count: c.count, Err: errFault})
				for n, fails := range c.fails {
					for other, call := range calls(s) {
						err := call(t.Context())
						if want := fails && faultstore.Kind(other) == k; errors.Is(err, errFault) != want || !want && err != nil {
							t.Errorf("call %d of %v: %v; fault wanted: %v", n+1, faultstore.Kind(other), err, want)
						}
					}
					if got := s.Calls(k); got != n+1 {
						t.Errorf("Calls = %d; want %d", got, n+1)
					}
				}
			})
		}
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	for _, apply := range []bool{false, true} {
		inner := open(t)
		s := faultstore.Wrap(inner, faultstore.Fault{Kind: faultstore.Commit, Err: store.ErrAmbiguous, Apply: apply})
		if err := calls(s)[faultstore.Commit](t.Context()); !errors.Is(err, store.ErrAmbiguous) {
			t.Errorf("Commit: %v", err)
		}
		if _, err := inner.Load(t.Context(), []byte("a")); errors.Is(err, store.ErrNotFound) == apply {
			t.Errorf("Apply %v: Load: %v", apply, err)
		}
	}
}

func TestApplyWatch(t *testing.T) {
	t.Parallel()
	s := faultstore.Wrap(open(t), faultstore.Fault{Kind: faultstore.Watch, Err: store.ErrCompacted, Apply: true})
	calls := 0
	err := s.Watch(t.Context(), 0, func(store.Revision, []store.Record) error { calls++; return nil })
	if !errors.Is(err, store.ErrCompacted) || calls != 1 {
		t.Errorf("Watch: %v after %d calls; want ErrCompacted after 1", err, calls)
	}
}

func TestAddAndClear(t *testing.T) {
	t.Parallel()
	s := faultstore.Wrap(open(t))
	call := calls(s)[faultstore.Head]
	s.Add(faultstore.Fault{Kind: faultstore.Head, First: s.Calls(faultstore.Head) + 1, Count: -1, Err: errFault})
	if err := call(t.Context()); !errors.Is(err, errFault) {
		t.Errorf("after Add: %v", err)
	}
	s.Clear()
	if err := call(t.Context()); err != nil {
		t.Errorf("after Clear: %v", err)
	}
}

// idle answers every call at once, so that only the wrapper can wait.
type idle struct{ store.Store }

func (idle) Load(ctx context.Context, _ []byte) (store.Record, error) {
	return store.Record{}, ctx.Err()
}
func (idle) Commit(ctx context.Context, _ store.Txn) (store.Revision, error) { return 1, ctx.Err() }

func TestHangAndDelay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault faultstore.Fault
		after time.Duration
		want  []error
	}{
		{"hang", faultstore.Fault{Kind: faultstore.Load, Hang: true}, time.Minute, []error{store.ErrUnavailable, context.DeadlineExceeded}},
		{"hang, own error", faultstore.Fault{Kind: faultstore.Load, Hang: true, Err: errFault}, time.Minute, []error{errFault}},
		{"hang, not applied", faultstore.Fault{Kind: faultstore.Commit, Hang: true}, time.Minute, []error{store.ErrUnavailable}},
		{"hang, applied", faultstore.Fault{Kind: faultstore.Commit, Hang: true, Apply: true}, time.Minute, []error{store.ErrAmbiguous, context.DeadlineExceeded}},
		{"hanging watch", faultstore.Fault{Kind: faultstore.Watch, Hang: true}, time.Minute, []error{context.DeadlineExceeded}},
		{"delay", faultstore.Fault{Kind: faultstore.Load, Delay: time.Second}, time.Second, nil},
		{"delay and error", faultstore.Fault{Kind: faultstore.Load, Delay: time.Second, Err: errFault}, time.Second, []error{errFault}},
		{"delay beyond the context", faultstore.Fault{Kind: faultstore.Load, Delay: time.Hour}, time.Minute, []error{context.DeadlineExceeded}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				s := faultstore.Wrap(idle{}, c.fault)
				start := time.Now()
				err := calls(s)[c.fault.Kind](ctx)
				if got := time.Since(start); got != c.after {
					t.Errorf("returned after %v; want %v", got, c.after)
				}
				if len(c.want) == 0 && err != nil {
					t.Errorf("error %v", err)
				}
				for _, want := range c.want {
					if !errors.Is(err, want) {
						t.Errorf("error %v; want %v", err, want)
					}
				}
			})
		})
	}
}
