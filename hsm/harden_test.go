//go:build linux

package hsm_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"trent/hsm"
)

// TestHarden runs itself in a child, since what it does cannot be undone.
func TestHarden(t *testing.T) {
	t.Parallel()
	const child = "TRENT_TEST_HARDEN_CHILD"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestHarden$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "hardened") {
			t.Errorf("child: %v\n%s", err, out)
		}
		return
	}
	locked, why, err := hsm.Harden()
	if err != nil {
		t.Fatal(err)
	}
	if locked == (why != "") {
		t.Errorf("locked %t, why %q", locked, why)
	}
	if n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || n != 0 {
		t.Errorf("dumpable %d, %v", n, err)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core.Cur != 0 || core.Max != 0 {
		t.Errorf("core limit %+v, %v", core, err)
	}
	k := newKey(t, openLocal(t, hsm.Config{}), hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	t.Logf("hardened: locked %t %s, material %s", locked, why, k.Material)
}
