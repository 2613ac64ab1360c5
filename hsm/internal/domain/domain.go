package domain

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/gcm"
	"trent/hsm/internal/kdf"
)

// MaxKeys is how many domain keys a domain can hold.
const MaxKeys = 64

// Options are Open's.
type Options struct {
	Dir    string // where the sealed file lies; made (0700) with a new domain
	Seal   Seal
	Kernel gcm.Kernel
	Random io.Reader
	Arena  *arena.Arena // with ArenaBytes to spare
}

// Domain holds the domain keys. Its methods may run beside each other.
type Domain struct {
	header
	path   string
	kernel gcm.Kernel
	random io.Reader
	keys   *keys

	mu      sync.Mutex // one Rotate at a time
	current atomic.Pointer[view]
}

// keys is everything secret, in the arena.
type keys struct {
	seal  [gcm.KeySize]byte
	nonce [gcm.NonceSize]byte
	state gcm.State
	raw   [MaxKeys][gcm.KeySize]byte
	ready [MaxKeys]kdf.Midstate
	plain [4 + entrySize*MaxKeys + gcm.TagSize]byte
}

// view is which of the keys exist: immutable, replaced as a whole.
type view struct {
	versions []uint32 // ascending; the key of versions[i] is ready[i]
}

// ArenaBytes is what a domain takes from its arena.
func ArenaBytes() int { return arena.SizeOf[keys](1) }

// Open opens the domain in o.Dir, or makes one when there is none. Errors: see errors.go.
func Open(o Options) (*Domain, error) {
	d := &Domain{
		path:   filepath.Join(o.Dir, FileName),
		kernel: o.Kernel,
		random: o.Random,
		keys:   arena.Take[keys](o.Arena),
	}
	m, err := o.Seal.method()
	if err != nil {
		return nil, err
	}
	file, err := os.ReadFile(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = d.create(&o, m)
	case err != nil:
		err = fmt.Errorf("reading the domain file: %w", err)
	default:
		err = d.open(&o, m, file)
	}
	if err != nil {
		*d.keys = keys{}
		return nil, err
	}
	return d, nil
}

// open unseals a file.
func (d *Domain) open(o *Options, m method, file []byte) error {
	f, err := parse(file)
	switch {
	case errors.Is(err, errNewer):
		return fmt.Errorf("opening %s: %w: use the version of trent that wrote it, or a newer one", d.path, ErrNewerVersion)
	case err != nil:
		return fmt.Errorf("opening %s: %w: restore it from a backup; without it the keys of this data directory cannot be opened", d.path, ErrDamaged)
	case f.method != m && f.method == byPassphrase:
		return fmt.Errorf("opening %s: %w: it was sealed by a passphrase: give that", d.path, ErrSealKeyMissing)
	case f.method != m:
		return fmt.Errorf("opening %s: %w: it was sealed by a key file or credential: give that instead of a passphrase", d.path, ErrSealKeyMissing)
	}
	d.header = f.header
	secret, err := o.Seal.secret(o.Dir, d.name)
	if err != nil {
		return err
	}
	if err := deriveSealKey(&d.keys.seal, &d.header, secret); err != nil {
		return err
	}
	copy(d.keys.nonce[:], f.nonce)
	plain, ok := d.kernel.Open(&d.keys.state, d.keys.plain[:0], &d.keys.seal, &d.keys.nonce, f.sealed, f.aad)
	if !ok {
		return fmt.Errorf("opening %s: %w: give the key file, passphrase or credential it was made with", d.path, ErrSealedByOther)
	}
	defer clear(d.keys.plain[:])
	v, ok := d.load(plain)
	if !ok {
		return fmt.Errorf("opening %s: %w: restore it from a backup", d.path, ErrDamaged)
	}
	d.current.Store(v)
	return nil
}

// load reads the sealed content; false: it is not what append writes.
func (d *Domain) load(plain []byte) (*view, bool) {
	count := int(binary.BigEndian.Uint32(plain))
	plain = plain[4:]
	if count < 1 || count > MaxKeys || len(plain) != count*entrySize {
		return nil, false
	}
	v := &view{versions: make([]uint32, count)}
	for i := range count {
		entry := plain[i*entrySize:][:entrySize]
		v.versions[i] = binary.BigEndian.Uint32(entry)
		if v.versions[i] == 0 || i > 0 && v.versions[i] <= v.versions[i-1] {
			return nil, false
		}
		copy(d.keys.raw[i][:], entry[4:])
		d.keys.ready[i].Init(d.keys.raw[i][:])
	}
	return v, true
}

// create makes a domain with one key, and the key file if there has to be one.
func (d *Domain) create(o *Options, m method) error {
	d.method = m
	if m == byPassphrase {
		if d.argon = o.Seal.Argon; d.argon == (Argon2Params{}) {
			d.argon = DefaultArgon
		}
		if !d.argon.valid() {
			return fmt.Errorf("making a domain: Argon2id with %+v is out of bounds", d.argon)
		}
	}
	for _, b := range [...][]byte{d.salt[:], d.id[:], d.keys.raw[0][:]} {
		if _, err := io.ReadFull(d.random, b); err != nil {
			return fmt.Errorf("making a domain: drawing its keys: %w", err)
		}
	}
	d.name = "domain-" + hex.EncodeToString(d.id[:4])
	d.keys.ready[0].Init(d.keys.raw[0][:])

	secret, undo, err := o.Seal.firstSecret(o.Dir, d.name, d.random)
	if err != nil {
		return err
	}
	if err := deriveSealKey(&d.keys.seal, &d.header, secret); err != nil {
		return errors.Join(err, undo())
	}
	v := &view{versions: []uint32{1}}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return errors.Join(fmt.Errorf("making the data directory: %w", err), undo())
	}
	if err := d.write(v, false); err != nil {
		return errors.Join(fmt.Errorf("making a domain: %w", err), undo())
	}
	d.current.Store(v)
	return nil
}

// write seals the keys of v into the file.
func (d *Domain) write(v *view, replace bool) error {
	k := d.keys
	plain := binary.BigEndian.AppendUint32(k.plain[:0], uint32(len(v.versions)))
	for i, version := range v.versions {
		plain = binary.BigEndian.AppendUint32(plain, version)
		plain = append(plain, k.raw[i][:]...)
	}
	defer clear(k.plain[:])
	if _, err := io.ReadFull(d.random, k.nonce[:]); err != nil {
		return fmt.Errorf("drawing a nonce: %w", err)
	}
	n := len(plain) + gcm.TagSize
	aad := d.header.append(nil, n)
	sealed := d.kernel.Seal(&k.state, make([]byte, 0, n), &k.seal, &k.nonce, plain, aad)
	return writeFile(d.path, assemble(aad, k.nonce[:], sealed), replace)
}

// Rotate makes a new domain key, durably, and seals with it from then on. Errors: ErrFull, and those of
// writing, after which the newest key is the one it was.
func (d *Domain) Rotate() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.current.Load()
	n := len(old.versions)
	if n == MaxKeys {
		return ErrFull
	}
	raw := d.keys.raw[n][:]
	if _, err := io.ReadFull(d.random, raw); err != nil {
		return fmt.Errorf("drawing a domain key: %w", err)
	}
	v := &view{versions: append(old.versions[:n:n], old.versions[n-1]+1)}
	if err := d.write(v, true); err != nil {
		clear(raw)
		return fmt.Errorf("rotating domain keys: %w", err)
	}
	d.keys.ready[n].Init(raw)
	d.current.Store(v)
	return nil
}

// ID is the domain's identifier.
func (d *Domain) ID() [idSize]byte { return d.id }

// Name is the domain's name.
func (d *Domain) Name() string { return d.name }

// Newest is the domain key that seals, and its version.
func (d *Domain) Newest() (uint32, *kdf.Midstate) {
	v := d.current.Load()
	i := len(v.versions) - 1
	return v.versions[i], &d.keys.ready[i]
}

// Find is the domain key of a version; false: there is none.
func (d *Domain) Find(version uint32) (*kdf.Midstate, bool) {
	v := d.current.Load()
	for i := len(v.versions) - 1; i >= 0; i-- { // the newest is asked for most
		if v.versions[i] == version {
			return &d.keys.ready[i], true
		}
	}
	return nil, false
}

// String names the domain, never its keys.
func (d *Domain) String() string { return "domain(" + d.name + ")" }

// GoString is String, so that %#v does not walk into the keys.
func (d *Domain) GoString() string { return d.String() }
