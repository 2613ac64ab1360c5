package keyring_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trent/fastpath/keyring"
	"trent/hsm"
)

// randomGrant draws from few grantees, operations and pairs, so that grants resemble each other.
func randomGrant(r *rand.Rand, key keyring.ID, n int) keyring.Grant {
	g := newGrant(key, n)
	g.Grantee = [...]string{alice, bob, "arn:aws:sts::000000000000:assumed-role/r/s"}[r.IntN(3)]
	if r.IntN(6) == 0 {
		g.Grantee, g.GranteeService = "", "s3.amazonaws.com"
	}
	g.Operations = nil
	for op := keyring.GrantDecrypt; op < keyring.GrantGenerateDataKeyWithoutPlaintext; op++ {
		if r.IntN(3) == 0 {
			g.Operations = append(g.Operations, op)
		}
	}
	if r.IntN(4) == 0 {
		g.Operations = append(g.Operations, keyring.GrantCreateGrant)
	}
	switch r.IntN(4) {
	case 0:
		g.Equals = randomPairs(r)
	case 1, 2:
		g.Subset = randomPairs(r)
	}
	if r.IntN(4) == 0 {
		g.SourceARN = [...]string{"arn:aws:s3:::a", "arn:aws:s3:::b", "arn:aws:s3:::*"}[r.IntN(3)]
	}
	return g
}

func randomPairs(r *rand.Rand) []keyring.Tag {
	pairs := []keyring.Tag{}
	for _, name := range []string{"a", "b", "c", "A", strings.Repeat("l", 200), "d", "e", "f", "g", "h"}[:4+r.IntN(7)] {
		if r.IntN(3) == 0 {
			pairs = append(pairs, keyring.Tag{Key: name, Value: fmt.Sprint(r.IntN(2))})
		}
	}
	r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	return pairs
}

func randomQuery(r *rand.Rand, key keyring.ID) keyring.GrantQuery {
	q := keyring.GrantQuery{
		Operation: keyring.GrantDecrypt + keyring.GrantOperation(r.IntN(4)),
		Grantees:  []string{"", alice, bob, "arn:aws:sts::000000000000:assumed-role/r/s", "s3.amazonaws.com", "nobody"}[r.IntN(6):],
		NoContext: r.IntN(8) == 0,
		ByService: r.IntN(3) == 0,
	}
	if r.IntN(2) == 0 {
		q.Grantees = q.Grantees[:1]
	}
	if q.ByService {
		q.SourceARN = [...]string{"arn:aws:s3:::a", "arn:aws:s3:::b", "arn:aws:s3:::c"}[r.IntN(3)]
	}
	for _, p := range randomPairs(r) {
		q.Context = append(q.Context, hsm.ContextPair{Key: []byte(p.Key), Value: []byte(p.Value)})
	}
	if r.IntN(5) == 0 {
		child := randomGrant(r, key, 0)
		q.Operation, q.Child = keyring.GrantCreateGrant, &child
	}
	return q
}

// allows is the rule for one grant, from the words of the guide.
func allows(g *keyring.Grant, q *keyring.GrantQuery) bool {
	mine := false
	for _, name := range q.Grantees {
		mine = mine || name != "" && (name == g.Grantee || name == g.GranteeService)
	}
	source := g.SourceARN == "" || !q.ByService || g.SourceARN == "arn:aws:s3:::*" || g.SourceARN == q.SourceARN
	if !mine || !source || !g.Allows(q.Operation) {
		return false
	}
	if q.Child != nil {
		return keyring.StricterOrEqual(g, q.Child)
	}
	if q.NoContext {
		return true
	}
	has := map[string]string{}
	for _, p := range q.Context {
		has[string(p.Key)] = string(p.Value)
	}
	for _, pairs := range [][]keyring.Tag{g.Equals, g.Subset} {
		for _, p := range pairs {
			if v, ok := has[p.Key]; !ok || v != p.Value {
				return false
			}
		}
	}
	return g.Equals == nil || len(g.Equals) == len(has)
}

// Random creations, deletions and searches, by two processes on one store in turn: each sees what it did itself at once, what
// the other did when the watch has brought it, and both answer as a list that is searched from end to end.
func TestGrantModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			m := newMemory()
			rings := []*keyring.Keyring{open(t, m, keyring.Options{}), open(t, m, keyring.Options{CacheBytes: 1 << 19})}
			key := create(t, rings[0], newKey(1))
			list := map[keyring.GrantID]keyring.Grant{}
			permitted := 0
			var k *keyring.Keyring
			for n := range 1500 {
				if n%20 == 0 { // another process goes on, whose watch may be silent until the next does
					m.set(func() { m.silent = false })
					time.Sleep(2 * time.Second)
					synctest.Wait()
					k = rings[r.IntN(2)]
					m.set(func() { m.silent = r.IntN(2) == 0 })
				}
				switch roll := r.IntN(100); {
				case roll < 19+11*int(seed%2):
					g := randomGrant(r, key, n)
					grantTo(t, k, g)
					list[g.ID] = g
				case roll < 38:
					for id := range list {
						if err := k.DeleteGrant(t.Context(), key, id); err != nil {
							t.Fatal(err)
						}
						delete(list, id)
						break
					}
				}
				q := randomQuery(r, key)
				id, ok, err := k.PermitByGrant(t.Context(), snapshot(t, k, key), &q)
				if err != nil {
					t.Fatal(err)
				}
				want := false
				for _, g := range list {
					want = want || allows(&g, &q)
				}
				if g := list[id]; ok != want || ok && !allows(&g, &q) {
					t.Fatalf("seed %d step %d: %v by %+v, want %v for %+v", seed, n, ok, g, want, q)
				}
				if ok {
					permitted++
				}
			}
			if permitted < 20 || permitted > 1480 {
				t.Errorf("seed %d: %d searches found something", seed, permitted)
			}
		})
	}
}
