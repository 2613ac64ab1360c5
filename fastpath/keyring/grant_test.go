package keyring_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/fastpath/keyring"
	"trent/store"
	"trent/store/faultstore"
)

const (
	alice = "arn:aws:iam::000000000000:role/alice"
	bob   = "arn:aws:iam::111122223333:user/bob"
)

// newGrant is the nth grant on a key.
func newGrant(key keyring.ID, n int) keyring.Grant {
	return keyring.Grant{
		Key: key, ID: sha256.Sum256(fmt.Append(nil, key.Key, n)), Created: epoch, Issuer: key.Account,
		Grantee: alice, Operations: []keyring.GrantOperation{keyring.GrantEncrypt, keyring.GrantRetireGrant},
	}
}

func grantTo(t testing.TB, k *keyring.Keyring, g keyring.Grant) keyring.GrantID {
	t.Helper()
	id, err := k.CreateGrant(t.Context(), g, false)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// pages collects a listing that is read in pages of limit.
func pages(t testing.TB, limit int, list func(after string) ([]keyring.Grant, string, error)) (all []keyring.Grant) {
	t.Helper()
	for after := ""; ; {
		page, next, err := list(after)
		if err != nil || len(page) > limit {
			t.Fatalf("%d grants, %v", len(page), err)
		}
		all = append(all, page...)
		if next == "" {
			return all
		}
		after = next
	}
}

func TestGrants(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	ctx := t.Context()
	one, two := create(t, k, newKey(1)), create(t, k, newKey(2))
	bare := m.keys()

	full := newGrant(one, 0)
	full.Name, full.Retiring = "n", bob
	full.Equals, full.SourceARN = []keyring.Tag{{Key: "b", Value: "2"}, {Key: "a", Value: ""}}, "arn:aws:s3:::x"
	service := newGrant(one, 1)
	service.Grantee, service.GranteeService, service.RetiringService = "", "s3.amazonaws.com", "s3.amazonaws.com"
	service.Subset = []keyring.Tag{}
	other := newGrant(two, 2)
	other.Retiring = bob
	for _, g := range []keyring.Grant{full, service, other} {
		if id := grantTo(t, k, g); id != g.ID {
			t.Errorf("another id: %v", id)
		}
		got, err := k.Grant(ctx, g.Key, g.ID)
		if err != nil || cmp.Diff(g, got) != "" {
			t.Errorf("%v %s", err, cmp.Diff(g, got))
		}
	}
	for _, c := range []struct {
		key     keyring.ID
		grantee string
		want    []keyring.Grant
	}{
		{one, "", []keyring.Grant{full, service}}, {one, alice, []keyring.Grant{full}}, {one, "s3.amazonaws.com", []keyring.Grant{service}},
		{one, bob, nil}, {two, "", []keyring.Grant{other}}, {home.Key(keyID(9)), "", nil},
	} {
		slices.SortFunc(c.want, func(a, b keyring.Grant) int { return strings.Compare(a.ID.String(), b.ID.String()) })
		for _, limit := range []int{1, 2, 100} {
			got := pages(t, limit, func(after string) ([]keyring.Grant, string, error) {
				return k.ListGrants(ctx, c.key, c.grantee, after, limit)
			})
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("grants of %s to %q: %s", c.key.Key, c.grantee, d)
			}
		}
	}
	for _, c := range []struct {
		principal, account string
		want               []keyring.Grant
	}{
		{bob, "", []keyring.Grant{full, other}}, {bob, home.Account, []keyring.Grant{full, other}}, {bob, "111122223333", nil},
		{alice, "", nil}, {"s3.amazonaws.com", "", []keyring.Grant{service}},
	} {
		for _, limit := range []int{1, 100} {
			got := pages(t, limit, func(after string) ([]keyring.Grant, string, error) {
				return k.ListRetirable(ctx, "aws", home.Region, c.principal, c.account, after, limit)
			})
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("grants that %q may retire: %s", c.principal, d)
			}
		}
	}
	for _, g := range []keyring.Grant{full, service, other} {
		if err := k.DeleteGrant(ctx, g.Key, g.ID); err != nil {
			t.Error(err)
		}
		_, err := k.Grant(ctx, g.Key, g.ID)
		if again := k.DeleteGrant(ctx, g.Key, g.ID); !errors.Is(err, keyring.ErrGrantMissing) || !errors.Is(again, keyring.ErrGrantMissing) {
			t.Errorf("deleted: %v, again: %v", err, again)
		}
	}
	if d := cmp.Diff(bare, m.keys()); d != "" {
		t.Errorf("left behind: %s", d)
	}
	if _, err := k.CreateGrant(ctx, newGrant(home.Key(keyID(9)), 1), false); !errors.Is(err, keyring.ErrKeyMissing) {
		t.Errorf("on no key: %v", err)
	}
}

// A name and the same parameters lead to the grant that is there; anything else differs.
func TestGrantNames(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{GrantsPerKey: 20})
	one, two := create(t, k, newKey(1)), create(t, k, newKey(2))
	first := newGrant(one, 0)
	first.Name, first.Equals = "n", []keyring.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}
	grantTo(t, k, first)
	n := 0
	variant := func(change func(*keyring.Grant)) keyring.GrantID {
		n++
		g := newGrant(one, n)
		g.Name, g.Equals = first.Name, slices.Clone(first.Equals)
		change(&g)
		return grantTo(t, k, g)
	}
	for name, change := range map[string]func(*keyring.Grant){
		"same":              func(*keyring.Grant) {},
		"later":             func(g *keyring.Grant) { g.Created = epoch.Add(time.Hour) },
		"order of context":  func(g *keyring.Grant) { slices.Reverse(g.Equals) },
		"order of the list": func(g *keyring.Grant) { slices.Reverse(g.Operations) },
	} {
		if variant(change) != first.ID {
			t.Errorf("%s: a second grant", name)
		}
	}
	for name, change := range map[string]func(*keyring.Grant){
		"name":       func(g *keyring.Grant) { g.Name = "N" },
		"no name":    func(g *keyring.Grant) { g.Name = "" },
		"key":        func(g *keyring.Grant) { g.Key = two },
		"grantee":    func(g *keyring.Grant) { g.Grantee = bob },
		"retiring":   func(g *keyring.Grant) { g.Retiring = bob },
		"operations": func(g *keyring.Grant) { g.Operations = g.Operations[:1] },
		"kind":       func(g *keyring.Grant) { g.Subset, g.Equals = g.Equals, nil },
		"empty":      func(g *keyring.Grant) { g.Subset = []keyring.Tag{} },
		"value":      func(g *keyring.Grant) { g.Equals[0].Value = "2" },
		"source":     func(g *keyring.Grant) { g.SourceARN = "arn:aws:s3:::x" },
		"issuer":     func(g *keyring.Grant) { g.Issuer = "111122223333" },
	} {
		if variant(change) == first.ID {
			t.Errorf("%s: the grant of another", name)
		}
	}
	if err := k.DeleteGrant(t.Context(), one, first.ID); err != nil {
		t.Fatal(err)
	}
	if again := variant(func(*keyring.Grant) {}); again == first.ID {
		t.Error("a deleted grant is found by its name")
	}
}

func TestGrantDryRun(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{GrantsPerKey: 1})
	id := create(t, k, newKey(1))
	before := m.keys()
	if _, err := k.CreateGrant(t.Context(), newGrant(id, 0), true); err != nil || !slices.Equal(before, m.keys()) {
		t.Errorf("%v, %v", err, m.keys())
	}
	grantTo(t, k, newGrant(id, 0))
	var full *keyring.ErrTooManyGrants
	if _, err := k.CreateGrant(t.Context(), newGrant(id, 1), true); !errors.As(err, &full) || full.Limit != 1 || full.Current != 1 {
		t.Error(err)
	}
}

// TestGrantsOfManagedKeys: the quota is for customers' keys.
func TestGrantsOfManagedKeys(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{GrantsPerKey: 1})
	n := newKey(1)
	n.Manager = keyring.AWS
	id := create(t, k, n)
	for i := range 3 {
		grantTo(t, k, newGrant(id, i))
	}
}

// The quota holds exactly, whoever writes at the same time, and beside the quota of aliases.
func TestGrantQuota(t *testing.T) {
	t.Parallel()
	const limit, writers = 20, 30
	m := newMemory()
	o := keyring.Options{GrantsPerKey: limit, AliasesPerKey: 5}
	here, there := open(t, m, o), open(t, m, o) // two processes on one store
	id := create(t, here, newKey(1))
	var mu sync.Mutex
	var made []keyring.GrantID
	refused, aliases := 0, 0
	var wg sync.WaitGroup
	for i := range writers {
		k := []*keyring.Keyring{here, there}[i%2]
		wg.Go(func() {
			g := newGrant(id, i)
			_, err := k.CreateGrant(t.Context(), g, false)
			alias := k.CreateAlias(t.Context(), home, fmt.Sprintf("alias/%d", i), id)
			mu.Lock()
			defer mu.Unlock()
			var full *keyring.ErrTooManyGrants
			switch {
			case err == nil:
				made = append(made, g.ID)
			case errors.As(err, &full) && full.Limit == limit && full.Current == limit:
				refused++
			default:
				t.Error(err)
			}
			if alias == nil {
				aliases++
			}
		})
	}
	wg.Wait()
	if len(made) != limit || refused != writers-limit || aliases != 5 {
		t.Errorf("%d made, %d refused, %d aliases", len(made), refused, aliases)
	}
	for _, g := range made[:3] {
		if err := here.DeleteGrant(t.Context(), id, g); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		if _, err := there.CreateGrant(t.Context(), newGrant(id, writers+i), false); (err == nil) != (i < 3) {
			t.Errorf("%d after 3 were deleted: %v", i, err)
		}
	}
	if err := here.DeleteAlias(t.Context(), home, firstAlias(t, here, id)); err != nil {
		t.Error(err)
	}
	if _, err := here.CreateGrant(t.Context(), newGrant(id, 100), false); err == nil {
		t.Error("an alias's end made room for a grant")
	}
}

func firstAlias(t *testing.T, k *keyring.Keyring, id keyring.ID) string {
	t.Helper()
	all, _, err := k.ListAliases(t.Context(), home, id.Key, "", 1)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	return all[0].Name
}

// A commit that fails leaves nothing of a grant, one whose fate is unknown leaves the whole.
func TestGrantsAreWhole(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		m := newMemory()
		id := create(t, open(t, m, keyring.Options{}), newKey(1))
		before := m.keys()
		g := newGrant(id, 1)
		g.Name, g.Retiring = "n", bob
		// The first attempt to add the grant fails, then the first to delete it.
		for _, want := range []int{4, 0} {
			fault := faultstore.Fault{Kind: faultstore.Commit, Err: store.ErrAmbiguous, Apply: applied}
			k := open(t, faultstore.Wrap(m, fault), keyring.Options{})
			do := func() (err error) {
				if want == 0 {
					return k.DeleteGrant(t.Context(), id, g.ID)
				}
				_, err = k.CreateGrant(t.Context(), g, false)
				return err
			}
			was := len(m.keys())
			if err := do(); !errors.Is(err, store.ErrAmbiguous) {
				t.Fatal(err)
			}
			now := len(m.keys())
			if wanted := map[bool]int{true: len(before) + want, false: was}[applied]; now != wanted {
				t.Errorf("applied %v: %d records, want %d", applied, now, wanted)
			}
			if err := do(); err != nil && !errors.Is(err, keyring.ErrGrantMissing) {
				t.Error(err)
			}
			if len(m.keys()) != len(before)+want {
				t.Errorf("applied %v: %v", applied, m.keys())
			}
		}
	}
}

// A key's grants go with it, in transactions that a crash may cut anywhere; meanwhile nobody sees one.
func TestDeleteSweepsGrants(t *testing.T) {
	t.Parallel()
	const grants = 40
	for nth := 1; ; nth++ {
		m := newMemory()
		k := open(t, m, keyring.Options{})
		id := scheduled(t, k, 1)
		for i := range grants {
			g := newGrant(id, i)
			if i%2 == 0 {
				g.Name, g.Retiring = fmt.Sprint(i), bob
			}
			grantTo(t, k, g)
		}
		crash, n := errors.New("crash"), 0
		m.set(func() {
			m.before = func(store.Txn) error {
				if n++; n == nth {
					return crash
				}
				return nil
			}
		})
		err := k.Delete(t.Context(), id)
		m.set(func() { m.before = nil })
		k = open(t, m, keyring.Options{})
		if err == nil {
			if nth < 5 {
				t.Errorf("only %d commits", nth)
			}
			if got := m.keys(); len(got) != 1 || !strings.HasPrefix(got[0], "mat|") {
				t.Errorf("left: %v", got)
			}
			return
		}
		if !errors.Is(err, crash) {
			t.Fatal(err)
		}
		list, next, err := k.ListRetirable(t.Context(), "aws", home.Region, bob, "", "", 100)
		if err != nil || next != "" || nth > 1 && len(list) != 0 {
			t.Errorf("cut at %d: %d grants of a dying key, %v", nth, len(list), err)
		}
		if _, err := k.CreateGrant(t.Context(), newGrant(id, 99), false); nth > 1 && !errors.Is(err, keyring.ErrKeyMissing) {
			t.Errorf("cut at %d: a grant on a dying key: %v", nth, err)
		}
		if err := k.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got := m.keys(); len(got) != 1 {
			t.Errorf("cut at %d, left: %v", nth, got)
		}
	}
}

// Grants leave the cached keys alone.
func TestGrantsInvalidateNothing(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	id := create(t, k, newKey(1))
	settle(t, func() *keyring.Snapshot { return snapshot(t, k, id) })
	before := snapshot(t, k, id)
	grantTo(t, k, newGrant(id, 1))
	if err := k.DeleteGrant(t.Context(), id, newGrant(id, 1).ID); err != nil {
		t.Fatal(err)
	}
	if after, err := k.ByID(t.Context(), id); err != nil || after != before {
		t.Errorf("the key was loaded again: %v", err)
	}
}

func TestGrantIDs(t *testing.T) {
	t.Parallel()
	id := newGrant(home.Key(keyID(1)), 1).ID
	if got, ok := keyring.ParseGrantID(id.String()); !ok || got != id || len(id.String()) != 64 {
		t.Error(got, ok)
	}
	for _, text := range []string{"", "x", id.String()[1:], id.String() + "0", "g" + id.String()[1:]} {
		if _, ok := keyring.ParseGrantID(text); ok {
			t.Errorf("%q is a grant id", text)
		}
	}
}
