package kdf

import (
	"encoding/binary"
	"unsafe"
)

// lengthBits is [L]_32 of SP 800-108r1 §4.1: the output is 256 bits.
const lengthBits = 256

// Init sets m from key, of any length (RFC 2104 §2: a key of more than 64 bytes is hashed first). The key is nowhere but
// in m meanwhile, unless it is that long.
func (m *Midstate) Init(key []byte) { m.init(&initial, key) }

func (m *Midstate) init(from *[8]uint32, key []byte) {
	*m = Midstate{}
	if len(key) > blockSize {
		h := hasher{from: &initial}
		h.write(key)
		h.sum((*[Size]byte)(m.bytes()[:Size]))
	} else {
		place(m.bytes()[:], key)
	}
	schedule(m, from)
}

// place puts a key into zeros byte by byte: copy would leave it in vector registers, which the scheduler saves on the stack
// when it preempts what comes next.
func place(to, key []byte) {
	for i := range key {
		to[i] |= key[i]
	}
}

// bytes is m's memory, where a key lies until it is scheduled.
func (m *Midstate) bytes() *[blockSize]byte { return (*[blockSize]byte)(unsafe.Pointer(m)) }

// Derive sets out to the key that label and context name, both of any length. It does not allocate. The key is nowhere
// but in out. out may be where context is.
//
// The zero byte between label and context keeps ("ab", "c") and ("a", "bc") apart only as long as labels hold
// no zero byte, which is the caller's business: labels are constants.
func (m *Midstate) Derive(out *[Size]byte, label string, context []byte) {
	h := hasher{from: &m.Inner, total: blockSize}
	h.writeUint32(1) // the counter: one block of output is all there is
	h.writeString(label)
	h.writeByte(0)
	h.write(context)
	h.writeUint32(lengthBits)
	m.finish(out, &h)
}

// MAC sets out to HMAC-SHA256 (RFC 2104, FIPS 198-1) of the parts, one after the other. It does not allocate.
func (m *Midstate) MAC(out *[Size]byte, parts ...[]byte) {
	h := hasher{from: &m.Inner, total: blockSize}
	for _, p := range parts {
		h.write(p)
	}
	m.finish(out, &h)
}

// HMACSHA256 sets out to the MAC of the parts under key. It does not allocate. The key is on the stack meanwhile: where
// that matters, Init a Midstate that lies elsewhere.
func HMACSHA256(out *[Size]byte, key []byte, parts ...[]byte) {
	var m Midstate
	m.Init(key)
	m.MAC(out, parts...)
	m.Wipe()
}

// Wipe overwrites the key.
func (m *Midstate) Wipe() { *m = Midstate{} }

// finish ends the inner hash and hashes it with the outer key, where out is.
func (m *Midstate) finish(out *[Size]byte, h *hasher) {
	var block [blockSize]byte
	h.sum((*[Size]byte)(block[:Size]))
	endBlock(&block, Size)
	state := (*[8]uint32)(unsafe.Pointer(out))
	compress(state, &m.Outer, block[:])
	for i := range Size / 4 {
		word := out[4*i:][:4]
		binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
	}
	clear(block[:])
}

// endBlock pads the outer hash's last block, which holds an inner hash of n bytes.
func endBlock(block *[blockSize]byte, n int) {
	block[n] = 0x80
	binary.BigEndian.PutUint64(block[blockSize-8:], uint64(blockSize+n)*8)
}

// hasher is SHA-256 (FIPS 180-4 §6.2) from any state, for use on the stack: the standard library's keeps its
// state private and escapes to the heap. The state it goes on from stays where it is until a block of the message is
// hashed into it; so what lies on the stack is a hash of key and message, and the message.
type hasher struct {
	from  *[8]uint32 // the state to go on from; nil: own
	own   [8]uint32
	buf   [blockSize]byte
	n     int    // bytes in buf, < blockSize
	total uint64 // bytes hashed, those before the resumed state too
}

// compress hashes whole blocks.
func (h *hasher) compress(p []byte) {
	from := h.from
	if from == nil {
		from = &h.own
	}
	compress(&h.own, from, p)
	h.from = nil
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
		h.compress(p[:whole])
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
		h.compress(h.buf[:])
		h.n = 0
	}
}

// sum pads (FIPS 180-4 §5.1.1), writes the hash to out and wipes h.
func (h *hasher) sum(out *[Size]byte) {
	h.buf[h.n] = 0x80
	clear(h.buf[h.n+1:])
	if h.n >= blockSize-8 {
		h.compress(h.buf[:])
		clear(h.buf[:])
	}
	binary.BigEndian.PutUint64(h.buf[blockSize-8:], h.total*8)
	h.compress(h.buf[:])
	for i, w := range &h.own {
		binary.BigEndian.PutUint32(out[4*i:], w)
	}
	*h = hasher{}
}
