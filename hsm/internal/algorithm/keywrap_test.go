package algorithm_test

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"trent/hsm/internal/algorithm"
)

// wrapPadded is RFC 5649 §4.1, as slow and obvious as can be.
func wrapPadded(t testing.TB, kek, plaintext []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	a := binary.BigEndian.AppendUint32([]byte{0xa6, 0x59, 0x59, 0xa6}, uint32(len(plaintext)))
	p := append(bytes.Clone(plaintext), make([]byte, (8-len(plaintext)%8)%8)...)
	if len(p) == 8 {
		out := append(a, p...)
		block.Encrypt(out, out)
		return out
	}
	for j := range 6 {
		for i := range len(p) / 8 {
			b := append(bytes.Clone(a), p[8*i:8*i+8]...)
			block.Encrypt(b, b)
			a = binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(b)^uint64(j*len(p)/8+i+1))
			copy(p[8*i:], b[8:])
		}
	}
	return append(a, p...)
}

func vectorBytes(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKeyWrapVectors are those of RFC 5649 §6.
func TestKeyWrapVectors(t *testing.T) {
	t.Parallel()
	kek := vectorBytes(t, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
	for _, v := range []struct{ key, wrapped string }{
		{"c37b7e6492584340bed12207808941155068f738", "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
		{"466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"},
	} {
		key, wrapped := vectorBytes(t, v.key), vectorBytes(t, v.wrapped)
		got, err := algorithm.UnwrapPadded(kek, wrapped, nil)
		if err != nil || !bytes.Equal(got, key) {
			t.Errorf("unwrapped %x, %v; want %x", got, err, key)
		}
		if again := wrapPadded(t, kek, key); !bytes.Equal(again, wrapped) {
			t.Errorf("the test's own wrapping gives %x", again)
		}
	}
}

// TestKeyWrap: all lengths come back; every altered bit, every other length and every wrong header is refused and
// leaves nothing behind.
func TestKeyWrap(t *testing.T) {
	t.Parallel()
	kek := make([]byte, 32)
	_, _ = rand.Read(kek)
	for n := 1; n <= 70; n++ {
		key := make([]byte, n)
		_, _ = rand.Read(key)
		wrapped := wrapPadded(t, kek, key)
		got, err := algorithm.UnwrapPadded(kek, wrapped, []byte("before"))
		if err != nil || !bytes.Equal(got, append([]byte("before"), key...)) {
			t.Fatalf("%d bytes: %x, %v", n, got, err)
		}
		for i := range len(wrapped) * 8 {
			wrapped[i/8] ^= 1 << (i % 8)
			refuseUnwrap(t, kek, wrapped)
			wrapped[i/8] ^= 1 << (i % 8)
		}
		refuseUnwrap(t, kek, wrapped[:len(wrapped)-1])
		refuseUnwrap(t, kek, wrapped[:len(wrapped)-8])
		refuseUnwrap(t, kek, append(wrapped, make([]byte, 8)...))
	}
	for _, n := range []int{0, 7, 8, 9} {
		refuseUnwrap(t, kek, make([]byte, n))
	}
}

// TestKeyWrapHeader seals wrong lengths and paddings under the right key.
func TestKeyWrapHeader(t *testing.T) {
	t.Parallel()
	kek := make([]byte, 32)
	for name, v := range map[string]struct {
		size    uint32
		padding byte
	}{
		"none": {0, 0}, "a block less": {8, 0}, "one more": {17, 0}, "very long": {1 << 31, 0}, "longest": {1<<32 - 1, 0}, "padding": {15, 1},
	} {
		block, _ := aes.NewCipher(kek)
		a := binary.BigEndian.AppendUint32([]byte{0xa6, 0x59, 0x59, 0xa6}, v.size)
		p := make([]byte, 16)
		p[15] = v.padding
		for t := range uint64(12) {
			i := t % 2
			b := append(bytes.Clone(a), p[8*i:8*i+8]...)
			block.Encrypt(b, b)
			a = binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(b)^(t+1))
			copy(p[8*i:], b[8:])
		}
		if _, err := algorithm.UnwrapPadded(kek, append(a, p...), nil); !errors.Is(err, algorithm.ErrDecrypt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func refuseUnwrap(t *testing.T, kek, wrapped []byte) {
	t.Helper()
	room := make([]byte, 0, 128)
	got, err := algorithm.UnwrapPadded(kek, wrapped, room)
	if !errors.Is(err, algorithm.ErrDecrypt) || len(got) != 0 || !bytes.Equal(room[:128], make([]byte, 128)) {
		t.Errorf("%d bytes: %x, %v", len(wrapped), got, err)
	}
}

func FuzzUnwrapPadded(f *testing.F) {
	f.Add(make([]byte, 32), []byte("key"))
	f.Add(bytes.Repeat([]byte{0xff}, 32), make([]byte, 16))
	f.Fuzz(func(t *testing.T, kek, in []byte) {
		if len(kek) != 32 || len(in) == 0 {
			return
		}
		got, err := algorithm.UnwrapPadded(kek, in, nil)
		if err == nil && !bytes.Equal(wrapPadded(t, kek, got), in) {
			t.Errorf("%x is taken for the wrapping of %x", in, got)
		}
		if got, err := algorithm.UnwrapPadded(kek, wrapPadded(t, kek, in), nil); err != nil || !bytes.Equal(got, in) {
			t.Errorf("%x comes back as %x, %v", in, got, err)
		}
	})
}
