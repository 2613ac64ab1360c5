package hsm_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trent/hsm"
)

// TestRotation: old tokens open, Rewrap moves them, and all of it survives a restart.
func TestRotation(t *testing.T) {
	t.Parallel()
	cfg := hsm.Config{Dir: t.TempDir(), Seal: hsm.Seal{KeyFile: filepath.Join(t.TempDir(), "k")}}
	l := openLocal(t, cfg)
	old := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	ecc := newKey(t, l, hsm.P256, hsm.SignVerify, "e")
	sealed := hsm.Call{Op: hsm.OpEncrypt, Key: old, In: []byte("before"), Out: make([]byte, 0, 512)}
	if err := l.Do(&sealed); err != nil {
		t.Fatal(err)
	}
	if err := l.RotateDomainKey(); err != nil {
		t.Fatal(err)
	}
	if s, _ := l.Status(t.Context()); s.DomainVersion != 2 {
		t.Errorf("version %d", s.DomainVersion)
	}
	moved := hsm.Call{Op: hsm.OpRewrap, Key: old, Out: make([]byte, 0, 512)}
	if err := l.Do(&moved); err != nil {
		t.Fatal(err)
	}
	if was, is := versionOf(old.Token), versionOf(moved.Out); was != 1 || is != 2 {
		t.Errorf("the token moved from version %d to %d", was, is)
	}
	fresh := *old
	fresh.Token = moved.Out

	check := func(m *hsm.Local) {
		t.Helper()
		for _, k := range []*hsm.Key{old, &fresh} {
			c := hsm.Call{Op: hsm.OpDecrypt, Key: k, In: sealed.Out, Secret: make([]byte, 0, 32)}
			if err := m.Do(&c); err != nil || string(c.Secret) != "before" {
				t.Errorf("version %d: %q, %v", versionOf(k.Token), c.Secret, err)
			}
		}
		if err := m.Do(&hsm.Call{Op: hsm.OpSign, Key: ecc, In: []byte("x"), Out: make([]byte, 0, 128)}); err != nil {
			t.Error(err)
		}
	}
	check(l)
	check(openLocal(t, cfg))
}

func versionOf(token []byte) byte { return token[23] }

// TestOtherDomain: a token means nothing elsewhere, and a version that is not there yet says so.
func TestOtherDomain(t *testing.T) {
	t.Parallel()
	here, there := openLocal(t, hsm.Config{}), openLocal(t, hsm.Config{})
	for spec, usage := range map[hsm.KeySpec]hsm.Usage{hsm.SymmetricDefault: hsm.EncryptDecrypt, hsm.P256: hsm.SignVerify} {
		k := newKey(t, here, spec, usage, "k")
		for _, op := range []hsm.Op{hsm.OpEncrypt, hsm.OpSign, hsm.OpRewrap} {
			if (op == hsm.OpEncrypt) != (usage == hsm.EncryptDecrypt) && op != hsm.OpRewrap {
				continue
			}
			if err := there.Do(&hsm.Call{Op: op, Key: k, In: []byte("x"), Out: make([]byte, 0, 512)}); !errors.Is(err, hsm.ErrDomain) {
				t.Errorf("op %d: %v", op, err)
			}
		}
		newer := *k
		newer.Token = bytes.Clone(k.Token)
		newer.Token[23]++
		if err := here.Do(&hsm.Call{Op: hsm.OpRewrap, Key: &newer, Out: make([]byte, 0, 512)}); !errors.Is(err, hsm.ErrDomain) {
			t.Errorf("a newer version: %v", err)
		}
	}
}

func TestOpenFailures(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "k")
	dir := t.TempDir()
	openLocal(t, hsm.Config{Dir: dir, Seal: hsm.Seal{KeyFile: keyFile}})
	for name, c := range map[string]struct {
		cfg  hsm.Config
		want error
	}{
		"other key": {hsm.Config{Dir: dir, Seal: hsm.Seal{KeyFile: write(t, bytes.Repeat([]byte("x"), 32), 0o600)}}, hsm.ErrSealedByOther},
		"exposed":   {hsm.Config{Dir: dir, Seal: hsm.Seal{KeyFile: write(t, bytes.Repeat([]byte("x"), 32), 0o644)}}, hsm.ErrSealKeyExposed},
		"missing":   {hsm.Config{Dir: dir, Seal: hsm.Seal{KeyFile: filepath.Join(t.TempDir(), "k")}}, hsm.ErrSealKeyMissing},
		"kernel":    {hsm.Config{Dir: dir, Seal: hsm.Seal{KeyFile: keyFile}, Kernel: "abacus"}, nil},
		"arena":     {hsm.Config{Dir: dir, Seal: hsm.Seal{KeyFile: keyFile}, Arena: hsm.ArenaOptions{Bytes: 4096}}, nil},
	} {
		if l, err := hsm.Open(c.cfg); l != nil || err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func write(t *testing.T, content []byte, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStatus(t *testing.T) {
	t.Parallel()
	l := openLocal(t, hsm.Config{Kernel: "std-fips", Slots: 5, Workers: 3})
	s, err := l.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Healthy || s.Workers != 3 || s.Slots != 4 || s.Kernel != "std-fips" || s.Kernels[0] != "std-fips" || len(s.Kernels) < 2 ||
		s.DomainVersion != 1 || !strings.HasPrefix(s.Domain, "domain-") || s.ArenaBytes == 0 || s.ArenaKind == "" || s.Engines < 1 {
		t.Errorf("%+v", s)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	for _, op := range []hsm.Op{hsm.OpGeneratePool} {
		for _, spec := range []hsm.KeySpec{hsm.HMAC256, hsm.RSA2048} {
			usage := map[hsm.KeySpec]hsm.Usage{hsm.HMAC256: hsm.GenerateVerifyMAC, hsm.RSA2048: hsm.SignVerify}[spec]
			c := hsm.Call{Op: op, Spec: spec, Usage: usage, Out: make([]byte, 0, 4096), Public: make([]byte, 0, 1024)}
			if err := l.Do(&c); !errors.Is(err, hsm.ErrUnavailable) {
				t.Errorf("after Close: %v", err)
			}
		}
	}
}

type brokenRandom struct{ fails bool }

func (r *brokenRandom) Read(b []byte) (int, error) {
	if r.fails {
		return 0, errors.New("out of entropy")
	}
	for i := range b {
		b[i] = byte(i)
	}
	return len(b), nil
}

// TestNoRandomness: nothing comes out of a call that could not draw what it needs.
func TestNoRandomness(t *testing.T) {
	t.Parallel()
	r := &brokenRandom{}
	l := openLocal(t, hsm.Config{Random: r})
	k := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	r.fails = true
	for _, c := range []hsm.Call{
		{Op: hsm.OpEncrypt, Key: k, In: []byte("x")},
		{Op: hsm.OpDataKey, Key: k, N: 32},
		{Op: hsm.OpRandom, N: 32},
		{Op: hsm.OpRewrap, Key: k},
		{Op: hsm.OpGenerate, Key: k, Spec: hsm.HMAC256, Usage: hsm.GenerateVerifyMAC},
	} {
		c.Out, c.Secret = make([]byte, 0, 512), make([]byte, 0, 512)
		if err := l.Do(&c); !errors.Is(err, hsm.ErrUnavailable) || len(c.Out)+len(c.Secret) != 0 {
			t.Errorf("op %d: %v, %d bytes", c.Op, err, len(c.Out)+len(c.Secret))
		}
	}
}

func TestDoBatch(t *testing.T) {
	t.Parallel()
	l := openLocal(t, hsm.Config{})
	k := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	calls := []*hsm.Call{
		{Op: hsm.OpEncrypt, Key: k, In: []byte("x"), Out: make([]byte, 0, 512)},
		{Op: hsm.OpEncrypt, Key: k, In: []byte("x")},
		{Op: hsm.OpRandom, N: 1, Secret: make([]byte, 0, 1)},
	}
	l.DoBatch(calls)
	for i, want := range []error{nil, hsm.ErrShort, nil} {
		if !errors.Is(calls[i].Err, want) {
			t.Errorf("call %d: %v", i, calls[i].Err)
		}
	}
}

// TestContentHeader: a content that another version of the format might seal is refused like any other.
func TestContentHeader(t *testing.T) {
	t.Parallel()
	l := openLocal(t, hsm.Config{})
	k := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	for header, want := range map[string]error{
		"\x01\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00": nil,
		"\x02\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00": hsm.ErrAuthentication,
		"\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00": hsm.ErrAuthentication,
		"\x01\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01": hsm.ErrAuthentication,
	} {
		c := hsm.Call{Key: k, Out: make([]byte, 0, 512)}
		if err := hsm.SealContent(l, &c, []byte(header+"hello")); err != nil {
			t.Fatal(err)
		}
		c = hsm.Call{Op: hsm.OpDecrypt, Key: k, In: c.Out, Secret: make([]byte, 0, 64)}
		if err := l.Do(&c); !errors.Is(err, want) || (want != nil) != (len(c.Secret) == 0) {
			t.Errorf("%q: %q, %v", header, c.Secret, err)
		}
	}
}
