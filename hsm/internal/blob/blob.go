// Package blob is the format of symmetric ciphertexts: how they are laid out, written and read.
//
// # Layout
//
// All integers are big-endian. p is the length of the plaintext in bytes, 0 to MaxPlaintext.
//
//	offset  size  what
//	0       5     01 02 02 00 78
//	5       32    identifier of the material
//	37      1     01
//	38      16    derivation nonce: the key is SP 800-108(material, Label, nonce)
//	54      4     n, the length of the rest
//	58      n     DER ContentInfo (RFC 5652 §3, §8):
//	              SEQUENCE { 1.2.840.113549.1.7.6,
//	                [0] SEQUENCE { 0,
//	                  SEQUENCE { 1.2.840.113549.1.7.1,
//	                    SEQUENCE { 2.16.840.1.101.3.4.1.46, SEQUENCE { OCTET STRING (12 bytes, GCM nonce), 16 } },
//	                    [0] IMPLICIT sealed } } }
//
// sealed is AES-256-GCM's ciphertext ‖ tag (16 bytes) of the content:
//
//	0       1     01, the version of this format
//	1       2     p
//	3       8     00
//	11      p     plaintext
//
// and its additional data is offsets 0 to 57 ‖ the key's identity ‖ the encryption context. So 32 bytes of
// plaintext make 184, 16 make 168 and 4,096 make 4,258, as ciphertexts of the service itself do.
//
// A 128-bit SM4 key, as China Regions have, makes the same blob, algorithm identifier included, so that sizes do not
// depend on the Region. What it seals is SM4-GCM's, under the first 16 bytes of SP 800-108(material, LabelSM4, nonce):
// which of the two a blob is, the key says.
//
// # Reading
//
// The DER of a length is unique, so reading is comparing: the length of the rest gives p, p gives every byte
// that is not nonce or sealed. Any difference is one answer, false; there is no second way to be wrong.
//
// What this package is not: it holds no keys and does no cryptography. It has no goroutines and no state; its
// functions are safe for concurrent use and do not allocate.
package blob

import (
	"encoding/binary"
)

// Sizes in bytes.
const (
	MaxPlaintext   = 4096
	MaterialSize   = 32
	DerivationSize = 16
	NonceSize      = 12
	TagSize        = 16
	HeaderSize     = 58 // offsets 0 to 57, the part that is additional data
	ContentHeader  = 11 // in front of the plaintext, inside the seal
)

// KDF labels of a ciphertext's own key.
const (
	Label    = "trent ciphertext"
	LabelSM4 = "trent SM4 ciphertext"
)

const formatVersion = 1

// magic opens every blob; 0x02 at offset 2 and the 0x78 are the service's own.
var magic = [5]byte{0x01, 0x02, 0x02, 0x00, 0x78}

const (
	materialAt   = 5
	markAt       = 37
	derivationAt = 38
	lengthAt     = 54
)

// Blob is a parsed blob; its slices are views.
type Blob struct {
	Header     []byte // HeaderSize bytes, the start of the additional data
	Material   []byte // MaterialSize bytes
	Derivation []byte // DerivationSize bytes
	Nonce      []byte // NonceSize bytes
	Sealed     []byte // content ‖ tag
}

// Plaintext is the length of the plaintext within, in bytes.
func (b *Blob) Plaintext() int { return len(b.Sealed) - ContentHeader - TagSize }

// Size is the length of the blob of a plaintext of p bytes.
func Size(p int) int {
	l := Measure(p)
	return l.Size()
}

// Layout is where things stand in the blobs of one length.
type Layout struct{ lengths }

// Measure lays out the blob of a plaintext of p bytes.
func Measure(p int) Layout { return Layout{measure(p)} }

// Size is the length of the blob.
func (l *Layout) Size() int { return HeaderSize + l.total() }

// SealedAt is the offset of sealed, which goes to the end.
func (l *Layout) SealedAt() int { return l.Size() - l.sealed }

// AppendHeader appends offsets 0 to 57 to dst.
func (l *Layout) AppendHeader(dst []byte, material *[MaterialSize]byte, derivation []byte) []byte {
	dst = append(dst, magic[:]...)
	dst = append(dst, material[:]...)
	dst = append(dst, 0x01)
	dst = append(dst, derivation[:DerivationSize]...)
	return binary.BigEndian.AppendUint32(dst, uint32(l.total()))
}

// AppendDER appends the DER from offset 58 to where sealed begins.
func (l *Layout) AppendDER(dst []byte, nonce *[NonceSize]byte) []byte {
	return l.append(dst, nonce[:])
}

// AppendContentHeader appends the bytes that stand before the plaintext inside the seal.
func AppendContentHeader(dst []byte, p int) []byte {
	return append(dst, formatVersion, byte(p>>8), byte(p), 0, 0, 0, 0, 0, 0, 0, 0)
}

// PlaintextOf returns the plaintext of an opened content; false: its header is not as written here.
func PlaintextOf(content []byte) ([]byte, bool) {
	if len(content) < ContentHeader {
		return nil, false
	}
	var want [ContentHeader]byte
	AppendContentHeader(want[:0], len(content)-ContentHeader)
	return content[ContentHeader:], string(want[:]) == string(content[:ContentHeader])
}

// Parse reads a blob; false: anything at all is wrong with it.
func Parse(b []byte) (Blob, bool) { return parse(b, &magic) }

func parse(b []byte, magic *[5]byte) (Blob, bool) {
	if len(b) < HeaderSize || string(b[:materialAt]) != string(magic[:]) || b[markAt] != 0x01 {
		return Blob{}, false
	}
	rest := b[HeaderSize:]
	if uint64(binary.BigEndian.Uint32(b[lengthAt:])) != uint64(len(rest)) {
		return Blob{}, false
	}
	l, ok := measureTotal(len(rest))
	if !ok {
		return Blob{}, false
	}
	nonce := rest[l.nonceAt() : l.nonceAt()+NonceSize]
	var prefix [maxPrefix]byte
	if string(l.append(prefix[:0], nonce)) != string(rest[:l.prefix()]) {
		return Blob{}, false
	}
	return Blob{
		Header:     b[:HeaderSize:HeaderSize],
		Material:   b[materialAt:markAt:markAt],
		Derivation: b[derivationAt:lengthAt:lengthAt],
		Nonce:      nonce[:NonceSize:NonceSize],
		Sealed:     rest[l.prefix():],
	}, true
}
