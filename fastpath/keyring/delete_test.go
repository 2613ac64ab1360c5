package keyring_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/fastpath/keyring"
	"trent/hsm"
	"trent/store"
)

// scheduled makes a key with n aliases, tags and a policy whose deletion is due.
func scheduled(t *testing.T, k *keyring.Keyring, n int) keyring.ID {
	t.Helper()
	key := newKey(1)
	key.Policy, key.Tags = []byte("{}"), []keyring.Tag{{Key: "a"}}
	id := create(t, k, key)
	for i := range n {
		if err := k.CreateAlias(t.Context(), home, fmt.Sprintf("alias/%d", i), id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error {
		r.State, r.Deletion = keyring.PendingDeletion, epoch
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDelete(t *testing.T) {
	t.Parallel()
	m, mod := newMemory(), &module{}
	k, err := keyring.Open(m, mod, keyring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	id := scheduled(t, k, 50)
	other := create(t, k, newKey(2))
	kept := m.keys()
	kept = slices.DeleteFunc(kept, func(s string) bool { return strings.Contains(s, id.Key) || strings.HasPrefix(s, "ali|") })

	forgotten := mod.times(material(1))
	if err := k.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if mod.times(material(1)) != forgotten+1 {
		t.Error("the module still knows the key")
	}
	// The material's record stays, so that its ciphertexts are told from forgeries.
	if got := m.keys(); !slices.Equal(got, kept) {
		t.Errorf("left behind:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(kept, "\n"))
	}
	if s, err := k.ByID(t.Context(), id); err != nil || !s.Missing {
		t.Errorf("%+v, %v", s, err)
	}
	if s, key, err := k.ByMaterial(t.Context(), home, material(1)); err != nil || !s.Missing || key != nil {
		t.Errorf("by material: %+v, %v, %v", s, key, err)
	}
	if err := k.CreateAlias(t.Context(), home, "alias/0", other); err != nil {
		t.Errorf("its alias is not free: %v", err)
	}
	if err := k.Delete(t.Context(), id); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestDeleteOnlyWhatIsDue(t *testing.T) {
	t.Parallel()
	now := epoch.Add(-time.Millisecond)
	k := open(t, newMemory(), keyring.Options{Clock: func() time.Time { return now }})
	id := scheduled(t, k, 0)
	if err := k.Delete(t.Context(), id); !errors.Is(err, keyring.ErrNotDue) {
		t.Errorf("early: %v", err)
	}
	now = epoch
	if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error {
		r.State, r.Deletion = keyring.Disabled, time.Time{}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := k.Delete(t.Context(), id); !errors.Is(err, keyring.ErrNotDue) {
		t.Errorf("cancelled: %v", err)
	}
	if s, err := k.ByID(t.Context(), id); err != nil || s.Missing {
		t.Errorf("%+v, %v", s, err)
	}
}

// Deletion is cut short at each of its commits, before and after it is applied. Right afterwards the key is whole or
// gone, never half; a new process finds and finishes the rest.
func TestDeleteIsRestartable(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		for nth := 1; ; nth++ {
			m := newMemory()
			k := open(t, m, keyring.Options{})
			id := scheduled(t, k, 45)
			crash, n := errors.New("crash"), 0
			cut := func(store.Txn) error {
				if n++; n == nth {
					return crash
				}
				return nil
			}
			m.set(func() {
				if applied {
					m.after = cut
				} else {
					m.before = cut
				}
			})
			err := k.Delete(t.Context(), id)
			m.set(func() { m.before, m.after = nil, nil })
			if err == nil {
				if nth < 5 {
					t.Fatalf("only %d commits", nth)
				}
				break
			}
			if !errors.Is(err, crash) {
				t.Fatal(err)
			}
			k = open(t, m, keyring.Options{})
			gone := applied || nth > 1
			s, err := k.ByID(t.Context(), id)
			if err != nil || s.Missing != gone {
				t.Fatalf("cut at %d (applied %v): %+v, %v", nth, applied, s, err)
			}
			if gone {
				checkGone(t, k, id)
			}
			due, err := k.Due(t.Context(), epoch, 10)
			if err != nil {
				t.Fatal(err)
			}
			if len(due) == 0 && m.countWith(id.Key) > 0 {
				t.Fatalf("cut at %d (applied %v): what is left is in no index", nth, applied)
			}
			for _, d := range due {
				if err := k.Work(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			if got := m.keys(); len(got) != 1 || got[0][:4] != "mat|" {
				t.Fatalf("cut at %d (applied %v): left %v", nth, applied, got)
			}
		}
	}
}

// checkGone tries everything on a key whose deletion has begun.
func checkGone(t *testing.T, k *keyring.Keyring, id keyring.ID) {
	t.Helper()
	ctx := t.Context()
	_, updated := k.Update(ctx, id, func(*keyring.Record) error { return nil })
	_, read := k.Record(ctx, id)
	for name, err := range map[string]error{
		"Update": updated, "Record": read,
		"CreateAlias": k.CreateAlias(ctx, home, "alias/new", id),
		"PutPolicy":   k.PutPolicy(ctx, id, []byte("{}")),
		"EditTags":    k.EditTags(ctx, id, func(tags []keyring.Tag) ([]keyring.Tag, error) { return tags, nil }),
	} {
		if !errors.Is(err, keyring.ErrKeyMissing) {
			t.Errorf("%s of a dying key: %v", name, err)
		}
	}
	if err := k.DeleteAlias(ctx, home, "alias/44"); !errors.Is(err, keyring.ErrAliasMissing) {
		t.Errorf("DeleteAlias of a dying key's alias: %v", err)
	}
	var ne *keyring.NameError
	if _, err := k.Resolve(ctx, home, []byte("alias/44")); !errors.As(err, &ne) || ne.Kind != keyring.NoAlias {
		t.Errorf("Resolve of a dying key's alias: %v", err)
	}
	if ids, more, err := k.ListKeys(ctx, home, "", 10); err != nil || len(ids) != 0 || more {
		t.Errorf("ListKeys: %v, %v, %v", ids, more, err)
	}
}

func TestDeleteWaitsForTheModule(t *testing.T) {
	t.Parallel()
	m, mod := newMemory(), &module{}
	k, err := keyring.Open(m, mod, keyring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	id := scheduled(t, k, 0)
	mod.err = hsm.ErrUnavailable
	if err := k.Delete(t.Context(), id); !errors.Is(err, hsm.ErrUnavailable) {
		t.Fatal(err)
	}
	if due, err := k.Due(t.Context(), epoch, 1); err != nil || len(due) != 1 {
		t.Fatalf("not found again: %v, %v", due, err)
	}
	mod.err = nil
	if err := k.Delete(t.Context(), id); err != nil || m.countWith(id.Key) != 0 {
		t.Errorf("%v, %d records left", err, m.countWith(id.Key))
	}
}

// countWith counts the records whose key contains s.
func (m *memory) countWith(s string) int {
	n := 0
	for _, k := range m.keys() {
		if strings.Contains(k, s) {
			n++
		}
	}
	return n
}
