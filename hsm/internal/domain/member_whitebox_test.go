package domain

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/gcm"
)

// lab is a domain of one operator and one host, for tests of its members.
type lab struct {
	operator, host *ecdsa.PrivateKey
	agreement      *ecdh.PrivateKey
	now            time.Time
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)}
	var err error
	for _, key := range []**ecdsa.PrivateKey{&l.operator, &l.host} {
		if *key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	if l.agreement, err = ecdh.P384().GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	return l
}

// spkiOf encodes a signing key's public half.
func spkiOf(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// sign signs a command for the state after newest (nil: a creation) by the operator.
func (l *lab) sign(t testing.TB, newest *State, c Command) []byte {
	t.Helper()
	if newest != nil {
		c.Domain, c.State, c.Parent = newest.Domain, newest.Number, newest.Hash()
	}
	c.Expires = l.now.Add(time.Hour)
	b, err := c.Encode()
	if err == nil {
		b, err = Sign(b, l.operator, rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// creation makes m the first member of a domain; its token.
func (l *lab) creation(t testing.TB, m *Member, others ...*Member) []byte {
	t.Helper()
	members := []HSM{m.self}
	for _, o := range others {
		members = append(members, o.self)
	}
	token, err := m.Execute(l.sign(t, nil, Command{
		Kind: CreateDomain, Target: m.print, Name: "lab", Members: members, Rules: DefaultRules(1), Rotation: time.Hour, Threshold: 1,
		Signers: []Principal{
			{Name: "operator", Role: Operator, Signing: spkiOf(t, l.operator), Agreement: encodeKey(l.agreement.PublicKey())},
			{Name: "host", Role: ServiceHost, Signing: spkiOf(t, l.host)},
		},
	}), l.now)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// next is the token that a command makes of token at m.
func (l *lab) next(t testing.TB, m *Member, token []byte, c Command) []byte {
	t.Helper()
	s, _, err := ParseToken(token)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Execute(l.sign(t, s, c), l.now)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func openTestMember(t testing.TB, dir string, seal Seal) (*Member, error) {
	t.Helper()
	a, err := arena.New(arena.Options{Bytes: MemberArenaBytes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return OpenMember(Options{Dir: dir, Seal: seal, Kernel: gcm.Kernels()[0], Random: rand.Reader, Arena: a})
}

func newMember(t testing.TB) (m *Member, seal Seal) {
	t.Helper()
	seal = Seal{KeyFile: filepath.Join(t.TempDir(), "key")}
	m, err := openTestMember(t, t.TempDir(), seal)
	if err != nil {
		t.Fatal(err)
	}
	return m, seal
}

func mustInstall(t testing.TB, m *Member, token []byte) {
	t.Helper()
	if err := m.Install(token); err != nil {
		t.Fatal(err)
	}
}

// TestAlteredToken: a token altered anywhere is refused and changes nothing; so is one that is cut off anywhere.
func TestAlteredToken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	m, _ := newMember(t)
	token := l.creation(t, m)
	stride := 1
	if testing.Short() {
		stride = 19
	}
	for i := 0; i < len(token); i += stride {
		altered := bytes.Clone(token)
		altered[i] ^= 1 << (i % 8)
		if _, _, err := ParseToken(altered); !errors.Is(err, ErrToken) {
			t.Fatalf("byte %d of %d altered: %v", i, len(token), err)
		}
		if i/stride%16 > 0 {
			continue
		}
		if err := m.Install(altered); !errors.Is(err, ErrToken) || m.InService() {
			t.Fatalf("byte %d of %d altered: Install: %v", i, len(token), err)
		}
		if _, _, err := ParseToken(token[:i]); !errors.Is(err, ErrToken) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	mustInstall(t, m, token)
}

// TestForgedToken: whoever is not a member signs in vain, and a member's signature over what it did not encrypt to this
// one either.
func TestForgedToken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	m, _ := newMember(t)
	peer, _ := newMember(t)
	first := l.creation(t, m, peer)
	mustInstall(t, m, first)
	second := l.next(t, m, first, Command{Kind: RotateKeys})
	resign := func(alter func(*token), by *Member) []byte {
		p, err := parseToken(bytes.Clone(second))
		if err != nil {
			t.Fatal(err)
		}
		alter(p)
		body := p.appendBody(nil)
		digest := sha512.Sum384(body)
		signature, err := by.Sign(digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(append(body, byte(len(signature))), signature...)
	}
	stranger, _ := newMember(t)
	for name, x := range map[string]struct {
		alter func(*token)
		by    *Member
	}{
		"signed by a stranger":      {func(p *token) {}, stranger},
		"by a stranger in its name": {func(p *token) { p.exporter = stranger.print }, stranger},
		"by the peer in another's":  {func(p *token) {}, peer},
		"another command's entry":   {func(p *token) { first, _ := parseToken(first); p.entry = first.entry; p.exporter = peer.print }, peer},
		"more than was commanded":   {func(p *token) { p.state.Rotation *= 2; p.exporter = peer.print }, peer},
		"the log's head with it":    {func(p *token) { p.state.Rotation *= 2; reconclude(p, first); p.exporter = peer.print }, peer},
		"other domain keys":         {func(p *token) { p.keys[20] ^= 1; p.exporter = peer.print }, peer},
		"another key of the keys": {func(p *token) {
			p.sealed[len(p.sealed)/4] ^= 1
			p.sealed[3*len(p.sealed)/4] ^= 1
			p.exporter = peer.print
		}, peer},
		"a member that has weaker key": {func(p *token) { p.state.Members[p.state.memberIndex(m.print)].KEM = nil; reconclude(p, first) }, m},
	} {
		if err := m.Install(resign(x.alter, x.by)); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, _ := m.State(); s.Number != 1 {
		t.Errorf("state %d", s.Number)
	}
	mustInstall(t, m, resign(func(p *token) { p.exporter = peer.print }, peer)) // the control
}

// reconclude has the audit head fit an altered state.
func reconclude(p *token, first []byte) {
	f, _ := parseToken(first)
	e, _ := p.state.EntryOf(p.entry)
	p.entry = p.state.Conclude(f.state, e.Signed)
}

// TestDamagedIdentity: a state directory with any byte flipped is refused by name, and nothing is written to it.
func TestDamagedIdentity(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	m, seal := newMember(t)
	mustInstall(t, m, l.creation(t, m))
	file, err := os.ReadFile(m.path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, IdentityFileName)
	for i := range file {
		for _, resum := range []bool{false, true} { // the checksum authenticates nothing
			altered := bytes.Clone(file)
			altered[i] ^= 0x11
			if resum {
				altered = assemble(altered[:len(file)-sumSize], nil, nil)
			}
			if bytes.Equal(altered, file) {
				continue
			}
			if err := os.WriteFile(path, altered, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := openTestMember(t, dir, seal)
			known := errors.Is(err, ErrDamaged) || errors.Is(err, ErrSealedByOther) || resum && (errors.Is(err, ErrNewerVersion) || errors.Is(err, ErrSealKeyMissing))
			if !known {
				t.Fatalf("byte %d, checksum made right %t: %v", i, resum, err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, altered) {
				t.Fatalf("byte %d: the file was written: %v", i, err)
			}
		}
	}
	for _, n := range []int{0, 1, 8, 68, 100, len(file) - 1} {
		if err := os.WriteFile(path, file[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openTestMember(t, dir, seal); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := openTestMember(t, dir, seal)
	if err != nil || !bytes.Equal(again.self.Signing, m.self.Signing) {
		t.Errorf("the control: %v", err)
	}
}

// TestFailedWrites: a member that could not remember a state goes on with the one it holds, and takes the next token
// once it can; whichever side of the write the failure was on.
func TestFailedWrites(t *testing.T) {
	t.Parallel()
	broken := errors.New("no space left")
	for name, put := range map[string]func(path string, content []byte, replace bool) error{
		"before": func(string, []byte, bool) error { return broken },
		"after": func(path string, content []byte, replace bool) error {
			return errors.Join(writeFile(path, content, replace), broken)
		},
	} {
		l := newLab(t)
		m, seal := newMember(t)
		one := l.creation(t, m)
		m.put = put
		if err := m.Install(one); !errors.Is(err, broken) || m.InService() {
			t.Errorf("%s: %v", name, err)
		}
		m.put = writeFile
		mustInstall(t, m, one)
		two := l.next(t, m, one, Command{Kind: RotateKeys})
		m.put = put
		if err := m.Install(two); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if s, _ := m.State(); s.Number != 1 || len(m.Keys()) != 1 {
			t.Errorf("%s: state %d, %d keys", name, s.Number, len(m.Keys()))
		}
		// It dies here. The newest token, which the host has, brings it back.
		again, err := openTestMember(t, filepath.Dir(m.path), seal)
		if err != nil {
			t.Fatal(err)
		}
		mustInstall(t, again, two)
		m.put = writeFile
		mustInstall(t, m, two) // or it lives on
		if err := m.Erase(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzToken(f *testing.F) {
	l := newLab(f)
	m, _ := newMember(f)
	one := l.creation(f, m)
	if err := m.Install(one); err != nil {
		f.Fatal(err)
	}
	for _, token := range [][]byte{one, l.next(f, m, one, Command{Kind: RotateKeys})} {
		p, err := parseToken(token)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token)
		f.Add(p.appendBody(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, body := range [][]byte{b, resignBody(m, b)} {
			p, err := parseToken(body)
			if err != nil {
				if !errors.Is(err, ErrToken) {
					t.Fatalf("error %v", err)
				}
				continue
			}
			if again := p.appendBody(nil); !bytes.HasPrefix(body, again) {
				t.Fatalf("%x parses and is written as %x", body, again)
			}
			if err := m.Install(body); err != nil && !errors.Is(err, ErrToken) && !errors.Is(err, ErrStale) {
				t.Fatalf("Install: %v", err)
			}
		}
	})
}

// resignBody signs a body, so that what lies behind the check of the signature is reached.
func resignBody(m *Member, body []byte) []byte {
	signature, err := m.signMessage(body)
	if err != nil {
		return nil
	}
	return append(append(bytes.Clone(body), byte(len(signature))), signature...)
}

func FuzzIdentity(f *testing.F) {
	var p private
	if err := p.draw(rand.Reader); err != nil {
		f.Fatal(err)
	}
	h, err := p.public("m")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(appendIdentity(nil, &p, &memory{}))
	f.Add(appendIdentity(nil, &p, &memory{domain: [idSize]byte{1}, number: 2, members: [][]byte{h.Signing, h.Agreement}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p private
		var m memory
		if loadIdentity(b, &p, &m) {
			if again := appendIdentity(nil, &p, &m); !bytes.Equal(again, b) {
				t.Fatalf("%x is written as %x", b, again)
			}
		}
	})
}

func FuzzState(f *testing.F) {
	l := newLab(f)
	m, _ := newMember(f)
	s, _, err := ParseToken(l.creation(f, m))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.AppendState(nil))
	f.Add([]byte(stateMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeState(b)
		if err != nil {
			if !errors.Is(err, ErrToken) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if again := s.AppendState(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x is written as %x", b, again)
		}
	})
}
