package pebblestore_test

import (
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"trent/store"
	"trent/store/pebblestore"
	"trent/store/storetest"
)

// open opens a store that the test's end closes.
func open(t testing.TB, dir string, opts pebblestore.Options) *pebblestore.Store {
	t.Helper()
	s, err := pebblestore.Open(dir, opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		fs   func() vfs.FS
	}{
		{"memory", func() vfs.FS { return vfs.NewMem() }},
		{"disk", func() vfs.FS { return vfs.Default }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			type place struct {
				dir  string
				opts pebblestore.Options
			}
			var places sync.Map // of store.Store
			openAt := func(t *testing.T, p place) store.Store {
				s := open(t, p.dir, p.opts)
				places.Store(s, p)
				return s
			}
			storetest.Run(t, func(t *testing.T) store.Store {
				return openAt(t, place{t.TempDir(), pebblestore.Options{FS: c.fs()}})
			}, func(t *testing.T, s store.Store) store.Store {
				if err := s.Close(); err != nil {
					t.Fatalf("Close: %v", err)
				}
				p, _ := places.Load(s)
				return openAt(t, p.(place))
			})
		})
	}
}
