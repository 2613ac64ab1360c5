package attacktest_test

import (
	"bytes"
	"crypto/aes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
)

// window is how many bytes of a secret in some form are looked for at once. Random ones are nowhere by chance.
const window = 16

// secret is what must not be found.
type secret struct {
	what  string
	bytes []byte
	// symmetric: it is used as a key of AES or HMAC, and is nowhere but in an arena.
	symmetric bool
}

// forms are the windows of a secret in every form in which programs keep one.
func (s *secret) forms() map[string][][]byte {
	f := map[string][][]byte{}
	add := func(form string, b []byte) {
		for at := 0; at+window <= len(b); at += window {
			f[form] = append(f[form], b[at:at+window])
		}
		if len(b) > window {
			f[form] = append(f[form], b[len(b)-window:])
		}
	}
	b := s.bytes
	add("raw", b)
	reversed := bytes.Clone(b)
	slices.Reverse(reversed) // the limbs of a number, on a little-endian machine
	add("reversed", reversed)
	add("hex", []byte(hex.EncodeToString(b)))
	add("HEX", []byte(strings.ToUpper(hex.EncodeToString(b))))
	for skip := range 3 {
		text := []byte(base64.StdEncoding.EncodeToString(b[skip:]))
		add("base64", text[:len(text)-4])
		url := []byte(base64.URLEncoding.EncodeToString(b[skip:]))
		add("base64url", url[:len(url)-4])
	}
	if !s.symmetric {
		return f
	}
	add("words", swapped(b, 4))
	add("long words", swapped(b, 8))
	for form, pad := range map[string]byte{"⊕ 36": 0x36, "⊕ 5c": 0x5c} {
		padded := bytes.Clone(b)
		for i := range padded {
			padded[i] ^= pad
		}
		add(form, padded)
		add(form+", words", swapped(padded, 4))
		add(form+", long words", swapped(padded, 8))
		for name, h := range map[string]struct {
			hash hash.Hash
			word int
		}{"SHA-256": {sha256.New(), 4}, "SHA-384": {sha512.New384(), 8}, "SHA-512": {sha512.New(), 8}} {
			state := stateOf(h.hash, padded, pad)
			add(form+", state of "+name, state)
			add(form+", words of the state of "+name, swapped(state, h.word))
		}
	}
	if len(b) == 32 {
		schedule := roundKeys(b)
		add("round keys", schedule)
		add("words of round keys", swapped(schedule, 4))
		block, err := aes.NewCipher(b)
		if err != nil {
			panic(err)
		}
		hashKey := make([]byte, 16)
		block.Encrypt(hashKey, hashKey)
		add("hash key", hashKey)
		slices.Reverse(hashKey)
		add("hash key reversed", bytes.Clone(hashKey))
	}
	return f
}

// swapped is b with the bytes of each word reversed.
func swapped(b []byte, word int) []byte {
	b = bytes.Clone(b[:len(b)/word*word])
	for at := 0; at < len(b); at += word {
		slices.Reverse(b[at : at+word])
	}
	return b
}

// stateOf is the state of a hash function after the block of a padded key.
func stateOf(h hash.Hash, padded []byte, pad byte) []byte {
	block := bytes.Repeat([]byte{pad}, h.BlockSize())
	copy(block, padded)
	_, _ = h.Write(block)
	marshaled, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return marshaled[4:][:h.BlockSize()/2] // behind the name of the function
}

// roundKeys are those of AES-256 but the first two, which are the key (FIPS 197 §5.2).
func roundKeys(key []byte) []byte {
	var sbox [256]byte
	for p, q := byte(1), byte(1); ; { // q is the inverse of p, §5.1.1
		p ^= p<<1 ^ p>>7*0x1b
		q ^= q << 1
		q ^= q << 2
		q ^= q << 4
		q ^= q >> 7 * 9
		rotated := func(n int) byte { return q<<n | q>>(8-n) }
		sbox[p] = q ^ rotated(1) ^ rotated(2) ^ rotated(3) ^ rotated(4) ^ 0x63
		if p == 1 {
			break
		}
	}
	sbox[0] = 0x63
	sub := func(v uint32) uint32 {
		return uint32(sbox[v>>24])<<24 | uint32(sbox[v>>16&0xff])<<16 | uint32(sbox[v>>8&0xff])<<8 | uint32(sbox[v&0xff])
	}
	var w [60]uint32
	for i := range 8 {
		w[i] = binary.BigEndian.Uint32(key[4*i:])
	}
	var out []byte
	for i := 8; i < len(w); i++ {
		t := w[i-1]
		switch i % 8 {
		case 0:
			t = sub(t<<8|t>>24) ^ 1<<(24+i/8-1)
		case 4:
			t = sub(t)
		}
		w[i] = w[i-8] ^ t
		out = binary.BigEndian.AppendUint32(out, w[i])
	}
	return out
}

// haystack looks for all windows of many secrets in one pass.
type haystack struct {
	first  [1 << 16]uint64 // a bit for every 22 bits that a window begins with
	byHead map[uint32][]int
	flat   [][]byte
	names  []string // of each window: its secret and form
	of     []*secret
}

func newHaystack(secrets []*secret) *haystack {
	h := &haystack{byHead: map[uint32][]int{}}
	for _, s := range secrets {
		for form, windows := range s.forms() {
			for _, w := range windows {
				head := binary.LittleEndian.Uint32(w)
				h.first[head&(1<<22-1)/64] |= 1 << (head & 63)
				h.byHead[head] = append(h.byHead[head], len(h.flat))
				h.flat, h.names, h.of = append(h.flat, w), append(h.names, s.what+", "+form), append(h.of, s)
			}
		}
	}
	return h
}

// secretOf is whose form was found.
func (h *haystack) secretOf(name string) *secret { return h.of[slices.Index(h.names, name)] }

// finds counts what was found, by secret and form.
type finds map[string]int

// look counts the windows that stand in piece.
func (h *haystack) look(piece []byte, found finds) {
	for i := 0; i+window <= len(piece); i++ {
		head := binary.LittleEndian.Uint32(piece[i:])
		if h.first[head&(1<<22-1)/64]>>(head&63)&1 == 0 {
			continue
		}
		for _, n := range h.byHead[head] {
			if bytes.HasPrefix(piece[i:], h.flat[n]) {
				found[h.names[n]]++
			}
		}
	}
}
