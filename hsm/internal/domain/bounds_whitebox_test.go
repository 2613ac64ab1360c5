package domain

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// strangers makes up modules that nobody runs.
func strangers(t *testing.T, n int) []HSM {
	t.Helper()
	key := func() []byte {
		k, err := ecdh.P384().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return encodeKey(k.PublicKey())
	}
	list := make([]HSM, n)
	for i := range list {
		kem, err := mlkem.GenerateKey1024()
		if err != nil {
			t.Fatal(err)
		}
		list[i] = HSM{Name: fmt.Sprintf("stranger-%d", i), Signing: key(), Agreement: key(), KEM: kem.EncapsulationKey().Bytes()}
	}
	return list
}

// TestLargeDomain: a token that a store could not keep is refused in words; one that just fits works.
func TestLargeDomain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	m, _ := newMember(t)
	one := l.creation(t, m)
	mustInstall(t, m, one)
	for n, fits := range map[int]bool{40: true, 48: false} {
		s, _, err := ParseToken(one)
		if err != nil {
			t.Fatal(err)
		}
		token, err := m.Execute(l.sign(t, s, Command{Kind: ModifyMembers, Members: append(strangers(t, n), m.self)}), l.now)
		if fits && (err != nil || len(token) > MaxToken) || !fits && (!errors.Is(err, ErrCommand) || !strings.Contains(err.Error(), "list fewer members")) {
			t.Errorf("%d members: %d bytes, %v", n, len(token), err)
		}
	}
}

// TestTrail: a token reaches back some commands, not all of them; who is further behind is told to restart.
func TestTrail(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	m, _ := newMember(t)
	behind, seal := newMember(t)
	token := l.creation(t, m, behind)
	mustInstall(t, m, token)
	mustInstall(t, behind, token)
	s, _ := m.State()
	for n := range maxTrail + 3 {
		rotation := time.Hour + time.Duration(n)*time.Minute
		token = l.next(t, m, token, Command{Kind: ModifyRules, Rules: s.Rules, Rotation: rotation})
		mustInstall(t, m, token)
	}
	p, err := parseToken(token)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, e := range p.trail {
		size += len(e)
	}
	if len(p.trail) > maxTrail || size > maxTrailBytes || len(p.trail) < 20 {
		t.Errorf("%d entries, %d bytes", len(p.trail), size)
	}
	if entries, err := TokenEntries(token); err != nil || len(entries) != len(p.trail)+1 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if err := behind.Install(token); !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "restart it") {
		t.Errorf("far behind: %v", err)
	}
	again, err := openTestMember(t, filepath.Dir(behind.path), seal)
	if err != nil {
		t.Fatal(err)
	}
	mustInstall(t, again, token)
}
