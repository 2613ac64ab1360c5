package operation_test

import (
	"testing"

	"trent/fastpath/operation"
)

// TestMLKEMChoices: each choice says what it is about and why, once.
func TestMLKEMChoices(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range operation.MLKEMChoices() {
		if c.Point == "" || c.Chosen == "" || c.Reason == "" || seen[c.Point] {
			t.Errorf("choice %+v", c)
		}
		seen[c.Point] = true
	}
	if len(seen) == 0 {
		t.Error("no choices")
	}
}
