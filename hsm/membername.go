package hsm

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"

	"trent/hsm/internal/domain"
)

// MemberName is the name of the identity in a member's state directory, without opening it. Errors: os.ErrNotExist where
// there is none, ErrDamaged, ErrNewerVersion.
func MemberName(dir string) (string, error) { return domain.IdentityName(dir) }

// NewMemberName makes up a name for a member about to be made, for when its key file has to be known before.
func NewMemberName() (string, error) {
	var b [4]byte
	if _, err := io.ReadFull(rand.Reader, b[:]); err != nil {
		return "", fmt.Errorf("making up a name: %w", err)
	}
	return "hsm-" + hex.EncodeToString(b[:]), nil
}
