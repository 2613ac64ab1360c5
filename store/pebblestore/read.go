package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"trent/store"
)

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, key []byte) (store.Record, error) {
	if err := ctx.Err(); err != nil {
		return store.Record{}, unavailable("loading a record", err)
	}
	v := s.acquire()
	if v == nil {
		return store.Record{}, unavailable("loading a record", s.cause())
	}
	defer v.release()
	var r store.Record
	err := v.get(recordKey(key), func(b []byte) (err error) {
		r, err = newRecord(key, b)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Record{}, fmt.Errorf("loading a record: %w", store.ErrNotFound)
	case err != nil:
		return store.Record{}, unavailable("loading a record", err)
	}
	return r, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix, after []byte, limit int) ([]store.Record, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, unavailable("listing records", err)
	}
	v := s.acquire()
	if v == nil {
		return nil, false, unavailable("listing records", s.cause())
	}
	defer v.release()
	lower := recordKey(prefix)
	upper := prefixEnd(lower)
	if len(after) > 0 {
		// The first key after `after` is `after` with a zero byte.
		if next := append(recordKey(after), 0); bytes.Compare(next, lower) > 0 {
			lower = next
		}
	}
	if bytes.Compare(lower, upper) >= 0 {
		return nil, false, nil
	}
	rs, more, err := v.list(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper}, limit)
	if err != nil {
		return nil, false, unavailable("listing records", err)
	}
	return rs, more, nil
}

// list reads up to limit records within the bounds.
func (v *view) list(ctx context.Context, bounds *pebble.IterOptions, limit int) (rs []store.Record, more bool, err error) {
	it, err := v.snap.NewIterWithContext(ctx, bounds)
	if err != nil {
		return nil, false, v.owner.readError(err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if len(rs) >= limit {
			return rs, true, nil
		}
		b, err := it.ValueAndErr()
		if err != nil {
			return nil, false, v.owner.readError(err)
		}
		r, err := newRecord(it.Key()[1:], b)
		if err != nil {
			return nil, false, err
		}
		rs = append(rs, r)
		if len(rs)%256 == 0 && ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
	}
	if err := it.Error(); err != nil {
		return nil, false, v.owner.readError(err)
	}
	return rs, false, nil
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context) (store.Revision, error) {
	if err := ctx.Err(); err != nil {
		return 0, unavailable("reading the head revision", err)
	}
	v := s.current.Load()
	if v == nil {
		return 0, unavailable("reading the head revision", s.cause())
	}
	return v.head, nil
}

// newRecord copies key and the stored value b.
func newRecord(key, b []byte) (store.Record, error) {
	rev, value, err := splitValue(b)
	if err != nil {
		return store.Record{}, err
	}
	buf := make([]byte, 0, len(key)+len(value))
	buf = append(append(buf, key...), value...)
	return store.Record{Key: buf[:len(key):len(key)], Value: buf[len(key):], Revision: rev}, nil
}

func unavailable(doing string, cause error) error {
	return fmt.Errorf("%s: %w: %w", doing, store.ErrUnavailable, cause)
}
