package hsm_test

import (
	"crypto/fips140"
	"errors"
	"testing"

	"trent/hsm"
	"trent/hsm/hsmtest"
)

// TestMemberConforms: a member with a domain passes what every module passes.
func TestMemberConforms(t *testing.T) {
	t.Parallel()
	hsmtest.Run(t, hsmtest.Options{Approved: fips140.Enforced()}, func(t testing.TB) hsm.Module {
		members, _ := newDomain(t, newCast(t, 1), 1)
		return members[0]
	})
}

// TestTwoMembers: what one seals the other opens.
func TestTwoMembers(t *testing.T) {
	t.Parallel()
	members, _ := newDomain(t, newCast(t, 3), 2)
	a, b := members[0], members[1]
	k := newKey(t, a, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	sealed := hsm.Call{Op: hsm.OpEncrypt, Key: k, In: []byte("over there"), Out: make([]byte, 0, 512)}
	if err := a.Do(&sealed); err != nil {
		t.Fatal(err)
	}
	opened := hsm.Call{Op: hsm.OpDecrypt, Key: k, In: sealed.Out, Secret: make([]byte, 0, 64)}
	if err := b.Do(&opened); err != nil || string(opened.Secret) != "over there" {
		t.Errorf("%q, %v", opened.Secret, err)
	}
}

// TestOutOfService: without a domain token nothing is done, and the error says that nothing was.
func TestOutOfService(t *testing.T) {
	t.Parallel()
	m := openMember(t, hsm.MemberConfig{})
	for _, c := range []hsm.Call{{Op: hsm.OpRandom, N: 1}, {Op: hsm.OpGenerate}, {Op: hsm.OpEncrypt}} {
		c.Secret = make([]byte, 0, 1)
		if err := m.Do(&c); !errors.Is(err, hsm.ErrOutOfService) || !errors.Is(err, hsm.ErrUnavailable) {
			t.Errorf("op %d: %v", c.Op, err)
		}
	}
	if s, err := m.Status(t.Context()); err != nil || s.Healthy {
		t.Errorf("%+v, %v", s, err)
	}
	if id := selfOf(t, m); id.InService || id.Number != 0 || id.Domain != [16]byte{} {
		t.Errorf("%+v", id)
	}
}
