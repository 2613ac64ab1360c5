package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"trent/store"
)

func testLoad(t *testing.T, s store.Store) {
	wantHead(t, s, 0)
	wantAbsent(t, s, "a")
	wantAbsent(t, s, "")
	r1 := commit(t, s, puts(put("a", "1"), put("b", "2")))
	wantLoad(t, s, "a", "1", r1)
	wantLoad(t, s, "b", "2", r1)
	wantAbsent(t, s, "ab")
	r2 := commit(t, s, puts(put("a", "3")))
	wantLoad(t, s, "a", "3", r2)
	wantLoad(t, s, "b", "2", r1)
}

func testValues(t *testing.T, s store.Store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, v := range []string{"", "\x00", string(all), strings.Repeat("v", store.MaxValueBytes)} {
		key := fmt.Sprintf("value/%d", i)
		wantLoad(t, s, key, v, commit(t, s, puts(put(key, v))))
	}
	for _, key := range []string{"\x00", "\xff", "\x00\x00", "\xff\xff\xff", string(all), strings.Repeat("k", store.MaxKeyBytes)} {
		wantLoad(t, s, key, "v", commit(t, s, puts(put(key, "v"))))
	}
}

// testOwnership changes all bytes that went in and came out, and expects the store not to notice.
func testOwnership(t *testing.T, s store.Store) {
	key, value := []byte("key"), []byte("value")
	rev := commit(t, s, store.Txn{Require: []store.Condition{{Key: key}}, Put: []store.Record{{Key: key, Value: value}}})
	spoil(key, value)
	wantLoad(t, s, "key", "value", rev)

	r, err := s.Load(within(t), []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	spoil(r.Key, r.Value)
	_ = append(r.Key[:len(r.Key):cap(r.Key)], "xxxxxxxx"...)
	wantLoad(t, s, "key", "value", rev)

	rs, _, err := s.List(within(t), nil, nil, 10)
	if err != nil || len(rs) != 1 {
		t.Fatalf("List = %v, %v", rs, err)
	}
	spoil(rs[0].Key, rs[0].Value)
	wantLoad(t, s, "key", "value", rev)

	for range 2 { // a second watch must not see what the first one spoilt
		ended := errors.New("seen")
		err = s.Watch(within(t), 0, func(_ store.Revision, changes []store.Record) error {
			if len(changes) != 1 || string(changes[0].Key) != "key" || string(changes[0].Value) != "value" {
				t.Errorf("Watch: changes %v", changes)
			}
			for _, c := range changes {
				spoil(c.Key, c.Value)
			}
			return ended
		})
		wantError(t, "Watch", err, ended)
	}
}

func spoil(bs ...[]byte) {
	for _, b := range bs {
		for i := range b {
			b[i] ^= 0x55
		}
	}
}

func testRevisions(t *testing.T, s store.Store) {
	var last store.Revision
	for i := range 20 {
		rev := commit(t, s, puts(put(fmt.Sprint(i%3), "v"), store.Record{Key: []byte("x"), Revision: 99}))
		if rev <= last {
			t.Fatalf("revision %d after %d", rev, last)
		}
		last = rev
		wantHead(t, s, rev)
		wantLoad(t, s, "x", "", rev) // the Revision given is ignored, a nil value is an empty one
	}
}

func testConditions(t *testing.T, s store.Store) {
	r1 := commit(t, s, store.Txn{Require: []store.Condition{at("a", 0)}, Put: []store.Record{put("a", "1")}})
	r2 := commit(t, s, puts(put("b", "1")))
	for _, c := range []struct {
		name    string
		require []store.Condition
		want    error
	}{
		{"absent, but there", []store.Condition{at("a", 0)}, store.ErrConflict},
		{"there, but absent", []store.Condition{at("c", r1)}, store.ErrConflict},
		{"older", []store.Condition{at("b", r1)}, store.ErrConflict},
		{"newer", []store.Condition{at("a", r2)}, store.ErrConflict},
		{"never", []store.Condition{at("a", -1)}, store.ErrConflict},
		{"one of two", []store.Condition{at("a", r1), at("b", r1)}, store.ErrConflict},
		{"two for one key", []store.Condition{at("a", r1), at("a", r2)}, store.ErrConflict},
	} {
		rev, err := s.Commit(within(t), store.Txn{Require: c.require, Put: []store.Record{put("d", c.name)}})
		if !errors.Is(err, c.want) || rev != 0 {
			t.Errorf("%s: Commit = %d, %v; want %v", c.name, rev, err, c.want)
		}
		wantAbsent(t, s, "d")
		wantHead(t, s, r2)
	}
	r3 := commit(t, s, store.Txn{
		Require: []store.Condition{at("a", r1), at("b", r2), at("c", 0), at("a", r1)},
		Put:     []store.Record{put("a", "2"), put("c", "1")}, Delete: [][]byte{[]byte("b")},
	})
	wantLoad(t, s, "a", "2", r3)
	wantLoad(t, s, "c", "1", r3)
	wantAbsent(t, s, "b")
	// A deleted record is absent; made again it has a new revision.
	r4 := commit(t, s, store.Txn{Require: []store.Condition{at("b", 0)}, Put: []store.Record{put("b", "2")}})
	if r4 <= r3 {
		t.Errorf("revision %d after %d", r4, r3)
	}
	_, err := s.Commit(within(t), store.Txn{Require: []store.Condition{at("b", r2)}, Delete: [][]byte{[]byte("b")}})
	wantError(t, "the old revision of a record made again", err, store.ErrConflict)
}

func testAtomicity(t *testing.T, s store.Store) {
	r1 := commit(t, s, puts(put("a", "1"), put("b", "1")))
	_, err := s.Commit(within(t), store.Txn{
		Require: []store.Condition{at("a", r1), at("b", 0)},
		Put:     []store.Record{put("a", "2"), put("c", "2")}, Delete: [][]byte{[]byte("b")},
	})
	wantError(t, "Commit", err, store.ErrConflict)
	wantLoad(t, s, "a", "1", r1)
	wantLoad(t, s, "b", "1", r1)
	wantAbsent(t, s, "c")
	wantHead(t, s, r1)
}

func testDeletes(t *testing.T, s store.Store) {
	commit(t, s, puts(put("a", "1"), put("b", "1")))
	r2 := commit(t, s, deletes("a"))
	wantHead(t, s, r2)
	wantAbsent(t, s, "a")
	r3 := commit(t, s, deletes("a", "b", "c")) // two of them are absent
	if r3 <= r2 {
		t.Errorf("revision %d after %d", r3, r2)
	}
	wantAbsent(t, s, "b")
	if rs, more, err := s.List(within(t), nil, nil, 10); len(rs) != 0 || more || err != nil {
		t.Errorf("List = %v, %v, %v; want nothing", rs, more, err)
	}
}

// testNothingToDo has transactions that change nothing: no revision of their own, but conditions count.
func testNothingToDo(t *testing.T, s store.Store) {
	if rev := commit(t, s, store.Txn{}); rev != 0 {
		t.Errorf("empty transaction in an empty store: revision %d", rev)
	}
	r1 := commit(t, s, puts(put("a", "1")))
	for name, txn := range map[string]store.Txn{
		"empty":          {},
		"condition":      {Require: []store.Condition{at("a", r1), at("b", 0)}},
		"absent deletes": deletes("b", "c"),
	} {
		if rev := commit(t, s, txn); rev != r1 {
			t.Errorf("%s: revision %d; want %d", name, rev, r1)
		}
	}
	_, err := s.Commit(within(t), store.Txn{Require: []store.Condition{at("a", 0)}})
	wantError(t, "condition alone", err, store.ErrConflict)
	wantHead(t, s, r1)
}

func testLimits(t *testing.T, s store.Store) {
	txnOf := func(require, put, del int) (txn store.Txn) {
		for i := range require {
			txn.Require = append(txn.Require, at(fmt.Sprintf("require/%d", i), 0))
		}
		for i := range put {
			txn.Put = append(txn.Put, store.Record{Key: fmt.Appendf(nil, "put/%d", i)})
		}
		for i := range del {
			txn.Delete = append(txn.Delete, fmt.Appendf(nil, "delete/%d", i))
		}
		return txn
	}
	const most = store.MaxTxnEntries
	for _, c := range []struct {
		name string
		txn  store.Txn
		want error
	}{
		{"puts", txnOf(0, most, 0), nil},
		{"puts, one more", txnOf(0, most+1, 0), store.ErrTooLarge},
		{"deletes", txnOf(0, 0, most), nil},
		{"deletes, one more", txnOf(0, 0, most+1), store.ErrTooLarge},
		{"conditions", txnOf(most, 0, 0), nil},
		{"conditions, one more", txnOf(most+1, 0, 0), store.ErrTooLarge},
		{"all kinds", txnOf(20, 20, most-40), nil},
		{"all kinds, one more", txnOf(20, 20, most-40+1), store.ErrTooLarge},
		{"value, one byte more", puts(put("v", strings.Repeat("v", store.MaxValueBytes+1))), store.ErrTooLarge},
		{"key, one byte more", puts(put(strings.Repeat("k", store.MaxKeyBytes+1), "")), store.ErrTooLarge},
		{"key to delete", deletes(strings.Repeat("k", store.MaxKeyBytes+1)), store.ErrTooLarge},
		{"key of a condition", store.Txn{Require: []store.Condition{at(strings.Repeat("k", store.MaxKeyBytes+1), 0)}}, store.ErrTooLarge},
	} {
		before := head(t, s)
		_, err := s.Commit(within(t), c.txn)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", c.name, err, c.want)
		}
		if c.want != nil {
			wantHead(t, s, before)
		}
	}
	// The largest transaction of all.
	large := txnOf(0, most, 0)
	for i := range large.Put {
		large.Put[i].Value = bytes.Repeat([]byte{byte(i)}, store.MaxValueBytes)
	}
	rev := commit(t, s, large)
	for _, r := range large.Put {
		wantLoad(t, s, string(r.Key), string(r.Value), rev)
	}
}

func testMalformed(t *testing.T, s store.Store) {
	for name, txn := range map[string]store.Txn{
		"empty key put":       puts(put("", "v")),
		"empty key deleted":   deletes(""),
		"empty key required":  {Require: []store.Condition{{}}},
		"put twice":           puts(put("a", "1"), put("b", "1"), put("a", "2")),
		"deleted twice":       deletes("a", "b", "a"),
		"put and deleted too": {Put: []store.Record{put("a", "1")}, Delete: [][]byte{[]byte("a")}},
	} {
		_, err := s.Commit(within(t), txn)
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v; want ErrInvalid", name, err)
		}
	}
	wantHead(t, s, 0)
}

// testContexts calls each method with a context that has ended.
func testContexts(t *testing.T, s store.Store) {
	r1 := commit(t, s, puts(put("a", "1")))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.Load(ctx, []byte("a"))
	wantError(t, "Load", err, store.ErrUnavailable, context.Canceled)
	_, _, err = s.List(ctx, nil, nil, 1)
	wantError(t, "List", err, store.ErrUnavailable, context.Canceled)
	_, err = s.Head(ctx)
	wantError(t, "Head", err, store.ErrUnavailable, context.Canceled)
	_, err = s.Commit(ctx, puts(put("a", "2")))
	wantError(t, "Commit", err, store.ErrUnavailable, context.Canceled)
	err = s.Watch(ctx, 0, func(store.Revision, []store.Record) error { t.Error("Watch called back"); return nil })
	wantError(t, "Watch", err, context.Canceled)
	wantLoad(t, s, "a", "1", r1)
}
