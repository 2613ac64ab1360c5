package hsm_test

import (
	"errors"
	"path/filepath"
	"testing"

	"trent/hsm"
)

// TestDropDomainKey: rotate, rewrap, drop; what was left under the old key is gone, also after a restart.
func TestDropDomainKey(t *testing.T) {
	t.Parallel()
	cfg := hsm.Config{Dir: t.TempDir(), Seal: hsm.Seal{KeyFile: filepath.Join(t.TempDir(), "k")}}
	l := openLocal(t, cfg)
	moved := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "moved")
	left := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "left")
	leftRSA := newKey(t, l, hsm.P256, hsm.SignVerify, "left")
	sealed := hsm.Call{Op: hsm.OpEncrypt, Key: moved, In: []byte("kept"), Out: make([]byte, 0, 512)}
	if err := l.Do(&sealed); err != nil {
		t.Fatal(err)
	}
	if err := l.DropDomainKey(1); !errors.Is(err, hsm.ErrCommand) {
		t.Errorf("the key that seals: %v", err)
	}
	if err := l.RotateDomainKey(); err != nil {
		t.Fatal(err)
	}
	rewrapped := hsm.Call{Op: hsm.OpRewrap, Key: moved, Out: make([]byte, 0, 512)}
	if err := l.Do(&rewrapped); err != nil {
		t.Fatal(err)
	}
	fresh := *moved
	fresh.Token = rewrapped.Out
	// Ready in a slot and parsed: neither outlives the domain key.
	for _, c := range []hsm.Call{
		{Op: hsm.OpEncrypt, Key: left, In: []byte("x"), Out: make([]byte, 0, 512)},
		{Op: hsm.OpSign, Key: leftRSA, In: []byte("x"), Out: make([]byte, 0, 512)},
	} {
		if err := l.Do(&c); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a second time changes nothing
		if err := l.DropDomainKey(1); err != nil {
			t.Fatal(err)
		}
	}
	check := func(m *hsm.Local) {
		t.Helper()
		for _, c := range []hsm.Call{
			{Op: hsm.OpEncrypt, Key: left, In: []byte("x"), Out: make([]byte, 0, 512)},
			{Op: hsm.OpSign, Key: leftRSA, In: []byte("x"), Out: make([]byte, 0, 512)},
			{Op: hsm.OpDecrypt, Key: moved, In: sealed.Out, Secret: make([]byte, 0, 32)},
		} {
			if err := m.Do(&c); !errors.Is(err, hsm.ErrDomain) {
				t.Errorf("op %d under the dropped key: %v", c.Op, err)
			}
		}
		c := hsm.Call{Op: hsm.OpDecrypt, Key: &fresh, In: sealed.Out, Secret: make([]byte, 0, 32)}
		if err := m.Do(&c); err != nil || string(c.Secret) != "kept" {
			t.Errorf("%q, %v", c.Secret, err)
		}
		s, err := m.Status(t.Context())
		if err != nil || len(s.DomainKeys) != 1 || s.DomainKeys[0].Version != 2 || s.DomainVersion != 2 {
			t.Errorf("%+v, %v", s.DomainKeys, err)
		}
	}
	check(l)
	check(openLocal(t, cfg))
	// The cell that became free is used again.
	for range 3 {
		if err := l.RotateDomainKey(); err != nil {
			t.Fatal(err)
		}
	}
	c := hsm.Call{Op: hsm.OpDecrypt, Key: &fresh, In: sealed.Out, Secret: make([]byte, 0, 32)}
	if err := l.Do(&c); err != nil {
		t.Error(err)
	}
}
