package operation

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"trent/fastpath/keyring"
)

// A grant token names a grant, wherever the request that shows it arrives: nothing is kept of tokens, and they
// survive restarts. It is no secret and proves nothing; its check sum only finds damage. In URL-safe base64
// without padding, as the service's own:
//
//	offset  size  what
//	0       1     version, 1
//	1       2     10, 64
//	3       64    grant id, hexadecimal digits
//	67      2     34, length of what follows, up to 255
//	69      …     str8 partition, account, Region, key id
//	…       16–31 random: each call answers another token
//	…       8     SHA-256 of all before, its first bytes
const (
	tokenNonce = 16 // at least
	tokenSum   = 8
	tokenHead  = 1 + 2 + 64 + 2
)

// newGrantToken makes a token of a grant.
func newGrantToken(key keyring.ID, id keyring.GrantID) string {
	var random [2*tokenNonce + 1]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	nonce := random[1 : 1+tokenNonce+int(random[0])%tokenNonce]
	b := append(make([]byte, 0, tokenHead+256), 1, 10, 2*byte(len(id)))
	b = append(hex.AppendEncode(b, id[:]), 34, 0)
	for _, s := range [...]string{key.Partition, key.Account, key.Region, key.Key} {
		b = append(append(b, byte(len(s))), s...)
	}
	b = append(b, nonce...)
	b[tokenHead-1] = byte(len(b) - tokenHead + tokenSum)
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:tokenSum]...))
}

// openGrantToken reads a token; false: it is none.
func openGrantToken(text []byte) (key keyring.ID, id keyring.GrantID, ok bool) {
	// Strict: of the many texts that lenient decoding takes for the same bytes only one was issued.
	b, err := base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	if err != nil || bytes.ContainsAny(text, "\r\n") || len(b) < tokenHead+tokenSum || !bytes.HasPrefix(b, []byte{1, 10, 64}) || b[tokenHead-2] != 34 ||
		int(b[tokenHead-1]) != len(b)-tokenHead {
		return key, id, false
	}
	body, sum := b[:len(b)-tokenSum], b[len(b)-tokenSum:]
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:tokenSum]) {
		return key, id, false
	}
	if id, ok = keyring.ParseGrantID(body[3 : tokenHead-2]); !ok {
		return key, id, false
	}
	rest := body[tokenHead:]
	for _, s := range [...]*string{&key.Partition, &key.Account, &key.Region, &key.Key} {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return key, id, false
		}
		n := 1 + int(rest[0])
		*s, rest = string(rest[1:n]), rest[n:]
	}
	return key, id, len(rest) >= tokenNonce && len(rest) < 2*tokenNonce
}
