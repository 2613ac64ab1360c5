package hsm_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// restartable is a member that can be closed and opened again.
type restartable struct {
	*hsm.Local
	cfg hsm.MemberConfig
}

func newRestartable(t testing.TB) *restartable {
	r := &restartable{cfg: hsm.MemberConfig{Dir: t.TempDir(), Seal: hsm.Seal{KeyFile: filepath.Join(t.TempDir(), "seal.key")}}}
	r.Local = openMember(t, r.cfg)
	return r
}

func (r *restartable) restart(t testing.TB) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r.Local = openMember(t, r.cfg)
}

// clone is another module with the state directory of this moment.
func (r *restartable) clone(t testing.TB) *hsm.Local {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(r.cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	return openMember(t, hsm.MemberConfig{Dir: dir, Seal: r.cfg.Seal})
}

// TestRestart: after a start a member waits for a token that is not older than what it remembers.
func TestRestart(t *testing.T) {
	t.Parallel()
	c := newCast(t, 1)
	a, b, astray := newRestartable(t), newRestartable(t), newRestartable(t)
	one := execute(t, a, c.creation(t, a.Local, selfOf(t, a).HSM, selfOf(t, b).HSM, selfOf(t, astray).HSM))
	install(t, one, a.Local, b.Local, astray.Local)
	k := newKey(t, a, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	rotate := domain.Command{Kind: domain.RotateKeys}
	two := execute(t, a, c.command(t, one, rotate))
	fork := execute(t, a, c.command(t, one, rotate))
	install(t, two, a.Local, b.Local)
	three := execute(t, a, c.command(t, two, domain.Command{Kind: domain.ActivateKey, Version: 2}))
	four := execute(t, func() *hsm.Local { install(t, three, a.Local); return a.Local }(), c.command(t, three, rotate))
	forkOfThree := execute(t, func() *hsm.Local {
		m := b.clone(t)
		if err := m.Install(t.Context(), fork); !errors.Is(err, hsm.ErrStale) {
			t.Errorf("a fork of the state remembered: %v", err)
		}
		install(t, two, m)
		return m
	}(), c.command(t, two, domain.Command{Kind: domain.ActivateKey, Version: 2, Expires: time.Now().Add(2 * time.Hour)}))
	_, others := newDomain(t, newCast(t, 1), 1)
	rogue := astray.Local // on another line since state one
	install(t, fork, rogue)
	rogueThree := execute(t, rogue, c.command(t, fork, domain.Command{Kind: domain.ActivateKey, Version: 2}))
	install(t, rogueThree, rogue)
	forkOfFour := execute(t, rogue, c.command(t, rogueThree, rotate))

	b.restart(t) // remembers state two
	if err := b.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, Out: make([]byte, 0, 512)}); !errors.Is(err, hsm.ErrOutOfService) {
		t.Errorf("before a token: %v", err)
	}
	if id := selfOf(t, b); id.InService || id.Number != 2 || id.Hash != stateOf(t, two).Hash() {
		t.Errorf("remembers %+v", id)
	}
	if _, err := b.Execute(t.Context(), c.command(t, two, rotate)); !errors.Is(err, hsm.ErrOutOfService) {
		t.Errorf("a command before a token: %v", err)
	}
	for name, x := range map[string]struct {
		token []byte
		want  error
	}{"a fork's grandchild": {forkOfFour, hsm.ErrStale}, "older": {one, hsm.ErrStale}, "another of that number": {fork, hsm.ErrStale}, "another domain": {others, hsm.ErrDomain}} {
		if err := b.Install(t.Context(), x.token); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, token := range map[string][]byte{"the same": two, "the next": three, "a later one": four} {
		m := b.clone(t)
		install(t, token, m)
		if err := m.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, Out: make([]byte, 0, 512)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	install(t, three, b.Local)
	b.restart(t)
	if err := b.Install(t.Context(), forkOfThree); !errors.Is(err, hsm.ErrStale) {
		t.Errorf("another child: %v", err)
	}
	install(t, four, b.Local)
}

// TestRemovedMember: a module that was removed, and its clone, open nothing newer. What they could open before they
// still can: that stands in the threat table.
func TestRemovedMember(t *testing.T) {
	t.Parallel()
	c := newCast(t, 1)
	a, b := newRestartable(t), newRestartable(t)
	one := execute(t, a, c.creation(t, a.Local, selfOf(t, a).HSM, selfOf(t, b).HSM))
	install(t, one, a.Local, b.Local)
	old := newKey(t, a, hsm.SymmetricDefault, hsm.EncryptDecrypt, "old")
	clone := b.clone(t)
	two := execute(t, a, c.command(t, one, domain.Command{Kind: domain.ModifyMembers, Members: []hsm.DomainHSM{selfOf(t, a).HSM}}))
	install(t, two, a.Local)
	fresh := newKey(t, a, hsm.SymmetricDefault, hsm.EncryptDecrypt, "fresh")
	for name, m := range map[string]*hsm.Local{"removed": b.Local, "clone": clone} {
		if err := m.Install(t.Context(), two); !errors.Is(err, hsm.ErrDomain) {
			t.Errorf("%s: the token of its removal: %v", name, err)
		}
		if name == "clone" {
			install(t, one, m) // whoever has the old token too
		}
		for k, want := range map[*hsm.Key]error{old: nil, fresh: hsm.ErrDomain} {
			if err := m.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, Out: make([]byte, 0, 512)}); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
	s := stateOf(t, two)
	if len(s.Members) != 1 || len(s.Keys) != 2 || s.Keys[0].Phase != domain.Exposed || s.Keys[1].Phase != domain.Active {
		t.Errorf("%+v", s.Keys)
	}
}

// TestJoin: a domain that has lost all members but one grows again.
func TestJoin(t *testing.T) {
	t.Parallel()
	c := newCast(t, 1)
	members, token := newDomain(t, c, 3)
	k := newKey(t, members[0], hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	last, fresh := members[2], openMember(t, hsm.MemberConfig{Name: "fresh"})
	list := []hsm.DomainHSM{selfOf(t, last).HSM, selfOf(t, fresh).HSM}
	token = execute(t, last, c.command(t, token, domain.Command{Kind: domain.ModifyMembers, Members: list}))
	install(t, token, last, fresh)
	if err := fresh.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, Out: make([]byte, 0, 512)}); err != nil {
		t.Error(err)
	}
}

// TestErasure: leaving a domain and zeroizing leave nothing of a module.
func TestErasure(t *testing.T) {
	t.Parallel()
	for name, erase := range map[string]func(t *testing.T, c *cast, m *hsm.Local, token []byte){
		"zeroize": func(t *testing.T, c *cast, m *hsm.Local, token []byte) {
			if err := m.Zeroize(); err != nil {
				t.Fatal(err)
			}
		},
		"leave": func(t *testing.T, c *cast, m *hsm.Local, token []byte) {
			leave := c.command(t, token, domain.Command{Kind: domain.LeaveDomain, Target: domain.FingerprintOf(selfOf(t, m).HSM.Signing)})
			out, err := m.Execute(t.Context(), leave)
			if err != nil {
				t.Fatal(err)
			}
			// Those that stay learn of it.
			if s, _, err := hsm.ParseDomainToken(out); err != nil || s.Number != 2 {
				t.Fatalf("%d bytes, %v", len(out), err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, r := newCast(t, 1), newRestartable(t)
			m := r.Local
			token := execute(t, m, c.creation(t, m, selfOf(t, m).HSM))
			install(t, token, m)
			was := selfOf(t, m).HSM
			k := newKey(t, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
			p := newKey(t, m, hsm.P256, hsm.SignVerify, "p")
			for _, c := range []hsm.Call{{Op: hsm.OpEncrypt, Key: k}, {Op: hsm.OpSign, Key: p, In: []byte("x")}} {
				c.Out = make([]byte, 0, 512)
				if err := m.Do(&c); err != nil {
					t.Fatal(err)
				}
			}
			erase(t, c, m, token)
			if err := m.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, Out: make([]byte, 0, 512)}); !errors.Is(err, hsm.ErrOutOfService) {
				t.Errorf("a call: %v", err)
			}
			if _, err := m.Identity(t.Context()); !errors.Is(err, hsm.ErrOutOfService) {
				t.Errorf("Identity: %v", err)
			}
			if err := m.Install(t.Context(), token); !errors.Is(err, hsm.ErrOutOfService) {
				t.Errorf("Install: %v", err)
			}
			if held := hsm.HeldBy(m); held != (hsm.Held{}) {
				t.Errorf("ready still: %+v", held)
			}
			if _, err := os.Stat(filepath.Join(r.cfg.Dir, "identity.sealed")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the identity's file: %v", err)
			}
			r.restart(t)
			if is := selfOf(t, r).HSM; string(is.Signing) == string(was.Signing) {
				t.Error("it came back as itself")
			}
			if err := r.Install(t.Context(), token); !errors.Is(err, hsm.ErrDomain) {
				t.Errorf("Install after a new start: %v", err)
			}
		})
	}
}
