package main

import "errors"

// openDevice makes the module of a PKCS #11 device.
func openDevice(*environment, *settings) (*hsmBackend, error) {
	return nil, usageError(errors.New("this build of trent has no PKCS #11"), "build it with -tags pkcs11")
}
