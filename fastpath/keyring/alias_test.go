package keyring_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/fastpath/keyring"
)

func TestAliases(t *testing.T) {
	t.Parallel()
	now := epoch
	k := open(t, newMemory(), keyring.Options{Clock: func() time.Time { return now }})
	one, two := create(t, k, newKey(1)), create(t, k, newKey(2))
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(k.CreateAlias(ctx, home, "alias/b", one))
	must(k.CreateAlias(ctx, home, "alias/a/x", one))
	if err := k.CreateAlias(ctx, home, "alias/b", two); !errors.Is(err, keyring.ErrAliasExists) {
		t.Errorf("twice: %v", err)
	}
	now = now.Add(time.Hour)
	must(k.UpdateAlias(ctx, home, "alias/b", two))
	must(k.UpdateAlias(ctx, home, "alias/a/x", one)) // the same key: only the date moves
	list := func(key string) []keyring.Alias {
		t.Helper()
		as, more, err := k.ListAliases(ctx, home, key, "", 10)
		if err != nil || more {
			t.Fatal(as, more, err)
		}
		return as
	}
	ax := keyring.Alias{Name: "alias/a/x", Target: one.Key, Created: epoch, Updated: now}
	b := keyring.Alias{Name: "alias/b", Target: two.Key, Created: epoch, Updated: now}
	for key, want := range map[string][]keyring.Alias{"": {ax, b}, one.Key: {ax}, two.Key: {b}, keyID(9): {}} {
		if d := cmp.Diff(want, list(key)); d != "" {
			t.Errorf("aliases of %q: %s", key, d)
		}
	}
	page, more, err := k.ListAliases(ctx, home, "", "alias/a/x", 1)
	if err != nil || more || len(page) != 1 || page[0] != b {
		t.Errorf("second page: %v, %v, %v", page, more, err)
	}
	if page, more, err = k.ListAliases(ctx, home, "", "", 1); err != nil || !more || len(page) != 1 || page[0] != ax {
		t.Errorf("first page: %v, %v, %v", page, more, err)
	}
	must(k.DeleteAlias(ctx, home, "alias/b"))
	if len(list(two.Key)) != 0 || len(list("")) != 1 {
		t.Error("a deleted alias is listed")
	}
	none := home.Key(keyID(9))
	for name, c := range map[string]struct{ got, want error }{
		"delete absent":     {k.DeleteAlias(ctx, home, "alias/b"), keyring.ErrAliasMissing},
		"update absent":     {k.UpdateAlias(ctx, home, "alias/b", one), keyring.ErrAliasMissing},
		"update bad name":   {k.UpdateAlias(ctx, home, "b", one), keyring.ErrAliasMissing},
		"create for absent": {k.CreateAlias(ctx, home, "alias/c", none), keyring.ErrKeyMissing},
		"update to absent":  {k.UpdateAlias(ctx, home, "alias/a/x", none), keyring.ErrKeyMissing},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	elsewhere := one
	elsewhere.Account = "111122223333"
	if k.CreateAlias(ctx, home, "alias/c", elsewhere) == nil || k.UpdateAlias(ctx, home, "alias/a/x", elsewhere) == nil ||
		k.CreateAlias(ctx, home, "alias/\x00", one) == nil || k.CreateAlias(ctx, home, "nothing", one) == nil {
		t.Error("an alias of another scope or of no name was written")
	}
}

// The quota holds exactly, whoever comes first, across processes.
func TestAliasQuota(t *testing.T) {
	t.Parallel()
	const limit, asked = 10, 30
	m := newMemory()
	ks := []*keyring.Keyring{
		open(t, m, keyring.Options{AliasesPerKey: limit}),
		open(t, m, keyring.Options{AliasesPerKey: limit}),
	}
	id, other := create(t, ks[0], newKey(1)), create(t, ks[0], newKey(2))
	var made atomic.Int32
	var wg sync.WaitGroup
	for i := range asked {
		wg.Go(func() {
			err := ks[i%2].CreateAlias(t.Context(), home, fmt.Sprintf("alias/%d", i), id)
			var many *keyring.ErrTooManyAliases
			switch {
			case err == nil:
				made.Add(1)
			case !errors.As(err, &many) || many.Limit != limit || many.Current != limit:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	as, _, err := ks[0].ListAliases(t.Context(), home, id.Key, "", 100)
	if made.Load() != limit || len(as) != limit || err != nil {
		t.Fatalf("%d made, %d listed, %v", made.Load(), len(as), err)
	}
	if err := ks[0].CreateAlias(t.Context(), home, "alias/other", other); err != nil {
		t.Fatal(err)
	}
	var many *keyring.ErrTooManyAliases
	if err := ks[0].UpdateAlias(t.Context(), home, "alias/other", id); !errors.As(err, &many) {
		t.Errorf("moving one more to a full key: %v", err)
	}
	if err := ks[0].UpdateAlias(t.Context(), home, as[0].Name, id); err != nil {
		t.Errorf("an alias of a full key to the same key: %v", err)
	}
	// One away, one in; by deletion and by moving.
	if err := ks[1].DeleteAlias(t.Context(), home, as[0].Name); err != nil {
		t.Fatal(err)
	}
	if err := ks[0].UpdateAlias(t.Context(), home, "alias/other", id); err != nil {
		t.Error(err)
	}
	if err := ks[0].UpdateAlias(t.Context(), home, "alias/other", other); err != nil {
		t.Error(err)
	}
	if err := ks[0].CreateAlias(t.Context(), home, "alias/last", id); err != nil {
		t.Error(err)
	}
	if err := ks[0].CreateAlias(t.Context(), home, "alias/toomany", id); !errors.As(err, &many) {
		t.Error(err)
	}
}

// The loser of a race for the last place, who has read the count before the winner wrote it, is refused.
func TestLastAlias(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(*keyring.Keyring, keyring.ID) error{
		"create": func(k *keyring.Keyring, id keyring.ID) error {
			return k.CreateAlias(t.Context(), home, "alias/late", id)
		},
		"move": func(k *keyring.Keyring, id keyring.ID) error {
			return k.UpdateAlias(t.Context(), home, "alias/other", id)
		},
	} {
		m := &slow{memory: newMemory()}
		o := keyring.Options{AliasesPerKey: 1}
		late, early := open(t, m, o), open(t, m.memory, o)
		other, id := create(t, early, newKey(2)), create(t, early, newKey(1))
		if err := early.CreateAlias(t.Context(), home, "alias/other", other); err != nil {
			t.Fatal(err)
		}
		first := newHook("cnt")
		m.hook.Store(first)
		done := make(chan error, 1)
		go func() { done <- take(late, id) }()
		<-first.loaded
		if name == "move" { // the first count was the old key's; the new one's is next
			second := newHook("cnt")
			m.hook.Store(second)
			close(first.release)
			<-second.loaded
			first = second
		}
		if err := early.CreateAlias(t.Context(), home, "alias/early", id); err != nil {
			t.Fatal(err)
		}
		close(first.release)
		var many *keyring.ErrTooManyAliases
		if err := <-done; !errors.As(err, &many) {
			t.Errorf("%s: %v", name, err)
		}
		if as, _, err := early.ListAliases(t.Context(), home, id.Key, "", 10); err != nil || len(as) != 1 {
			t.Errorf("%s: %v, %v", name, as, err)
		}
	}
}
