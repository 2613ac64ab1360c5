//go:build !race

package keyring_test

import (
	"strings"
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/hsm"
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
	few, many := create(t, k, newKey(3)), create(t, k, newKey(4))
	for i := range 100 {
		g := newGrant(many, i)
		ownContext(&g, i)
		grantTo(t, k, g)
		if ownSubset(&g, i); i < 3 {
			g.Key, g.ID = few, newGrant(few, i).ID
			grantTo(t, k, g)
		}
	}
	long := newGrant(few, 10)
	long.Equals = []keyring.Tag{{Key: "long", Value: strings.Repeat("x", 384)}}
	grantTo(t, k, long)
	permit := func(id keyring.ID, context []hsm.ContextPair, want bool) func() error {
		s := snapshot(t, k, id)
		q := &keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{bob, alice}, Context: context}
		return func() error {
			_, ok, err := k.PermitByGrant(ctx, s, q)
			if ok != want {
				t.Error("permitted:", ok)
			}
			return err
		}
	}
	tagged := newKey(5)
	tagged.Tags = []keyring.Tag{{Key: "a", Value: "b"}}
	withTags := snapshot(t, k, create(t, k, tagged))
	for _, c := range []struct {
		name string
		f    func() error
	}{
		{"Policy", func() error {
			s, err := k.ByID(ctx, id)
			if err == nil && s.Policy == nil {
				t.Error("no policy")
			}
			return err
		}},
		{"Attributes", func() error { _, err := k.Attributes(ctx, withTags); return err }},
		{"HasGrants", func() error { _, err := k.HasGrants(ctx, withTags); return err }},
		{"PermitByGrant, none", permit(id, tenant(1), false)},
		{"PermitByGrant, few", permit(few, tenant(1), true)},
		{"PermitByGrant, many", permit(many, tenant(77), true)},
		{"PermitByGrant, many, refused", permit(many, tenant(777), false)},
		{"PermitByGrant, long", permit(few, []hsm.ContextPair{{Key: []byte("long"), Value: []byte(long.Equals[0].Value)}}, true)},
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
