package session_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"trent/hsm/internal/gcm"
)

// TestApprovedOnly runs sessions in a process that allows approved cryptography only: everything works there, by the
// kernel that draws its nonces.
func TestApprovedOnly(t *testing.T) {
	const mode = "fips140=only"
	if os.Getenv("GODEBUG") == mode {
		if k, err := gcm.Pick(""); err != nil || !k.MakesNonce() {
			t.Fatalf("kernel %v, %v", k, err)
		}
		return
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []string{"TestApprovedOnly", "TestSession", "TestDowngrade", "TestEnvelopes", "TestKnownKeys", "TestKnownEnvelopes"}
	args := "^("
	for i, name := range tests {
		if i > 0 {
			args += "|"
		}
		args += name
	}
	cmd := exec.Command(self, "-test.run="+args+")$", "-test.v", "-test.short")
	cmd.Env = append(os.Environ(), "GODEBUG="+mode)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tests under %s: %v\n%s", mode, err, out)
	}
	for _, test := range tests {
		if !bytes.Contains(out, []byte("--- PASS: "+test)) {
			t.Errorf("under %s, %s did not pass:\n%s", mode, test, out)
		}
	}
}
