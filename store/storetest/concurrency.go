package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"trent/store"
)

// testCounter increments one record from several goroutines, each by reading and a conditional write: no
// increment may be lost.
func testCounter(t *testing.T, s store.Store) {
	const writers, each = 8, 10
	ctx := within(t)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < each; {
				r, err := s.Load(ctx, []byte("n"))
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("Load: %v", err)
					return
				}
				_, err = s.Commit(ctx, store.Txn{
					Require: []store.Condition{{Key: []byte("n"), Revision: r.Revision}},
					Put:     []store.Record{{Key: []byte("n"), Value: append(r.Value, '+')}},
				})
				switch {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("Commit: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	r, err := s.Load(ctx, []byte("n"))
	if err != nil || len(r.Value) != writers*each {
		t.Errorf("counted %d, %v; want %d", len(r.Value), err, writers*each)
	}
}

// Operations of the linearizability test, on one register a key.
type (
	registerRead struct{ key string }
	registerCAS  struct {
		key      string
		expected store.Revision
		deletes  bool
		value    string
	}
	registerState struct {
		value string
		rev   store.Revision // 0: absent
	}
	casResult struct {
		rev      store.Revision
		conflict bool
	}
)

// registerModel is a register with a revision: writes are conditional on it.
var registerModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := ""
			switch in := op.Input.(type) {
			case registerRead:
				key = in.key
			case registerCAS:
				key = in.key
			}
			byKey[key] = append(byKey[key], op)
		}
		var out [][]porcupine.Operation
		for _, ops := range byKey {
			out = append(out, ops)
		}
		return out
	},
	Init: func() any { return registerState{} },
	Step: func(state, input, output any) (bool, any) {
		st := state.(registerState)
		switch in := input.(type) {
		case registerRead:
			return output.(registerState) == st, st
		case registerCAS:
			out := output.(casResult)
			switch {
			case out.conflict:
				return st.rev != in.expected, st
			case st.rev != in.expected:
				return false, st
			case in.deletes:
				return true, registerState{}
			default:
				return out.rev > st.rev, registerState{value: in.value, rev: out.rev}
			}
		}
		return false, st
	},
}

// testLinearizable records a small concurrent history and has it checked.
func testLinearizable(t *testing.T, s store.Store) {
	const clients, each = 6, 40
	keys := []string{"x", "y"}
	ctx := within(t)
	start := time.Now()
	histories := make([][]porcupine.Operation, clients)
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(client), 1))
			known := map[string]store.Revision{}
			for i := range each {
				key := keys[rng.IntN(len(keys))]
				op := porcupine.Operation{ClientId: client, Call: time.Since(start).Nanoseconds()}
				var err error
				if rng.IntN(2) == 0 {
					op.Input = registerRead{key}
					op.Output, err = readRegister(ctx, s, key)
					if err == nil {
						known[key] = op.Output.(registerState).rev
					}
				} else {
					in := registerCAS{key: key, expected: known[key], value: fmt.Sprintf("%d.%d", client, i), deletes: rng.IntN(4) == 0}
					op.Input = in
					op.Output, err = casRegister(ctx, s, in)
					if out := op.Output.(casResult); err == nil && !out.conflict && !in.deletes {
						known[key] = out.rev
					}
				}
				if err != nil {
					t.Errorf("%+v: %v", op.Input, err)
					return
				}
				op.Return = time.Since(start).Nanoseconds()
				histories[client] = append(histories[client], op)
			}
		})
	}
	wg.Wait()
	var all []porcupine.Operation
	for _, h := range histories {
		all = append(all, h...)
	}
	if got := porcupine.CheckOperationsTimeout(registerModel, all, patience); got != porcupine.Ok {
		t.Errorf("history of %d operations: %v", len(all), got)
	}
}

func readRegister(ctx context.Context, s store.Store, key string) (registerState, error) {
	r, err := s.Load(ctx, []byte(key))
	if errors.Is(err, store.ErrNotFound) {
		return registerState{}, nil
	}
	return registerState{string(r.Value), r.Revision}, err
}

func casRegister(ctx context.Context, s store.Store, in registerCAS) (casResult, error) {
	txn := store.Txn{Require: []store.Condition{at(in.key, in.expected)}}
	if in.deletes {
		txn.Delete = [][]byte{[]byte(in.key)}
	} else {
		txn.Put = []store.Record{put(in.key, in.value)}
	}
	rev, err := s.Commit(ctx, txn)
	if errors.Is(err, store.ErrConflict) {
		return casResult{conflict: true}, nil
	}
	return casResult{rev: rev}, err
}

func testClose(t *testing.T, s store.Store) {
	commit(t, s, puts(put("a", "1")))
	watching := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		first := true
		ended <- s.Watch(within(t), 0, func(store.Revision, []store.Record) error {
			if first {
				first = false
				close(watching)
			}
			return nil
		})
	}()
	<-watching
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	wantError(t, "Watch", <-ended, store.ErrUnavailable)
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	ctx := within(t)
	_, err := s.Load(ctx, []byte("a"))
	wantError(t, "Load after Close", err, store.ErrUnavailable)
	_, _, err = s.List(ctx, nil, nil, 1)
	wantError(t, "List after Close", err, store.ErrUnavailable)
	_, err = s.Head(ctx)
	wantError(t, "Head after Close", err, store.ErrUnavailable)
	_, err = s.Commit(ctx, puts(put("a", "2")))
	wantError(t, "Commit after Close", err, store.ErrUnavailable)
	err = s.Watch(ctx, 0, func(store.Revision, []store.Record) error { return nil })
	wantError(t, "Watch after Close", err, store.ErrUnavailable)
}

// testCloseUnderLoad closes while others read, write and watch: each call ends, and with nothing but the
// errors of its contract.
func testCloseUnderLoad(t *testing.T, s store.Store) {
	ctx := within(t)
	var wg sync.WaitGroup
	started := make(chan struct{}, 8)
	loop := func(call func(i int) error) {
		wg.Go(func() {
			for i := 0; ; i++ {
				if err := call(i); err != nil {
					if !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("while closing: %v", err)
					}
					return
				}
				if i == 2 {
					started <- struct{}{}
				}
			}
		})
	}
	for w := range 4 {
		loop(func(i int) error {
			_, err := s.Commit(ctx, puts(put(fmt.Sprintf("%d/%d", w, i%10), "v")))
			return err
		})
	}
	loop(func(int) error { _, _, err := s.List(ctx, nil, nil, 100); return err })
	loop(func(int) error {
		_, err := s.Load(ctx, []byte("0/0"))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	loop(func(int) error { _, err := s.Head(ctx); return err })
	loop(func(i int) error {
		calls := 0
		err := s.Watch(ctx, 0, func(store.Revision, []store.Record) error {
			if calls++; calls > 3 {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	for range cap(started) {
		<-started
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wg.Wait()
}
