package domain

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
)

// reader takes a format apart; after the first thing that does not fit everything is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) u8() uint8 {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if p := r.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if p := r.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if p := r.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

func (r *reader) hash() (h [32]byte) {
	copy(h[:], r.take(len(h)))
	return h
}

func (r *reader) id() (id [idSize]byte) {
	copy(id[:], r.take(len(id)))
	return id
}

// expect takes exactly these bytes.
func (r *reader) expect(s string) { r.require(string(r.take(len(s))) == s) }

// require is one more condition on the format.
func (r *reader) require(ok bool) { r.bad = r.bad || !ok }

// count is a number up to most.
func (r *reader) count(n, most int) int {
	r.require(n <= most)
	if r.bad {
		return 0
	}
	return n
}

// label is the name of a module or principal.
func (r *reader) label() string {
	s := string(r.take(int(r.u8())))
	r.require(validLabel(s))
	return s
}

// key is a P-384 public key; with optional, it may be missing.
func (r *reader) key(optional bool) []byte {
	n := int(r.u16())
	if n == 0 && optional {
		return nil
	}
	p := bytes.Clone(r.take(n))
	r.require(ValidKey(p))
	return p
}

// maxMillis is a time far beyond all that is meant: the year 5138.
const maxMillis = 100_000_000_000_000

func (r *reader) time() time.Time {
	ms := r.u64()
	r.require(ms <= maxMillis)
	if ms == 0 || r.bad {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}

// appendTime writes milliseconds since the epoch; 0 is the zero time.
func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.BigEndian.AppendUint64(dst, 0)
	}
	return binary.BigEndian.AppendUint64(dst, uint64(t.UnixMilli()))
}

// appendShort writes a u16 length and b.
func appendShort(dst, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(b))), b...)
}

// appendLabel writes a u8 length and s.
func appendLabel(dst []byte, s string) []byte { return append(append(dst, byte(len(s))), s...) }

// validLabel is 1 to 64 letters, digits and any of ._@+- (ASCII): names that look different are different, and none can
// move a terminal's cursor.
func validLabel(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._@+-", rune(c)) {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= maxName
}

// ValidLabel reports whether a module or signer can have this name.
func ValidLabel(s string) bool { return validLabel(s) }

// Sizes of P-384 in bytes.
const (
	scalarSize = 48
	pointSize  = 1 + 2*scalarSize
	keySize    = len(keyPrefix) + pointSize
)

// keyPrefix begins the one DER encoding of a P-384 SubjectPublicKeyInfo with an uncompressed point (RFC 5480 §2).
const keyPrefix = "\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00"

// ValidKey reports whether spki is a P-384 public key in its one DER encoding.
func ValidKey(spki []byte) bool {
	_, ok := publicKey(spki)
	return ok
}

// publicKey is the point of a SubjectPublicKeyInfo.
func publicKey(spki []byte) (*ecdh.PublicKey, bool) {
	if len(spki) != keySize || string(spki[:len(keyPrefix)]) != keyPrefix {
		return nil, false
	}
	p, err := ecdh.P384().NewPublicKey(spki[len(keyPrefix):])
	return p, err == nil
}

// encodeKey is the SubjectPublicKeyInfo of a point.
func encodeKey(p *ecdh.PublicKey) []byte { return append([]byte(keyPrefix), p.Bytes()...) }

// FingerprintOf names the key of a SubjectPublicKeyInfo.
func FingerprintOf(spki []byte) Fingerprint { return sha256.Sum256(spki) }
