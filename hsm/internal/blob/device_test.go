package blob_test

import (
	"bytes"
	"testing"

	"trent/hsm/internal/blob"
)

func deviceBlob(plaintext int, generation uint32) []byte {
	l := blob.Measure(plaintext)
	out := l.AppendDeviceHeader(nil, &[blob.MaterialSize]byte{7}, generation, make([]byte, blob.SaltSize))
	out = l.AppendDER(out, &[blob.NonceSize]byte{9})
	return append(out, make([]byte, blob.ContentHeader+plaintext+blob.TagSize)...)
}

func TestDeviceBlob(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{0: 152, 16: 168, 32: 184, 4096: 4258} {
		b := deviceBlob(size, 1<<31+5)
		if len(b) != want || want != blob.Size(size) {
			t.Errorf("%d bytes make %d", size, len(b))
		}
		d, ok := blob.ParseDevice(b)
		if !ok || d.Generation != 1<<31+5 || d.Material[0] != 7 || d.Nonce[0] != 9 || d.Plaintext() != size {
			t.Errorf("%d bytes: %+v, %t", size, d, ok)
		}
		if _, ok := blob.Parse(b); ok {
			t.Error("it is taken for a blob of the other kind")
		}
	}
	if _, ok := blob.ParseDevice(append([]byte{1, 2, 2}, deviceBlob(3, 0)[3:]...)); ok {
		t.Error("the other kind is taken for it")
	}
}

// FuzzDevice: what parses is made of its parts again, byte by byte.
func FuzzDevice(f *testing.F) {
	f.Add(deviceBlob(0, 0))
	f.Add(deviceBlob(32, 1))
	f.Add(deviceBlob(4096, 1<<31))
	f.Add([]byte{1, 2, 3, 0, 0x78})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, ok := blob.ParseDevice(b)
		if !ok {
			return
		}
		l := blob.Measure(d.Plaintext())
		again := l.AppendDeviceHeader(nil, (*[blob.MaterialSize]byte)(d.Material), d.Generation, d.Derivation[4:])
		again = append(l.AppendDER(again, (*[blob.NonceSize]byte)(d.Nonce)), d.Sealed...)
		if !bytes.Equal(again, b) {
			t.Errorf("another blob: %x", again)
		}
	})
}
