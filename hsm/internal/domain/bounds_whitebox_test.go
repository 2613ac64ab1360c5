package domain

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
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
