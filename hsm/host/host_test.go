package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"trent/hsm"
	"trent/hsm/host"
)

// place is a directory with keys, tokens and modules.
type place struct {
	dir    string
	tokens *host.FileTokens
	owner  *host.Owner
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{dir: t.TempDir()}
	p.reopen(t)
	return p
}

// reopen is what a restart of the host does.
func (p *place) reopen(t *testing.T) {
	t.Helper()
	op, err := host.MakeKey(filepath.Join(p.dir, "operator.key"), true)
	if err != nil {
		t.Fatal(err)
	}
	key, err := host.MakeKey(filepath.Join(p.dir, "host.key"), false)
	if err != nil {
		t.Fatal(err)
	}
	if p.tokens, err = host.OpenFileTokens(filepath.Join(p.dir, "tokens")); err != nil {
		t.Fatal(err)
	}
	h, err := host.New(key.Signer, p.tokens)
	if err != nil {
		t.Fatal(err)
	}
	p.owner = &host.Owner{Host: h, Name: "main", Operator: op, HostKey: key, Record: filepath.Join(p.dir, "tokens", "modules")}
}

// module opens the module of a name, as a start of its process does.
func (p *place) module(t *testing.T, name string) *hsm.Local {
	t.Helper()
	m, err := hsm.OpenMember(hsm.MemberConfig{Dir: filepath.Join(p.dir, name), Name: name, Seal: hsm.Seal{KeyFile: filepath.Join(p.dir, name+".key")}, Workers: 2, Slots: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func (p *place) gather(t *testing.T, ms ...*hsm.Local) {
	t.Helper()
	if err := p.tryGather(t.Context(), ms...); err != nil {
		t.Fatal(err)
	}
}

func (p *place) tryGather(ctx context.Context, ms ...*hsm.Local) error {
	var modules []host.Module
	for _, m := range ms {
		modules = append(modules, m)
	}
	return p.owner.Gather(ctx, modules)
}

// generate makes a key at a module.
func generate(t *testing.T, m hsm.Module) *hsm.Key {
	t.Helper()
	k := &hsm.Key{Identity: hsm.AppendIdentity(nil, "aws", "000000000000", "k", "us-east-1"), Spec: hsm.HMAC256, Usage: hsm.GenerateVerifyMAC}
	c := &hsm.Call{Op: hsm.OpGenerate, Spec: k.Spec, Usage: k.Usage, Key: k, Out: make([]byte, 0, 4096)}
	if err := m.Do(c); err != nil {
		t.Fatal(err)
	}
	k.Token, k.Material = c.Out, c.Material
	return k
}

// works uses a key that another module may have made.
func works(m hsm.Module, k *hsm.Key) error {
	return m.Do(&hsm.Call{Op: hsm.OpMAC, Key: k, In: []byte("message"), Out: make([]byte, 0, 64)})
}

// TestGather: a domain is made at the first start, comes back at the next, grows and shrinks; keys stay usable all along.
func TestGather(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := p.module(t, "a"), p.module(t, "b")
	p.gather(t, a, b)
	k := generate(t, a)
	if err := works(b, k); err != nil {
		t.Fatalf("the other module: %v", err)
	}
	_ = a.Close()
	_ = b.Close()

	p.reopen(t)
	a, b = p.module(t, "a"), p.module(t, "b")
	if err := works(a, k); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("before any token: %v", err)
	}
	c := p.module(t, "c")
	p.gather(t, a, b, c)
	for _, m := range []hsm.Module{a, b, c} {
		if err := works(m, k); err != nil {
			t.Errorf("after growing: %v", err)
		}
	}
	p.gather(t, c)
	if err := works(c, k); err != nil {
		t.Errorf("after shrinking: %v", err)
	}
	if _, s := p.owner.Host.Newest(); len(s.Members) != 1 || !p.owner.Host.Module(s.Members[0].Signing) {
		t.Errorf("members %v", s.Members)
	}

	// What operators took in is not the host's to take out.
	e := p.module(t, "e")
	if err := os.Remove(filepath.Join(p.dir, "tokens", "modules")); err != nil {
		t.Fatal(err)
	}
	p.gather(t, c, e)
	if err := os.WriteFile(filepath.Join(p.dir, "tokens", "modules"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.gather(t, c)
	if _, s := p.owner.Host.Newest(); len(s.Members) != 2 {
		t.Errorf("members %v", s.Members)
	}
	if err := p.tryGather(t.Context(), p.module(t, "d")); !errors.Is(err, host.ErrForeign) {
		t.Errorf("a domain of strangers: %v", err)
	}
}

// TestDeliver: a module that restarts by itself gets the newest token; one that holds it is left alone.
func TestDeliver(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.module(t, "a")
	if err := p.owner.Host.Deliver(t.Context(), a); !errors.Is(err, host.ErrNoDomain) {
		t.Errorf("without a domain: %v", err)
	}
	p.gather(t, a)
	k := generate(t, a)
	_ = a.Close()
	a = p.module(t, "a")
	for range 2 {
		if err := p.owner.Host.Deliver(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := works(a, k); err != nil {
		t.Error(err)
	}
}

func TestFileTokens(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if token, err := p.tokens.Newest(t.Context()); err != nil || token != nil {
		t.Fatalf("at first: %x, %v", token, err)
	}
	a := p.module(t, "a")
	p.gather(t, a)
	first, err := p.tokens.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.gather(t, a, p.module(t, "b"))
	second, err := p.tokens.Newest(t.Context())
	if err != nil || string(second) == string(first) {
		t.Fatalf("the newest is the first still, %v", err)
	}
	if err := p.tokens.Publish(t.Context(), [32]byte{}, first); !errors.Is(err, host.ErrConflict) {
		t.Errorf("an old token: %v", err)
	}
	if err := p.tokens.Publish(t.Context(), [32]byte{1}, second); !errors.Is(err, host.ErrConflict) {
		t.Errorf("a token of another parent: %v", err)
	}

	// Any one good copy is enough, and the newest wins; the others are made good.
	files, err := filepath.Glob(filepath.Join(p.dir, "tokens", "domain.token*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for i, content := range [][]byte{first, []byte("damaged"), second} {
		if err := os.WriteFile(files[i], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := p.tokens.Newest(t.Context()); err != nil || string(got) != string(second) {
		t.Errorf("of an old, a damaged and a new copy: %v", err)
	}
	for _, f := range files {
		if got, err := os.ReadFile(f); err != nil || string(got) != string(second) {
			t.Errorf("%s was not made good: %v", f, err)
		}
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.tokens.Newest(t.Context()); !errors.Is(err, hsm.ErrDomain) {
		t.Errorf("of damaged copies only: %v", err)
	}
}

func TestKeyFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "below", "host.key")
	made, err := host.MakeKey(path, false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := host.MakeKey(path, false)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := made.Fingerprint()
	g, _ := again.Fingerprint()
	if f != g {
		t.Error("another key")
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := host.OpenKey(path); !errors.Is(err, host.ErrKeyExposed) {
		t.Errorf("a key that others can read: %v", err)
	}
}

// cut is a module that the host loses before it can install anything.
type cut struct{ host.Module }

func (cut) Install(context.Context, []byte) error { return hsm.ErrUnavailable }

// TestInterrupted: a start that ended between the publication of a token and its installation is made good by the next.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := p.module(t, "a"), p.module(t, "b")
	if err := p.owner.Gather(t.Context(), []host.Module{cut{a}}); !errors.Is(err, hsm.ErrUnavailable) {
		t.Fatalf("cut off at the creation: %v", err)
	}
	p.reopen(t)
	p.gather(t, a)
	k := generate(t, a)
	if err := p.owner.Gather(t.Context(), []host.Module{a, cut{b}}); !errors.Is(err, hsm.ErrUnavailable) {
		t.Fatalf("cut off at a change: %v", err)
	}
	_ = a.Close()
	p.reopen(t)
	a = p.module(t, "a")
	p.gather(t, a, b)
	for _, m := range []hsm.Module{a, b} {
		if err := works(m, k); err != nil {
			t.Errorf("after all: %v", err)
		}
	}
}
