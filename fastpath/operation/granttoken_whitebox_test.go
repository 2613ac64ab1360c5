package operation

import (
	"encoding/base64"
	"testing"

	"trent/fastpath/keyring"
)

func TestGrantTokens(t *testing.T) {
	t.Parallel()
	key := keyring.ID{Partition: "aws", Account: "000000000000", Region: "us-east-1", Key: "mrk-1234abcd12ab34cd56ef1234567890ab"}
	id := keyring.GrantID{1, 2, 3}
	seen, lengths := map[string]bool{}, map[int]bool{}
	for range 200 {
		token := newGrantToken(key, id)
		gotKey, gotID, ok := openGrantToken([]byte(token))
		if !ok || gotKey != key || gotID != id || seen[token] || len(token) > 8192 {
			t.Fatalf("%s: %v, %v, %v, seen %v", token, gotKey, gotID, ok, seen[token])
		}
		seen[token], lengths[len(token)] = true, true
	}
	if len(lengths) < 5 {
		t.Errorf("lengths %v", lengths)
	}
	token := []byte(newGrantToken(key, id))
	for i := range token {
		damaged := append([]byte(nil), token...)
		if damaged[i] ^= 1; damaged[i] == token[i] {
			continue
		}
		if _, _, ok := openGrantToken(damaged); ok {
			t.Errorf("damage at %d goes unseen", i)
		}
		if _, _, ok := openGrantToken(token[:i]); ok {
			t.Errorf("a token cut at %d is one", i)
		}
	}
	if _, _, ok := openGrantToken(append(token[:10:10], "\n"+string(token[10:])...)); ok {
		t.Error("a token over two lines is one")
	}
}

// Whatever comes in is refused or is what was issued, in one text only.
func FuzzOpenGrantToken(f *testing.F) {
	key := keyring.ID{Partition: "aws", Account: "000000000000", Region: "us-east-1", Key: "1234abcd-12ab-34cd-56ef-1234567890ab"}
	f.Add(newGrantToken(key, keyring.GrantID{1}))
	f.Add("")
	f.Add(base64.RawURLEncoding.EncodeToString(append([]byte{1, 10, 64}, make([]byte, 300)...)))
	f.Fuzz(func(t *testing.T, text string) {
		key, id, ok := openGrantToken([]byte(text))
		if !ok {
			return
		}
		if again, same, ok := openGrantToken([]byte(newGrantToken(key, id))); !ok || again != key || same != id {
			t.Errorf("%q: %v %v", text, key, id)
		}
	})
}
