//go:build linux && !race

package hsm_test

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// needles are what to look for in a process, by name.
type needles map[string][]byte

// add adds a secret in the forms in which programs keep one: its first and last 16 bytes raw and with HMAC's paddings,
// also as words of 32 and 64 bits, and all of it in hex and base64.
func (n needles) add(name string, secret []byte) {
	for pad, form := range map[byte]string{0: "raw", 0x36: "⊕ 36", 0x5c: "⊕ 5c"} {
		b := bytes.Clone(secret)
		for i := range b {
			b[i] ^= pad
		}
		n[name+", "+form], n[name+", end "+form] = b[:16], b[len(b)-16:]
		n[name+", words "+form], n[name+", long words "+form] = swapped(b[:16], 4), swapped(b[:16], 8)
	}
	n[name+", hex"] = []byte(hex.EncodeToString(secret))
	n[name+", base64"] = []byte(base64.StdEncoding.EncodeToString(secret))[:len(secret)/3*4]
}

// addWords adds a hash state of some words, in memory order and byte-swapped, but no zeros behind it.
func (n needles) addWords(name string, state []byte, word int) {
	for len(state) >= 16 && bytes.Equal(state[len(state)-16:], make([]byte, 16)) {
		state = state[:len(state)-16]
	}
	for at := 0; at+16 <= len(state); at += 16 {
		n[fmt.Sprintf("%s, offset %d", name, at)] = state[at : at+16]
		n[fmt.Sprintf("%s, offset %d, swapped", name, at)] = swapped(state[at:at+16], word)
	}
}

// swapped is b with the bytes of each word reversed.
func swapped(b []byte, word int) []byte {
	b = bytes.Clone(b)
	for at := 0; at < len(b); at += word {
		slices.Reverse(b[at : at+word])
	}
	return b
}

// addSchedule adds the round keys of an AES-256 key, and GCM's hash key.
func (n needles) addSchedule(name string, key []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	hash := make([]byte, 16)
	block.Encrypt(hash, hash)
	n[name+", hash key"], n[name+", hash key reversed"] = hash, swapped(hash, 16)
	w := expand(key)
	for i := 0; i < len(w); i += 4 {
		var b []byte
		for _, v := range w[i : i+4] {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		n[fmt.Sprintf("%s, round key %d", name, i/4)] = b
	}
}

// expand is the key expansion of AES-256 (FIPS 197 §5.2).
func expand(key []byte) (w [60]uint32) {
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
	for i := range 8 {
		w[i] = binary.BigEndian.Uint32(key[4*i:])
	}
	for i := 8; i < len(w); i++ {
		t := w[i-1]
		switch i % 8 {
		case 0:
			t = sub(t<<8|t>>24) ^ 1<<(24+i/8-1)
		case 4:
			t = sub(t)
		}
		w[i] = w[i-8] ^ t
	}
	return w
}

// span is a range of addresses.
type span struct{ From, To uint64 }

// scan looks for needles in all memory of a process but the arena, and returns the names of those found. A mapping that
// it cannot read fails the test, unless it is the kernel's own.
func scan(t testing.TB, pid int, arena span, all needles) map[string]bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Skipf("the memory of a child cannot be read here: %v", err)
	}
	defer mem.Close()
	found := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		var s span
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &s.From, &s.To, &rights); err != nil {
			t.Fatal(err)
		}
		kernels := strings.Contains(lines.Text(), "[v") // vvar, vsyscall
		if rights[0] != 'r' || kernels || s.From < arena.To && arena.From < s.To {
			continue
		}
		if err := search(mem, s, all, found); err != nil {
			t.Errorf("unscanned: %s: %v", lines.Text(), err)
		}
	}
	return found
}

func search(mem *os.File, s span, all needles, found map[string]bool) error {
	const step, overlap = 1 << 20, 256
	buf, zeros := make([]byte, step+overlap), make([]byte, step+overlap)
	for at := s.From; at < s.To; at += step {
		chunk := buf[:min(uint64(len(buf)), s.To-at)]
		if n, err := mem.ReadAt(chunk, int64(at)); err != nil && !(errors.Is(err, io.EOF) && n == len(chunk)) {
			return err
		}
		if bytes.Equal(chunk, zeros[:len(chunk)]) {
			continue
		}
		for name, needle := range all {
			if bytes.Contains(chunk, needle) {
				found[name] = true
			}
		}
	}
	return nil
}

// TestExpand is FIPS 197 appendix A.3.
func TestExpand(t *testing.T) {
	t.Parallel()
	key, err := hex.DecodeString("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
	if err != nil {
		t.Fatal(err)
	}
	if w := expand(key); w[8] != 0x9ba35411 || w[59] != 0x706c631e {
		t.Errorf("w8 %08x, w59 %08x", w[8], w[59])
	}
}
