package domain

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/gcm"
)

// TestFilesHoldNoKeys looks for every domain key and the seal key, raw and in hex, in all that lies on disk.
func TestFilesHoldNoKeys(t *testing.T) {
	t.Parallel()
	a, err := arena.New(arena.Options{Bytes: ArenaBytes()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	dir, keyFile := t.TempDir(), filepath.Join(t.TempDir(), "k")
	d, err := Open(Options{Dir: dir, Seal: Seal{KeyFile: keyFile}, Kernel: gcm.Kernels()[0], Random: rand.Reader, Arena: a})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Rotate(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(file, d.salt[:]) {
		t.Fatal("the control, the salt, is not found")
	}
	for name, needle := range map[string][]byte{"seal": d.key.seal[:], "key 1": d.raw[0][:], "key 2": d.raw[1][:]} {
		if bytes.Equal(needle, make([]byte, len(needle))) {
			t.Fatalf("%s is zero", name)
		}
		for _, form := range [][]byte{needle, needle[:16], []byte(hex.EncodeToString(needle))} {
			if bytes.Contains(file, form) || bytes.Contains(key, form) {
				t.Errorf("%s lies on disk", name)
			}
		}
	}
	if !bytes.Equal(d.plain, make([]byte, len(d.plain))) {
		t.Error("the plain text of the file was not wiped")
	}
}

func FuzzParse(f *testing.F) {
	h := header{method: byKey, name: "domain-1"}
	n := gcm.TagSize + 4 + entrySize
	f.Add(assemble(h.append(nil, domainFile, n), make([]byte, gcm.NonceSize), make([]byte, n)))
	h = header{method: byPassphrase, argon: DefaultArgon, name: "d"}
	f.Add(assemble(h.append(nil, domainFile, n), make([]byte, gcm.NonceSize), make([]byte, n)))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Most mutations break the checksum; with it made right, the fields are reached.
		for _, file := range [][]byte{b, assemble(b, nil, nil)} {
			got, err := parse(file, domainFile)
			if err != nil {
				if err != errNotOurs && err != errNewer {
					t.Fatalf("error %v", err)
				}
				continue
			}
			if again := assemble(got.header.append(nil, domainFile, len(got.sealed)), got.nonce, got.sealed); !bytes.Equal(again, file) {
				t.Fatalf("%x parses and is written as %x", file, again)
			}
		}
	})
}
