//go:build !race

package keyring_test

import (
	"testing"
	"time"

	"trent/fastpath/keyring"
)

func TestHitsAllocateNothing(t *testing.T) {
	m := newMemory()
	m.silent = true // nothing voids the fills below
	k := open(t, m, keyring.Options{})
	id := create(t, k, newKey(1))
	if err := k.CreateAlias(t.Context(), home, "alias/a", id); err != nil {
		t.Fatal(err)
	}
	rotated := create(t, k, newKey(2))
	if _, err := k.RotateOnDemand(t.Context(), rotated, epoch, agree); err != nil {
		t.Fatal(err)
	}
	mustStore(t, k, newStore(1))
	ctx := t.Context()
	expiring := external(t, k, 9, time.Now().Add(time.Hour))
	for _, c := range []struct {
		name string
		f    func() error
	}{
		{"ByID", func() error { _, err := k.ByID(ctx, id); return err }},
		{"ByID of material that expires", func() error { _, err := k.ByID(ctx, expiring); return err }},
		{"ByMaterial", func() error { _, _, err := k.ByMaterial(ctx, home, material(1)); return err }},
		{"ByMaterial, an older one", func() error { _, _, err := k.ByMaterial(ctx, home, material(2)); return err }},
		{"KeyStore", func() error { _, err := k.KeyStore(ctx, home, "cks-00000000000000001"); return err }},
		{"key id", resolve(k, t, id.Key)},
		{"absent key id", resolve(k, t, keyID(77))},
		{"key ARN", resolve(k, t, id.ARN())},
		{"alias", resolve(k, t, "alias/a")},
		{"alias ARN", resolve(k, t, arnStart+"alias/a")},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if err := c.f(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func resolve(k *keyring.Keyring, t *testing.T, name string) func() error {
	b := []byte(name)
	ctx := t.Context()
	return func() error { _, err := k.Resolve(ctx, home, b); return err }
}
