package session_test

import (
	"testing"

	"trent/hsm/internal/session"
)

// TestSizes: messages are as long as the package comment says, and the bounds are those of the longest.
func TestSizes(t *testing.T) {
	t.Parallel()
	const token = 104 // of these tests
	for _, hybrid := range []bool{false, true} {
		kem := 0
		if hybrid {
			kem = 1568
		}
		pool, d := newPool(t, session.PoolOptions{}), newDomain(1)
		h, _ := d.admit(t, pool, hybrid)
		r, _ := d.join(t, pool, hybrid)
		messages := record(t, h, r)
		for name, want := range map[string]int{
			"hello": 156 + kem + 96, "answer": 311 + kem + token + 96, "open": 100 + token + 32, "accept": 290,
		} {
			if got := len(messages[name]); got != want {
				t.Errorf("hybrid %v: %s of %d bytes, want %d", hybrid, name, got, want)
			}
		}
	}
	for _, c := range []struct{ got, want int }{
		{session.MaxHello, 1820}, {session.MaxAnswer, 311 + 1568 + 512 + 96}, {session.MaxOpen, 100 + 512 + 32}, {session.MaxAccept, 290},
	} {
		if c.got != c.want {
			t.Errorf("a bound of %d bytes, want %d", c.got, c.want)
		}
	}
}
