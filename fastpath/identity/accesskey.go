package identity

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// Kinds of access keys, which their ids begin with (IAM User Guide, "IAM identifiers").
const (
	TemporaryKey = "ASIA"
	LongTermKey  = "AKIA"
)

// accountShift and accountMask place an account in the first six bytes of an access key id.
const (
	accountShift = 7
)

// NewAccessKey makes an access key of an account. Its id is four letters for its kind and 16 of base32: ten bytes, of
// which the first six are a bit that is set, the account in 40 bits, and seven bits of what is random, as all the rest is.
// (The service's own form, found by many; it is what GetAccessKeyInfo reads.) An account has 12 digits.
func NewAccessKey(kind, account string) (id, secret string) {
	var random [10 + 30]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	number, err := strconv.ParseUint(account, 10, 40)
	if err != nil {
		panic("identity: an account without 12 digits")
	}
	var head [8]byte
	low := uint64(random[5]) & (1<<accountShift - 1)
	binary.BigEndian.PutUint64(head[:], 1<<47|number<<accountShift|low)
	copy(random[:6], head[2:])
	return kind + base32.StdEncoding.EncodeToString(random[:10]), base64.StdEncoding.EncodeToString(random[10:])
}
