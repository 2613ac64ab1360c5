package attacktest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"testing"
)

// TestEveryFormIsFound: the search finds each form of a key at any place, and nothing where there is none.
func TestEveryFormIsFound(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdefghijklmnopqrstuv")
	s := &secret{what: "key", bytes: key, symmetric: true}
	h := newHaystack([]*secret{s})
	for form, windows := range s.forms() {
		for i, w := range windows {
			found := finds{}
			h.look(append(append(make([]byte, 1000+i), w...), 1, 2, 3), found)
			if found["key, "+form] == 0 {
				t.Errorf("%s, window %d was not found", form, i)
			}
		}
	}
	for what, text := range map[string][]byte{
		"raw, base64":             key,
		"base64 behind one byte":  []byte(base64.StdEncoding.EncodeToString(append([]byte{9}, key...))),
		"base64 behind two bytes": []byte(base64.StdEncoding.EncodeToString(append([]byte{9, 9}, key...))),
		"hex":                     []byte(hex.EncodeToString(key)),
	} {
		found := finds{}
		if h.look(text, found); len(found) == 0 {
			t.Errorf("%s was not found", what)
		}
	}
	found := finds{}
	if h.look(bytes.Repeat([]byte("no key"), 1000), found); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}

// TestRoundKeys is FIPS 197 appendix A.3.
func TestRoundKeys(t *testing.T) {
	t.Parallel()
	key, err := hex.DecodeString("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(roundKeys(key)); got[:8] != "9ba35411" || got[len(got)-8:] != "706c631e" {
		t.Errorf("round keys %s", got)
	}
}
