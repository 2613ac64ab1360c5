package hsm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sort"
	"strings"
	"testing"

	"trent/hsm"
)

func TestIdentity(t *testing.T) {
	t.Parallel()
	got := hsm.AppendIdentity([]byte("x"), "aws", "000000000000", "id", "us-east-1")
	want := "x\x00\x00\x00\x03aws\x00\x00\x00\x0c000000000000\x00\x00\x00\x02id\x00\x00\x00\x09us-east-1"
	if string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	if a, b := hsm.AppendIdentity(nil, "aws", "0", "ab", "c"), hsm.AppendIdentity(nil, "aws", "0", "a", "bc"); bytes.Equal(a, b) {
		t.Error("two keys share an identity")
	}
	if bytes.Equal(hsm.AppendIdentity(nil, "aws", "0", "a", ""), hsm.AppendIdentity(nil, "aws", "0", "a", "us-east-1")) {
		t.Error("a multi-Region key has the identity of one that is not")
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	pair := func(k, v string) hsm.ContextPair { return hsm.ContextPair{Key: []byte(k), Value: []byte(v)} }
	for name, c := range map[string]struct {
		pairs []hsm.ContextPair
		want  string
		err   error
	}{
		"empty":           {nil, "\x00\x00\x00\x00", nil},
		"sorted by bytes": {[]hsm.ContextPair{pair("b", "2"), pair("B", "1"), pair("ä", "3")}, "\x00\x00\x00\x03\x00\x00\x00\x01B\x00\x00\x00\x011\x00\x00\x00\x01b\x00\x00\x00\x012\x00\x00\x00\x02ä\x00\x00\x00\x013", nil},
		"empty strings":   {[]hsm.ContextPair{pair("", "")}, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", nil},
		"duplicate":       {[]hsm.ContextPair{pair("a", "1"), pair("b", ""), pair("a", "2")}, "", hsm.ErrContext},
		"bad key":         {[]hsm.ContextPair{pair("\xff", "1")}, "", hsm.ErrContext},
		"bad value":       {[]hsm.ContextPair{pair("a", "\xc3")}, "", hsm.ErrContext},
		"surrogate":       {[]hsm.ContextPair{pair("a", "\xed\xa0\x80")}, "", hsm.ErrContext},
		"overlong":        {[]hsm.ContextPair{pair("\xc0\x80", "")}, "", hsm.ErrContext},
	} {
		got, err := hsm.AppendContext([]byte("x"), c.pairs)
		if !errors.Is(err, c.err) || string(got) != "x"+c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// FuzzAppendContext compares with a slow encoder and reads the result back.
func FuzzAppendContext(f *testing.F) {
	f.Add("b\x001\x00a\x002", uint8(2))
	f.Add("\xed\xa0\x80\x00x", uint8(1))
	f.Add(strings.Repeat("k\x00", 50), uint8(7))
	f.Fuzz(func(t *testing.T, text string, swap uint8) {
		fields := strings.Split(text, "\x00")
		var pairs []hsm.ContextPair
		values := map[string]string{}
		bad := false
		for i := 0; i+1 < len(fields); i += 2 {
			_, twice := values[fields[i]]
			bad = bad || twice || strings.ToValidUTF8(fields[i], "") != fields[i] || strings.ToValidUTF8(fields[i+1], "") != fields[i+1]
			values[fields[i]] = fields[i+1]
			pairs = append(pairs, hsm.ContextPair{Key: []byte(fields[i]), Value: []byte(fields[i+1])})
		}
		if n := len(pairs); n > 0 { // the order given makes no difference
			pairs[0], pairs[int(swap)%n] = pairs[int(swap)%n], pairs[0]
		}
		got, err := hsm.AppendContext(nil, pairs)
		if bad {
			if err != hsm.ErrContext || got != nil {
				t.Fatalf("%q: %x, %v", text, got, err)
			}
			return
		}
		var keys []string
		for k := range values {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		want := binary.BigEndian.AppendUint32(nil, uint32(len(keys)))
		for _, k := range keys {
			for _, s := range []string{k, values[k]} {
				want = append(binary.BigEndian.AppendUint32(want, uint32(len(s))), s...)
			}
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q: %x, %v, want %x", text, got, err, want)
		}
	})
}

// TestEnumerations: the values of this package and of its algorithms are the same.
func TestEnumerations(t *testing.T) {
	t.Parallel()
	for a, b := range hsm.SpecNames {
		if uint8(a) != uint8(b) {
			t.Errorf("spec %d is %d inside", a, b)
		}
	}
	for a, b := range hsm.UsageNames {
		if uint8(a) != uint8(b) {
			t.Errorf("usage %d is %d inside", a, b)
		}
	}
	for a, b := range hsm.AlgorithmNames {
		if uint8(a) != uint8(b) {
			t.Errorf("algorithm %d is %d inside", a, b)
		}
	}
	if len(hsm.SpecNames) != int(hsm.SM2) || len(hsm.UsageNames) != int(hsm.EncapsulateDecapsulate) || len(hsm.AlgorithmNames) != int(hsm.MLKEM) {
		t.Error("not all of them are compared")
	}
}

func TestSlotsFitTheBudget(t *testing.T) {
	t.Parallel()
	full, half, none := hsm.ArenaBytes(64, 64), hsm.ArenaBytes(64, 32), hsm.ArenaBytes(64, 0)
	for name, c := range map[string]struct{ budget, want int }{
		"all": {full, 64}, "a byte less": {full - 1, 32}, "half": {half, 32}, "workers alone": {none, 0}, "not even those": {none - 1, 64},
	} {
		if got := hsm.FitSlots(64, 64, c.budget); got != c.want {
			t.Errorf("%s: %d slots", name, got)
		}
	}
	if full > 8<<20 {
		t.Errorf("the arena of 64 workers has %d bytes, over the usual limit on locked memory", full)
	}
	t.Logf("64 workers: %d bytes", full)
}
