package domain

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/gcm"
)

// Options are those of what lies sealed on disk.
type Options struct {
	Dir    string // where the sealed file lies; made (0700) with a new one
	Name   string // of a new one; "": made up
	Seal   Seal
	Kernel gcm.Kernel
	Random io.Reader
	Arena  *arena.Arena     // with ArenaBytes or MemberArenaBytes to spare
	Now    func() time.Time // when keys are made; nil: time.Now
	// Settle returns once no call uses a domain key that the ring lacks; false: the module closes. nil: nothing does.
	Settle func() bool
}

// vault is a sealed file and what it takes to write it again.
type vault struct {
	header
	kind   kind
	path   string
	kernel gcm.Kernel
	random io.Reader
	key    *vaultKey                                             // in the arena, like plain
	plain  []byte                                                // room for what is sealed, with tag
	put    func(path string, content []byte, replace bool) error // writeFile, but for tests of its failures
}

// vaultKey is secret.
type vaultKey struct {
	seal   [gcm.KeySize]byte
	nonce  [gcm.NonceSize]byte
	cipher gcm.State
}

func newVault(o *Options, k kind, fileName string, plain []byte) vault {
	return vault{
		kind: k, path: filepath.Join(o.Dir, fileName), kernel: o.Kernel, random: o.Random,
		key: arena.Take[vaultKey](o.Arena), plain: plain, put: writeFile,
	}
}

// open opens the file by load, which is given what is sealed and says whether that is what append wrote, or makes
// one by first, where there is none.
func (v *vault) open(o *Options, load func(format uint16, plain []byte) bool, first func() (plain []byte, err error)) error {
	m, err := o.Seal.method()
	if err != nil {
		return err
	}
	defer clear(v.plain)
	file, err := os.ReadFile(v.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return v.create(o, m, first)
	case err != nil:
		return fmt.Errorf("reading the %s file: %w", v.kind.noun, err)
	}
	format, plain, err := v.unseal(o, m, file)
	if err != nil {
		return err
	}
	if !load(format, plain) {
		return fmt.Errorf("opening %s: %w: restore it from a backup", v.path, ErrDamaged)
	}
	return nil
}

// unseal takes a file apart and decrypts it.
func (v *vault) unseal(o *Options, m method, file []byte) (format uint16, plain []byte, err error) {
	f, err := parse(file, v.kind)
	switch {
	case errors.Is(err, errNewer):
		return 0, nil, fmt.Errorf("opening %s: %w: use the version of trent that wrote it, or a newer one", v.path, ErrNewerVersion)
	case err != nil:
		return 0, nil, fmt.Errorf("opening %s: %w: %s", v.path, ErrDamaged, v.kind.loss)
	case f.method == byPassphrase && m == byPBKDF2:
		return 0, nil, fmt.Errorf("opening %s: %w: its passphrase goes through Argon2id, which FIPS mode has not: make a %s of its own in FIPS mode, or go without", v.path, ErrSealKeyMissing, v.kind.noun)
	case f.method == byPBKDF2 && m == byPassphrase: // what is approved may be used everywhere
	case f.method != m && f.method != byKey:
		return 0, nil, fmt.Errorf("opening %s: %w: it was sealed by a passphrase: give that", v.path, ErrSealKeyMissing)
	case f.method != m:
		return 0, nil, fmt.Errorf("opening %s: %w: it was sealed by a key file or credential: give that instead of a passphrase", v.path, ErrSealKeyMissing)
	}
	v.header = f.header
	secret, err := o.Seal.secret(o.Dir, v.name)
	if err != nil {
		return 0, nil, err
	}
	if err := deriveSealKey(&v.key.seal, &v.header, secret); err != nil {
		return 0, nil, err
	}
	copy(v.key.nonce[:], f.nonce)
	plain, ok := v.kernel.Open(&v.key.cipher, v.plain[:0], &v.key.seal, &v.key.nonce, f.sealed, f.aad)
	if !ok {
		return 0, nil, fmt.Errorf("opening %s: %w: give the key file, passphrase or credential it was made with", v.path, ErrSealedByOther)
	}
	return f.format, plain, nil
}

// create makes the file, and the key file if there has to be one.
func (v *vault) create(o *Options, m method, first func() ([]byte, error)) error {
	making := "making a " + v.kind.noun
	v.method = m
	switch m {
	case byPBKDF2:
		if v.rounds = o.Seal.Rounds; !validRounds(v.rounds) {
			return fmt.Errorf("%s: %d rounds of PBKDF2 are out of bounds", making, v.rounds)
		}
	case byPassphrase:
		if v.argon = o.Seal.Argon; v.argon == (Argon2Params{}) {
			v.argon = DefaultArgon
		}
		if !v.argon.valid() {
			return fmt.Errorf("%s: Argon2id with %+v is out of bounds", making, v.argon)
		}
	}
	for _, b := range [...][]byte{v.salt[:], v.id[:]} {
		if _, err := io.ReadFull(v.random, b); err != nil {
			return fmt.Errorf("%s: drawing random bytes: %w", making, err)
		}
	}
	if v.name = o.Name; v.name == "" {
		v.name = v.kind.prefix + hex.EncodeToString(v.id[:4])
	}
	if !validName(v.name) {
		return fmt.Errorf("%s: the name %q is not 1 to %d lower-case letters, digits and hyphens", making, v.name, maxName)
	}
	plain, err := first()
	if err != nil {
		return fmt.Errorf("%s: %w", making, err)
	}
	secret, undo, err := o.Seal.firstSecret(o.Dir, v.name, v.random)
	if err != nil {
		return err
	}
	if err := deriveSealKey(&v.key.seal, &v.header, secret); err != nil {
		return errors.Join(err, undo())
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return errors.Join(fmt.Errorf("making the data directory: %w", err), undo())
	}
	if err := v.write(plain, false); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", making, err), undo())
	}
	return nil
}

// write seals plain into the file, durably.
func (v *vault) write(plain []byte, replace bool) error {
	defer clear(v.plain)
	if _, err := io.ReadFull(v.random, v.key.nonce[:]); err != nil {
		return fmt.Errorf("drawing a nonce: %w", err)
	}
	n := len(plain) + gcm.TagSize
	aad := v.header.append(nil, v.kind, n)
	sealed := v.kernel.Seal(&v.key.cipher, make([]byte, 0, n), &v.key.seal, &v.key.nonce, plain, aad)
	return v.put(v.path, assemble(aad, v.key.nonce[:], sealed), replace)
}
