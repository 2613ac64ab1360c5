package hsm_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/internal/domain"
	"trent/hsm/internal/session"
)

// TestSessionAuthority: a session key's token made at one member opens at the other, unaltered alone.
func TestSessionAuthority(t *testing.T) {
	t.Parallel()
	c := newCast(t, 1)
	members, token := newDomain(t, c, 2)
	a, b := members[0].SessionAuthority(), members[1].SessionAuthority()
	hostKey := spki(t, &c.host.PublicKey)
	host := session.Fingerprint(domain.FingerprintOf(hostKey))
	if got, ok := b.Host(host); !ok || !bytes.Equal(got, hostKey) {
		t.Errorf("the host: %x, %t", got, ok)
	}
	operator := session.Fingerprint(domain.FingerprintOf(spki(t, &c.operators[0].PublicKey)))
	if _, ok := b.Host(operator); ok {
		t.Error("an operator passes for a host")
	}
	s := stateOf(t, token)
	if id, number, ok := a.Domain(); !ok || id != s.Domain || number != 1 {
		t.Errorf("domain %x, %d, %t", id, number, ok)
	}
	sk, ends := [32]byte{1, 2, 3}, time.Now().Add(time.Hour).Truncate(time.Millisecond)
	sealed, err := a.SealSession([]byte("before"), &sk, host, ends)
	if err != nil || !bytes.HasPrefix(sealed, []byte("before")) {
		t.Fatal(err)
	}
	sealed = sealed[len("before"):]
	var got [32]byte
	if h, e, ok := b.OpenSession(&got, sealed); !ok || got != sk || h != host || !e.Equal(ends) {
		t.Errorf("%x, %x, %v, %t", got, h, e, ok)
	}
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		got = [32]byte{}
		if _, _, ok := b.OpenSession(&got, altered); ok || got != [32]byte{} {
			t.Fatalf("byte %d altered: %t, %x", i, ok, got)
		}
	}
	k := newKey(t, members[0], hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	for _, other := range [][]byte{nil, sealed[1:], sealed[:len(sealed)-1], k.Token} {
		if _, _, ok := b.OpenSession(&got, other); ok {
			t.Errorf("%d bytes open", len(other))
		}
	}

	digest := sha512.Sum384([]byte("transcript"))
	signature, err := a.Sign(&digest)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(a.Identity())
	if err != nil || !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], signature) {
		t.Errorf("the signature does not fit: %v", err)
	}

	if err := members[1].Zeroize(); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := b.OpenSession(&got, sealed); ok {
		t.Error("a module that erased itself opens a session")
	}
	if _, err := b.Sign(&digest); err == nil {
		t.Error("a module that erased itself signs")
	}
	if _, _, ok := b.Domain(); ok {
		t.Error("a module that erased itself is in a domain")
	}
	if openLocal(t, hsm.Config{}).SessionAuthority() != nil {
		t.Error("a module of its own domain has sessions")
	}
}
