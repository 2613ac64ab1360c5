package kdf

import (
	"encoding/binary"
	"unsafe"
)

// Hash is what a MAC hashes with (FIPS 180-4).
type Hash uint8

// Hashes, in the order of their sizes.
const (
	SHA224 Hash = iota
	SHA256
	SHA384
	SHA512
)

// Size is the size in bytes of a MAC.
func (h Hash) Size() int { return [...]int{28, Size, 48, 64}[h] }

const (
	blockSize512 = 128
	wordSize512  = 8
)

// Initial hash values of the others (FIPS 180-4 §5.3.2, §5.3.4, §5.3.5).
var (
	initial224 = [8]uint32{
		0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939, 0xffc00b31, 0x68581511, 0x64f98fa7, 0xbefa4fa4,
	}
	initial384 = [8]uint64{
		0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
		0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
	}
	initial512 = [8]uint64{
		0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
		0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
	}
)

// MACKey is an HMAC key after its schedule: the states behind the padded keys. It holds no pointers. Where OwnMAC is
// false it is a place for a key, no more: Rest holds one of up to 64 bytes.
type MACKey struct {
	_ [0]uint64 // for the alignment of SHA-512's words

	Short Midstate // of SHA-224 and SHA-256; otherwise the inner state
	Rest  [64]byte // the outer state of SHA-384 and SHA-512
}

// MACScratch is working memory for one call of a MACKey. It holds no pointers and is zero before and after.
type MACScratch struct {
	state [8]uint64
	block [2 * blockSize512]byte
}

// OwnMAC tells whether this process can use a MACKey: on amd64 with SHA instructions and AVX, not in FIPS 140-3 mode.
func OwnMAC() bool { return ownMAC }

func (m *MACKey) inner512() *[8]uint64 { return (*[8]uint64)(unsafe.Pointer(&m.Short)) }

func (m *MACKey) outer512() *[8]uint64 { return (*[8]uint64)(unsafe.Pointer(&m.Rest)) }

// Init sets m from a key of at most 64 bytes, which is nowhere but in m and s meanwhile.
func (m *MACKey) Init(s *MACScratch, h Hash, key []byte) {
	*m = MACKey{}
	switch h {
	case SHA224:
		m.Short.init(&initial224, key)
	case SHA256:
		m.Short.init(&initial, key)
	default:
		from := &initial512
		if h == SHA384 {
			from = &initial384
		}
		block := s.block[:blockSize512]
		place(block, key)
		compress512(m.inner512(), from, block, 0x36)
		compress512(m.outer512(), from, block, 0x5c)
		clear(block)
	}
}

// Sum appends the MAC of msg (RFC 2104, FIPS 198-1) to dst, which holds it. It does not allocate.
func (m *MACKey) Sum(s *MACScratch, h Hash, dst, msg []byte) []byte {
	if h <= SHA256 {
		m.sumShort(s, h.Size(), msg)
	} else {
		m.sumLong(s, h.Size(), msg)
	}
	dst = append(dst, s.block[:h.Size()]...)
	*s = MACScratch{}
	return dst
}

// sumShort leaves the MAC at the beginning of s.block.
func (m *MACKey) sumShort(s *MACScratch, size int, msg []byte) {
	state, from := (*[8]uint32)(unsafe.Pointer(&s.state)), &m.Short.Inner
	whole := len(msg) &^ (blockSize - 1)
	if whole > 0 {
		compress(state, from, msg[:whole])
		from = state
	}
	compress(state, from, s.pad(msg[whole:], blockSize, blockSize+len(msg), 8))
	s.put32(state)
	compress(state, &m.Short.Outer, s.pad(s.block[:size], blockSize, blockSize+size, 8))
	s.put32(state)
}

// sumLong is sumShort for SHA-384 and SHA-512.
func (m *MACKey) sumLong(s *MACScratch, size int, msg []byte) {
	from := m.inner512()
	whole := len(msg) &^ (blockSize512 - 1)
	if whole > 0 {
		compress512(&s.state, from, msg[:whole], 0)
		from = &s.state
	}
	compress512(&s.state, from, s.pad(msg[whole:], blockSize512, blockSize512+len(msg), 16), 0)
	s.put64()
	compress512(&s.state, m.outer512(), s.pad(s.block[:size], blockSize512, blockSize512+size, 16), 0)
	s.put64()
}

// pad makes the last blocks of a message of total bytes from its rest, which may lie where the result does, with a
// length field of so many bytes (FIPS 180-4 §5.1).
func (s *MACScratch) pad(rest []byte, block, total, field int) []byte {
	n := copy(s.block[:], rest)
	padded := s.block[:(n+1+field+block-1)&^(block-1)]
	padded[n] = 0x80
	clear(padded[n+1:])
	binary.BigEndian.PutUint64(padded[len(padded)-8:], uint64(total)*8)
	return padded
}

func (s *MACScratch) put32(state *[8]uint32) {
	for i, w := range state {
		binary.BigEndian.PutUint32(s.block[4*i:], w)
	}
}

func (s *MACScratch) put64() {
	for i, w := range &s.state {
		binary.BigEndian.PutUint64(s.block[wordSize512*i:], w)
	}
}
