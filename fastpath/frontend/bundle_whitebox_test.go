package frontend

import (
	"bytes"
	"os"
	"testing"
)

// TestBundleHoldsSystemRoots: the first of the system's bundles that exists is in ours, whole.
func TestBundleHoldsSystemRoots(t *testing.T) {
	t.Parallel()
	ca, err := OpenCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := ca.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	rest, ok := bytes.CutSuffix(bundle, ca.Root())
	if !ok {
		t.Fatal("the authority is not last")
	}
	for _, path := range systemRoots {
		if roots, err := os.ReadFile(path); err == nil {
			if !bytes.HasPrefix(rest, roots) || len(rest) > len(roots)+1 {
				t.Errorf("%d bytes before the authority, %s has %d", len(rest), path, len(roots))
			}
			return
		}
	}
	if len(rest) > 0 {
		t.Errorf("%d bytes before the authority, on a system without roots", len(rest))
	}
}
