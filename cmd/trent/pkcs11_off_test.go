//go:build !pkcs11

package main

import (
	"strings"
	"testing"
)

// TestWithoutPKCS11: a build without cgo says how to get one that talks to devices.
func TestWithoutPKCS11(t *testing.T) {
	t.Parallel()
	_, err := openPKCS11(&environment{Getenv: func(string) string { return "" }}, &settings{}, "lib.so?pin-file=pin")
	if exitCode(err) != exitUsage || !strings.Contains(err.Error(), "has no PKCS #11") {
		t.Errorf("error %v, exit code %d", err, exitCode(err))
	}
}
