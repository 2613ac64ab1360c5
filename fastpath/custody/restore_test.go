package custody_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"trent/fastpath/custody"
	"trent/fastpath/keyring"
	"trent/hsm"
	"trent/hsm/host"
	"trent/hsm/operator"
	"trent/store"
	"trent/store/pebblestore"
)

// domain is one of member modules, and a store of tokens under its keys.
type domain struct {
	dir    string
	owner  *host.Owner
	tokens *host.FileTokens
	place
}

func openMember(t *testing.T, dir, name string) *hsm.Local {
	t.Helper()
	m, err := hsm.OpenMember(hsm.MemberConfig{Dir: filepath.Join(dir, name), Name: name, Seal: hsm.Seal{KeyFile: filepath.Join(dir, name+".key")}, Workers: 2, Slots: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func newDomain(t *testing.T) *domain {
	t.Helper()
	d := &domain{dir: t.TempDir()}
	d.module = openMember(t, d.dir, "a")
	op, err := host.MakeKey(filepath.Join(d.dir, "operator.key"), true)
	if err != nil {
		t.Fatal(err)
	}
	key, err := host.MakeKey(filepath.Join(d.dir, "host.key"), false)
	if err != nil {
		t.Fatal(err)
	}
	if d.tokens, err = host.OpenFileTokens(filepath.Join(d.dir, "tokens")); err != nil {
		t.Fatal(err)
	}
	h, err := host.New(key.Signer, d.tokens)
	if err != nil {
		t.Fatal(err)
	}
	d.owner = &host.Owner{Host: h, Name: "main", Operator: op, HostKey: key, Record: filepath.Join(d.dir, "tokens", "modules")}
	if d.store, err = pebblestore.Open(filepath.Join(d.dir, "store"), pebblestore.Options{}); err != nil {
		t.Fatal(err)
	}
	if d.keys, err = keyring.Open(d.store, d.module, keyring.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(d.keys.Close(), d.store.Close()); err != nil {
			t.Error(err)
		}
	})
	d.cycle = custody.New(custody.Options{Domain: &host.Rotation{Host: h, Modules: []host.Module{d.module}}, Tokens: d.keys, Module: d.module, Grace: -1})
	return d
}

func (d *domain) gather(t *testing.T, modules ...host.Module) {
	t.Helper()
	if err := d.owner.Gather(t.Context(), modules); err != nil {
		t.Fatal(err)
	}
}

// records are all that is stored of tokens.
func (d *domain) records(t *testing.T) []store.Record {
	t.Helper()
	all, more, err := d.store.List(t.Context(), []byte("tok\x00"), nil, 1000)
	if err != nil || more {
		t.Fatal(err, more)
	}
	return all
}

// restoreKeys is what operators command after they have put a backup's data back.
func (d *domain) restoreKeys(t *testing.T, backup []byte) {
	t.Helper()
	then, _, err := hsm.ParseDomainToken(backup)
	if err != nil {
		t.Fatal(err)
	}
	_, now := d.owner.Host.Newest()
	command, err := operator.Propose(now, operator.Command{Kind: operator.RestoreKeys, Keys: now.Lost(then)}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if command, err = operator.Sign(command, d.owner.Operator.Signer, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.owner.Host.Relay(t.Context(), hsm.WithDomainToken(command, backup), []host.Module{d.module}); err != nil {
		t.Fatal(err)
	}
}

// TestBackup: the keys of a backup whose domain key was dropped since are found, opened once operators have brought the domain
// key back, re-encrypted, and the domain key is dropped again.
func TestBackup(t *testing.T) {
	t.Parallel()
	d := newDomain(t)
	other := openMember(t, d.dir, "b")
	d.gather(t, d.module, other)
	keys := d.fill(t, 2)
	backup, _ := d.owner.Host.Newest()
	data := d.records(t)

	d.gather(t, d.module) // the other one goes, and the domain key is exposed
	for range 3 {
		if _, err := d.cycle.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if v := d.versions(t); len(v) != 1 || v[0] != 2 {
		t.Fatalf("domain keys after the removal: %v", v)
	}
	if err := d.opens(t, keys[0]); err != nil {
		t.Fatal(err)
	}

	if _, err := d.store.Commit(context.Background(), store.Txn{Put: data}); err != nil {
		t.Fatal(err)
	}
	again := custody.New(custody.Options{Domain: &host.Rotation{Host: d.owner.Host, Modules: []host.Module{d.module}}, Tokens: d.keys, Module: d.module, Grace: -1})
	if _, err := again.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := again.Progress(); p.Lost != 2 || p.Under[1] != 2 {
		t.Fatalf("of the backup's tokens: %+v", p)
	}
	d.restoreKeys(t, backup)
	for range 3 {
		if _, err := again.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if p := again.Progress(); p.Lost != 0 || p.Rewrapped != 2 || p.Dropped != 1 {
		t.Fatalf("after the restoration: %+v", p)
	}
	for _, k := range keys {
		if err := d.opens(t, k); err != nil {
			t.Error(err)
		}
	}
}
