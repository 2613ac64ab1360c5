package domain

import (
	"slices"
	"sync/atomic"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/gcm"
	"trent/hsm/internal/kdf"
	"trent/hsm/internal/reveal"
)

// MaxKeys is how many domain keys a domain can hold.
const MaxKeys = 64

// ringCells is room for the keys of two states: those of the next are in place before those of the last are wiped.
const ringCells = 2 * MaxKeys

// Ring is the domain keys that a module holds, in the arena. Its methods are lock-free and may run beside each other
// and beside one writer. What Newest and Find return may be used while the caller holds a worker of its module: a key
// that is dropped is wiped only after every worker has been visited.
type Ring struct {
	raw     [][gcm.KeySize]byte // in the arena, like ready; slices, so that finding a key touches nothing of it
	ready   []kdf.Midstate
	current atomic.Pointer[view]
	// settle returns once no call uses a key that the view of this moment lacks; false: it could not, and keys are not
	// to be wiped, since the module closes and wipes everything.
	settle func() bool
}

// cells is the secret part.
type cells struct {
	raw   [ringCells][gcm.KeySize]byte
	ready [ringCells]kdf.Midstate
}

// view is which keys exist: immutable, replaced as a whole. None at all: out of service.
type view struct {
	id     [idSize]byte
	name   string
	number uint64 // of the state; 0 for a domain of one module
	keys   []ringKey
	info   []KeyInfo // of the same keys
	active int       // index in keys
}

// ringKey is a key of a view, as small as finding it needs.
type ringKey struct {
	version uint32
	cell    int32
}

// newView is a view of these keys, in the cells that cell says.
func newView(id [idSize]byte, name string, number uint64, keys []KeyInfo, cell func(version uint32) int) *view {
	v := &view{id: id, name: name, number: number, info: keys}
	for i, k := range keys {
		if k.Phase == Active {
			v.active = i
		}
		v.keys = append(v.keys, ringKey{k.Version, int32(cell(k.Version))})
	}
	return v
}

// init takes the cells.
func (r *Ring) init(a *arena.Arena, settle func() bool) {
	c := arena.Take[cells](a)
	r.raw, r.ready, r.settle = c.raw[:], c.ready[:], settle
	if r.settle == nil {
		r.settle = func() bool { return true }
	}
	r.current.Store(&view{})
}

// ID is the domain's identifier, zeros in none.
func (r *Ring) ID() [idSize]byte { return r.current.Load().id }

// Name is the domain's name, empty in none.
func (r *Ring) Name() string { return r.current.Load().name }

// Number is the number of the state; 0 for a domain of one module.
func (r *Ring) Number() uint64 { return r.current.Load().number }

// InService reports whether there are domain keys.
func (r *Ring) InService() bool { return len(r.current.Load().keys) > 0 }

// Newest is the domain key that seals, with its domain and version; nil: out of service.
func (r *Ring) Newest() (id [idSize]byte, version uint32, key *kdf.Midstate) {
	v := r.current.Load()
	if len(v.keys) == 0 {
		return id, 0, nil
	}
	k := &v.keys[v.active]
	return v.id, k.version, &r.ready[k.cell]
}

// Version is that of the domain key that seals; 0: out of service.
func (r *Ring) Version() uint32 {
	v := r.current.Load()
	if len(v.keys) == 0 {
		return 0
	}
	return v.keys[v.active].version
}

// Find is the domain key of a domain and version; false: it is not here.
func (r *Ring) Find(id *[idSize]byte, version uint32) (*kdf.Midstate, bool) {
	v := r.current.Load()
	if v.id != *id {
		return nil, false
	}
	for i := len(v.keys) - 1; i >= 0; i-- { // the newest is asked for most
		if v.keys[i].version == version {
			return &r.ready[v.keys[i].cell], true
		}
	}
	return nil, false
}

// Keys lists what is public of the domain keys, versions ascending. In a domain of one module there are no check values,
// and no times of keys that were made by a version of this program which recorded none.
func (r *Ring) Keys() []KeyInfo { return slices.Clone(r.current.Load().info) }

// free lists cells that neither the view of this moment nor next uses.
func (r *Ring) free(next *view) []int {
	var used [ringCells]bool
	for _, v := range [...]*view{r.current.Load(), next} {
		for _, k := range v.keys {
			used[k.cell] = true
		}
	}
	var list []int
	for i, u := range used {
		if !u {
			list = append(list, i)
		}
	}
	return list
}

// fill puts a key into a cell that no view uses.
func (r *Ring) fill(cell int, key []byte) {
	reveal.Secret("domain key", key)
	copy(r.raw[cell][:], key)
	r.ready[cell].Init(key)
}

// wipe empties a cell.
func (r *Ring) wipe(cell int) {
	clear(r.raw[cell][:])
	r.ready[cell].Wipe()
}

// publish makes next the view; the keys that it lacks are wiped once no call uses them.
func (r *Ring) publish(next *view) {
	old := r.current.Load()
	r.current.Store(next)
	var gone []int
	for _, k := range old.keys {
		if cell, ok := next.cellOf(k.version); !ok || cell != int(k.cell) {
			gone = append(gone, int(k.cell))
		}
	}
	if len(gone) == 0 || !r.settle() {
		return // nobody is held up where a key is only added
	}
	for _, cell := range gone {
		r.wipe(cell)
	}
}

// cellOf is the cell of a version; false: v has none such.
func (v *view) cellOf(version uint32) (int, bool) {
	for _, k := range v.keys {
		if k.version == version {
			return int(k.cell), true
		}
	}
	return 0, false
}
