package kdf_test

import (
	"bytes"
	"crypto/fips140"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"os"
	"os/exec"
	"testing"

	"trent/hsm/internal/kdf"
)

// implementations are the compression functions that run here.
func implementations() map[string]func(to, from *[8]uint32, p []byte) {
	list := map[string]func(to, from *[8]uint32, p []byte){"std": kdf.BlockStd}
	if kdf.HaveSHANI() {
		list["sha-ni"] = kdf.BlockSHANI
	}
	return list
}

// hash is SHA-256 of p by a compression function, with the padding written out (FIPS 180-4 §5.1.1).
func hash(compress func(to, from *[8]uint32, p []byte), p []byte) [sha256.Size]byte {
	padded := append(bytes.Clone(p), 0x80)
	for len(padded)%sha256.BlockSize != sha256.BlockSize-8 {
		padded = append(padded, 0)
	}
	padded = binary.BigEndian.AppendUint64(padded, uint64(len(p))*8)
	state := kdf.Initial
	compress(&state, &state, padded)
	var out [sha256.Size]byte
	for i, w := range state {
		binary.BigEndian.PutUint32(out[4*i:], w)
	}
	return out
}

// FuzzBlock holds each compression function to crypto/sha256 as a whole, and the two to each other from any state.
func FuzzBlock(f *testing.F) {
	f.Add([]byte(nil), []byte(nil))
	f.Add([]byte("abc"), bytes.Repeat([]byte{0xff}, 32))
	for n := range 5 {
		f.Add(bytes.Repeat([]byte{0x80, 0x7f, 0xff}, 60*n), bytes.Repeat([]byte{byte(n)}, 32))
	}
	f.Fuzz(func(t *testing.T, p, from []byte) {
		want := sha256.Sum256(p)
		var start [8]uint32
		for i := range min(len(start), len(from)/4) {
			start[i] = binary.BigEndian.Uint32(from[4*i:])
		}
		whole := p[:len(p)&^(sha256.BlockSize-1)]
		viaStd := start
		kdf.BlockStd(&viaStd, &viaStd, whole)
		for name, compress := range implementations() {
			if got := hash(compress, p); got != want {
				t.Errorf("%s: SHA-256 of %d bytes = %x, want %x", name, len(p), got, want)
			}
			state := start
			if compress(&state, &state, whole); state != viaStd {
				t.Errorf("%s: %08x from %08x, std says %08x", name, state, start, viaStd)
			}
		}
	})
}

// TestBlockMany hashes a message of many blocks at once and one by one.
func TestBlockMany(t *testing.T) {
	t.Parallel()
	p := make([]byte, 64*100)
	for i := range p {
		p[i] = byte(i * 7)
	}
	for name, compress := range implementations() {
		once, each := kdf.Initial, kdf.Initial
		compress(&once, &once, p)
		for i := 0; i < len(p); i += 64 {
			compress(&each, &each, p[i:i+64])
		}
		if once != each {
			t.Errorf("%s: %08x at once, %08x one by one", name, once, each)
		}
		if hash(compress, p) != sha256.Sum256(p) {
			t.Errorf("%s: wrong hash", name)
		}
	}
}

// TestStdStateLayout holds crypto/sha256 to the layout of its marshalled state that blockStd writes and reads.
func TestStdStateLayout(t *testing.T) {
	t.Parallel()
	state, err := sha256.New().(encoding.BinaryAppender).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte("sha\x03")
	for _, w := range kdf.Initial {
		want = binary.BigEndian.AppendUint32(want, w)
	}
	want = append(want, make([]byte, 64+8)...)
	if !bytes.Equal(state, want) {
		t.Errorf("state of a new hash is %x, want %x", state, want)
	}
}

// TestFIPSMode runs this package's tests again in FIPS 140-3 mode, where hashing must be the module's.
func TestFIPSMode(t *testing.T) {
	if fips140.Enabled() {
		if got := kdf.Implementation(); got != "std" {
			t.Errorf("implementation %q in FIPS mode, want std", got)
		}
		return
	}
	if kdf.Implementation() == "std" {
		t.Skip("the standard library's SHA-256 is all that this build or machine has")
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^Test", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=on")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tests in FIPS mode: %v\n%s", err, out)
	}
	for _, test := range []string{"TestFIPSMode", "TestNISTVectors", "TestDeriveIsSimple"} {
		if !bytes.Contains(out, []byte("--- PASS: "+test)) {
			t.Errorf("in FIPS mode %s did not pass:\n%s", test, out)
		}
	}
}
