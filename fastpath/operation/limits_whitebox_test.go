package operation

import (
	"testing"

	"trent/fastpath/keyring"
)

// Without a quota a policy may be as long as its record can be.
func TestPolicyFitsItsRecord(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{0: 32768, 1: 1, -1: keyring.MaxPolicyBytes, 1 << 20: keyring.MaxPolicyBytes} {
		if got := (Limits{PolicyBytes: limit}).resolve().PolicyBytes; got != want {
			t.Errorf("%d: %d bytes", limit, got)
		}
	}
}
