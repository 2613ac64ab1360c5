package keyring

import (
	"context"

	"trent/store"
)

// fixed is a store of given records that nobody writes.
type fixed map[string]store.Record

func (f fixed) put(key, value []byte) {
	f[string(key)] = store.Record{Key: key, Value: value, Revision: 1}
}

func (f fixed) Load(_ context.Context, key []byte) (store.Record, error) {
	r, ok := f[string(key)]
	if !ok {
		return r, store.ErrNotFound
	}
	return r, nil
}

func (f fixed) List(context.Context, []byte, []byte, int) ([]store.Record, bool, error) {
	return nil, false, nil
}

func (f fixed) Commit(context.Context, store.Txn) (store.Revision, error) {
	return 0, store.ErrUnavailable
}

func (f fixed) Watch(ctx context.Context, _ store.Revision, _ func(store.Revision, []store.Record) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func (f fixed) Head(context.Context) (store.Revision, error) { return 1, nil }
func (f fixed) Close() error                                 { return nil }
