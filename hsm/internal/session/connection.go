package session

import (
	"crypto/subtle"
	"encoding/binary"
	"sync/atomic"
	"time"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/gcm"
)

// Sizes in bytes, and bounds.
const (
	// HeaderSize is what stands before the ciphertext of an envelope.
	HeaderSize = 1 + gcm.NonceSize
	// Overhead is what an envelope is longer than its plaintext.
	Overhead = HeaderSize + gcm.TagSize
	// MaxPlaintext is the longest plaintext of an envelope.
	MaxPlaintext = 4 << 20
	// MaxEnvelopes is how many a direction carries. Random nonces allow 2³² under a key (SP 800-38D §8.3).
	MaxEnvelopes = 1 << 31
)

// Versions of envelopes, by their nonce.
const (
	countedNonce = 1
	randomNonce  = 2
)

const (
	sending = iota
	receiving
)

// Conn is one end of a connection. One goroutine at a time may seal and one open; both may run beside each other, and
// Close beside them.
type Conn struct {
	pool   *Pool
	slot   *slot
	host   Fingerprint
	module Fingerprint
	number uint64
	ends   time.Time
	lanes  [2]lane
	open   atomic.Int32 // lanes that are not wiped yet
	spent  atomic.Bool
}

// lane is one direction of a connection. Its two users run on two processors: so no cache line is of both.
type lane struct {
	state     atomic.Uint32
	direction byte
	next      uint64 // counter of the next envelope; its user's own
	keys      *laneKeys
	_         [arena.Align]byte
}

// laneKeys is what a lane needs of the arena: the key, and what goes through the kernel's interface, so that it does
// not escape to the heap.
type laneKeys struct {
	key   [gcm.KeySize]byte
	nonce [gcm.NonceSize]byte
	aad   [aadSize]byte
	state gcm.State
	_     [arena.Align]byte
}

const aadSize = 1 + 1 + 8 + 4

// States of a lane.
const (
	idle    uint32 = iota
	busy           // in Seal or Open
	closing        // to be wiped by whoever is in Seal or Open
	closed
)

// connect makes a connection of a slot with ready lanes; the slot is the connection's from then on.
func connect(p *Pool, s *slot, sends byte) *Conn {
	c := &Conn{pool: p, slot: s}
	c.lanes[sending].direction = sends
	c.lanes[receiving].direction = toModule + toHost - sends
	for i := range c.lanes {
		c.lanes[i].keys = &s.lanes[i]
	}
	c.open.Store(int32(len(c.lanes)))
	return c
}

// Host is whom the session belongs to.
func (c *Conn) Host() Fingerprint { return c.host }

// Module is the module's end.
func (c *Conn) Module() Fingerprint { return c.module }

// Number is of the domain state that the module held at the start.
func (c *Conn) Number() uint64 { return c.number }

// Ends is when the session is over. Running connections are not ended by this package.
func (c *Conn) Ends() time.Time { return c.ends }

// Seal appends an envelope to dst. plaintext must not overlap dst's free capacity, but may be
// dst[len(dst)+HeaderSize:][:n], where it is sealed in place. Errors: ErrTooLong, which changes nothing; ErrSpent and
// ErrClosed.
func (c *Conn) Seal(dst, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return dst, ErrTooLong
	}
	l := &c.lanes[sending]
	if !l.enter() {
		return dst, ErrClosed
	}
	defer c.leave(l)
	if l.next >= MaxEnvelopes {
		return dst, ErrSpent
	}
	k := l.keys
	form := byte(countedNonce)
	if c.pool.kernel.MakesNonce() {
		form = randomNonce
	}
	l.prepare(form, len(plaintext))
	c.count(l)
	at := len(dst)
	out := append(dst, form)
	out = append(out, k.nonce[:]...)
	out = c.pool.kernel.Seal(&k.state, out, &k.key, &k.nonce, plaintext, k.aad[:])
	copy(out[at+1:], k.nonce[:]) // the kernel may have drawn its own
	return out, nil
}

// Open appends the plaintext of the next envelope to dst, which must not overlap it but may be
// envelope[HeaderSize:HeaderSize]. Whatever is not exactly the next envelope of the other end closes the connection for
// good. Errors: ErrRefused, ErrSpent, ErrClosed; dst is then as it was.
func (c *Conn) Open(dst, envelope []byte) ([]byte, error) {
	l := &c.lanes[receiving]
	if !l.enter() {
		return dst, ErrClosed
	}
	defer c.leave(l)
	if l.next >= MaxEnvelopes {
		return dst, ErrSpent
	}
	out, ok := c.openNext(l, dst, envelope)
	if !ok {
		c.Close()
		return dst, ErrRefused
	}
	c.count(l)
	return out, nil
}

func (c *Conn) openNext(l *lane, dst, envelope []byte) ([]byte, bool) {
	n := len(envelope) - Overhead
	if n < 0 || n > MaxPlaintext {
		return dst, false
	}
	k := l.keys
	form, nonce := envelope[0], envelope[1:HeaderSize]
	l.prepare(form, n)
	switch form {
	case countedNonce:
		if subtle.ConstantTimeCompare(k.nonce[:], nonce) != 1 {
			return dst, false
		}
	case randomNonce:
		copy(k.nonce[:], nonce)
	default:
		return dst, false
	}
	return c.pool.kernel.Open(&k.state, dst, &k.key, &k.nonce, envelope[HeaderSize:], k.aad[:])
}

// prepare sets nonce and additional data for the next envelope.
func (l *lane) prepare(form byte, length int) {
	k := l.keys
	clear(k.nonce[:4])
	binary.BigEndian.PutUint64(k.nonce[4:], l.next)
	k.aad[0], k.aad[1] = form, l.direction
	binary.BigEndian.PutUint64(k.aad[2:], l.next)
	binary.BigEndian.PutUint32(k.aad[10:], uint32(length))
}

// Spent reports that a direction has carried half of what it may: time for another connection.
func (c *Conn) Spent() bool { return c.spent.Load() }

// count moves a lane on by one envelope.
func (c *Conn) count(l *lane) {
	if l.next++; l.next == MaxEnvelopes/2 {
		c.spent.Store(true)
	}
}

// Close wipes the keys: at once, or when the Seal or Open under way returns. It may be called from anywhere, repeatedly.
func (c *Conn) Close() {
	for i := range c.lanes {
		if c.lanes[i].close() {
			c.wiped(&c.lanes[i])
		}
	}
}

// enter claims a lane; false: it is closed. Two users of a direction are the program's error, which would use a nonce
// twice.
func (l *lane) enter() bool {
	if l.state.CompareAndSwap(idle, busy) {
		return true
	}
	if l.state.Load() == busy {
		panic("session: two at a time in one direction of a connection")
	}
	return false
}

func (c *Conn) leave(l *lane) {
	if l.state.CompareAndSwap(busy, idle) {
		return
	}
	l.state.Store(closed)
	c.wiped(l)
}

// close reports whether the caller is the one to wipe.
func (l *lane) close() bool {
	for {
		switch {
		case l.state.CompareAndSwap(idle, closed):
			return true
		case l.state.CompareAndSwap(busy, closing), l.state.Load() >= closing:
			return false
		}
	}
}

// wiped wipes the keys of a lane that nobody can enter any more; after the second, the slot goes back.
func (c *Conn) wiped(l *lane) {
	*l.keys = laneKeys{}
	poison(&l.keys.key)
	if c.open.Add(-1) == 0 {
		c.pool.release(c.slot)
	}
}

// String says nothing of keys.
func (c *Conn) String() string { return "session.Conn" }

// GoString is String, so that %#v does not walk into the keys.
func (c *Conn) GoString() string { return c.String() }
