// Package faultstore wraps a store.Store so that chosen calls fail, hang or come late: for tests of what stands
// above a store. It is deterministic: a plan counts calls, it throws no dice.
//
// It starts no goroutines. A Store is safe for concurrent use if the wrapped one is; calls are counted in the
// order in which they arrive.
package faultstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"trent/store"
)

// Kind is a method of store.Store.
type Kind uint8

// The methods that can fail.
const (
	Load Kind = iota
	List
	Commit
	Watch
	Head
	numKinds
)

var kindNames = [numKinds]string{"Load", "List", "Commit", "Watch", "Head"}

// String returns the method's name.
func (k Kind) String() string {
	if k >= numKinds {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Fault is what befalls some calls of one kind. Its steps run in this order: delay, hang, the call itself (unless
// there is an error without Apply), the error.
type Fault struct {
	Kind Kind
	// First is the first call that fails, counted from 1 since Wrap; 0 means 1.
	First int
	// Count is how many calls fail from First on: 0 means 1, negative all.
	Count int
	// Delay passes before the call, or until its context ends.
	Delay time.Duration
	// Hang waits until the call's context ends, which then gives the error: store.ErrAmbiguous from Commit if
	// Apply is set, the bare context error from Watch, and store.ErrUnavailable otherwise, each with the
	// context's error. With Apply the call runs before the wait.
	Hang bool
	// Err is returned in place of the call's result.
	Err error
	// Apply lets the call take effect before Err is returned: what store.ErrAmbiguous means for Commit.
	Apply bool
}

func (f Fault) hits(n int) bool {
	first, count := max(f.First, 1), f.Count
	if count == 0 {
		count = 1
	}
	return n >= first && (count < 0 || n < first+count)
}

// Store is the wrapper.
type Store struct {
	inner store.Store

	mu    sync.Mutex
	plan  []Fault
	calls [numKinds]int
}

var _ store.Store = (*Store)(nil)

// Wrap returns a store that passes calls to s, except where plan says otherwise. Of several faults that fit a call
// the first counts. Close closes s.
func Wrap(s store.Store, plan ...Fault) *Store {
	return &Store{inner: s, plan: plan}
}

// Add appends to the plan. Counts go on from Wrap: use First: Calls(kind)+1 for the next call.
func (s *Store) Add(plan ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = append(s.plan, plan...)
}

// Clear drops the whole plan. Calls that hang stay until their contexts end.
func (s *Store) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = nil
}

// Calls is how many calls of a kind have arrived, failed ones included.
func (s *Store) Calls(k Kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[k]
}

// fault counts a call and returns what befalls it.
func (s *Store) fault(k Kind) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[k]++
	for _, f := range s.plan {
		if f.Kind == k && f.hits(s.calls[k]) {
			return f
		}
	}
	return Fault{Kind: k}
}

// do counts a call and runs it under the plan.
func (s *Store) do(ctx context.Context, k Kind, call func() error) error {
	return run(ctx, s.fault(k), call)
}

func run(ctx context.Context, f Fault, call func() error) error {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done(): // the call below sees it too
		}
	}
	if !f.Hang && f.Err == nil {
		return call()
	}
	if f.Apply {
		if err := call(); err != nil {
			return err
		}
	}
	if f.Hang {
		<-ctx.Done()
		return ended(ctx, f)
	}
	return f.Err
}

func ended(ctx context.Context, f Fault) error {
	switch {
	case f.Err != nil:
		return f.Err
	case f.Kind == Watch:
		return ctx.Err()
	case f.Kind == Commit && f.Apply:
		return fmt.Errorf("committing: %w: %w", store.ErrAmbiguous, ctx.Err())
	}
	return fmt.Errorf("%v: %w: %w", f.Kind, store.ErrUnavailable, ctx.Err())
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, key []byte) (r store.Record, err error) {
	err = s.do(ctx, Load, func() (err error) {
		r, err = s.inner.Load(ctx, key)
		return err
	})
	if err != nil {
		return store.Record{}, err
	}
	return r, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix, after []byte, limit int) (rs []store.Record, more bool, err error) {
	err = s.do(ctx, List, func() (err error) {
		rs, more, err = s.inner.List(ctx, prefix, after, limit)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return rs, more, nil
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, t store.Txn) (rev store.Revision, err error) {
	err = s.do(ctx, Commit, func() (err error) {
		rev, err = s.inner.Commit(ctx, t)
		return err
	})
	if err != nil {
		return 0, err
	}
	return rev, nil
}

// Watch implements store.Store. With Apply, a fault's error ends the watch at its first call of f.
func (s *Store) Watch(ctx context.Context, from store.Revision, f func(store.Revision, []store.Record) error) error {
	fault := s.fault(Watch)
	if fault.Apply && (fault.Err != nil || fault.Hang) {
		return s.inner.Watch(ctx, from, func(upTo store.Revision, changes []store.Record) error {
			if err := f(upTo, changes); err != nil {
				return err
			}
			if fault.Hang {
				<-ctx.Done()
				return ended(ctx, fault)
			}
			return fault.Err
		})
	}
	return run(ctx, fault, func() error { return s.inner.Watch(ctx, from, f) })
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context) (rev store.Revision, err error) {
	err = s.do(ctx, Head, func() (err error) {
		rev, err = s.inner.Head(ctx)
		return err
	})
	if err != nil {
		return 0, err
	}
	return rev, nil
}

// Close closes the wrapped store.
func (s *Store) Close() error { return s.inner.Close() }
