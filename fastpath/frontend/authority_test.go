package frontend_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trent/fastpath/frontend"
)

// TestAuthorityFiles: what an authority leaves on the disk.
func TestAuthorityFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "tls")
	ca, err := frontend.OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Certificate(&tls.ClientHelloInfo{}); err != nil { // leaves no file
		t.Fatal(err)
	}
	got := map[string]fs.FileMode{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = info.Mode()
	}
	if len(got) != 2 || got["ca.key"] != 0o600 || got["ca.pem"] != 0o644 {
		t.Errorf("files %v", got)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", d, info.Mode(), err)
		}
	}
}

// TestDamagedAuthority: an authority that cannot be used is an error that names its files, and is left as
// it is: clients trust it, and its owner may have a backup.
func TestDamagedAuthority(t *testing.T) {
	t.Parallel()
	otherDir := t.TempDir()
	other, err := frontend.OpenCA(otherDir)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := os.ReadFile(filepath.Join(otherDir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := other.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	leafKey, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, content []byte) func(map[string][]byte) {
		return func(files map[string][]byte) { files[name] = content }
	}
	tests := []struct {
		name   string
		damage func(files map[string][]byte)
	}{
		{"no certificate", func(files map[string][]byte) { delete(files, "ca.pem") }},
		{"no key", func(files map[string][]byte) { delete(files, "ca.key") }},
		{"empty certificate", set("ca.pem", nil)},
		{"empty key", set("ca.key", nil)},
		{"truncated certificate", func(files map[string][]byte) { files["ca.pem"] = files["ca.pem"][:200] }},
		{"truncated key", func(files map[string][]byte) { files["ca.key"] = files["ca.key"][:100] }},
		{"another authority's key", set("ca.key", otherKey)},
		{"another authority's certificate", set("ca.pem", other.Root())},
		{"a certificate that signs nothing", func(files map[string][]byte) {
			files["ca.pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Leaf.Raw})
			files["ca.key"] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: leafKey})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := frontend.OpenCA(dir); err != nil {
				t.Fatal(err)
			}
			files := readAll(t, dir)
			tt.damage(files)
			for _, name := range []string{"ca.pem", "ca.key"} {
				path := filepath.Join(dir, name)
				content, ok := files[name]
				if !ok {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				} else if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := frontend.OpenCA(dir)
			if err == nil {
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), filepath.Join(dir, "ca.key")) || strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("error %q", err)
			}
			after := readAll(t, dir)
			for name, content := range files {
				if !bytes.Equal(after[name], content) {
					t.Errorf("%s was changed", name)
				}
			}
			if len(after) != len(files) {
				t.Errorf("%d files, then %d", len(files), len(after))
			}
		})
	}
}

func readAll(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = content
	}
	return files
}

// TestReopenedAuthority: a restart's certificates are trusted by who trusted the first start's.
func TestReopenedAuthority(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := frontend.OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	before := readAll(t, dir)
	second, err := frontend.OpenCA(dir, "added.test")
	if err != nil {
		t.Fatal(err)
	}
	_, address := start(t, frontend.Options{TLS: frontend.ServerTLS(second)}, echo)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "added.test", "kms-fips.us-west-2.amazonaws.com"} {
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: first.Pool(), ServerName: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = c.Close()
	}
	for name, content := range readAll(t, dir) {
		if !bytes.Equal(before[name], content) {
			t.Errorf("%s was changed", name)
		}
	}
}
