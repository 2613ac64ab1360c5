package operator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/operator"
)

// TestDescribe: an operator reads each change before signing it.
func TestDescribe(t *testing.T) {
	t.Parallel()
	a := hsm.DomainHSM{Name: "a", Signing: []byte("sa"), Agreement: []byte("aa"), KEM: []byte("k")}
	b := hsm.DomainHSM{Name: "b", Signing: []byte("sb"), Agreement: []byte("ab")}
	alice := hsm.DomainPrincipal{Name: "alice", Role: operator.Operator, Signing: []byte("s1"), Agreement: []byte("a1")}
	bob := hsm.DomainPrincipal{Name: "bob", Role: operator.Operator, Signing: []byte("s2"), Agreement: []byte("a2")}
	host := hsm.DomainPrincipal{Name: "host", Role: operator.ServiceHost, Signing: []byte("s3")}
	s := &hsm.DomainState{Name: "main", Members: []hsm.DomainHSM{a, b}, Signers: []hsm.DomainPrincipal{alice, host}, Rules: operator.QuorumRules(1), Rotation: time.Hour}
	other := func(m hsm.DomainHSM, change func(*hsm.DomainHSM)) hsm.DomainHSM { change(&m); return m }
	changed := func(p hsm.DomainPrincipal, change func(*hsm.DomainPrincipal)) hsm.DomainPrincipal {
		change(&p)
		return p
	}
	members := func(all ...hsm.DomainHSM) operator.Command {
		return operator.Command{Kind: operator.ModifyMembers, Members: all}
	}
	signers := func(all ...hsm.DomainPrincipal) operator.Command {
		return operator.Command{Kind: operator.ModifySigners, Signers: all}
	}
	for _, test := range []struct {
		name string
		c    operator.Command
		want []string // begins of lines, in order
	}{
		{"nothing", members(a, b), []string{"modify-members changes nothing"}},
		{"a member joins", members(a, b, hsm.DomainHSM{Name: "c", Signing: []byte("sc")}), []string{"add module c ("}},
		{"a member goes", members(a), []string{"remove module b (", "make a new domain key and seal by it at once"}},
		{"a member is replaced by one of its name", members(a, other(b, func(m *hsm.DomainHSM) { m.Signing = []byte("evil") })),
			[]string{"remove module b (", "add module b (", "make a new domain key"}},
		{"a member's agreement key", members(a, other(b, func(m *hsm.DomainHSM) { m.Agreement = []byte("evil") })), []string{"give module b (", "make a new domain key"}},
		{"a member's post-quantum key", members(other(a, func(m *hsm.DomainHSM) { m.KEM = nil }), b), []string{"give module a (", "make a new domain key"}},
		{"a member's name", members(a, other(b, func(m *hsm.DomainHSM) { m.Name = "c" })), []string{"name module b ("}},
		{"a name hides nothing", members(a, other(b, func(m *hsm.DomainHSM) { m.Name, m.Agreement = "c", []byte("evil") })),
			[]string{"name module b (", "give module c (", "make a new domain key"}},
		{"a name and a role", signers(alice, changed(host, func(p *hsm.DomainPrincipal) { p.Name, p.Role = "eve", operator.Operator })),
			[]string{"name host host (", "host eve becomes operator", "make a new domain key"}},
		{"a name and an agreement key", signers(changed(alice, func(p *hsm.DomainPrincipal) { p.Name, p.Agreement = "eve", []byte("evil") }), host),
			[]string{"name operator alice (", "give operator eve another"}},
		{"an operator comes", signers(alice, bob, host), []string{"add operator bob ("}},
		{"a host goes", signers(alice), []string{"remove host host (", "make a new domain key"}},
		{"a host becomes an operator", signers(alice, changed(host, func(p *hsm.DomainPrincipal) { p.Role = operator.Operator })), []string{"host host becomes operator", "make a new domain key"}},
		{"an operator's agreement key", signers(changed(alice, func(p *hsm.DomainPrincipal) { p.Agreement = []byte("evil") }), host), []string{"give operator alice another agreement key"}},
		{"an operator's name", signers(changed(alice, func(p *hsm.DomainPrincipal) { p.Name = "eve" }), host), []string{"name operator alice ("}},
		{"operators with rules and shares", operator.Command{Kind: operator.ModifySigners, Signers: []hsm.DomainPrincipal{alice, bob, host}, Rules: operator.QuorumRules(2), Threshold: 2},
			[]string{"add operator bob (", "want 2 operators for create-domain, ", "want 2 operators or 1 host for rotate-keys, ", "make a new recovery key: 2 "}},
		{"one rule", operator.Command{Kind: operator.ModifyRules, Rules: append(slices.Clone(s.Rules[:len(s.Rules)-1]), operator.QuorumRules(3)[len(s.Rules)-1]), Rotation: time.Hour},
			[]string{"want 3 operators for " + s.Rules[len(s.Rules)-1].Command.String()}},
		{"the period", operator.Command{Kind: operator.ModifyRules, Rules: s.Rules, Rotation: 2 * time.Hour}, []string{"rotate domain keys every 2h0m0s"}},
		{"a rotation", operator.Command{Kind: operator.RotateKeys}, []string{"make a new domain key, pending"}},
		{"an activation", operator.Command{Kind: operator.ActivateKey, Version: 3}, []string{"seal by domain key 3"}},
		{"a drop", operator.Command{Kind: operator.DropKey, Version: 3}, []string{"drop domain key 3, under which 0 tokens"}},
		{"a leave", operator.Command{Kind: operator.LeaveDomain, Target: operator.FingerprintOf(b.Signing)}, []string{"module b ("}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := operator.Describe(s, &test.c)
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], test.want[i]) {
					t.Errorf("got %q, want %q", got[i], test.want[i])
				}
			}
		})
	}
}
