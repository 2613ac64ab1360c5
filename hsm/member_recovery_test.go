package hsm_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// share is an operator's share in a token, encrypted to a module.
func (c *cast) share(t *testing.T, token []byte, operator int, to hsm.DomainHSM) []byte {
	t.Helper()
	f := domain.FingerprintOf(spki(t, &c.operators[operator].PublicKey))
	out, err := domain.Transfer(token, f, domain.AgreementOf(c.agreements[operator]), &to, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRecovery: all modules are lost; a fresh one takes over by two of three shares and the newest token, and by
// nothing less.
func TestRecovery(t *testing.T) {
	t.Parallel()
	c := newCast(t, 3)
	lost, first := newDomain(t, c, 2)
	k := newKey(t, lost[0], hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	newest := execute(t, lost[0], c.command(t, first, domain.Command{Kind: domain.RotateKeys}))
	fresh, another := openMember(t, hsm.MemberConfig{}), openMember(t, hsm.MemberConfig{})
	self := selfOf(t, fresh).HSM
	recovery := func(token []byte, shares ...[]byte) []byte {
		return hsm.WithDomainToken(c.command(t, token, domain.Command{
			Kind: domain.RecoverDomain, Target: domain.FingerprintOf(self.Signing), Members: []hsm.DomainHSM{self}, Shares: shares, Threshold: 2,
		}), token)
	}
	zero, one, two := c.share(t, newest, 0, self), c.share(t, newest, 1, self), c.share(t, newest, 2, self)
	other := newCast(t, 3)
	_, otherToken := newDomain(t, other, 1)
	altered := append([]byte(nil), one...)
	altered[len(altered)/2] ^= 1
	for name, command := range map[string][]byte{
		"too few":           recovery(newest, zero),
		"one twice":         recovery(newest, zero, zero),
		"altered":           recovery(newest, zero, altered),
		"for another":       recovery(newest, zero, c.share(t, newest, 1, selfOf(t, another).HSM)),
		"of another domain": recovery(newest, zero, other.share(t, otherToken, 1, self)),
		"nonsense":          recovery(newest, zero, []byte("share")),
		"without a token":   recovery(newest, zero, one)[12 : 12+len(recovery(newest, zero, one))-12-len(newest)],
	} {
		if token, err := fresh.Execute(t.Context(), command); !errors.Is(err, hsm.ErrCommand) || token != nil {
			t.Errorf("%s: %d bytes, %v", name, len(token), err)
		}
	}
	if id := selfOf(t, fresh); id.Number != 0 || id.InService {
		t.Errorf("changed by what was refused: %+v", id)
	}
	if _, err := lost[0].Execute(t.Context(), recovery(newest, zero, one)); !errors.Is(err, hsm.ErrCommand) {
		t.Errorf("at a member: %v", err)
	}
	token := execute(t, fresh, recovery(newest, two, zero))
	install(t, token, fresh)
	if err := fresh.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, Out: make([]byte, 0, 512)}); err != nil {
		t.Errorf("a key of before: %v", err)
	}
	s, before := stateOf(t, token), stateOf(t, newest)
	if s.Number != before.Number+1 || len(s.Members) != 1 || string(s.Recovery.Key) == string(before.Recovery.Key) {
		t.Errorf("state %d with %d members", s.Number, len(s.Members))
	}
	// The new shares recover again, the old ones nothing any more.
	third := openMember(t, hsm.MemberConfig{})
	self = selfOf(t, third).HSM
	if _, err := third.Execute(t.Context(), recovery(token, zero, one)); !errors.Is(err, hsm.ErrCommand) {
		t.Errorf("by shares of before: %v", err)
	}
	install(t, execute(t, third, recovery(token, c.share(t, token, 1, self), c.share(t, token, 2, self), c.share(t, token, 0, self))), third)
}

// TestOperatorsChange: new operators get shares of a new key, and the old ones' are of no use with a new token.
func TestOperatorsChange(t *testing.T) {
	t.Parallel()
	c, next := newCast(t, 2), newCast(t, 2)
	members, first := newDomain(t, c, 1)
	second := execute(t, members[0], c.command(t, first, domain.Command{Kind: domain.ModifySigners, Signers: next.signers(t), Threshold: 2}))
	install(t, second, members...)
	fresh := openMember(t, hsm.MemberConfig{})
	self := selfOf(t, fresh).HSM
	f := domain.FingerprintOf(spki(t, &c.operators[0].PublicKey))
	if _, err := domain.Transfer(second, f, domain.AgreementOf(c.agreements[0]), &self, rand.Reader); !errors.Is(err, domain.ErrToken) {
		t.Errorf("a share for one who is no operator any more: %v", err)
	}
	recovery := func(from *cast, token []byte) []byte {
		return hsm.WithDomainToken(next.command(t, second, domain.Command{
			Kind: domain.RecoverDomain, Target: domain.FingerprintOf(self.Signing), Members: []hsm.DomainHSM{self}, Threshold: 2,
			Shares: [][]byte{from.share(t, token, 0, self), from.share(t, token, 1, self)},
		}), second)
	}
	if _, err := fresh.Execute(t.Context(), recovery(c, first)); !errors.Is(err, hsm.ErrCommand) {
		t.Errorf("by the shares of before: %v", err)
	}
	install(t, execute(t, fresh, recovery(next, second)), fresh)
}
