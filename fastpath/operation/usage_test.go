package operation_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"trent/fastpath/keyring"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
	"trent/store"
)

// counting counts a store's commits and makes them fail on order.
type counting struct {
	store.Store
	commits atomic.Int64
	broken  atomic.Bool
}

func (c *counting) Commit(ctx context.Context, t store.Txn) (store.Revision, error) {
	c.commits.Add(1)
	if c.broken.Load() {
		return 0, store.ErrUnavailable
	}
	return c.Store.Commit(ctx, t)
}

// TestUsageIsFlushed: a request writes nothing; a flush writes each key once, and again only after another use. What the
// store refused is written by the next flush.
func TestUsageIsFlushed(t *testing.T) {
	t.Parallel()
	counted := &counting{}
	r := rigWith(t, keyring.Options{}, func(s store.Store) store.Store { counted.Store = s; return counted })
	id, other := r.create(t, `{}`), r.create(t, `{}`)
	requests := byte('a')
	use := func(key, more string) {
		t.Helper()
		var c operation.Call
		requests++
		c.RequestID, c.EventID = [36]byte{0: 'r', 35: requests}, [36]byte{0: 'e', 35: 'e'}
		if err := r.run(t, &c, "Encrypt", `{"KeyId":"`+key+`","Plaintext":"eA=="`+more+`}`); (err == nil) != (more == "") {
			t.Fatal(err)
		}
	}
	flush := func(want int64, wantErr error) {
		t.Helper()
		before := counted.commits.Load()
		if err := r.FlushUsage(t.Context()); !errors.Is(err, wantErr) {
			t.Error(err)
		}
		if got := counted.commits.Load() - before; got != want {
			t.Errorf("%d commits, want %d", got, want)
		}
	}
	before := counted.commits.Load()
	for range 10 {
		use(id, "")
		use(other, "")
		use(other, `,"DryRun":true`)
		use(other, `,"EncryptionAlgorithm":"RSAES_OAEP_SHA_1"`)
	}
	if n := counted.commits.Load() - before; n != 0 {
		t.Errorf("requests made %d commits", n)
	}
	counted.broken.Store(true)
	flush(1, store.ErrUnavailable)
	counted.broken.Store(false)
	flush(1, nil) // both keys, in one transaction
	flush(0, nil)
	kept, ok, err := r.keys.LastUsage(t.Context(), scope.Key(id))
	if err != nil || !ok || kept.Operation != "Encrypt" || kept.RequestID[:1] != "r" || kept.EventID[:1] != "e" {
		t.Errorf("%+v, %v, %v", kept, ok, err)
	}
	flush(0, nil)
	use(id, "")
	flush(1, nil)
	var c operation.Call
	if err := r.run(t, &c, "GetKeyLastUsage", `{"KeyId":"`+id+`"}`); err != nil {
		t.Fatal(err)
	}
	if got := c.Response.(*wire.GetKeyLastUsageResponse).KeyLastUsage; got.Operation != wire.KeyLastUsageTrackingOperationEncrypt {
		t.Errorf("%+v", got)
	}
}
