package keyring_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"trent/fastpath/keyring"
	"trent/hsm"
	"trent/store/pebblestore"
)

// manyGrants opens a keyring over the engine in memory, with a key that has n grants as made by of.
func manyGrants(t testing.TB, n int, of func(g *keyring.Grant, i int)) (*keyring.Keyring, *keyring.Snapshot) {
	t.Helper()
	s, err := pebblestore.Open("data", pebblestore.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	k, err := keyring.Open(s, &module{}, keyring.Options{GrantsPerKey: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = k.Close()
		_ = s.Close()
	})
	id := create(t, k, newKey(1))
	for i := range n {
		g := newGrant(id, i)
		of(&g, i)
		grantTo(t, k, g)
	}
	return k, snapshot(t, k, id)
}

func role(i int) string {
	return fmt.Sprintf("arn:aws:iam::000000000000:role/service-role/worker-%06d", i)
}

func ownRole(g *keyring.Grant, i int) { g.Grantee = role(i) }

func ownContext(g *keyring.Grant, i int) {
	g.Equals = []keyring.Tag{{Key: "tenant", Value: fmt.Sprint(i)}, {Key: "application", Value: "ledger"}}
}

func ownSubset(g *keyring.Grant, i int) {
	ownContext(g, i)
	g.Equals, g.Subset = nil, g.Equals
}

func tenant(i int) []hsm.ContextPair {
	return []hsm.ContextPair{{Key: []byte("application"), Value: []byte("ledger")}, {Key: []byte("tenant"), Value: fmt.Append(nil, i)}}
}

// BenchmarkPermitByGrant searches for one of many grants, always the same one or each of 1,024 in turn.
func BenchmarkPermitByGrant(b *testing.B) {
	for _, c := range []struct {
		name     string
		of       func(*keyring.Grant, int)
		distinct bool
	}{{"grantees", ownRole, true}, {"contexts", ownContext, false}, {"subsets", ownSubset, false}} {
		for _, n := range []int{1, 50_000} {
			k, key := manyGrants(b, n, c.of)
			const several = 1024
			queries := make([]keyring.GrantQuery, min(n, several))
			for j := range queries {
				i := j * (n / len(queries))
				grantee := alice
				if c.distinct {
					grantee = role(i)
				}
				queries[j] = keyring.GrantQuery{
					Operation: keyring.GrantEncrypt, Context: tenant(i),
					Grantees: []string{"arn:aws:sts::000000000000:assumed-role/worker/session", grantee},
				}
			}
			for spread := 1; spread <= len(queries); spread *= several {
				b.Run(fmt.Sprintf("by=%s/grants=%d/asked=%d", c.name, n, spread), func(b *testing.B) {
					ctx := b.Context()
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						if _, ok, err := k.PermitByGrant(ctx, key, &queries[i]); !ok || err != nil {
							b.Fatal(ok, err)
						}
						if i++; i == spread {
							i = 0
						}
					}
				})
			}
		}
	}
}

// BenchmarkCreateGrant makes grants on a key that has many, all of them cached, and looks for each.
func BenchmarkCreateGrant(b *testing.B) {
	for _, n := range []int{0, 50_000} {
		b.Run(fmt.Sprintf("grants=%d", n), func(b *testing.B) {
			k, key := manyGrants(b, n, ownContext)
			q := keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{alice}, Context: tenant(-1)}
			i := n
			for b.Loop() {
				i++
				g := newGrant(key.ID, i)
				ownContext(&g, i)
				if _, err := k.CreateGrant(b.Context(), g, false); err != nil {
					b.Fatal(err)
				}
				if _, ok, err := k.PermitByGrant(b.Context(), key, &q); ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// A cached grant takes at most 512 bytes, whether its grantee has others or not, and however long its constraint is.
func TestMemoryPerGrant(t *testing.T) { // not parallel: it measures the heap
	n := 20_000
	if testing.Short() {
		n = 5_000
	}
	long := func(g *keyring.Grant, i int) {
		for j := range 8 {
			g.Equals = append(g.Equals, keyring.Tag{Key: fmt.Sprintf("%0384d", j), Value: fmt.Sprintf("%0384d", i)})
		}
	}
	for _, c := range []struct {
		name     string
		n        int
		of       func(*keyring.Grant, int)
		distinct bool
	}{
		{"grantees", n, func(g *keyring.Grant, i int) { ownRole(g, i); ownContext(g, i) }, true},
		{"contexts", n, ownContext, false},
		{"long contexts", n / 10, long, false},
	} {
		k, key := manyGrants(t, 0, nil)
		if !c.distinct { // one listing: the plain store will do, which frees nothing meanwhile
			k = open(t, newMemory(), keyring.Options{})
			create(t, k, newKey(1))
		}
		for i := range c.n {
			g := newGrant(key.ID, i)
			c.of(&g, i)
			grantTo(t, k, g)
		}
		ask := func(grantee string) {
			if _, _, err := k.PermitByGrant(t.Context(), key, &keyring.GrantQuery{Operation: keyring.GrantEncrypt, Grantees: []string{grantee}}); err != nil {
				t.Fatal(err)
			}
		}
		ask(bob) // what is there once
		bytes, before := k.Stats().Bytes, heap()
		if c.distinct {
			for i := range c.n {
				ask(role(i))
			}
		} else {
			ask(alice)
		}
		used, counted := heap()-before, k.Stats().Bytes-bytes
		t.Logf("%s: %d bytes a grant on the heap, %d by the cache's own count", c.name, used/int64(c.n), counted/int64(c.n))
		if used > int64(c.n)*512 {
			t.Errorf("%s: %d bytes a grant", c.name, used/int64(c.n))
		}
		if off := float64(counted) / float64(used); off < 0.7 || off > 1.5 {
			t.Errorf("%s: counted %d bytes, the heap grew by %d", c.name, counted, used)
		}
		ask(bob)
	}
}
