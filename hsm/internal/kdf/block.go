package kdf

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"sync"
)

// Size is the size of a derived key and of a MAC, in bytes.
const Size = sha256.Size

const blockSize = sha256.BlockSize

// initial is the initial hash value (FIPS 180-4 §5.3.3).
var initial = [8]uint32{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

// compress hashes p, a multiple of blockSize bytes, from a state into another, which may be the same.
func compress(to, from *[8]uint32, p []byte) {
	if useSHANI {
		blockSHANI(to, from, p)
		return
	}
	blockStd(to, from, p)
}

// schedule makes of m, which holds a key filled up with zeros, its midstates from the initial value of a hash (RFC 2104
// §2).
func schedule(m *Midstate, from *[8]uint32) {
	if useSHANI {
		initSHA(m, from)
		return
	}
	var pad [blockSize]byte
	copy(pad[:], m.bytes()[:])
	for i := range pad {
		pad[i] ^= 0x36
	}
	blockStd(&m.Inner, from, pad[:])
	for i := range pad {
		pad[i] ^= 0x36 ^ 0x5c
	}
	blockStd(&m.Outer, from, pad[:])
	clear(pad[:])
}

// Implementation names what compress runs on: "sha-ni" or "std".
func Implementation() string {
	if useSHANI {
		return "sha-ni"
	}
	return "std"
}

// stdState is a hash of the standard library with its marshalled state: identifier (4) ‖ state (32) ‖
// pending bytes (64) ‖ length (8). TestStdStateLayout holds the library to that.
type stdState struct {
	hash      hash.Hash
	marshaled [stateLen]byte
	block     [blockSize]byte
}

const (
	stateMagic = "sha\x03"
	stateLen   = len(stateMagic) + Size + blockSize + 8
)

var stdStates = sync.Pool{New: func() any { return &stdState{hash: sha256.New()} }}

// blockStd is compress by the standard library's SHA-256: a state is put in, whole blocks are written, a state
// is taken out. The pooled object lies on the Go heap and is wiped before it goes back.
func blockStd(to, from *[8]uint32, p []byte) {
	s := stdStates.Get().(*stdState)
	copy(s.marshaled[:], stateMagic)
	for i, w := range from {
		binary.BigEndian.PutUint32(s.marshaled[len(stateMagic)+4*i:], w)
	}
	if err := s.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.marshaled[:]); err != nil {
		panic("kdf: SHA-256 state refused: " + err.Error())
	}
	for len(p) > 0 {
		p = p[copy(s.block[:], p):] // a copy, so that p need not escape through the interface
		s.hash.Write(s.block[:])
	}
	if _, err := s.hash.(encoding.BinaryAppender).AppendBinary(s.marshaled[:0]); err != nil {
		panic("kdf: SHA-256 state cannot be taken: " + err.Error())
	}
	for i := range to {
		to[i] = binary.BigEndian.Uint32(s.marshaled[len(stateMagic)+4*i:])
	}
	clear(s.block[:])
	clear(s.marshaled[:])
	s.hash.Reset() // whole blocks are hashed where they lie: the library's buffer never held any
	stdStates.Put(s)
}
