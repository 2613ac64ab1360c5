package hsm_test

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// cast is the people and hosts of a domain, who sign its commands.
type cast struct {
	operators  []*ecdsa.PrivateKey
	agreements []*ecdh.PrivateKey
	host       *ecdsa.PrivateKey
}

func newCast(t testing.TB, operators int) *cast {
	t.Helper()
	c := &cast{host: newP384(t)}
	for range operators {
		c.operators = append(c.operators, newP384(t))
		agreement, err := ecdh.P384().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c.agreements = append(c.agreements, agreement)
	}
	return c
}

func newP384(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func spki(t testing.TB, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// signers lists everybody.
func (c *cast) signers(t testing.TB) []hsm.DomainPrincipal {
	t.Helper()
	list := []hsm.DomainPrincipal{{Name: "host", Role: domain.ServiceHost, Signing: spki(t, &c.host.PublicKey)}}
	for i, key := range c.operators {
		list = append(list, hsm.DomainPrincipal{
			Name: fmt.Sprintf("operator-%d", i), Role: domain.Operator,
			Signing: spki(t, &key.PublicKey), Agreement: spki(t, c.agreements[i].PublicKey()),
		})
	}
	return list
}

// creation is the signed command by which m makes a domain.
func (c *cast) creation(t testing.TB, m *hsm.Local, members ...hsm.DomainHSM) []byte {
	t.Helper()
	return c.sign(t, &domain.Command{
		Kind: domain.CreateDomain, Target: domain.FingerprintOf(selfOf(t, m).HSM.Signing), Name: "test",
		Members: members, Signers: c.signers(t), Rules: domain.DefaultRules(len(c.operators)),
		Rotation: time.Hour, Threshold: uint8(min(2, len(c.operators))),
	})
}

// command is a signed command for the state of a domain token.
func (c *cast) command(t testing.TB, newest []byte, cmd domain.Command) []byte {
	t.Helper()
	s := stateOf(t, newest)
	cmd.Domain, cmd.State, cmd.Parent = s.Domain, s.Number, s.Hash()
	return c.sign(t, &cmd)
}

// sign signs by all operators, or by the host what it may have done alone.
func (c *cast) sign(t testing.TB, cmd *domain.Command) []byte {
	t.Helper()
	if cmd.Expires.IsZero() {
		cmd.Expires = time.Now().Add(time.Hour)
	}
	b, err := cmd.Encode()
	if err != nil {
		t.Fatal(err)
	}
	keys := c.operators
	if k := cmd.Kind; k == domain.RotateKeys || k == domain.ActivateKey || k == domain.DropKey {
		keys = []*ecdsa.PrivateKey{c.host}
	}
	for _, key := range keys {
		if b, err = domain.Sign(b, key, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func stateOf(t testing.TB, token []byte) *hsm.DomainState {
	t.Helper()
	s, _, err := hsm.ParseDomainToken(token)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func selfOf(t testing.TB, m hsm.Member) hsm.MemberIdentity {
	t.Helper()
	id, err := m.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// openMember opens a member, in a directory of its own unless cfg names one.
func openMember(t testing.TB, cfg hsm.MemberConfig) *hsm.Local {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Seal.KeyFile == "" {
		cfg.Seal.KeyFile = filepath.Join(t.TempDir(), "seal.key")
	}
	m, err := hsm.OpenMember(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func execute(t testing.TB, m hsm.Member, command []byte) []byte {
	t.Helper()
	token, err := m.Execute(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func install(t testing.TB, token []byte, members ...*hsm.Local) {
	t.Helper()
	for i, m := range members {
		if err := m.Install(t.Context(), token); err != nil {
			t.Fatalf("member %d: %v", i, err)
		}
	}
}

// newDomain is a domain of n members, all in service, and its token.
func newDomain(t testing.TB, c *cast, n int) (members []*hsm.Local, token []byte) {
	t.Helper()
	var list []hsm.DomainHSM
	for range n {
		m := openMember(t, hsm.MemberConfig{})
		members = append(members, m)
		list = append(list, selfOf(t, m).HSM)
	}
	token = execute(t, members[0], c.creation(t, members[0], list...))
	install(t, token, members...)
	return members, token
}
