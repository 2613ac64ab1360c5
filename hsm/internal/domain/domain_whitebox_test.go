package domain

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

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

// TestFormatOne: a file of before keys had times is read, and written anew with them.
func TestFormatOne(t *testing.T) {
	t.Parallel()
	dir, keyFile := t.TempDir(), filepath.Join(t.TempDir(), "k")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	open := func() *Domain {
		a, err := arena.New(arena.Options{Bytes: ArenaBytes()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Close() })
		d, err := Open(Options{
			Dir: dir, Seal: Seal{KeyFile: keyFile}, Kernel: gcm.Kernels()[0], Random: rand.Reader, Arena: a,
			Now: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	if k := d.Keys()[0]; !k.Made.Equal(now) || !k.Activated.Equal(now) || !k.Ended.IsZero() {
		t.Errorf("%+v", k)
	}
	plain := append(d.plain[:0], 0, 0, 0, 2, 0, 0, 0, 1)
	plain = append(append(plain, d.raw[0][:]...), 0, 0, 0, 3)
	plain = append(plain, bytes.Repeat([]byte{7}, 32)...)
	d.kind.format = 1
	if err := d.write(plain, true); err != nil {
		t.Fatal(err)
	}
	old := open()
	if k := old.Keys(); len(k) != 2 || k[0].Phase != Deactivated || k[1].Phase != Active || k[1].Version != 3 || !k[1].Made.IsZero() {
		t.Errorf("%+v", k)
	}
	if old.raw[0] != d.raw[0] || old.raw[1] != [32]byte(bytes.Repeat([]byte{7}, 32)) {
		t.Error("other keys")
	}
	if err := old.Rotate(); err != nil {
		t.Fatal(err)
	}
	if k := open().Keys(); len(k) != 3 || !k[1].Ended.Equal(now) || k[2].Version != 4 || !k[2].Made.Equal(now) {
		t.Errorf("%+v", k)
	}
}

func FuzzParse(f *testing.F) {
	h := header{method: byKey, name: "domain-1"}
	n := gcm.TagSize + 4 + entrySize
	f.Add(assemble(h.append(nil, domainFile, n), make([]byte, gcm.NonceSize), make([]byte, n)))
	h = header{method: byPassphrase, argon: DefaultArgon, name: "d"}
	f.Add(assemble(h.append(nil, domainFile, n), make([]byte, gcm.NonceSize), make([]byte, n)))
	h = header{method: byPBKDF2, rounds: FIPSRounds, name: "d"}
	f.Add(assemble(h.append(nil, domainFile, n), make([]byte, gcm.NonceSize), make([]byte, n)))
	one := domainFile
	one.format = 1
	n1 := gcm.TagSize + 4 + entrySize1
	f.Add(assemble(h.append(nil, one, n1), make([]byte, gcm.NonceSize), make([]byte, n1)))
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
			k := domainFile
			k.format = got.format
			if again := assemble(got.header.append(nil, k, len(got.sealed)), got.nonce, got.sealed); !bytes.Equal(again, file) {
				t.Fatalf("%x parses and is written as %x", file, again)
			}
		}
	})
}
