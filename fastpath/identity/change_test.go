package identity_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trent/fastpath/identity"
	"trent/store"
	"trent/store/pebblestore"
)

// kept opens a directory on a store that outlives it.
type kept struct {
	store store.Store
	seal  string
}

func newKept(t *testing.T) kept {
	t.Helper()
	dir := t.TempDir()
	s, err := pebblestore.Open(filepath.Join(dir, "store"), pebblestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return kept{s, filepath.Join(dir, "identity.key")}
}

func (k kept) open(t *testing.T, text string) *identity.Directory {
	t.Helper()
	c, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	d, err := identity.Open(t.Context(), identity.Options{Config: c, Store: k.store, SealFile: k.seal})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func apply(t *testing.T, d *identity.Directory, text string) {
	t.Helper()
	c, err := identity.ParseConfig([]byte(text))
	if err == nil {
		err = d.Apply(t.Context(), c)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func account(members string) string { return "accounts:\n- id: \"111122223333\"\n" + members }

const doraAndApp = `
  users: [{name: Dora, access_keys: [{access_key_id: AKIADORA, secret_access_key: hidden-dora}]}]
  roles: [{name: app, policies: [ReadOnlyAccess]}]
`

func TestChangesOutliveTheDirectory(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	d := k.open(t, everything)
	before := d.Current().Generation
	apply(t, d, account(doraAndApp))
	if d.Current().Generation == before || d.Lookup([]byte("AKIADORA")) == nil {
		t.Fatal("the change is not in force")
	}
	if err := d.Delete(t.Context(), "user", "aws", "111122223333", "alice"); err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(d.List())
	again := k.open(t, everything)
	if got, _ := json.Marshal(again.List()); !bytes.Equal(got, want) {
		t.Errorf("after a restart there is\n%s\nwant\n%s", got, want)
	}
	if c := again.Lookup([]byte("AKIADORA")); c == nil || string(c.Secret) != "hidden-dora" || c.Principal.UserName != "Dora" {
		t.Errorf("dora's key is %+v", c)
	}
	if again.Organization("aws", "111122223333").ID == "" {
		t.Error("an account of which only users were given has lost its organization")
	}
	records, _, err := k.store.List(t.Context(), nil, nil, 100)
	if err != nil || len(records) != 3 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for _, r := range records {
		if bytes.Contains(r.Value, []byte("hidden")) {
			t.Errorf("%q holds a secret in clear", r.Key)
		}
	}
}

func TestTheConfigHoldsOnceItSaysSomethingNew(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	const old, changed = `  users: [{name: eve, tags: {team: red}}, {name: fred}]`, `  users: [{name: eve, tags: {team: green}}]`
	d := k.open(t, account(old))
	apply(t, d, account(`  users: [{name: eve, tags: {team: blue}}, {name: fred, tags: {team: blue}}]`))
	team := func(d *identity.Directory) string {
		return d.User("aws", "111122223333", "eve").Principal("").Tags[0].Value
	}
	if got := team(k.open(t, account(old))); got != "blue" {
		t.Errorf("the same file puts eve in team %s", got)
	}
	d = k.open(t, account(changed))
	if got := team(d); got != "green" {
		t.Errorf("a new file leaves eve in team %s", got)
	}
	if d.User("aws", "111122223333", "fred") != nil {
		t.Error("fred, whom the new file has not, is there")
	}
}

func TestWhoIsMadeAgainIsAnother(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	d := k.open(t, account(doraAndApp))
	const user, role = "arn:aws:iam::111122223333:user/Dora", "arn:aws:iam::111122223333:role/app"
	seen := map[string]bool{}
	for range 3 {
		for _, arn := range []string{user, role} {
			id, ok := d.UniqueID(arn)
			if !ok || seen[id] {
				t.Errorf("%s has the unique id %q again", arn, id)
			}
			seen[id] = true
		}
		apply(t, d, account(`  roles: [{name: app, policies: []}]`)) // which replaces it
		if id, _ := d.UniqueID(role); !seen[id] {
			t.Error("a role that was replaced is another")
		}
		for _, r := range [][2]string{{"user", "dora"}, {"role", "app"}} {
			if err := d.Delete(t.Context(), r[0], "aws", "111122223333", r[1]); err != nil {
				t.Fatal(err)
			}
			if err := d.Delete(t.Context(), r[0], "aws", "111122223333", r[1]); !errors.Is(err, identity.ErrUnknown) {
				t.Errorf("deleted twice: %v", err)
			}
		}
		d = k.open(t, account(doraAndApp))
		apply(t, d, account(doraAndApp))
		d = k.open(t, account(doraAndApp))
	}
}

func TestRefusedChangesChangeNothing(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	d := k.open(t, everything)
	apply(t, d, account(doraAndApp))
	before := d.Current()
	for text, want := range map[string]string{
		account("  users: [{name: x, groups: [absent]}]"):                                                                   `accounts[0].users[0].groups[0]: there is no group`,
		account("  users: [{name: ok}, {name: DORA, access_keys: [{access_key_id: AKIAROOT, secret_access_key: hidden}]}]"): `is given twice`,
		account("  users: [{name: x, access_keys: [{access_key_id: AKIANEW}]}]"):                                            `secret access key is empty`,
		"policies: {use: {Statement: [{Effect: Perhaps}]}}":                                                                 `policies.use`,
		"credentials: [{access_key_id: A, secret_access_key: hidden}]":                                                      `config file only`,
	} {
		c, err := identity.ParseConfig([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Apply(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got %v, want …%s…", text, err, want)
		}
	}
	for _, r := range [][4]string{{"group", "aws", "111122223333", "admins"}, {"policy", "", "", "use"}} {
		if err := d.Delete(t.Context(), r[0], r[1], r[2], r[3]); err == nil {
			t.Errorf("%v, which others need, was deleted", r)
		}
	}
	many := identity.Config{Accounts: []identity.AccountConfig{{ID: "111122223333"}}}
	for i := range store.MaxTxnEntries + 1 {
		many.Accounts[0].Groups = append(many.Accounts[0].Groups, identity.GroupConfig{Name: fmt.Sprint("g", i)})
	}
	if err := d.Apply(t.Context(), many); err == nil || !strings.Contains(err.Error(), "in parts") {
		t.Errorf("65 groups at once: %v", err)
	}
	if d.Current() != before {
		t.Error("the snapshot changed")
	}
}

func TestExportAppliesToNothingAndElsewhere(t *testing.T) {
	t.Parallel()
	d := newKept(t).open(t, everything)
	exported, err := json.Marshal(d.Export())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(exported, []byte("hidden")) {
		t.Errorf("an export has secrets: %s", exported)
	}
	before := d.Current()
	apply(t, d, string(exported))
	if d.Current() != before {
		t.Error("its own export changes a directory")
	}
}

func TestAccessKeysComeAndGo(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	d := k.open(t, account(doraAndApp))
	made, err := d.CreateAccessKey(t.Context(), "aws", "111122223333", "Dora")
	if err != nil {
		t.Fatal(err)
	}
	apply(t, d, account("  users: [{name: Dora, tags: {a: b}}]"))
	for _, d := range []*identity.Directory{d, k.open(t, account(doraAndApp))} {
		if c := d.Lookup([]byte(made.ID)); c == nil || string(c.Secret) != string(made.Secret) || c.Principal.Tags == nil {
			t.Errorf("the key that was made is %+v", c)
		}
	}
	if _, err := d.CreateAccessKey(t.Context(), "aws", "111122223333", "Dora"); err == nil {
		t.Error("a third key was made")
	}
	if err := d.DeleteAccessKey(t.Context(), "AKIADORA"); err != nil || d.Lookup([]byte("AKIADORA")) != nil {
		t.Errorf("the deleted key is there (%v)", err)
	}
	apply(t, d, account("  users: [{name: Dora, access_keys: []}]"))
	if d.Lookup([]byte(made.ID)) != nil {
		t.Error("an empty list leaves keys")
	}
	if _, err := d.CreateAccessKey(t.Context(), "aws", "111122223333", "nobody"); !errors.Is(err, identity.ErrUnknown) {
		t.Errorf("a key for nobody: %v", err)
	}
}

func TestAnAccountGoesWithAllThatIsInIt(t *testing.T) {
	t.Parallel()
	d := newKept(t).open(t, everything)
	if err := d.Delete(t.Context(), "account", "aws", "111122223333", ""); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"AKIAROOT", "AKIAALICE"} {
		if d.Lookup([]byte(id)) != nil {
			t.Errorf("%s is there", id)
		}
	}
}

func TestRecordsNeedTheirKey(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	apply(t, k.open(t, account("")), account(doraAndApp))
	if info, err := os.Stat(k.seal); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if err := os.WriteFile(k.seal, make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.Open(t.Context(), identity.Options{Store: k.store, SealFile: k.seal}); !errors.Is(err, identity.ErrSealed) {
		t.Errorf("opened under another key: %v", err)
	}
}

// Readers see one change or the other, whole, and writers come one at a time.
func TestReadersDuringChanges(t *testing.T) {
	t.Parallel()
	d := open(t, account(doraAndApp))
	var changes, readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				now := d.Current()
				team, role := now.User("aws", "111122223333", "Dora").Principal("").Tags, now.Role("aws", "111122223333", "app").Tags
				if len(team) != len(role) || len(team) > 0 && team[0] != role[0] {
					t.Errorf("half a change: %v and %v", team, role)
					return
				}
				d.List()
			}
		})
	}
	for writer := range 2 {
		changes.Go(func() {
			for i := range 50 {
				tag := fmt.Sprintf("{team: t%d-%d}", writer, i)
				c, err := identity.ParseConfig([]byte(account("  users: [{name: Dora, tags: " + tag + "}]\n  roles: [{name: app, tags: " + tag + "}]")))
				if err == nil {
					err = d.Apply(t.Context(), c)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	changes.Wait()
	close(done)
	readers.Wait()
	if got := d.Current().Generation; got != 100 {
		t.Errorf("%d generations after 100 changes", got)
	}
}

// FuzzConfig: whatever parses is checked without a panic, and means the same after it was written as JSON.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(account(doraAndApp)))
	f.Add([]byte(`{"accounts":[{"id":"111122223333","users":[{"name":"a","tags":{"k":"v"},"access_keys":[]}]}]}`))
	f.Add([]byte("policies: {a: '{', b: file:x, c: d}"))
	f.Add([]byte("service_credentials: [{access_key_id: A, secret_access_key: b, service: s3.amazonaws.com}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := identity.ParseConfig(text)
		if err != nil {
			return
		}
		c.Credentials = nil
		first := c.Check()
		written, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again identity.Config
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if second := again.Check(); (first == nil) != (second == nil) {
			t.Errorf("%q: checked with %v, and as %s with %v", text, first, written, second)
		}
	})
}
