package operator_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trent/hsm/operator"
)

var errAsked = errors.New("a passphrase was asked for")

func never() ([]byte, error) { return nil, errAsked }

func says(passphrase string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(passphrase), nil }
}

func newKey(t testing.TB, agreement bool) *operator.Key {
	t.Helper()
	k, err := operator.NewKey(nil, agreement, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func encode(t testing.TB, k *operator.Key, passphrase []byte) []byte {
	t.Helper()
	b, err := k.Encode(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeyFiles(t *testing.T) {
	t.Parallel()
	for name, agreement := range map[string]bool{"operator": true, "host": false} {
		for passphrase, ask := range map[string]func() ([]byte, error){"": never, "correct horse": says("correct horse")} {
			if passphrase != "" && (!agreement || testing.Short()) {
				continue // the same code, and slow on purpose
			}
			k := newKey(t, agreement)
			var secret []byte
			if passphrase != "" {
				secret = []byte(passphrase)
			}
			file := encode(t, k, secret)
			again, err := operator.ParseKey(file, ask)
			if err != nil {
				t.Fatalf("%s with %q: %v", name, passphrase, err)
			}
			if !again.Signer.(*ecdsa.PrivateKey).Equal(k.Signer) || agreement && !again.Agreement.Equal(k.Agreement) || !agreement && again.Agreement != nil {
				t.Errorf("%s with %q: another key came back", name, passphrase)
			}
			if passphrase == "" {
				continue
			}
			if _, err := operator.ParseKey(file, says("battery staple")); !errors.Is(err, operator.ErrPassphrase) {
				t.Errorf("with a wrong passphrase: %v", err)
			}
			if _, err := operator.ParseKey(file, never); !errors.Is(err, errAsked) {
				t.Errorf("without a passphrase: %v", err)
			}
			der, err := x509.MarshalPKCS8PrivateKey(k.Signer)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(file, der[40:]) {
				t.Error("an encrypted file shows the key")
			}
		}
	}
}

// TestOpenSSLReadsKeyFiles: the encryption is the one that everybody has.
func TestOpenSSLReadsKeyFiles(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a passphrase takes long on purpose")
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl here")
	}
	k := newKey(t, true)
	file := filepath.Join(t.TempDir(), "alice.key")
	if err := os.WriteFile(file, encode(t, k, []byte("correct horse")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(openssl, "pkey", "-in", file, "-passin", "pass:correct horse", "-pubout", "-outform", "DER").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want, err := x509.MarshalPKIXPublicKey(k.Signer.Public()); err != nil || !bytes.Equal(out, want) {
		t.Fatalf("openssl reads another key: %v", err)
	}
}

func TestKeyFilesRefused(t *testing.T) {
	t.Parallel()
	good := encode(t, newKey(t, true), nil)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	other := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for name, file := range map[string][]byte{
		"empty":              nil,
		"text":               []byte("hello\n"),
		"a newer version":    bytes.Replace(good, []byte("key 1\n"), []byte("key 2\n"), 1),
		"cut off":            good[:len(good)-40],
		"no key":             []byte("trent operator key 1\n"),
		"three keys":         append(bytes.Clone(good), good[len("trent operator key 1\n"):]...),
		"a tail":             append(bytes.Clone(good), "and more"...),
		"another curve":      other,
		"a certificate":      []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		"too long":           append(bytes.Clone(good), make([]byte, 20<<10)...),
		"a device's, no key": []byte("trent operator key 1 pkcs11\n"),
	} {
		if _, err := operator.ParseKey(file, never); !errors.Is(err, operator.ErrKeyFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPublicFiles(t *testing.T) {
	t.Parallel()
	p, err := newKey(t, true).Principal("alice@example.org")
	if err != nil {
		t.Fatal(err)
	}
	file, err := operator.EncodePrincipal(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := operator.ParsePrincipal(file)
	if err != nil || again.Name != p.Name || again.Role != operator.Operator || !bytes.Equal(again.Signing, p.Signing) || !bytes.Equal(again.Agreement, p.Agreement) {
		t.Fatalf("got %+v, %v", again, err)
	}
	for name, change := range map[string]func(string) string{
		"a module's":          func(s string) string { return strings.Replace(s, "trent principal 1", "trent module 1", 1) },
		"a newer version":     func(s string) string { return strings.Replace(s, "trent principal 1", "trent principal 2", 1) },
		"a terminal's escape": func(s string) string { return strings.Replace(s, "alice@", `\u001b[2J`, 1) },
		"two look alike":      func(s string) string { return strings.Replace(s, "alice@", "alice ", 1) },
		"a host's with two keys": func(s string) string {
			return strings.Replace(s, `"operator"`, `"host"`, 1)
		},
		"another role":     func(s string) string { return strings.Replace(s, `"operator"`, `"king"`, 1) },
		"an unknown field": func(s string) string { return strings.Replace(s, "{", `{"admin": true,`, 1) },
		"a tail":           func(s string) string { return s + "{}" },
		"cut off":          func(s string) string { return s[:len(s)/2] },
		"no JSON":          func(string) string { return "alice" },
	} {
		if _, err := operator.ParsePrincipal([]byte(change(string(file)))); !errors.Is(err, operator.ErrPublicFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShareFiles(t *testing.T) {
	t.Parallel()
	s := &operator.Share{Operator: [32]byte{1}, Target: [32]byte{2}, Sealed: []byte("sealed")}
	file := s.Encode()
	again, err := operator.ParseShare(file)
	if err != nil || again.Operator != s.Operator || again.Target != s.Target || !bytes.Equal(again.Sealed, s.Sealed) {
		t.Fatalf("got %+v, %v", again, err)
	}
	newer := bytes.Clone(file)
	newer[9] = 2
	for name, b := range map[string][]byte{"empty": nil, "cut off": file[:len(file)-1], "a tail": append(bytes.Clone(file), 0), "a newer version": newer, "a command": []byte("trentcmd" + strings.Repeat("x", 100))} {
		if _, err := operator.ParseShare(b); !errors.Is(err, operator.ErrShareFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := operator.Sealed([]*operator.Share{s}, [32]byte{3}); !errors.Is(err, operator.ErrShareFile) {
		t.Errorf("a share for another module: %v", err)
	}
	if _, err := operator.Sealed([]*operator.Share{s, s}, s.Target); !errors.Is(err, operator.ErrShareFile) {
		t.Errorf("a share twice: %v", err)
	}
}

func FuzzOperatorFiles(f *testing.F) {
	k := newKey(f, true)
	f.Add(encode(f, k, nil))
	p, err := k.Principal("alice")
	if err != nil {
		f.Fatal(err)
	}
	public, err := operator.EncodePrincipal(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(public)
	f.Add((&operator.Share{Operator: [32]byte{1}, Target: [32]byte{2}, Sealed: []byte("sealed")}).Encode())
	f.Add([]byte("trent operator key 1 pkcs11\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := operator.ParseKey(b, never); err == nil && k.Signer != nil {
			if _, err := k.Principal("x"); err != nil {
				t.Fatal(err)
			}
		} else if err != nil && !errors.Is(err, operator.ErrKeyFile) && !errors.Is(err, errAsked) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if p, err := operator.ParsePrincipal(b); err == nil {
			if _, err := operator.EncodePrincipal(p); err != nil {
				t.Fatal(err)
			}
		} else if !errors.Is(err, operator.ErrPublicFile) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if _, err := operator.ParseModule(b); err != nil && !errors.Is(err, operator.ErrPublicFile) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if s, err := operator.ParseShare(b); err == nil && !bytes.Equal(s.Encode(), b) {
			t.Fatal("a share has a second encoding")
		} else if err != nil && !errors.Is(err, operator.ErrShareFile) {
			t.Fatalf("an error of another kind: %v", err)
		}
	})
}
