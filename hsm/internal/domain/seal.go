package domain

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/argon2"

	"trent/hsm/internal/kdf"
)

// Seal says what protects the domain keys at rest: exactly one of the three, or none of them for a key file at
// DefaultKeyFile.
type Seal struct {
	// KeyFile is the path of a file of 32 to 4,096 secret bytes, outside the data directory. When there is no
	// domain yet and no such file, it is made (0600). It is refused if anybody but its owner can read it.
	KeyFile string
	// Passphrase returns the passphrase; it is called once, and what it returned is wiped.
	Passphrase func() ([]byte, error)
	// Credential is the name of a file of 32 to 4,096 secret bytes below $CREDENTIALS_DIRECTORY, where systemd
	// puts credentials (systemd.exec(5), LoadCredential=).
	Credential string
	// Argon is the cost of a passphrase at the creation of a domain; zero means DefaultArgon. An existing
	// domain's file has its own.
	Argon Argon2Params
	// Rounds is for FIPS mode: passphrases go through PBKDF2-HMAC-SHA256, this often at the creation of a domain, and
	// a domain whose passphrase went through Argon2id is refused. 0: Argon2id.
	Rounds int
}

// Argon2Params is the cost of Argon2id.
type Argon2Params struct {
	Passes      uint32
	MemoryKiB   uint32
	Parallelism uint8
}

// DefaultArgon is the second recommended option of RFC 9106 §4: 64 MiB, three passes, four lanes.
var DefaultArgon = Argon2Params{Passes: 3, MemoryKiB: 64 << 10, Parallelism: 4}

// Bounds on what a file may ask for, since its parameters are read before they are authenticated.
const (
	maxPasses    = 64
	maxMemoryKiB = 2 << 20
)

func (p Argon2Params) valid() bool {
	return p.Passes >= 1 && p.Passes <= maxPasses && p.Parallelism >= 1 &&
		p.MemoryKiB >= 8*uint32(p.Parallelism) && p.MemoryKiB <= maxMemoryKiB
}

// method is how the seal key is made of the secret. Values are part of the file.
type method uint8

const (
	byKey        method = 1
	byPassphrase method = 2
	byPBKDF2     method = 3
)

const (
	sealInfo  = "trent domain seal"
	minSecret = 32
	maxSecret = 4096
)

// DefaultKeyFile is where the key file of a domain lies unless told otherwise: below $XDG_CONFIG_HOME, or
// ~/.config without it.
func DefaultKeyFile(name string) (string, error) {
	base := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(base) { // the XDG Base Directory specification has relative paths ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding a place for the seal key: %w: give a key file", err)
		}
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "trent", name+".key"), nil
}

// method checks that at most one way is chosen.
func (s *Seal) method() (method, error) {
	chosen := 0
	for _, is := range [...]bool{s.KeyFile != "", s.Passphrase != nil, s.Credential != ""} {
		if is {
			chosen++
		}
	}
	if chosen > 1 {
		return 0, errors.New("sealing a domain: give one of key file, passphrase and credential, not several")
	}
	switch {
	case s.Passphrase == nil:
		return byKey, nil
	case s.Rounds != 0:
		return byPBKDF2, nil
	}
	return byPassphrase, nil
}

// secret reads the secret of a domain that exists.
func (s *Seal) secret(dir, name string) ([]byte, error) {
	switch {
	case s.Passphrase != nil:
		return s.passphrase()
	case s.Credential != "":
		return readCredential(s.Credential)
	}
	path, err := s.keyFile(name)
	if err != nil {
		return nil, err
	}
	return readKeyFile(path, dir)
}

// keyFile is the path of the key file.
func (s *Seal) keyFile(name string) (string, error) {
	if s.KeyFile != "" {
		return s.KeyFile, nil
	}
	return DefaultKeyFile(name)
}

func (s *Seal) passphrase() ([]byte, error) {
	p, err := s.Passphrase()
	if err != nil {
		clear(p)
		return nil, fmt.Errorf("reading the passphrase: %w: %w", ErrSealKeyMissing, err)
	}
	if len(p) == 0 {
		return nil, fmt.Errorf("reading the passphrase: %w: it is empty: give the one the domain was made with", ErrSealKeyMissing)
	}
	return p, nil
}

func readCredential(name string) ([]byte, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil, fmt.Errorf("reading credential %s: %w: $CREDENTIALS_DIRECTORY is not set: start the service with LoadCredential=%s:FILE", name, ErrSealKeyMissing, name)
	}
	if name != filepath.Base(name) || name == "." || name == ".." {
		return nil, fmt.Errorf("reading credential %q: %w: a credential's name has no slashes", name, ErrSealKeyMissing)
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("reading credential %s: %w: %w: add LoadCredential=%s:FILE to the service", name, ErrSealKeyMissing, err, name)
	}
	defer f.Close()
	return readSecret(f, name)
}

// readKeyFile reads a key file that only its owner can read and that lies outside the data directory.
func readKeyFile(path, dir string) ([]byte, error) {
	if err := outside(path, dir); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the seal key %s: %w: put back the file that the domain was made with, or name its place", path, ErrSealKeyMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the seal key: %w: %w", ErrSealKeyMissing, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the seal key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("reading the seal key: %w: others can access %s (%v): run chmod 600 on it", ErrSealKeyExposed, path, info.Mode().Perm())
	}
	if !ownedByUs(info) {
		return nil, fmt.Errorf("reading the seal key: %w: %s belongs to another user: make it this user's own", ErrSealKeyExposed, path)
	}
	return readSecret(f, path)
}

func readSecret(f *os.File, name string) ([]byte, error) {
	buf := make([]byte, maxSecret+1)
	n, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(buf)
		return nil, fmt.Errorf("reading the seal key: %w: %w", ErrSealKeyMissing, err)
	}
	if n < minSecret || n > maxSecret {
		clear(buf)
		return nil, fmt.Errorf("reading the seal key %s: %w: it must have %d to %d bytes", name, ErrSealKeyMissing, minSecret, maxSecret)
	}
	return buf[:n], nil
}

// outside refuses a key file below the data directory: a copy of that directory would hold both.
func outside(path, dir string) error {
	at, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("finding the seal key: %w", err)
	}
	below, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("finding the data directory: %w", err)
	}
	rel, err := filepath.Rel(resolve(below), resolve(at))
	if err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return fmt.Errorf("using the seal key %s: %w: it lies in the data directory: keep it elsewhere", path, ErrSealKeyExposed)
	}
	return nil
}

// resolve follows symbolic links as far as the path exists.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}

// deriveSealKey sets out to the seal key of a secret and wipes the secret.
func deriveSealKey(out *[32]byte, h *header, secret []byte) error {
	defer clear(secret)
	switch h.method {
	case byPBKDF2:
		return derivePBKDF2(out, secret, h.salt[:], h.rounds)
	case byPassphrase:
		key := argon2.IDKey(secret, h.salt[:], h.argon.Passes, h.argon.MemoryKiB, h.argon.Parallelism, 32)
		copy(out[:], key)
		clear(key)
		return nil
	}
	// HKDF (RFC 5869 §2.2, §2.3): extracted into out, expanded from there. The standard library's leaves both on the heap.
	var m kdf.Midstate
	m.Init(h.salt[:])
	m.MAC(out, secret)
	m.Init(out[:])
	m.MAC(out, []byte(sealInfo), []byte{1})
	m.Wipe()
	return nil
}
