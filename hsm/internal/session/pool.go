package session

import (
	"crypto/rand"
	"fmt"
	"io"
	"sync"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/gcm"
	"trent/hsm/internal/kdf"
)

// DefaultSlots is how many slots a pool has unless told otherwise.
const DefaultSlots = 256

// PoolOptions are OpenPool's.
type PoolOptions struct {
	Slots         int       // connections, tickets and handshakes under way, together; 0: DefaultSlots
	Kernel        string    // of hsm/internal/gcm; "": the best
	Random        io.Reader // nil: crypto/rand
	RequireLocked bool      // refuse memory that may be swapped
}

// Pool is the memory in which an end's session and connection keys lie, and what encrypts with them. Safe for
// concurrent use.
type Pool struct {
	kernel gcm.Kernel
	random io.Reader

	mu     sync.Mutex
	arena  *arena.Arena
	free   []*slot
	slots  int
	closed bool
}

// slot is everything secret of one ticket, connection or handshake. It lies in the arena.
type slot struct {
	key     [gcm.KeySize]byte // the session key, or what it is encrypted under
	ready   kdf.Midstate      // the session key, ready for derivations
	lanes   [2]laneKeys       // of a connection: what it sends, what it receives
	scalar  [scalarSize]byte  // the host's ephemeral key
	seed    [seedSize]byte    // the host's ML-KEM key
	ecdh    [scalarSize]byte  // shared secret
	kem     [kemSecret]byte   // shared secret
	nonce   [gcm.NonceSize]byte
	state   gcm.State
	scratch [gcm.KeySize + gcm.TagSize]byte
	proof   [kdf.Size]byte
}

// PoolBytes is what a pool of so many slots takes of the memory that a process may lock.
func PoolBytes(slots int) int { return arena.SizeOf[slot](slots) }

// OpenPool makes the memory. Errors: gcm.ErrUnknown, arena.ErrUnlocked, and the operating system's.
func OpenPool(o PoolOptions) (*Pool, error) {
	if o.Slots == 0 {
		o.Slots = DefaultSlots
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	kernel, err := gcm.Pick(o.Kernel)
	if err != nil {
		return nil, fmt.Errorf("opening a pool of session keys: %w", err)
	}
	a, err := arena.New(arena.Options{Bytes: PoolBytes(o.Slots), RequireLocked: o.RequireLocked})
	if err != nil {
		return nil, fmt.Errorf("opening a pool of session keys: %w", err)
	}
	p := &Pool{kernel: kernel, random: o.Random, arena: a, slots: o.Slots, free: make([]*slot, o.Slots)}
	for i := range p.free {
		p.free[i] = arena.Take[slot](a)
	}
	return p, nil
}

// Kind and Why say what memory it is, as those of arena.Arena.
func (p *Pool) Kind() string { return p.arena.Kind().String() }

// Why says why no better memory was to be had.
func (p *Pool) Why() string { return p.arena.Why() }

// Slots is how many there are and how many are in use.
func (p *Pool) Slots() (all, used int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slots, p.slots - len(p.free)
}

// Close gives the memory back, as soon as the last slot in use has come back; none is given out any more.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return p.giveBack()
}

// giveBack unmaps the memory of a closed pool when nobody uses it.
func (p *Pool) giveBack() error {
	if !p.closed || len(p.free) < p.slots {
		return nil
	}
	return p.arena.Close()
}

// take gives a slot of zeros. Errors: ErrFull, ErrClosed.
func (p *Pool) take() (*slot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	n := len(p.free)
	if n == 0 {
		return nil, ErrFull
	}
	s := p.free[n-1]
	p.free = p.free[:n-1]
	*s = slot{}
	return s, nil
}

// release wipes a slot and takes it back.
func (p *Pool) release(s *slot) {
	*s = slot{}
	poison(&s.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, s)
	p.giveBack() // munmap of one's own mapping: nobody is left to be told
}

// forget wipes everything but the session key that is ready.
func (s *slot) forget() {
	clear(s.key[:])
	clear(s.scalar[:])
	clear(s.seed[:])
	clear(s.ecdh[:])
	clear(s.kem[:])
	clear(s.scratch[:])
	clear(s.proof[:])
}
