package domain

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"
)

// FIPSRounds is the cost of a passphrase in FIPS mode: NIST SP 800-132 §5.2 wants it as large as is bearable, and OWASP's
// Password Storage Cheat Sheet no less than this.
const FIPSRounds = 600_000

// Bounds on what a file may ask for: the least of SP 800-132 §5.2, and some seconds.
const (
	minRounds = 1_000
	maxRounds = 10_000_000
)

func validRounds(n int) bool { return n >= minRounds && n <= maxRounds }

// derivePBKDF2 sets out by PBKDF2-HMAC-SHA256 (SP 800-132, option 1a: the derived key is used itself). The standard
// library leaves copies of the passphrase's HMAC state on the heap, which is the price of its module.
func derivePBKDF2(out *[32]byte, secret, salt []byte, rounds int) error {
	key, err := pbkdf2.Key(sha256.New, string(secret), salt, rounds, len(out))
	if err != nil {
		return fmt.Errorf("deriving the seal key: %w", err)
	}
	copy(out[:], key)
	clear(key)
	return nil
}
