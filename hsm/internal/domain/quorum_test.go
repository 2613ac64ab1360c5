package domain_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"trent/hsm/internal/domain"
)

// cast is everybody who plays in these tests; the first three operators, the first host and the first module begin.
type cast struct {
	keys      map[string]*ecdsa.PrivateKey
	operators []domain.Principal
	hosts     []domain.Principal
	modules   []domain.HSM
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, spki
}

func newCast(t testing.TB) *cast {
	t.Helper()
	c := &cast{keys: map[string]*ecdsa.PrivateKey{}}
	principal := func(name string, role domain.Role) domain.Principal {
		key, spki := newKey(t)
		c.keys[name] = key
		p := domain.Principal{Name: name, Role: role, Signing: spki}
		if role == domain.Operator {
			_, p.Agreement = newKey(t)
		}
		return p
	}
	for i := range 5 {
		c.operators = append(c.operators, principal(fmt.Sprintf("op%d", i), domain.Operator))
	}
	for i := range 2 {
		c.hosts = append(c.hosts, principal(fmt.Sprintf("host%d", i), domain.ServiceHost))
	}
	for i := range 3 {
		m := domain.HSM{Name: fmt.Sprintf("hsm%d", i)}
		_, m.Signing = newKey(t)
		_, m.Agreement = newKey(t)
		c.modules = append(c.modules, m)
	}
	return c
}

// signers lists the first of the operators and of the hosts.
func (c *cast) signers(operators, hosts int) []domain.Principal {
	return slices.Concat(c.operators[:operators], c.hosts[:hosts])
}

func (c *cast) module(i int) domain.Fingerprint { return domain.FingerprintOf(c.modules[i].Signing) }

// sign encodes a command and has it signed.
func (c *cast) sign(t testing.TB, cmd domain.Command, by ...string) []byte {
	t.Helper()
	b, err := cmd.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range by {
		if b, err = domain.Sign(b, c.keys[name], rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (c *cast) creation(operators, hosts int) domain.Command {
	return domain.Command{
		Kind: domain.CreateDomain, Target: c.module(0), Expires: noon.Add(time.Hour), Name: "test",
		Members: c.modules[:1:1], Signers: c.signers(operators, hosts), Rules: domain.DefaultRules(operators),
		Rotation: 24 * time.Hour, Threshold: uint8(min(2, operators)),
	}
}

// domainOf creates a domain of so many operators and hosts.
func (c *cast) domainOf(t testing.TB, operators, hosts int) *domain.State {
	t.Helper()
	cmd := c.creation(operators, hosts)
	by := []string{"op0", "op1", "op2", "op3", "op4"}[:operators]
	s, _, err := do(nil, c.sign(t, cmd, by...), c.module(0), noon)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// do is what a module does to a command, but for keys.
func do(s *domain.State, signed []byte, self domain.Fingerprint, now time.Time) (*domain.State, domain.KeyChange, error) {
	cmd, signers, err := domain.Check(s, signed, self, now)
	if err != nil {
		return nil, domain.KeyChange{}, err
	}
	return s.Successor(cmd, signed, signers, now)
}

// on makes a command apply to s.
func on(s *domain.State, cmd domain.Command) domain.Command {
	cmd.Domain, cmd.State, cmd.Parent = s.Domain, s.Number, s.Hash()
	if cmd.Expires.IsZero() {
		cmd.Expires = s.Made.Add(time.Hour)
	}
	return cmd
}

func TestQuorum(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	s := c.domainOf(t, 3, 1)
	rotate := on(s, domain.Command{Kind: domain.RotateKeys})
	members := on(s, domain.Command{Kind: domain.ModifyMembers, Members: slices.Clone(c.modules[:2])})
	rules := on(s, domain.Command{Kind: domain.ModifyRules, Rules: domain.DefaultRules(3), Rotation: time.Hour})
	for _, test := range []struct {
		name string
		cmd  domain.Command
		by   []string
		want error
	}{
		{"a host rotates", rotate, []string{"host0"}, nil},
		{"two operators rotate", rotate, []string{"op0", "op2"}, nil},
		{"one operator does not rotate", rotate, []string{"op0"}, domain.ErrQuorum},
		{"nobody signed", rotate, nil, domain.ErrQuorum},
		{"two operators modify members", members, []string{"op1", "op2"}, nil},
		{"one operator does not", members, []string{"op1"}, domain.ErrQuorum},
		{"nor with a host", members, []string{"op1", "host0"}, domain.ErrQuorum},
		{"nor a host", members, []string{"host0"}, domain.ErrQuorum},
		{"a signer who is not listed", members, []string{"op0", "op1", "op4"}, domain.ErrCommand},
		{"a host that is not listed", rotate, []string{"host0", "host1"}, domain.ErrCommand},
		{"rules need operators", rules, []string{"host0"}, domain.ErrQuorum},
		{"all sign", rules, []string{"op0", "op1", "op2", "host0"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := do(s, c.sign(t, test.cmd, test.by...), c.module(0), s.Made)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
		})
	}
}
