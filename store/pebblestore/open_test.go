package pebblestore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trent/store"
	"trent/store/pebblestore"
)

// fill commits n records and closes the store.
func fill(t *testing.T, dir string, n int) {
	t.Helper()
	s := open(t, dir, pebblestore.Options{})
	for i := range n {
		txn := store.Txn{Put: []store.Record{{Key: fmt.Appendf(nil, "key/%d", i), Value: bytes.Repeat([]byte{byte(i)}, 300)}}}
		if _, err := s.Commit(t.Context(), txn); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// fingerprint is the names and contents of a directory. It leaves the lock file closed: closing it would give up
// this process's lock.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, e := range entries {
		if e.Name() == "LOCK" {
			out.WriteString("LOCK\n")
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %x\n", e.Name(), sha256.Sum256(b))
	}
	return out.String()
}

// theFile is the one file that matches; of several the last.
func theFile(t *testing.T, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	return names[len(names)-1]
}

func change(t *testing.T, name string, f func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// flip changes the byte at a fraction of the file.
func flip(of float64) func([]byte) []byte {
	return func(b []byte) []byte {
		b[int(of*float64(len(b)-1))] ^= 0x40
		return b
	}
}

// TestOpenRefuses damages directories and expects the typed error, and not one byte changed.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		records int
		hurt    func(t *testing.T, dir string)
		want    error
		says    string
	}{
		{"newer store", 1, func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, "FORMAT"), func([]byte) []byte { return []byte("trent store\nversion 2\nshape round\n") })
		}, pebblestore.ErrNewerVersion, "use that version"},
		{"newer database", 1, func(t *testing.T, dir string) {
			name := theFile(t, dir, "marker.format-version.*")
			if err := os.Rename(name, filepath.Join(dir, "marker.format-version.000099.999")); err != nil {
				t.Fatal(err)
			}
		}, pebblestore.ErrNewerVersion, "use that version"},
		{"malformed marker", 1, func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "marker.format-version.x"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, pebblestore.ErrDamaged, "backup"},
		{"no format file", 1, func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "FORMAT")) }, pebblestore.ErrDamaged, "backup"},
		{"empty format file", 1, func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, "FORMAT"), func([]byte) []byte { return nil })
		}, pebblestore.ErrDamaged, "backup"},
		{"damaged format file", 1, func(t *testing.T, dir string) { change(t, filepath.Join(dir, "FORMAT"), flip(1)) }, pebblestore.ErrDamaged, "backup"},
		{"somebody else's files", 0, func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "letter.txt"), []byte("dear"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, pebblestore.ErrDamaged, "empty directory"},
		{"manifest flipped", 5, func(t *testing.T, dir string) { change(t, theFile(t, dir, "MANIFEST-*"), flip(0.5)) }, pebblestore.ErrDamaged, "backup"},
		{"manifest flipped at its start", 5, func(t *testing.T, dir string) { change(t, theFile(t, dir, "MANIFEST-*"), flip(0)) }, pebblestore.ErrDamaged, "backup"},
		{"manifest empty", 5, func(t *testing.T, dir string) {
			change(t, theFile(t, dir, "MANIFEST-*"), func([]byte) []byte { return nil })
		}, pebblestore.ErrDamaged, "backup"},
		{"manifest gone", 5, func(t *testing.T, dir string) { remove(t, theFile(t, dir, "MANIFEST-*")) }, pebblestore.ErrDamaged, "backup"},
		{"manifest marker gone", 5, func(t *testing.T, dir string) { remove(t, theFile(t, dir, "marker.manifest.*")) }, pebblestore.ErrDamaged, "backup"},
		{"format marker gone", 5, func(t *testing.T, dir string) { remove(t, theFile(t, dir, "marker.format-version.*")) }, pebblestore.ErrDamaged, "backup"},
		{"options damaged", 5, func(t *testing.T, dir string) {
			change(t, theFile(t, dir, "OPTIONS-*"), func([]byte) []byte { return []byte("[nonsense") })
		}, pebblestore.ErrDamaged, "backup"},
		{"log flipped in its only block", 5, func(t *testing.T, dir string) { change(t, theFile(t, dir, "*.log"), flip(0.5)) }, pebblestore.ErrDamaged, "backup"},
		{"log flipped at its start", 5, func(t *testing.T, dir string) { change(t, theFile(t, dir, "*.log"), flip(0)) }, pebblestore.ErrDamaged, "backup"},
		{"log flipped, many blocks", 400, func(t *testing.T, dir string) { change(t, theFile(t, dir, "*.log"), flip(0.3)) }, pebblestore.ErrDamaged, "backup"},
		{"table gone", 5, func(t *testing.T, dir string) { remove(t, theFile(t, dir, "*.sst")) }, pebblestore.ErrDamaged, "backup"},
		{"table cut short", 5, func(t *testing.T, dir string) {
			change(t, theFile(t, dir, "*.sst"), func(b []byte) []byte { return b[:len(b)-1] })
		}, pebblestore.ErrDamaged, "backup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "store")
			fill(t, dir, c.records)
			c.hurt(t, dir)
			before := fingerprint(t, dir)
			_, err := pebblestore.Open(dir, pebblestore.Options{})
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Open: %v; want %v", err, c.want)
			}
			if after := fingerprint(t, dir); after != before {
				t.Errorf("Open changed the directory from\n%sto\n%s", before, after)
			}
		})
	}
}

// TestManifestFlips flips every byte of a manifest, one at a time: its damage must not pass for a torn tail.
func TestManifestFlips(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	fill(t, dir, 5)
	name := theFile(t, dir, "MANIFEST-*")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		hurt := bytes.Clone(whole)
		hurt[i] ^= 0x40
		if err := os.WriteFile(name, hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		before := fingerprint(t, dir)
		if _, err := pebblestore.Open(dir, pebblestore.Options{}); !errors.Is(err, pebblestore.ErrDamaged) {
			t.Fatalf("byte %d of %d: Open: %v; want ErrDamaged", i, len(whole), err)
		}
		if fingerprint(t, dir) != before {
			t.Fatalf("byte %d: Open changed the directory", i)
		}
	}
	if err := os.WriteFile(name, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir, pebblestore.Options{})
}

// TestTornTail cuts the log at every place after the crash of a store that was not closed: what is whole
// is kept, and the store opens.
func TestTornTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, pebblestore.Options{})
	for i := range 5 {
		if _, err := s.Commit(t.Context(), store.Txn{Put: []store.Record{{Key: fmt.Appendf(nil, "%d", i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(theFile(t, dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Base(theFile(t, dir, "*.log"))
	end := len(bytes.TrimRight(whole, "\x00"))
	last := -1
	for _, cut := range []int{len(whole), end - 1, end * 7 / 8, end * 3 / 4, end / 2, end / 4, end / 8, 1, 0} {
		copied := t.TempDir()
		if err := os.CopyFS(copied+"/store", os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, "store", log), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		re := open(t, filepath.Join(copied, "store"), pebblestore.Options{})
		head, err := re.Head(t.Context())
		if err != nil || last >= 0 && int(head) > last || cut == len(whole) && head != 5 || cut < 20 && head != 0 {
			t.Errorf("log cut at %d of %d: head %d, %v (before: %d)", cut, end, head, err, last)
		}
		last = int(head)
		for i := range 5 {
			_, err := re.Load(t.Context(), fmt.Appendf(nil, "%d", i))
			if want := i < int(head); errors.Is(err, store.ErrNotFound) == want {
				t.Errorf("log cut at %d, head %d: record %d: %v", cut, head, i, err)
			}
		}
		re.Close()
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, pebblestore.Options{})
	if _, err := s.Commit(t.Context(), store.Txn{Put: []store.Record{{Key: []byte("a")}}}); err != nil {
		t.Fatal(err)
	}
	before := fingerprint(t, dir)
	_, err := pebblestore.Open(dir, pebblestore.Options{})
	if !errors.Is(err, pebblestore.ErrInUse) || !strings.Contains(err.Error(), "stop that process") {
		t.Errorf("Open: %v; want ErrInUse", err)
	}
	if fingerprint(t, dir) != before {
		t.Error("Open changed the directory")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, pebblestore.Options{})
}

func TestNewDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	fill(t, dir, 1)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v; want mode 0700", info.Mode(), err)
	}
	// A creation that was interrupted is begun again.
	change(t, filepath.Join(dir, "FORMAT"), func(b []byte) []byte { return bytes.Replace(b, []byte("ready"), []byte("creating"), 1) })
	s := open(t, dir, pebblestore.Options{})
	if head, err := s.Head(t.Context()); head != 0 || err != nil {
		t.Errorf("Head = %d, %v; want a new store", head, err)
	}
}

// TestHistory trims the change log by count and by bytes, and reopens: what is gone is ErrCompacted.
func TestHistory(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]pebblestore.Options{
		"count": {HistoryRevisions: 20},
		"bytes": {HistoryBytes: 20 * 330},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir, opts)
			for i := range 100 {
				if _, err := s.Commit(t.Context(), store.Txn{Put: []store.Record{{Key: []byte("a"), Value: bytes.Repeat([]byte{byte(i)}, 300)}}}); err != nil {
					t.Fatal(err)
				}
			}
			floor := s.Metrics().Floor
			if kept := 100 - int(floor); kept < 15 || kept > 23 {
				t.Errorf("%d commits kept; want about 20", kept)
			}
			for range 2 {
				if err := s.Watch(t.Context(), floor-1, nil); !errors.Is(err, store.ErrCompacted) {
					t.Errorf("Watch below the floor: %v", err)
				}
				next, enough := floor, errors.New("enough")
				err := s.Watch(t.Context(), floor, func(upTo store.Revision, changes []store.Record) error {
					if next++; upTo != next || len(changes) != 1 || changes[0].Value[0] != byte(next-1) {
						t.Errorf("commit %d with %d changes; want %d", upTo, len(changes), next)
					}
					if upTo == 100 {
						return enough
					}
					return nil
				})
				if !errors.Is(err, enough) {
					t.Errorf("Watch: %v", err)
				}
				s.Close()
				s = open(t, dir, opts)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), pebblestore.Options{})
	ctx := context.Background()
	for range 3 {
		if _, err := s.Commit(ctx, store.Txn{Put: []store.Record{{Key: []byte("ab"), Value: []byte("cde")}}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Commit(ctx, store.Txn{Require: []store.Condition{{Key: []byte("ab")}}}); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	m := s.Metrics()
	if m.Commits != 3 || m.Groups != 3 || m.Conflicts != 1 || m.BytesCommitted != 15 || m.Head != 3 {
		t.Errorf("%+v", m)
	}
	if m.GroupSize.Counts[0] != 3 || m.GroupSize.Bounds[0] != 1 || m.GroupSize.Sum != 3 {
		t.Errorf("group size: %+v", m.GroupSize)
	}
	var syncs uint64
	for _, n := range m.SyncSeconds.Counts {
		syncs += n
	}
	if syncs != 3 || m.SyncSeconds.Sum <= 0 || len(m.SyncSeconds.Counts) != len(m.SyncSeconds.Bounds)+1 {
		t.Errorf("sync latency: %+v", m.SyncSeconds)
	}
}
