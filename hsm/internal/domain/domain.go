package domain

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/gcm"
)

// Domain is the domain of one module, whose keys lie sealed on its own disk. Its methods may run beside each other.
type Domain struct {
	vault
	Ring

	mu     sync.Mutex // one writer at a time
	closed bool
}

// domainPlain is room for the content of the file.
type domainPlain [4 + entrySize*MaxKeys + gcm.TagSize]byte

// ArenaBytes is what a domain takes from its arena.
func ArenaBytes() int {
	return arena.SizeOf[cells](1) + arena.SizeOf[vaultKey](1) + arena.SizeOf[domainPlain](1)
}

// Open opens the domain in o.Dir, or makes one with one key when there is none. Errors: see errors.go.
func Open(o Options) (*Domain, error) {
	d := &Domain{vault: newVault(&o, domainFile, FileName, arena.Take[domainPlain](o.Arena)[:])}
	d.Ring.init(o.Arena, o.Settle)
	var v *view
	err := d.vault.open(&o, func(plain []byte) (ok bool) {
		v, ok = d.load(plain)
		return ok
	}, func() ([]byte, error) {
		if _, err := io.ReadFull(d.random, d.raw[0][:]); err != nil {
			return nil, fmt.Errorf("drawing its keys: %w", err)
		}
		d.ready[0].Init(d.raw[0][:])
		v = d.viewOf([]uint32{1}, func(uint32) int { return 0 })
		return d.append(v), nil
	})
	if err != nil {
		*d.key = vaultKey{}
		clear(d.raw)
		clear(d.ready)
		return nil, err
	}
	d.current.Store(v)
	return d, nil
}

// load reads the sealed content; false: it is not what append writes.
func (d *Domain) load(plain []byte) (*view, bool) {
	count := int(binary.BigEndian.Uint32(plain))
	plain = plain[4:]
	if count < 1 || count > MaxKeys || len(plain) != count*entrySize {
		return nil, false
	}
	versions := make([]uint32, count)
	for i := range count {
		entry := plain[i*entrySize:][:entrySize]
		versions[i] = binary.BigEndian.Uint32(entry)
		if versions[i] == 0 || i > 0 && versions[i] <= versions[i-1] {
			return nil, false
		}
		d.fill(i, entry[4:])
	}
	return d.viewOf(versions, func(version uint32) int { return slices.Index(versions, version) }), true
}

// viewOf is the view of versions, ascending: the last seals.
func (d *Domain) viewOf(versions []uint32, cell func(version uint32) int) *view {
	v := &view{id: d.id, name: d.name, active: len(versions) - 1}
	for i, version := range versions {
		k := ringKey{version: version, phase: Deactivated, cell: cell(version)}
		if i == v.active {
			k.phase = Active
		}
		v.keys = append(v.keys, k)
	}
	return v
}

// append writes the keys of v as the file holds them.
func (d *Domain) append(v *view) []byte {
	plain := binary.BigEndian.AppendUint32(d.plain[:0], uint32(len(v.keys)))
	for _, key := range v.keys {
		plain = binary.BigEndian.AppendUint32(plain, key.version)
		plain = append(plain, d.raw[key.cell][:]...)
	}
	return plain
}

// Rotate makes a new domain key, durably, and seals with it from then on. Errors: ErrFull, ErrClosed, and those of
// writing, after which the newest key is the one it was.
func (d *Domain) Rotate() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	old := d.current.Load()
	if len(old.keys) == MaxKeys {
		return ErrFull
	}
	cell := d.free(old)[0]
	raw := d.raw[cell][:]
	if _, err := io.ReadFull(d.random, raw); err != nil {
		return fmt.Errorf("drawing a domain key: %w", err)
	}
	newest := old.keys[old.active].version + 1
	v := d.viewOf(append(versionsOf(old), newest), func(version uint32) int {
		if at, ok := old.cellOf(version); ok {
			return at
		}
		return cell
	})
	if err := d.write(d.append(v), true); err != nil {
		clear(raw)
		return fmt.Errorf("rotating domain keys: %w", err)
	}
	d.ready[cell].Init(raw)
	d.publish(v)
	return nil
}

// Drop removes a domain key, durably, and wipes it once no call uses it: what is sealed under it cannot be opened
// again, but from an older copy of the file. A version that is not there changes nothing. Errors: ErrActive,
// ErrClosed, and those of writing, after which the key is still there.
func (d *Domain) Drop(version uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	old := d.current.Load()
	versions := versionsOf(old)
	i := slices.Index(versions, version)
	switch {
	case i < 0:
		return nil
	case i == old.active:
		return ErrActive
	}
	v := d.viewOf(slices.Delete(versions, i, i+1), func(version uint32) int {
		at, _ := old.cellOf(version)
		return at
	})
	if err := d.write(d.append(v), true); err != nil {
		return fmt.Errorf("dropping domain key %d: %w", version, err)
	}
	d.publish(v)
	return nil
}

// Close ends the writing; the caller then wipes the arena.
func (d *Domain) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

func versionsOf(v *view) []uint32 {
	var list []uint32
	for _, k := range v.keys {
		list = append(list, k.version)
	}
	return list
}

// String names the domain, never its keys.
func (d *Domain) String() string { return "domain(" + d.Name() + ")" }

// GoString is String, so that %#v does not walk into the keys.
func (d *Domain) GoString() string { return d.String() }
