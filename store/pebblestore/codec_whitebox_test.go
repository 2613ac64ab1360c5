package pebblestore

import (
	"bytes"
	"testing"
)

// FuzzParseLog: a log entry is refused, or says again what it was read from.
func FuzzParseLog(f *testing.F) {
	f.Add(appendLog(nil, 7, []change{{key: []byte("a"), value: []byte("1")}, {key: []byte("b"), deletes: true}}))
	f.Add(appendLog(nil, 1<<40, []change{{key: bytes.Repeat([]byte("k"), 300), value: nil}}))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := parseLog(3, b)
		if err != nil {
			return
		}
		var changes []change
		for _, r := range records {
			if r.Revision != 3 {
				t.Fatalf("revision %d", r.Revision)
			}
			changes = append(changes, change{key: r.Key, value: r.Value, deletes: r.Value == nil})
		}
		logged, _ := parseLogged(b)
		out := appendLog(nil, logged, changes)
		again, err := parseLog(3, out)
		if err != nil || len(again) != len(records) || len(out) != logSize(changes) || len(out) > len(b) {
			t.Fatalf("%x was read, and written as %x (%v)", b, out, err)
		}
	})
}

// FuzzFindDamage: whatever a log or manifest holds, looking for damage ends.
func FuzzFindDamage(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, walBlock+5))
	f.Add(bytes.Repeat([]byte{0, 0, 0, 0, 1, 0, 9, 7, 0, 0, 0}, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		if at, damaged := findLogDamage(b, 7); damaged && at >= len(b) {
			t.Fatalf("log damage at %d of %d", at, len(b))
		}
		if at, damaged := findManifestDamage(b); damaged && at >= len(b) {
			t.Fatalf("manifest damage at %d of %d", at, len(b))
		}
	})
}

// FuzzParseFormat: a FORMAT file of a version known is refused, or is one that this package writes.
func FuzzParseFormat(f *testing.F) {
	f.Add(formatText(Version, ready))
	f.Add(formatText(Version, creating))
	f.Add([]byte("trent store\nversion 2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		version, state, err := parseFormat(text)
		if err == nil && version <= Version && !bytes.Equal(text, formatText(version, state)) {
			t.Fatalf("%q was read as version %d, state %q", text, version, state)
		}
	})
}

// FuzzParseState: a state record is refused, or comes out as it went in.
func FuzzParseState(f *testing.F) {
	f.Add(state{head: 3, floor: 1, logged: 500, floorLogged: 20}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseState(b); err == nil && !bytes.Equal(s.append(nil), b) {
			t.Fatalf("%x was read as %+v", b, s)
		}
	})
}

// TestPrefixEnd: the end is above every key with the prefix and no other key.
func TestPrefixEnd(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{"\x01": "\x02", "\x01a": "\x01b", "\x01a\xff": "\x01b", "\x01\xff\xff": "\x02"} {
		if got := string(prefixEnd([]byte(prefix))); got != want {
			t.Errorf("prefixEnd(%q) = %q; want %q", prefix, got, want)
		}
	}
}
