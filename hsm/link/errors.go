package link

import (
	"context"
	"errors"

	"trent/hsm"
)

// codes are the errors that travel, by their place, which is part of the wire; 0 is success.
var codes = [...]error{
	nil,
	hsm.ErrAuthentication,
	hsm.ErrMismatch,
	hsm.ErrToken,
	hsm.ErrUnsupported,
	hsm.ErrDomain,
	hsm.ErrDeadline,
	hsm.ErrBusy,
	hsm.ErrUnavailable,
	hsm.ErrShort,
	hsm.ErrInput,
	hsm.ErrMaterial,
	hsm.ErrImportToken,
	hsm.ErrExpired,
	hsm.ErrPeer,
	hsm.ErrQuorum,
	hsm.ErrStale,
	hsm.ErrCommand,
	hsm.ErrOutOfService,
}

// unavailable is the place of hsm.ErrUnavailable, and what every other error becomes.
const unavailable = 8

// codeOf is the place of an error.
func codeOf(err error) uint8 {
	if err == nil {
		return 0
	}
	for i := 1; i < len(codes); i++ { // without unwrapping first: errors of a module come bare
		if err == codes[i] {
			return uint8(i)
		}
	}
	// The narrowest first: an error out of service may say that it is unavailable, too.
	for i := len(codes) - 1; i > 0; i-- {
		if errors.Is(err, codes[i]) {
			return uint8(i)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return codeOf(hsm.ErrDeadline)
	}
	return unavailable
}

// errorOf is the error at a place; false: there is none such.
func errorOf(code uint8) (error, bool) {
	if int(code) >= len(codes) {
		return nil, false
	}
	return codes[code], true
}
