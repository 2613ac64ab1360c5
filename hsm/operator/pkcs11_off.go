//go:build !pkcs11

package operator

import (
	"crypto"
	"errors"
	"io"
)

// OpenPKCS11 is not in this build: the library needs cgo.
func OpenPKCS11(PKCS11) (crypto.Signer, io.Closer, error) {
	return nil, nil, errors.New("this build has no PKCS #11: build with -tags pkcs11, and cgo")
}
