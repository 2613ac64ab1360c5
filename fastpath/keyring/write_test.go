package keyring_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"trent/fastpath/authz"
	"trent/fastpath/keyring"
	"trent/hsm"
	"trent/store"
)

func TestCreateAndRead(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k := open(t, m, keyring.Options{})
	n := newKey(1)
	n.Spec, n.Usage, n.Public = hsm.P256, hsm.SignVerify, []byte("spki")
	n.Description, n.Created = "sägt", epoch.Add(1234567*time.Nanosecond)
	n.Policy, n.Tags = []byte(`{"a":1}`), []keyring.Tag{{Key: "z", Value: ""}, {Key: "a b", Value: "ü"}}
	written, err := k.Create(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	// Another keyring over the same store: nothing comes from memory.
	k = open(t, m, keyring.Options{})
	read, err := k.ByID(t.Context(), n.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := &keyring.Snapshot{
		ID: n.ID, ARN: arnStart + "key/" + n.ID.Key, Revision: 1, Created: epoch.Add(time.Millisecond),
		Current: &hsm.Key{
			Token: n.Token, Identity: hsm.AppendIdentity(nil, "aws", home.Account, n.ID.Key, home.Region),
			Material: n.Material, Spec: hsm.P256, Usage: hsm.SignVerify,
		},
		Public: []byte("spki"), State: keyring.Enabled, Spec: hsm.P256, Usage: hsm.SignVerify,
		Origin: keyring.AWSKMS, Manager: keyring.Customer,
	}
	opaque := cmp.Options{cmpopts.IgnoreUnexported(keyring.Snapshot{}), cmpopts.IgnoreFields(keyring.Snapshot{}, "Policy")}
	for _, got := range []*keyring.Snapshot{read, written} {
		if d := cmp.Diff(want, got, opaque); d != "" {
			t.Error(d)
		}
		if got.Policy == nil || got.Policy.Hash != sha256.Sum256(n.Policy) {
			t.Errorf("policy %+v", got.Policy)
		}
	}
	r, err := k.Record(t.Context(), n.ID)
	if err != nil || r.Description != n.Description || r.Current != n.Material || r.ID != n.ID || r.Revision != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if p, err := k.Policy(t.Context(), n.ID); err != nil || string(p) != `{"a":1}` {
		t.Errorf("policy %s, %v", p, err)
	}
	tags, err := k.Tags(t.Context(), n.ID)
	if d := cmp.Diff([]keyring.Tag{{Key: "a b", Value: "ü"}, {Key: "z", Value: ""}}, tags); d != "" || err != nil {
		t.Error(d, err)
	}
	if _, err := k.Create(t.Context(), n); !errors.Is(err, keyring.ErrKeyExists) {
		t.Errorf("twice: %v", err)
	}
	again := newKey(2)
	again.Material = n.Material
	if _, err := k.Create(t.Context(), again); !errors.Is(err, keyring.ErrKeyExists) {
		t.Errorf("the same material twice: %v", err)
	}
}

func TestCreateRefusesNoPlace(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{})
	for _, id := range []keyring.ID{
		{Partition: "aws", Account: home.Account, Region: "us-east-1", Key: "x"},
		{Partition: "aws", Account: home.Account, Region: "us-east-1", Key: "ABCD0000" + keyID(1)[8:]},
		{Partition: "aws", Account: "1", Region: "us-east-1", Key: keyID(1)},
		{Partition: "aws", Account: "00000000000x", Region: "us-east-1", Key: keyID(1)},
		{Partition: "gcp", Account: home.Account, Region: "us-east-1", Key: keyID(1)},
		{Partition: "aws", Account: home.Account, Region: "", Key: keyID(1)},
		{Partition: "aws", Account: home.Account, Region: "us\x00east", Key: keyID(1)},
		{Partition: "aws", Account: home.Account, Region: strings.Repeat("r", 40), Key: keyID(1)},
	} {
		n := newKey(1)
		n.ID = id
		if _, err := k.Create(t.Context(), n); err == nil {
			t.Errorf("%+v was made", id)
		}
		if strings.ContainsRune(id.Region, 0) {
			continue // no server has such a Region to ask for
		}
		if s, err := k.ByID(t.Context(), id); err != nil || !s.Missing || s.ARN != id.ARN() || s.ID != id {
			t.Errorf("%+v: %+v, %v", id, s, err)
		}
	}
}

func TestKeyWithoutMaterial(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{})
	n := newKey(1)
	n.Token, n.Material, n.Origin = nil, hsm.MaterialID{}, keyring.External
	id := create(t, k, n)
	s, err := k.ByID(t.Context(), id)
	if err != nil || s.State != keyring.PendingImport || s.Current != nil || s.Origin != keyring.External {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	m, mod := newMemory(), &module{}
	k, err := keyring.Open(m, mod, keyring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	id := create(t, k, newKey(1))
	due := func() []keyring.ID {
		all, err := k.Due(t.Context(), epoch.Add(1000*time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		var ids []keyring.ID
		for _, d := range all {
			ids = append(ids, d.ID)
		}
		return ids
	}
	schedule := func(at time.Time) (*keyring.Snapshot, error) {
		return k.Update(t.Context(), id, func(r *keyring.Record) error {
			r.State, r.Deletion, r.WindowDays = keyring.PendingDeletion, at, 7
			return nil
		})
	}
	s, err := schedule(epoch.Add(7 * 24 * time.Hour))
	if err != nil || s.State != keyring.PendingDeletion || !s.Deletion.Equal(epoch.Add(7*24*time.Hour)) || s.Current == nil {
		t.Fatalf("%+v, %v", s, err)
	}
	if mod.times(material(1)) != 1 {
		t.Error("the module was not told to forget a key that may not be used")
	}
	if s, err = schedule(epoch.Add(8 * 24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := due(); !slices.Equal(got, []keyring.ID{id}) {
		t.Errorf("due %v", got)
	}
	if ids, _ := k.Due(t.Context(), epoch.Add(8*24*time.Hour-time.Millisecond), 10); len(ids) != 0 {
		t.Errorf("due too early: %v", ids)
	}
	r, err := k.Record(t.Context(), id)
	if err != nil || r.WindowDays != 7 || r.Revision != s.Revision {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err = k.Update(t.Context(), id, func(r *keyring.Record) error {
		r.State, r.Deletion, r.WindowDays = keyring.Disabled, time.Time{}, 0
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := due(); len(got) != 0 {
		t.Errorf("cancelled, but due: %v", got)
	}

	mine := errors.New("mine")
	for name, f := range map[string]func(*keyring.Record) error{
		"own error":             func(*keyring.Record) error { return mine },
		"spec":                  func(r *keyring.Record) error { r.Spec = hsm.RSA2048; return nil },
		"id":                    func(r *keyring.Record) error { r.ID.Account = "111122223333"; return nil },
		"no state":              func(r *keyring.Record) error { r.State = 0; return nil },
		"pending without date":  func(r *keyring.Record) error { r.State = keyring.PendingDeletion; return nil },
		"date without pending":  func(r *keyring.Record) error { r.Deletion = epoch; return nil },
		"material it lacks":     func(r *keyring.Record) error { r.Current = material(9); return nil },
		"window beyond records": func(r *keyring.Record) error { r.WindowDays = 1 << 20; return nil },
	} {
		before := m.revision
		if _, err := k.Update(t.Context(), id, f); err == nil || name == "own error" && err != mine {
			t.Errorf("%s: %v", name, err)
		}
		if m.revision != before {
			t.Errorf("%s: written", name)
		}
	}
	if _, err := k.Update(t.Context(), home.Key(keyID(9)), func(*keyring.Record) error { return nil }); !errors.Is(err, keyring.ErrKeyMissing) {
		t.Errorf("absent: %v", err)
	}
	mod.err = hsm.ErrUnavailable
	if _, err := k.Update(t.Context(), id, func(*keyring.Record) error { return nil }); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("a module that cannot forget: %v", err)
	}
}

// No update is lost, however many write at once, from two processes.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	m := newMemory()
	a, b := open(t, m, keyring.Options{}), open(t, m, keyring.Options{})
	id := create(t, a, newKey(1))
	const each = 20
	var wg sync.WaitGroup
	for _, k := range []*keyring.Keyring{a, b} {
		for range each {
			wg.Go(func() {
				if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error { r.Description += "x"; return nil }); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if err := k.EditTags(t.Context(), id, func(tags []keyring.Tag) ([]keyring.Tag, error) {
					return append(tags, keyring.Tag{Key: fmt.Sprint(len(tags))}), nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	r, err := a.Record(t.Context(), id)
	if err != nil || len(r.Description) != 2*each {
		t.Errorf("%d of %d updates, %v", len(r.Description), 2*each, err)
	}
	if tags, err := a.Tags(t.Context(), id); err != nil || len(tags) != 2*each {
		t.Errorf("%d of %d tags, %v", len(tags), 2*each, err)
	}
}

func TestStoreErrorsArePassedOn(t *testing.T) {
	t.Parallel()
	for _, refusal := range []error{store.ErrUnavailable, store.ErrAmbiguous, store.ErrConflict} {
		m := newMemory()
		k := open(t, m, keyring.Options{})
		id := create(t, k, newKey(1))
		m.set(func() { m.before = func(store.Txn) error { return refusal } })
		if _, err := k.Update(t.Context(), id, func(*keyring.Record) error { return nil }); !errors.Is(err, refusal) {
			t.Errorf("%v became %v", refusal, err)
		}
	}
}

// A write that may be applied is not hidden by the cache.
func TestAmbiguousWriteIsSeen(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.silent = true
	k := open(t, m, keyring.Options{})
	id := create(t, k, newKey(1))
	if _, err := k.ByID(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	m.set(func() { m.after = func(store.Txn) error { return store.ErrAmbiguous } })
	_, err := k.Update(t.Context(), id, func(r *keyring.Record) error { r.State = keyring.Disabled; return nil })
	if !errors.Is(err, store.ErrAmbiguous) {
		t.Fatal(err)
	}
	if s, err := k.ByID(t.Context(), id); err != nil || s.State != keyring.Disabled {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestPolicyAndTags(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{})
	id := create(t, k, newKey(1))
	if p, err := k.Policy(t.Context(), id); err != nil || string(p) != authz.DefaultPolicy("aws", home.Account) {
		t.Errorf("default policy: %s, %v", p, err)
	}
	if err := k.PutPolicy(t.Context(), id, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if p, err := k.Policy(t.Context(), id); err != nil || string(p) != "{}" {
		t.Errorf("policy: %s, %v", p, err)
	}
	if tags, err := k.Tags(t.Context(), id); err != nil || len(tags) != 0 {
		t.Errorf("tags of a new key: %v, %v", tags, err)
	}
	set := func(tags ...keyring.Tag) {
		t.Helper()
		if err := k.EditTags(t.Context(), id, func([]keyring.Tag) ([]keyring.Tag, error) { return tags, nil }); err != nil {
			t.Fatal(err)
		}
	}
	set(keyring.Tag{Key: "b", Value: "1"}, keyring.Tag{Key: "a"})
	if tags, err := k.Tags(t.Context(), id); err != nil || !slices.Equal(tags, []keyring.Tag{{Key: "a"}, {Key: "b", Value: "1"}}) {
		t.Errorf("tags: %v, %v", tags, err)
	}
	set()
	if tags, err := k.Tags(t.Context(), id); err != nil || len(tags) != 0 {
		t.Errorf("removed: %v, %v", tags, err)
	}
	mine := errors.New("mine")
	if err := k.EditTags(t.Context(), id, func([]keyring.Tag) ([]keyring.Tag, error) { return nil, mine }); err != mine {
		t.Errorf("own error: %v", err)
	}
	none := home.Key(keyID(9))
	for name, f := range map[string]func(context.Context) error{
		"Policy":    func(ctx context.Context) error { _, err := k.Policy(ctx, none); return err },
		"PutPolicy": func(ctx context.Context) error { return k.PutPolicy(ctx, none, nil) },
		"Tags":      func(ctx context.Context) error { _, err := k.Tags(ctx, none); return err },
		"EditTags": func(ctx context.Context) error {
			return k.EditTags(ctx, none, func(tags []keyring.Tag) ([]keyring.Tag, error) { return tags, nil })
		},
	} {
		if err := f(t.Context()); !errors.Is(err, keyring.ErrKeyMissing) {
			t.Errorf("%s of an absent key: %v", name, err)
		}
	}
}

func TestListKeys(t *testing.T) {
	t.Parallel()
	k := open(t, newMemory(), keyring.Options{})
	var want []string
	for i := range 25 {
		want = append(want, create(t, k, newKey(i)).Key)
	}
	foreign := newKey(100)
	foreign.Account = "111122223333"
	create(t, k, foreign)
	slices.Sort(want)
	for _, limit := range []int{1, 7, 25, 100} {
		var got []string
		after, more := "", true
		for more {
			var page []string
			var err error
			if page, more, err = k.ListKeys(t.Context(), home, after, limit); err != nil || len(page) > limit || more && len(page) != limit {
				t.Fatal(page, more, err)
			}
			got = append(got, page...)
			after = got[len(got)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %v", limit, got)
		}
	}
}
