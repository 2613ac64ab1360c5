package hsm_test

import (
	"path/filepath"
	"testing"

	"trent/hsm"
)

// openLocal opens a module on a new domain and closes it with the test.
func openLocal(t testing.TB, cfg hsm.Config) *hsm.Local {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Seal.KeyFile == "" && cfg.Seal.Passphrase == nil && cfg.Seal.Credential == "" {
		cfg.Seal.KeyFile = filepath.Join(t.TempDir(), "seal.key")
	}
	l, err := hsm.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func identity(id string) []byte {
	return hsm.AppendIdentity(nil, "aws", "000000000000", id, "us-east-1")
}

// newKey generates a key.
func newKey(t testing.TB, m hsm.Module, spec hsm.KeySpec, usage hsm.Usage, id string) *hsm.Key {
	t.Helper()
	c := hsm.Call{
		Op: hsm.OpGenerate, Spec: spec, Usage: usage, Key: &hsm.Key{Identity: identity(id)},
		Out: make([]byte, 0, 4096), Public: make([]byte, 0, 1024),
	}
	if err := m.Do(&c); err != nil {
		t.Fatal(err)
	}
	return &hsm.Key{Token: c.Out, Identity: identity(id), Material: c.Material, Spec: spec, Usage: usage}
}
