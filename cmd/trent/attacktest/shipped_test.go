//go:build linux

package attacktest_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// TestShippedBinaryRevealsNothing: what reveals keys is in no build but that of these tests, where it can be found.
func TestShippedBinaryRevealsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds trent")
	}
	t.Parallel()
	for reveal, want := range map[bool]bool{false: false, true: true} {
		if reveal && os.Getenv(longVariable) == "" {
			continue
		}
		path, err := program[reveal]()
		if err != nil {
			t.Fatal(err)
		}
		symbols, err := exec.Command("go", "tool", "nm", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(symbols, []byte("main.main")) {
			t.Fatal("no symbols to look at")
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for what, b := range map[string][]byte{"symbols": symbols, "bytes": content} {
			for _, name := range []string{"hsm/internal/reveal.Secret", "hsm/internal/reveal.put"} {
				if got := bytes.Contains(b, []byte(name)); got != want {
					t.Errorf("reveal %t: %q among its %s: %t", reveal, name, what, got)
				}
			}
		}
	}
}
