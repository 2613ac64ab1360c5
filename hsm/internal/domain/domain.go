package domain

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/gcm"
)

// Domain is the domain of one module, whose keys lie sealed on its own disk. Its methods may run beside each other.
type Domain struct {
	vault
	Ring

	now    func() time.Time
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
	d := &Domain{vault: newVault(&o, domainFile, FileName, arena.Take[domainPlain](o.Arena)[:]), now: o.Now}
	if d.now == nil {
		d.now = time.Now
	}
	d.Ring.init(o.Arena, o.Settle)
	var v *view
	err := d.vault.open(&o, func(format uint16, plain []byte) (ok bool) {
		v, ok = d.load(format, plain)
		return ok
	}, func() ([]byte, error) {
		if _, err := io.ReadFull(d.random, d.raw[0][:]); err != nil {
			return nil, fmt.Errorf("drawing its keys: %w", err)
		}
		d.ready[0].Init(d.raw[0][:])
		v = d.viewOf([]KeyInfo{{Version: 1, Phase: Active, Made: d.time(), Activated: d.time()}}, func(uint32) int { return 0 })
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

// load reads the sealed content; false: it is not what append writes, or wrote in an older format.
func (d *Domain) load(format uint16, plain []byte) (*view, bool) {
	r := &reader{b: plain}
	count := r.count(int(min(r.u32(), MaxKeys+1)), MaxKeys)
	keys := make([]KeyInfo, count)
	for i := range keys {
		k := &keys[i]
		k.Version, k.Phase = r.u32(), Deactivated
		if format > 1 {
			k.Made, k.Ended = r.time(), r.time()
		}
		k.Activated = k.Made
		if i == count-1 {
			k.Phase = Active
			r.require(k.Ended.IsZero())
		}
		r.require(k.Version > 0 && (i == 0 || k.Version > keys[i-1].Version))
		d.fill(i, r.take(gcm.KeySize))
	}
	if r.bad || count == 0 || len(r.b) > 0 {
		return nil, false
	}
	cell := -1
	return d.viewOf(keys, func(uint32) int { cell++; return cell }), true
}

// viewOf is the view of keys, versions ascending: the last seals.
func (d *Domain) viewOf(keys []KeyInfo, cell func(version uint32) int) *view {
	return newView(d.id, d.name, 0, keys, cell)
}

// time is that of a key that is being made, as the file holds it.
func (d *Domain) time() time.Time { return time.UnixMilli(d.now().UnixMilli()).UTC() }

// append writes the keys of v as the file holds them.
func (d *Domain) append(v *view) []byte {
	plain := binary.BigEndian.AppendUint32(d.plain[:0], uint32(len(v.keys)))
	for i, key := range v.keys {
		plain = binary.BigEndian.AppendUint32(plain, key.version)
		plain = appendTime(appendTime(plain, v.info[i].Made), v.info[i].Ended)
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
	now := d.time()
	keys := slices.Clone(old.info)
	last := &keys[old.active]
	last.Phase, last.Ended = Deactivated, now
	keys = append(keys, KeyInfo{Version: last.Version + 1, Phase: Active, Made: now, Activated: now})
	v := d.viewOf(keys, func(version uint32) int {
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
	i := slices.IndexFunc(old.info, func(k KeyInfo) bool { return k.Version == version })
	switch {
	case i < 0:
		return nil
	case i == old.active:
		return ErrActive
	}
	v := d.viewOf(slices.Delete(slices.Clone(old.info), i, i+1), func(version uint32) int {
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

// String names the domain, never its keys.
func (d *Domain) String() string { return "domain(" + d.Name() + ")" }

// GoString is String, so that %#v does not walk into the keys.
func (d *Domain) GoString() string { return d.String() }
