package sts

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
)

// An access key id is four letters for its kind and 16 of base32: ten bytes, of which the first six are a bit that is set,
// the account in 40 bits, and seven bits of what is random, as all the rest is. (The service's own form, found by many; it
// is what GetAccessKeyInfo reads.)
const (
	temporaryKey = "ASIA"
	longTermKey  = "AKIA"
	keyLength    = 20
	accountShift = 7
	accountMask  = 1<<40 - 1
)

// newKey makes an access key of an account.
func newKey(account string) (id, secret string) {
	var random [10 + 30]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	number, err := strconv.ParseUint(account, 10, 40)
	if err != nil {
		panic("sts: an account without 12 digits")
	}
	var head [8]byte
	low := uint64(random[5]) & (1<<accountShift - 1)
	binary.BigEndian.PutUint64(head[:], 1<<47|number<<accountShift|low)
	copy(random[:6], head[2:])
	return temporaryKey + base32.StdEncoding.EncodeToString(random[:10]), base64.StdEncoding.EncodeToString(random[10:])
}

// accountOf reads the account in an access key id; false: it is none that tells.
func accountOf(id string) (string, bool) {
	if len(id) != keyLength || id[:4] != temporaryKey && id[:4] != longTermKey {
		return "", false
	}
	b, err := base32.StdEncoding.DecodeString(id[4:])
	if err != nil || b[0]&0x80 == 0 {
		return "", false
	}
	number := binary.BigEndian.Uint64(append([]byte{0, 0}, b[:6]...)) >> accountShift & accountMask
	if number > 999_999_999_999 {
		return "", false
	}
	return fmt.Sprintf("%012d", number), true
}
