package kdf

import "encoding/binary"

// lengthBits is [L]_32 of SP 800-108r1 §4.1: the output is 256 bits.
const lengthBits = 256

// Init sets m from key, of any length (RFC 2104 §2: a key of more than 64 bytes is hashed first).
func (m *Midstate) Init(key []byte) {
	var pad [blockSize]byte
	if len(key) > blockSize {
		var h hasher
		h.resume(&initial, 0)
		h.write(key)
		h.sum((*[Size]byte)(pad[:Size]))
	} else {
		copy(pad[:], key)
	}
	for i := range pad {
		pad[i] ^= 0x36
	}
	m.Inner = initial
	compress(&m.Inner, pad[:])
	for i := range pad {
		pad[i] ^= 0x36 ^ 0x5c
	}
	m.Outer = initial
	compress(&m.Outer, pad[:])
	clear(pad[:])
}

// Derive sets out to the key that label and context name, both of any length. It does not allocate.
//
// The zero byte between label and context keeps ("ab", "c") and ("a", "bc") apart only as long as labels hold
// no zero byte, which is the caller's business: labels are constants.
func (m *Midstate) Derive(out *[Size]byte, label string, context []byte) {
	var h hasher
	h.resume(&m.Inner, blockSize)
	h.writeUint32(1) // the counter: one block of output is all there is
	h.writeString(label)
	h.writeByte(0)
	h.write(context)
	h.writeUint32(lengthBits)
	m.finish(out, &h)
}

// HMACSHA256 sets out to the MAC (RFC 2104, FIPS 198-1) of the parts, one after the other, under key. It does
// not allocate.
func HMACSHA256(out *[Size]byte, key []byte, parts ...[]byte) {
	var m Midstate
	m.Init(key)
	var h hasher
	h.resume(&m.Inner, blockSize)
	for _, p := range parts {
		h.write(p)
	}
	m.finish(out, &h)
	m.Wipe()
}

// Wipe overwrites the key.
func (m *Midstate) Wipe() { *m = Midstate{} }

// finish ends the inner hash and hashes it with the outer key. out may be what the inner message was read from.
func (m *Midstate) finish(out *[Size]byte, h *hasher) {
	var inner [Size]byte
	h.sum(&inner)
	h.resume(&m.Outer, blockSize)
	h.write(inner[:])
	h.sum(out)
	clear(inner[:])
}

// hasher is SHA-256 (FIPS 180-4 §6.2) from any state, for use on the stack: the standard library's keeps its
// state private and escapes to the heap.
type hasher struct {
	state [8]uint32
	buf   [blockSize]byte
	n     int    // bytes in buf, < blockSize
	total uint64 // bytes hashed, those before the resumed state too
}

// resume starts from a state that came of hashing done bytes, a multiple of blockSize.
func (h *hasher) resume(state *[8]uint32, done uint64) {
	h.state, h.n, h.total = *state, 0, done
}

func (h *hasher) writeByte(b byte) {
	h.write([]byte{b})
}

func (h *hasher) writeUint32(v uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v)
	h.write(b[:])
}

func (h *hasher) writeString(s string) {
	h.total += uint64(len(s))
	for len(s) > 0 {
		n := copy(h.buf[h.n:], s)
		s = s[n:]
		h.advance(n)
	}
}

func (h *hasher) write(p []byte) {
	h.total += uint64(len(p))
	if h.n == 0 && len(p) >= blockSize {
		whole := len(p) &^ (blockSize - 1)
		compress(&h.state, p[:whole])
		p = p[whole:]
	}
	for len(p) > 0 {
		n := copy(h.buf[h.n:], p)
		p = p[n:]
		h.advance(n)
	}
}

// advance counts n bytes just put into buf and hashes it when full.
func (h *hasher) advance(n int) {
	h.n += n
	if h.n == blockSize {
		compress(&h.state, h.buf[:])
		h.n = 0
	}
}

// sum pads (FIPS 180-4 §5.1.1), writes the hash to out and wipes h.
func (h *hasher) sum(out *[Size]byte) {
	h.buf[h.n] = 0x80
	clear(h.buf[h.n+1:])
	if h.n >= blockSize-8 {
		compress(&h.state, h.buf[:])
		clear(h.buf[:])
	}
	binary.BigEndian.PutUint64(h.buf[blockSize-8:], h.total*8)
	compress(&h.state, h.buf[:])
	for i, w := range h.state {
		binary.BigEndian.PutUint32(out[4*i:], w)
	}
	*h = hasher{}
}
