package keyring_test

import (
	"testing"
	"time"

	"trent/fastpath/keyring"
)

func TestCached(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.silent = true
	k := open(t, m, keyring.Options{})
	want := map[keyring.ID]bool{}
	for n := range 100 {
		want[create(t, k, newKey(n))] = false
	}
	expires := time.Now().Add(time.Hour)
	expiring := external(t, k, 200, expires)
	want[expiring] = true
	for id := range want {
		snapshot(t, k, id)
	}
	snapshot(t, k, home.Key(keyID(999))) // is not there
	seen := 0
	for s := range k.Cached() {
		if has, known := want[s.ID]; !known || has != (s.ExpiresMillis == expires.UnixMilli()) {
			t.Errorf("%+v", s)
		}
		seen++
	}
	if seen != len(want) {
		t.Errorf("%d keys of %d", seen, len(want))
	}
	for range k.Cached() {
		break
	}
}
