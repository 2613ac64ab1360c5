package domain

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/gcm"
)

// ErrNoState is the answer of a module that holds no domain keys where it takes some.
var ErrNoState = errors.New("domain: no state is held")

// Member is a module's part in a domain of several: its identity, sealed on disk, and what it holds of the domain, in
// memory alone. Its methods may run beside each other.
type Member struct {
	vault
	Ring
	private *private
	work    *memberWork
	self    HSM
	print   Fingerprint
	held    atomic.Pointer[holding] // nil: out of service

	mu     sync.RWMutex // held for reading while private is used
	memory memory
	closed bool
}

// holding is the public side of what a member holds. It never changes.
type holding struct {
	state  *State
	hash   [32]byte
	shares []share
	trail  [][]byte
	entry  []byte
}

// holdingOf is what a member holds of a token that it has installed.
func holdingOf(t *token) *holding { return &holding{t.state, t.hash, t.shares, t.trail, t.entry} }

// memberWork is what one Execute or Install needs, in the arena.
type memberWork struct {
	wrap     wrapKey
	dkek     wrapKey                                 // that of the domain keys in a token
	keys     [MaxKeys*gcm.KeySize + gcm.TagSize]byte // in the order of their state
	parent   [MaxKeys*gcm.KeySize + gcm.TagSize]byte // of an older state, for recover and restore
	recovery [scalarSize]byte
	share    [shareSize + gcm.TagSize]byte
}

// MemberArenaBytes is what a member takes from its arena.
func MemberArenaBytes() int {
	return arena.SizeOf[cells](1) + arena.SizeOf[vaultKey](1) + arena.SizeOf[identityPlain](1) +
		arena.SizeOf[private](1) + arena.SizeOf[memberWork](1)
}

// OpenMember opens the identity in o.Dir, or makes one when there is none. The member holds no state until Install.
// Errors: see errors.go.
func OpenMember(o Options) (*Member, error) {
	m := &Member{
		vault:   newVault(&o, identityFile, IdentityFileName, arena.Take[identityPlain](o.Arena)[:]),
		private: arena.Take[private](o.Arena),
		work:    arena.Take[memberWork](o.Arena),
	}
	m.Ring.init(o.Arena, o.Settle)
	err := m.vault.open(&o, func(_ uint16, plain []byte) bool {
		return loadIdentity(plain, m.private, &m.memory)
	}, func() ([]byte, error) {
		if err := m.private.draw(m.random); err != nil {
			return nil, err
		}
		return appendIdentity(m.plain[:0], m.private, &m.memory), nil
	})
	if err == nil {
		if m.self, err = m.private.public(m.name); err != nil {
			err = fmt.Errorf("opening %s: %w: %s", m.path, ErrDamaged, m.kind.loss)
		}
	}
	if err != nil {
		*m.key, *m.private = vaultKey{}, private{}
		return nil, err
	}
	m.print = FingerprintOf(m.self.Signing)
	return m, nil
}

// Self is what the module is known by, until it erases itself.
func (m *Member) Self() (HSM, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return HSM{}, ErrClosed
	}
	return m.self, nil
}

// State is the state held, with its hash; nil: out of service.
func (m *Member) State() (*State, [32]byte) {
	if h := m.held.Load(); h != nil {
		return h.state, h.hash
	}
	return nil, [32]byte{}
}

// Remembered is domain, number and hash of the state held, or of the last that was.
func (m *Member) Remembered() (id [idSize]byte, number uint64, hash [32]byte) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.memory.domain, m.memory.number, m.memory.hash
}

// Sign signs a SHA-384 digest by the module's signing key: ECDSA on P-384, ASN.1. Error: ErrClosed.
func (m *Member) Sign(digest []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, ErrClosed
	}
	return m.private.sign(digest)
}

// signMessage is Sign of a message, for who holds mu.
func (m *Member) signMessage(message []byte) ([]byte, error) {
	digest := sha512.Sum384(message)
	return m.private.sign(digest[:])
}

// Erase wipes everything that the module has: domain keys, its own keys and their file. It is closed then; opened
// again it is another module. Errors: ErrClosed, and the operating system's, after which the file may still be there.
func (m *Member) Erase() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	return m.erase()
}

func (m *Member) erase() error {
	m.closed = true
	m.held.Store(nil)
	m.publish(&view{})
	*m.private, *m.key, *m.work = private{}, vaultKey{}, memberWork{}
	m.memory = memory{}
	return eraseFile(m.path)
}

// eraseFile overwrites a file, removes it, and makes both durable.
func eraseFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return ignoreNotExist(err)
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, info.Size()))
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close(), os.Remove(path))
	if err != nil {
		return fmt.Errorf("erasing %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// Close ends all use of the arena; the caller then wipes it.
func (m *Member) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.held.Store(nil)
}

// String names the module, never its keys.
func (m *Member) String() string { return "member(" + m.self.Name + ")" }

// GoString is String, so that %#v does not walk into the keys.
func (m *Member) GoString() string { return m.String() }
