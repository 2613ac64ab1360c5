package domain_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/domain"
	"trent/hsm/internal/gcm"
	"trent/hsm/internal/kdf"
)

// cheap is a cost for tests.
var cheap = domain.Argon2Params{Passes: 1, MemoryKiB: 64, Parallelism: 1}

func open(t testing.TB, dir string, seal domain.Seal) (*domain.Domain, error) {
	t.Helper()
	a, err := arena.New(arena.Options{Bytes: domain.ArenaBytes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return domain.Open(domain.Options{Dir: dir, Seal: seal, Kernel: gcm.Kernels()[0], Random: rand.Reader, Arena: a})
}

func mustOpen(t testing.TB, dir string, seal domain.Seal) *domain.Domain {
	t.Helper()
	d, err := open(t, dir, seal)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func passphrase(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

// fingerprint derives something from a domain key, to compare keys by.
func fingerprint(m *kdf.Midstate) (out [32]byte) {
	m.Derive(&out, "test", nil)
	return out
}

// tree is the names and contents of everything below the directories.
func tree(t *testing.T, dirs ...string) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			fmt.Fprintln(&b, path, info.Mode())
			if info.Mode().IsRegular() {
				content, err := os.ReadFile(path)
				fmt.Fprintf(&b, "%x %v\n", content, err)
			}
			return nil
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestReopens(t *testing.T) {
	credentials := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	if err := os.WriteFile(filepath.Join(credentials, "seal"), bytes.Repeat([]byte("s"), 32), 0o440); err != nil {
		t.Fatal(err)
	}
	for name, seal := range map[string]domain.Seal{
		"key file":   {KeyFile: filepath.Join(t.TempDir(), "below", "seal.key")},
		"passphrase": {Passphrase: passphrase("correct horse"), Argon: cheap},
		"FIPS":       {Passphrase: passphrase("correct horse"), Rounds: 1000},
		"credential": {Credential: "seal"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			first := mustOpen(t, dir, seal)
			_, v1, k1 := first.Newest()
			if v1 != 1 {
				t.Fatalf("first version %d", v1)
			}
			if err := first.Rotate(); err != nil {
				t.Fatal(err)
			}
			_, v2, k2 := first.Newest()
			if v2 != 2 || fingerprint(k1) == fingerprint(k2) {
				t.Fatalf("after rotating: version %d, new key %t", v2, fingerprint(k1) != fingerprint(k2))
			}

			again := mustOpen(t, dir, seal)
			if again.ID() != first.ID() || again.Name() != first.Name() {
				t.Errorf("%v became %v", first, again)
			}
			for version, want := range map[uint32]*kdf.Midstate{1: k1, 2: k2} {
				got, ok := find(again, version)
				if !ok || fingerprint(got) != fingerprint(want) {
					t.Errorf("version %d: found %t", version, ok)
				}
			}
			if _, v, _ := again.Newest(); v != 2 {
				t.Errorf("newest is %d", v)
			}
			if _, ok := find(again, 3); ok {
				t.Error("found a version that is not there")
			}
			for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, domain.FileName): 0o600} {
				if info, err := os.Stat(path); err != nil || info.Mode() != want {
					t.Errorf("%s: %v, %v", path, info.Mode(), err)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestDefaultKeyFile(t *testing.T) {
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	dir := t.TempDir()
	d := mustOpen(t, dir, domain.Seal{})
	path := filepath.Join(config, "trent", d.Name()+".key")
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	mustOpen(t, dir, domain.Seal{})
	mustOpen(t, dir, domain.Seal{KeyFile: path})
	t.Setenv("XDG_CONFIG_HOME", "relative")
	t.Setenv("HOME", "/home/of")
	if got, err := domain.DefaultKeyFile("d"); err != nil || got != "/home/of/.config/trent/d.key" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestFailuresChangeNothing: each failure is typed, says what to do, and leaves all files as they were.
func TestFailuresChangeNothing(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir, keyFile string)
		seal  func(keyFile string) domain.Seal
		want  error
		says  string
	}{
		"damaged":        {spoil: alter(func(b []byte) []byte { b[40] ^= 1; return b }), want: domain.ErrDamaged, says: "backup"},
		"truncated":      {spoil: alter(func(b []byte) []byte { return b[:len(b)/2] }), want: domain.ErrDamaged, says: "backup"},
		"empty":          {spoil: alter(func([]byte) []byte { return nil }), want: domain.ErrDamaged, says: "backup"},
		"newer version":  {spoil: alter(func(b []byte) []byte { b[9]++; return resum(b) }), want: domain.ErrNewerVersion, says: "newer"},
		"older version":  {spoil: alter(func(b []byte) []byte { b[9]--; return resum(b) }), want: domain.ErrDamaged, says: "backup"},
		"other salt":     {spoil: alter(func(b []byte) []byte { b[20] ^= 1; return resum(b) }), want: domain.ErrSealedByOther, says: "key file"},
		"other domain":   {spoil: alter(func(b []byte) []byte { b[52] ^= 1; return resum(b) }), want: domain.ErrSealedByOther, says: "key file"},
		"other content":  {spoil: alter(func(b []byte) []byte { b[len(b)-40] ^= 1; return resum(b) }), want: domain.ErrSealedByOther, says: "key file"},
		"absurd rounds":  {spoil: alter(func(b []byte) []byte { b[10] = 3; b[12] = 0xff; return resum(b) }), want: domain.ErrDamaged, says: "backup"},
		"few rounds":     {spoil: alter(func(b []byte) []byte { b[10] = 3; b[14] = 3; return resum(b) }), want: domain.ErrDamaged, says: "backup"},
		"absurd Argon":   {spoil: alter(func(b []byte) []byte { b[10] = 2; b[11] = 1; b[12] = 0xff; return resum(b) }), want: domain.ErrDamaged, says: "backup"},
		"unknown method": {spoil: alter(func(b []byte) []byte { b[10] = 9; return resum(b) }), want: domain.ErrDamaged, says: "backup"},
		"key missing": {spoil: func(t *testing.T, _, keyFile string) {
			if err := os.Remove(keyFile); err != nil {
				t.Fatal(err)
			}
		}, want: domain.ErrSealKeyMissing, says: "put back"},
		"key exposed": {spoil: func(t *testing.T, _, keyFile string) {
			if err := os.Chmod(keyFile, 0o640); err != nil {
				t.Fatal(err)
			}
		}, want: domain.ErrSealKeyExposed, says: "chmod 600"},
		"key changed": {spoil: func(t *testing.T, _, keyFile string) {
			if err := os.WriteFile(keyFile, bytes.Repeat([]byte("x"), 65), 0o600); err != nil {
				t.Fatal(err)
			}
		}, want: domain.ErrSealedByOther, says: "made with"},
		"key short": {spoil: func(t *testing.T, _, keyFile string) {
			if err := os.WriteFile(keyFile, []byte("short"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, want: domain.ErrSealKeyMissing, says: "32"},
		"a passphrase instead": {seal: func(string) domain.Seal {
			return domain.Seal{Passphrase: passphrase("p"), Argon: cheap}
		}, want: domain.ErrSealKeyMissing, says: "key file"},
		"no credentials": {seal: func(string) domain.Seal { return domain.Seal{Credential: "c"} }, want: domain.ErrSealKeyMissing, says: "LoadCredential"},
		"both": {seal: func(keyFile string) domain.Seal {
			return domain.Seal{KeyFile: keyFile, Credential: "c"}
		}, says: "not several"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CREDENTIALS_DIRECTORY", "")
			dir, keys := t.TempDir(), t.TempDir()
			keyFile := filepath.Join(keys, "seal.key")
			mustOpen(t, dir, domain.Seal{KeyFile: keyFile})
			if c.spoil != nil {
				c.spoil(t, dir, keyFile)
			}
			seal := domain.Seal{KeyFile: keyFile}
			if c.seal != nil {
				seal = c.seal(keyFile)
			}
			before := tree(t, dir, keys)
			d, err := open(t, dir, seal)
			if d != nil || err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %v saying %q", err, c.want, c.says)
			}
			if after := tree(t, dir, keys); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

func alter(f func([]byte) []byte) func(*testing.T, string, string) {
	return func(t *testing.T, dir, _ string) {
		path := filepath.Join(dir, domain.FileName)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// resum makes the checksum right again.
func resum(b []byte) []byte {
	body := b[:len(b)-sha256.Size]
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}

func TestPassphrases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	given := []byte("correct horse")
	mustOpen(t, dir, domain.Seal{Passphrase: func() ([]byte, error) { return given, nil }, Argon: cheap})
	if !bytes.Equal(given, make([]byte, len(given))) {
		t.Error("the passphrase was not wiped")
	}
	for name, c := range map[string]struct {
		seal domain.Seal
		want error
	}{
		"wrong":        {domain.Seal{Passphrase: passphrase("wrong horse")}, domain.ErrSealedByOther},
		"empty":        {domain.Seal{Passphrase: passphrase("")}, domain.ErrSealKeyMissing},
		"none":         {domain.Seal{Passphrase: func() ([]byte, error) { return nil, os.ErrClosed }}, domain.ErrSealKeyMissing},
		"not at all":   {domain.Seal{KeyFile: filepath.Join(t.TempDir(), "k")}, domain.ErrSealKeyMissing},
		"right":        {domain.Seal{Passphrase: passphrase("correct horse")}, nil},
		"other params": {domain.Seal{Passphrase: passphrase("correct horse"), Argon: domain.DefaultArgon}, nil}, // the file's count
	} {
		if _, err := open(t, dir, c.seal); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open(t, t.TempDir(), domain.Seal{Passphrase: passphrase("p"), Argon: domain.Argon2Params{Passes: 1 << 20, MemoryKiB: 64, Parallelism: 1}}); err == nil {
		t.Error("absurd parameters are accepted")
	}
}

// TestFullCost is the default cost once.
func TestFullCost(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("64 MiB")
	}
	dir := t.TempDir()
	mustOpen(t, dir, domain.Seal{Passphrase: passphrase("p")})
	file, err := os.ReadFile(filepath.Join(dir, domain.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if file[11] != 4 || binary.BigEndian.Uint32(file[12:]) != 3 || binary.BigEndian.Uint32(file[16:]) != 64<<10 {
		t.Errorf("the file has other parameters: %x", file[10:20])
	}
}

func TestFirstStartRefusals(t *testing.T) {
	t.Parallel()
	exposed := filepath.Join(t.TempDir(), "exposed.key")
	if err := os.WriteFile(exposed, bytes.Repeat([]byte("k"), 32), 0o644); err != nil {
		t.Fatal(err)
	}
	inside := t.TempDir()
	linked := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(inside, linked); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir, keyFile string
	}{
		"key exposed":       {t.TempDir(), exposed},
		"key in the data":   {inside, filepath.Join(inside, "seal.key")},
		"by a link":         {inside, filepath.Join(linked, "seal.key")},
		"below the data":    {inside, filepath.Join(inside, "a", "b", "seal.key")},
		"data not made yet": {filepath.Join(inside, "x"), filepath.Join(inside, "x", "seal.key")},
	} {
		t.Run(name, func(t *testing.T) {
			before := tree(t, c.dir, inside)
			if _, err := open(t, c.dir, domain.Seal{KeyFile: c.keyFile}); !errors.Is(err, domain.ErrSealKeyExposed) {
				t.Errorf("error %v", err)
			}
			if after := tree(t, c.dir, inside); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

// TestCreationUndone: when the domain file cannot be written, the key file made for it goes too.
func TestCreationUndone(t *testing.T) {
	t.Parallel()
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	keys := t.TempDir()
	if _, err := open(t, filepath.Join(blocked, "data"), domain.Seal{KeyFile: filepath.Join(keys, "k")}); err == nil {
		t.Fatal("opened below a file")
	}
	if left, _ := os.ReadDir(keys); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRotateIsBounded(t *testing.T) {
	t.Parallel()
	dir, keyFile := t.TempDir(), filepath.Join(t.TempDir(), "k")
	d := mustOpen(t, dir, domain.Seal{KeyFile: keyFile})
	for range domain.MaxKeys - 1 {
		if err := d.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Rotate(); !errors.Is(err, domain.ErrFull) {
		t.Errorf("error %v", err)
	}
	again := mustOpen(t, dir, domain.Seal{KeyFile: keyFile})
	for v := range uint32(domain.MaxKeys) {
		a, _ := find(d, v+1)
		b, ok := find(again, v+1)
		if !ok || fingerprint(a) != fingerprint(b) {
			t.Fatalf("version %d", v+1)
		}
	}
}

func TestRotateThatCannotWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	d := mustOpen(t, dir, domain.Seal{KeyFile: filepath.Join(t.TempDir(), "k")})
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := d.Rotate(); err == nil {
		t.Fatal("rotated without a directory")
	}
	if _, v, _ := d.Newest(); v != 1 {
		t.Errorf("newest is %d", v)
	}
	if _, ok := find(d, 2); ok {
		t.Error("a key that is on no disk can be found")
	}
}

func TestPrintingShowsNoKeys(t *testing.T) {
	t.Parallel()
	d := mustOpen(t, t.TempDir(), domain.Seal{KeyFile: filepath.Join(t.TempDir(), "k")})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, d); out != "domain("+d.Name()+")" {
			t.Errorf("%s prints %q", verb, out)
		}
	}
}

// find is Find in d's own domain.
func find(d *domain.Domain, version uint32) (*kdf.Midstate, bool) {
	id := d.ID()
	return d.Find(&id, version)
}
