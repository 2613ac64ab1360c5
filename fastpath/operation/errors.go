package operation

import (
	"context"
	"errors"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
	"trent/store"
)

// APIError turns any error of Resolve or Execute into the one that the service would answer. The second
// result is false for errors that are Trent's own trouble, which the chain logs with the request id.
func (s *Service) APIError(op wire.Operation, err error) (*wire.Error, bool) {
	var api *wire.Error
	switch {
	case errors.As(err, &api):
		return api, true
	case errors.Is(err, hsm.ErrUnsupported): // a device has not all mechanisms
		return wire.Errorf(wire.CodeUnsupportedOperationException, "The HSM does not support this operation."), true
	case errors.Is(err, hsm.ErrDeadline), errors.Is(err, context.DeadlineExceeded), errors.Is(err, store.ErrUnavailable):
		if s.table[op].models(wire.CodeDependencyTimeoutException) {
			return wire.Errorf(wire.CodeDependencyTimeoutException, "The system timed out while trying to fulfill the request. You can retry the request."), false
		}
	case errors.Is(err, hsm.ErrBusy):
		if s.table[op].models(wire.CodeKeyUnavailableException) {
			return wire.Errorf(wire.CodeKeyUnavailableException, "The key is not available right now. You can retry the request."), false
		}
	}
	return wire.Errorf(wire.CodeKMSInternalException, "An internal error occurred. You can retry the request."), false
}

// models tells whether the operation's model lists the error.
func (r *row) models(code wire.Code) bool {
	switch code {
	case wire.CodeDependencyTimeoutException:
		return !r.noDependencyTimeout
	case wire.CodeKeyUnavailableException:
		return r.class == cryptographic || r.class == pairing || r.class == publicKey
	case wire.CodeInvalidArnException:
		return r.invalidARN
	}
	return false
}

// notFound is the answer for a well-formed name without a key.
func notFound(s *keyring.Snapshot) *wire.Error {
	return wire.Errorf(wire.CodeNotFoundException, "Key '%s' does not exist", s.ARN)
}

// nameRefusal is the answer for a name that leads nowhere, or that is none.
func nameRefusal(r *row, e *keyring.NameError) *wire.Error {
	switch e.Kind {
	case keyring.InvalidID:
		return wire.Errorf(wire.CodeNotFoundException, "Invalid keyId '%s'", e.Text)
	case keyring.InvalidARNID:
		return wire.Errorf(wire.CodeNotFoundException, "Invalid keyId %s", e.Text)
	case keyring.NoAlias:
		return wire.Errorf(wire.CodeNotFoundException, "Alias %s is not found.", e.Text)
	case keyring.MalformedARN:
		if r.models(wire.CodeInvalidArnException) {
			return wire.Errorf(wire.CodeInvalidArnException, "Invalid arn %s", e.Text)
		}
	}
	return wire.Errorf(wire.CodeNotFoundException, "Invalid arn %s", e.Text)
}

func dryRun() *wire.Error {
	return wire.Errorf(wire.CodeDryRunOperationException, "The request would have succeeded, but the DryRun option is set.")
}

func validation(format string, args ...any) *wire.Error {
	return wire.Errorf(wire.CodeValidationException, format, args...)
}

// unsupported names what this version does not do yet.
func unsupported(what string) *wire.Error {
	return wire.Errorf(wire.CodeUnsupportedOperationException, "%s is not supported by this version of Trent.", what)
}
