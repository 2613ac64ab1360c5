package keyring_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"trent/fastpath/keyring"
	"trent/store"
)

// many is a store of any number of equal keys, none of which it keeps: records are made from those of one key.
type many struct {
	*memory
	key, token, material store.Record
	n                    int
}

// newMany makes a store with the keys newKey(1) to newKey(n), apart from their tokens.
func newMany(t testing.TB, n int) *many {
	t.Helper()
	m := &many{memory: newMemory(), n: n}
	k := open(t, m.memory, keyring.Options{})
	create(t, k, newKey(1))
	for key, r := range m.records {
		switch key[:3] {
		case "key":
			m.key = r
		case "tok":
			m.token = r
		case "mat":
			m.material = r
		}
	}
	return m
}

func (m *many) Load(_ context.Context, key []byte) (store.Record, error) {
	r := m.token
	switch string(key[:3]) {
	case "pol":
		return store.Record{}, store.ErrNotFound
	case "key":
		r = m.key
		n, err := strconv.ParseUint(string(key[len(key)-12:]), 16, 32)
		if err != nil {
			return store.Record{}, err
		}
		v := bytes.Clone(r.Value)
		of := material(int(n))
		copy(v[26:], of[:]) // the current one
		r.Value = v
	case "mat":
		r = m.material
		id := key[len(key)-32:]
		n := int(id[5])<<24 | int(id[6])<<16 | int(id[7])<<8 | int(id[8])
		v := bytes.Clone(r.Value)
		copy(v[len(v)-36:], keyID(n))
		r.Value = v
	}
	return store.Record{Key: key, Value: bytes.Clone(r.Value), Revision: r.Revision}, nil
}

func BenchmarkHit(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		k := open(b, newMany(b, n), keyring.Options{})
		// The names lie in memory in the order of their use, as a request's do, so that the
		// misses of processor caches that are counted are those of the keyring.
		var names []byte
		ids := make([]keyring.ID, n)
		for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
			names = append(names, home.Key(keyID(i+1)).ARN()...)
		}
		const size = len("arn:aws:kms:us-east-1:000000000000:key/") + 36
		text := string(names)
		for i := range ids {
			ids[i] = home.Key(text[(i+1)*size-36 : (i+1)*size])
			if _, err := k.ByID(b.Context(), ids[i]); err != nil {
				b.Fatal(err)
			}
		}
		ctx := b.Context()
		run := func(name string, f func(i int) error) {
			b.Run(fmt.Sprintf("op=%s/keys=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if err := f(i); err != nil {
						b.Fatal(err)
					}
					if i++; i == n {
						i = 0
					}
				}
			})
		}
		run("ByID", func(i int) error { _, err := k.ByID(ctx, ids[i]); return err })
		run("ResolveKeyID", func(i int) error { _, err := k.Resolve(ctx, home, names[(i+1)*size-36:(i+1)*size]); return err })
		run("ResolveARN", func(i int) error { _, err := k.Resolve(ctx, home, names[i*size:(i+1)*size]); return err })
	}
}

// BenchmarkOlder is the way of a ciphertext under a material that is not the key's current one.
func BenchmarkOlder(b *testing.B) {
	k := open(b, newMemory(), keyring.Options{})
	id := create(b, k, newKey(1))
	if _, err := k.RotateOnDemand(b.Context(), id, epoch, agree); err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, key, err := k.ByMaterial(ctx, home, material(1)); err != nil || key == nil {
			b.Fatal(key, err)
		}
	}
}
