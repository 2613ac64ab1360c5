//go:build !pkcs11

package main

import (
	"errors"

	"trent/hsm"
)

// openPKCS11 says how to get a build that talks to devices.
func openPKCS11(e *environment, _ *settings, spec string) (hsm.Module, error) {
	if _, err := parseDevice(e, spec); err != nil {
		return nil, err
	}
	return nil, usageError(errors.New("this build of trent has no PKCS #11: it needs cgo, and was made without"),
		"'make pkcs11' (or go build -tags pkcs11 ./cmd/trent) makes one that has")
}
