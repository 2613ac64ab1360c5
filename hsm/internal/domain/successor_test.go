package domain_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"trent/hsm/internal/domain"
)

var all5 = []string{"op0", "op1", "op2", "op3", "op4"}

func TestCreation(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	for _, test := range []struct {
		name   string
		change func(*domain.Command)
		by     []string
		want   error
	}{
		{"by the quorum it brings", func(*domain.Command) {}, all5[:2], nil},
		{"by one of three", func(*domain.Command) {}, all5[:1], domain.ErrQuorum},
		{"by a stranger", func(*domain.Command) {}, []string{"op0", "op1", "op3"}, domain.ErrCommand},
		{"with a rule for one operator", func(c *domain.Command) {
			c.Rules = domain.DefaultRules(1)
		}, all5[:3], domain.ErrCommand},
		{"with a rule that nobody can meet", func(c *domain.Command) { c.Rules = domain.DefaultRules(7) }, all5[:3], domain.ErrQuorum},
		{"with a host for more than rotation", func(c *domain.Command) {
			c.Rules = domain.DefaultRules(3)
			c.Rules[domain.ModifyMembers-1].Any = c.Rules[domain.RotateKeys-1].Any
		}, all5[:3], domain.ErrCommand},
		{"with one share for three operators", func(c *domain.Command) { c.Threshold = 1 }, all5[:3], domain.ErrCommand},
		{"with more shares than operators", func(c *domain.Command) { c.Threshold = 4 }, all5[:3], domain.ErrCommand},
		{"by a target that is no member", func(cmd *domain.Command) { cmd.Target = c.module(1) }, all5[:3], domain.ErrCommand},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cmd := c.creation(3, 1)
			test.change(&cmd)
			s, change, err := do(nil, c.sign(t, cmd, test.by...), cmd.Target, noon)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err == nil && (s.Number != 1 || change.Make != 1 || !change.Recovery || s.Recovery.Threshold != 2 || s.Keys[0].Phase != domain.Active) {
				t.Fatalf("got %+v with %+v", s, change)
			}
		})
	}
}

func TestRefusedOutright(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	s := c.domainOf(t, 3, 1)
	other := c.domainOf(t, 3, 1)
	rotate := on(s, domain.Command{Kind: domain.RotateKeys})
	good := c.sign(t, rotate, "host0")
	next, _, err := do(s, good, c.module(0), s.Made)
	if err != nil {
		t.Fatal(err)
	}
	fork, _, err := do(s, c.sign(t, rotate, "op0", "op1"), c.module(0), s.Made)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	targeted := rotate
	targeted.Target = c.module(1)
	far := rotate
	far.Expires = s.Made.Add(domain.MaxCommandLife + time.Hour)
	leave := on(s, domain.Command{Kind: domain.ModifyMembers, Members: slices.Clone(c.modules[1:2])})
	for _, test := range []struct {
		name    string
		state   *domain.State
		command []byte
		now     time.Time
		want    error
		words   string
	}{
		{"altered", s, flipped, s.Made, domain.ErrCommand, "signature of host0 is wrong"},
		{"cut off", s, good[:len(good)-40], s.Made, domain.ErrCommand, "cut off"},
		{"cut off early", s, good[:50], s.Made, domain.ErrCommand, "cut off"},
		{"no command", s, []byte("hello"), s.Made, domain.ErrCommand, "no command file"},
		{"of another version", s, append([]byte("trentcmd\x00\x02"), good[10:]...), s.Made, domain.ErrCommand, "format 2"},
		{"with a tail", s, append(bytes.Clone(good), 0), s.Made, domain.ErrCommand, "damaged"},
		{"replayed", next, good, s.Made, domain.ErrStale, "propose it anew"},
		{"of a forked state", fork, c.sign(t, on(next, domain.Command{Kind: domain.ActivateKey, Version: 2}), "host0"), s.Made, domain.ErrStale, "forked"},
		{"ahead of the module", s, c.sign(t, on(next, domain.Command{Kind: domain.ActivateKey, Version: 2}), "host0"), s.Made, domain.ErrStale, "install the newest domain token"},
		{"of another domain", other, good, s.Made, domain.ErrCommand, "it is for domain"},
		{"expired", s, good, s.Made.Add(2 * time.Hour), domain.ErrCommand, "expired"},
		{"of a host whose clock is ahead", s, c.sign(t, far, "host0"), s.Made, domain.ErrCommand, "clock"},
		{"for another module", s, c.sign(t, targeted, "host0"), s.Made, domain.ErrCommand, "submit it there"},
		{"to a module that it removes", s, c.sign(t, leave, "op0", "op1"), s.Made, domain.ErrCommand, "submit it to one that stays"},
		{"to a module in no domain", nil, good, s.Made, domain.ErrCommand, "in no domain"},
		{"a second creation", s, c.sign(t, c.creation(3, 1), all5[:3]...), s.Made, domain.ErrCommand, "already"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := do(test.state, test.command, c.module(0), test.now)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.words) {
				t.Fatalf("got %v, want %v with %q", err, test.want, test.words)
			}
		})
	}
}

func TestOneSignerCountsOnce(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	s := c.domainOf(t, 3, 0)
	cmd := on(s, domain.Command{Kind: domain.RotateKeys})
	once := c.sign(t, cmd, "op0")
	if _, err := domain.Sign(once, c.keys["op0"], nil); !errors.Is(err, domain.ErrSigned) {
		t.Fatalf("a second signature: %v", err)
	}
	// The same signature twice is no command at all.
	_, signatures, err := domain.ParseCommand(once)
	if err != nil {
		t.Fatal(err)
	}
	one := append(append(signatures[0].Signer[:], byte(len(signatures[0].Value)>>8), byte(len(signatures[0].Value))), signatures[0].Value...)
	twice := append(bytes.Clone(once), one...)
	twice[len(once)-len(one)-1] = 2
	if _, _, err := domain.ParseCommand(twice); !errors.Is(err, domain.ErrCommand) {
		t.Fatalf("one signature twice: %v", err)
	}
	merged, err := domain.Merge(once, c.sign(t, cmd, "op0", "op2"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := do(s, merged, c.module(0), s.Made); err != nil {
		t.Fatal(err)
	}
	if _, err := domain.Merge(once, c.sign(t, on(s, domain.Command{Kind: domain.ActivateKey, Version: 2}), "op1")); !errors.Is(err, domain.ErrCommand) {
		t.Fatalf("signatures of another command: %v", err)
	}
}

// must does a command that is to be done.
func (c *cast) must(t testing.TB, s *domain.State, now time.Time, cmd domain.Command, by ...string) (*domain.State, domain.KeyChange) {
	t.Helper()
	cmd.Expires = now.Add(time.Hour)
	next, change, err := do(s, c.sign(t, on(s, cmd), by...), c.module(0), now)
	if err != nil {
		t.Fatal(err)
	}
	return next, change
}

func (c *cast) mustNot(t testing.TB, s *domain.State, now time.Time, words string, cmd domain.Command, by ...string) {
	t.Helper()
	cmd.Expires = now.Add(time.Hour)
	_, _, err := do(s, c.sign(t, on(s, cmd), by...), c.module(0), now)
	if !errors.Is(err, domain.ErrCommand) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v, want a refusal with %q", err, words)
	}
}

func phases(s *domain.State) string {
	var all []string
	for _, k := range s.Keys {
		all = append(all, k.Phase.String())
	}
	return strings.Join(all, " ")
}

func TestLifeOfADomainKey(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	s := c.domainOf(t, 3, 1)
	rotate := domain.Command{Kind: domain.RotateKeys}
	activate := domain.Command{Kind: domain.ActivateKey, Version: 2}
	c.mustNot(t, s, noon, "not pending", activate, "host0")
	s, change := c.must(t, s, noon, rotate, "host0")
	if change.Make != 2 || phases(s) != "active pending" {
		t.Fatalf("rotation: %+v, %s", change, phases(s))
	}
	c.mustNot(t, s, noon, "activate it first", rotate, "host0")
	c.mustNot(t, s, noon, "not pending", domain.Command{Kind: domain.ActivateKey, Version: 1}, "host0")
	s, _ = c.must(t, s, noon, activate, "host0")
	if phases(s) != "deactivated active" {
		t.Fatal(phases(s))
	}
	due := noon.Add(s.Rotation + domain.TokenLife)
	drop := func(version uint32, tokens uint64, counted time.Time) domain.Command {
		return domain.Command{Kind: domain.DropKey, Version: version, Statement: domain.Statement{Version: version, Tokens: tokens, Counted: counted}}
	}
	c.mustNot(t, s, due.Add(-time.Second), "try again then", drop(1, 0, noon), "host0")
	c.mustNot(t, s, due, "re-encrypt them first", drop(1, 3, noon), "host0")
	c.mustNot(t, s, due, "count them anew", drop(1, 0, noon.Add(-time.Hour)), "host0")
	c.mustNot(t, s, due, "is to come", drop(1, 0, due.Add(time.Hour)), "host0")
	c.mustNot(t, s, due, "only a deactivated key", drop(2, 0, due), "host0")
	c.mustNot(t, s, due, "no key 9", drop(9, 0, due), "host0")
	c.mustNot(t, s, due, "the statement is of key 2", domain.Command{Kind: domain.DropKey, Version: 1, Statement: domain.Statement{Version: 2, Counted: due}}, "host0")
	operators := drop(1, 0, due)
	operators.Expires = due.Add(time.Hour)
	if _, _, err := do(s, c.sign(t, on(s, operators), "op0", "op1"), c.module(0), due); !errors.Is(err, domain.ErrQuorum) {
		t.Fatalf("a statement that no host signed: %v", err)
	}
	s, change = c.must(t, s, due, drop(1, 0, due), "host0")
	if !slices.Equal(change.Drop, []uint32{1}) || phases(s) != "active" || s.Keys[0].Version != 2 {
		t.Fatalf("dropping: %+v, %s", change, phases(s))
	}
	s, change = c.must(t, s, due, rotate, "host0")
	if change.Make != 3 {
		t.Fatalf("a version came twice: %+v", change)
	}
	c.mustNot(t, s, due, "only a deactivated key", drop(3, 0, due), "host0")
}

// TestRotationWithoutEnd: a host that rotates and rotates cannot keep itself from being removed.
func TestRotationWithoutEnd(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	s := c.domainOf(t, 2, 2)
	for i := uint32(2); ; i++ {
		cmd := on(s, domain.Command{Kind: domain.RotateKeys, Expires: noon.Add(time.Hour)})
		next, _, err := do(s, c.sign(t, cmd, "host0"), c.module(0), noon)
		if err != nil {
			break
		}
		s, _ = c.must(t, next, noon, domain.Command{Kind: domain.ActivateKey, Version: i}, "host0")
		if i > domain.MaxKeys {
			t.Fatal("there is no end")
		}
	}
	s, change := c.must(t, s, noon, domain.Command{Kind: domain.ModifySigners, Signers: append(c.signers(2, 0), c.hosts[1])}, "op0", "op1")
	if change.Make == 0 {
		t.Fatalf("got %+v", change)
	}
	c.must(t, s, noon, domain.Command{Kind: domain.DropKey, Version: 1, Statement: domain.Statement{Version: 1, Counted: noon}}, "host1")
}

// TestClockBehind: a module whose clock is behind the domain's makes no state that is older than its parent.
func TestClockBehind(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	s := c.domainOf(t, 2, 1)
	cmd := on(s, domain.Command{Kind: domain.RotateKeys})
	next, _, err := do(s, c.sign(t, cmd, "host0"), c.module(0), noon.AddDate(-1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if next.Made.Before(s.Made) || next.Keys[1].Made.Before(s.Made) {
		t.Fatalf("made at %v, its parent at %v", next.Made, s.Made)
	}
}

func TestRemovalRotatesAtOnce(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	s := c.domainOf(t, 3, 2)
	s, change := c.must(t, s, noon, domain.Command{Kind: domain.ModifyMembers, Members: slices.Clone(c.modules)}, "op0", "op1")
	if change.Make != 0 {
		t.Fatalf("a member that joins made the keys rotate: %+v", change)
	}
	s, _ = c.must(t, s, noon, domain.Command{Kind: domain.RotateKeys}, "host0")
	s, change = c.must(t, s, noon, domain.Command{Kind: domain.ModifyMembers, Members: slices.Clone(c.modules[:2])}, "op0", "op1")
	if change.Make != 3 || !slices.Equal(change.Drop, []uint32{2}) || phases(s) != "exposed active" || len(s.Members) != 2 {
		t.Fatalf("removal: %+v, %s", change, phases(s))
	}
	// What the removed member knows may go as soon as nothing needs it.
	s, change = c.must(t, s, noon, domain.Command{Kind: domain.DropKey, Version: 1, Statement: domain.Statement{Version: 1, Counted: noon}}, "host1")
	if !slices.Equal(change.Drop, []uint32{1}) {
		t.Fatalf("dropping: %+v", change)
	}
	s, change = c.must(t, s, noon, domain.Command{Kind: domain.ModifySigners, Signers: c.signers(3, 1)}, "op0", "op1")
	if change.Make != 4 || change.Recovery || phases(s) != "exposed active" {
		t.Fatalf("removal of a host: %+v, %s", change, phases(s))
	}
	renamed := slices.Clone(s.Members)
	renamed[0].Name = "renamed"
	if _, change = c.must(t, s, noon, domain.Command{Kind: domain.ModifyMembers, Members: renamed}, "op0", "op1"); change.Make != 0 {
		t.Fatalf("a new name made the keys rotate: %+v", change)
	}
}

func TestOperatorsChange(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	s := c.domainOf(t, 1, 1)
	two := domain.Command{Kind: domain.ModifySigners, Signers: c.signers(2, 1), Threshold: 2}
	c.mustNot(t, s, noon, "a single operator must not", two, "op0")
	two.Rules = domain.DefaultRules(2)
	without := two
	without.Threshold = 0
	c.mustNot(t, s, noon, "say how many recover", without, "op0")
	s, change := c.must(t, s, noon, two, "op0")
	if !change.Recovery || s.Recovery.Threshold != 2 {
		t.Fatalf("got %+v", change)
	}
	back := domain.Command{Kind: domain.ModifySigners, Signers: c.signers(1, 1), Rules: domain.DefaultRules(1), Threshold: 1, Expires: noon.Add(time.Hour)}
	if _, _, err := do(s, c.sign(t, on(s, back), "op0"), c.module(0), noon); !errors.Is(err, domain.ErrQuorum) {
		t.Fatalf("one of two went back to one: %v", err)
	}
	c.must(t, s, noon, back, "op0", "op1")
	c.mustNot(t, s, noon, "at least one operator", domain.Command{Kind: domain.ModifySigners, Signers: c.hosts[:1:1]}, "op0", "op1")
	c.mustNot(t, s, noon, "nobody could have", domain.Command{Kind: domain.ModifyRules, Rules: domain.DefaultRules(5), Rotation: time.Hour}, "op0", "op1")
}

// TestRulesNeedTheirOwnQuorum: who may change signers may not change rules by that.
func TestRulesNeedTheirOwnQuorum(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	cmd := c.creation(3, 0)
	cmd.Rules[domain.ModifyRules-1].Any = [][]domain.Requirement{{{Role: domain.Operator, N: 3}}}
	s, _, err := do(nil, c.sign(t, cmd, all5[:3]...), c.module(0), noon)
	if err != nil {
		t.Fatal(err)
	}
	with := on(s, domain.Command{Kind: domain.ModifySigners, Signers: c.signers(3, 1), Rules: domain.DefaultRules(3)})
	if _, _, err := do(s, c.sign(t, with, "op0", "op1"), c.module(0), noon); !errors.Is(err, domain.ErrQuorum) {
		t.Fatalf("two of three changed the rules: %v", err)
	}
	c.must(t, s, noon, with, all5[:3]...)
}

// TestFewerThanAQuorumChangeNothing plays random commands with random signers, and counts by itself whether they were enough.
func TestFewerThanAQuorumChangeNothing(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	first := c.domainOf(t, 3, 1)
	everybody := append(slices.Clone(all5), "host0", "host1")
	rapid.Check(t, func(r *rapid.T) {
		s, now := first, first.Made
		for range rapid.IntRange(1, 6).Draw(r, "commands") {
			cmd := randomCommand(r, c, s)
			by := rapid.SliceOfNDistinct(rapid.SampledFrom(everybody), 0, 4, rapid.ID[string]).Draw(r, "signers")
			signed, ok := trySign(c, on(s, cmd), by)
			if !ok {
				continue
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(r, "hours")) * time.Minute)
			next, _, err := do(s, signed, c.module(0), now)
			if err != nil {
				continue
			}
			enough, strangers := count(s, c, by, cmd.Kind)
			if strangers {
				r.Fatalf("%s was done with a signature by somebody who is not listed: %v", cmd.Kind, by)
			}
			if !enough {
				r.Fatalf("%s was done by %v under %v", cmd.Kind, by, s.Rules)
			}
			operators := 0
			for _, p := range s.Signers {
				if p.Role == domain.Operator {
					operators++
				}
			}
			signing := len(slices.DeleteFunc(slices.Clone(by), func(name string) bool { return strings.HasPrefix(name, "host") }))
			if protection(s) != protection(next) && signing < min(2, operators) {
				r.Fatalf("%s by %v changed a protection of %d operators", cmd.Kind, by, operators)
			}
			s = next
		}
	})
}

// protection is everything but keys, audit and numbers.
func protection(s *domain.State) string {
	bare := domain.State{Domain: s.Domain, Name: s.Name, Members: s.Members, Signers: s.Signers, Rules: s.Rules, Rotation: s.Rotation}
	return string(bare.AppendState(nil))
}

func trySign(c *cast, cmd domain.Command, by []string) ([]byte, bool) {
	b, err := cmd.Encode()
	for _, name := range by {
		if err != nil {
			return nil, false
		}
		b, err = domain.Sign(b, c.keys[name], nil)
	}
	return b, err == nil
}

// count is the rule in its simplest form.
func count(s *domain.State, c *cast, by []string, kind domain.CommandKind) (enough, strangers bool) {
	have := map[domain.Role]int{}
	for _, name := range by {
		found := false
		for _, p := range s.Signers {
			if p.Name == name {
				have[p.Role]++
				found = true
			}
		}
		strangers = strangers || !found
	}
	for _, rule := range s.Rules {
		if rule.Command != kind {
			continue
		}
		for _, alternative := range rule.Any {
			met := true
			for _, q := range alternative {
				met = met && have[q.Role] >= int(q.N)
			}
			enough = enough || met
		}
	}
	return enough, strangers
}

func randomCommand(r *rapid.T, c *cast, s *domain.State) domain.Command {
	rules := func() []domain.Rule {
		all := domain.DefaultRules(rapid.IntRange(1, 5).Draw(r, "quorum of"))
		if rapid.Bool().Draw(r, "hosts may") {
			all[rapid.IntRange(0, len(all)-1).Draw(r, "command")].Any = [][]domain.Requirement{{{Role: domain.ServiceHost, N: 1}}}
		}
		return all
	}
	kind := domain.CommandKind(rapid.IntRange(2, 8).Draw(r, "kind"))
	cmd := domain.Command{Kind: kind, Expires: s.Made.Add(time.Hour)}
	switch kind {
	case domain.ModifyMembers:
		cmd.Members = slices.Clone(c.modules[:rapid.IntRange(1, 3).Draw(r, "members")])
	case domain.ModifySigners:
		n := rapid.IntRange(1, 5).Draw(r, "operators")
		cmd.Signers = c.signers(n, rapid.IntRange(0, 2).Draw(r, "hosts"))
		cmd.Threshold = uint8(rapid.IntRange(0, n).Draw(r, "threshold"))
		if rapid.Bool().Draw(r, "with rules") {
			cmd.Rules = rules()
		}
	case domain.ModifyRules:
		cmd.Rules, cmd.Rotation = rules(), time.Duration(rapid.IntRange(1, 24).Draw(r, "rotation"))*time.Hour
	case domain.ActivateKey:
		cmd.Version = uint32(rapid.IntRange(1, 3).Draw(r, "version"))
	case domain.DropKey:
		cmd.Version = uint32(rapid.IntRange(1, 3).Draw(r, "version"))
		cmd.Statement = domain.Statement{Version: cmd.Version, Counted: s.Made}
	case domain.LeaveDomain:
		cmd.Target = c.module(0)
	}
	return cmd
}

func FuzzParseCommand(f *testing.F) {
	c := newCast(f)
	s := c.domainOf(f, 2, 1)
	f.Add(c.sign(f, c.creation(2, 1), "op0", "op1"))
	f.Add(c.sign(f, on(s, domain.Command{Kind: domain.RotateKeys}), "host0"))
	f.Add(c.sign(f, on(s, domain.Command{Kind: domain.DropKey, Version: 1, Statement: domain.Statement{Version: 1, Counted: noon}}), "host0"))
	f.Add(c.sign(f, on(s, domain.Command{Kind: domain.RecoverDomain, Target: c.module(1), Members: c.modules[1:2:2], Shares: [][]byte{{1}, {2}}, Threshold: 2})))
	f.Fuzz(func(t *testing.T, b []byte) {
		cmd, signatures, err := domain.ParseCommand(b)
		if err != nil {
			if !errors.Is(err, domain.ErrCommand) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		again, err := cmd.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if len(b) < len(again) || !bytes.Equal(b[:len(again)-1], again[:len(again)-1]) {
			t.Fatal("a command has a second encoding")
		}
		if len(signatures) == 0 && len(b) != len(again) {
			t.Fatal("something follows")
		}
	})
}
