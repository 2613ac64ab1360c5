package sts

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"

	"trent/fastpath/identity"
)

// Where the account is in an access key id: see identity.NewAccessKey.
const (
	keyLength    = 20
	accountShift = 7
	accountMask  = 1<<40 - 1
)

// accountOf reads the account in an access key id; false: it is none that tells.
func accountOf(id string) (string, bool) {
	if len(id) != keyLength || id[:4] != identity.TemporaryKey && id[:4] != identity.LongTermKey {
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
