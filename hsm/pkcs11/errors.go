//go:build pkcs11

package pkcs11

import (
	"errors"
	"fmt"
	"unsafe"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
)

// What a return value says of session and device (PKCS #11 v2.40, 5.1).
var (
	// sessionCodes: session or login is gone, and the call has done nothing.
	sessionCodes = map[uint]bool{
		p11.CKR_SESSION_HANDLE_INVALID: true, p11.CKR_SESSION_CLOSED: true, p11.CKR_USER_NOT_LOGGED_IN: true,
	}
	// staleCodes: a handle that was kept leads nowhere any more.
	staleCodes = map[uint]bool{p11.CKR_OBJECT_HANDLE_INVALID: true, p11.CKR_KEY_HANDLE_INVALID: true}
	// deviceCodes: the device is gone, or was; the call may have run.
	deviceCodes = map[uint]bool{
		p11.CKR_DEVICE_REMOVED: true, p11.CKR_DEVICE_ERROR: true, p11.CKR_TOKEN_NOT_PRESENT: true, p11.CKR_TOKEN_NOT_RECOGNIZED: true,
		p11.CKR_SLOT_ID_INVALID: true, p11.CKR_CRYPTOKI_NOT_INITIALIZED: true,
	}
	// lackingCodes: the device does not do this, or not with these parameters.
	lackingCodes = map[uint]bool{
		p11.CKR_MECHANISM_INVALID: true, p11.CKR_MECHANISM_PARAM_INVALID: true, p11.CKR_FUNCTION_NOT_SUPPORTED: true, p11.CKR_ARGUMENTS_BAD: true,
		p11.CKR_TEMPLATE_INCONSISTENT: true, p11.CKR_TEMPLATE_INCOMPLETE: true, p11.CKR_ATTRIBUTE_TYPE_INVALID: true,
		p11.CKR_ATTRIBUTE_VALUE_INVALID: true, p11.CKR_ATTRIBUTE_READ_ONLY: true, p11.CKR_ATTRIBUTE_SENSITIVE: true,
		p11.CKR_DOMAIN_PARAMS_INVALID: true, p11.CKR_KEY_SIZE_RANGE: true, p11.CKR_KEY_FUNCTION_NOT_PERMITTED: true,
		p11.CKR_ACTION_PROHIBITED: true, p11.CKR_KEY_TYPE_INCONSISTENT: true, curveNotSupported: true,
	}
	// refusedCodes: what was to be opened is not right. Devices do not agree on which; the first two say nothing at
	// all, and are believed where the session is in order.
	refusedCodes = map[uint]bool{
		p11.CKR_GENERAL_ERROR: true, p11.CKR_FUNCTION_FAILED: true, p11.CKR_ENCRYPTED_DATA_INVALID: true,
		p11.CKR_ENCRYPTED_DATA_LEN_RANGE: true, p11.CKR_DATA_INVALID: true, p11.CKR_DATA_LEN_RANGE: true,
		p11.CKR_WRAPPED_KEY_INVALID: true, p11.CKR_WRAPPED_KEY_LEN_RANGE: true, aeadDecryptFailed: true,
		p11.CKR_SIGNATURE_INVALID: true, p11.CKR_SIGNATURE_LEN_RANGE: true, p11.CKR_ARGUMENTS_BAD: true,
	}
)

// errGone is a token whose key somebody took out of the device.
var errGone = fmt.Errorf("%w: its object is not in the device", hsm.ErrToken)

const (
	curveNotSupported = 0x140
	aeadDecryptFailed = 0x35 // PKCS #11 v3.0
)

// isCode tells whether err is that return value of the device's.
func isCode(err error, code uint) bool {
	var got p11.Error
	return errors.As(err, &got) && uint(got) == code
}

func isOneOf(err error, codes map[uint]bool) bool {
	var got p11.Error
	return errors.As(err, &got) && codes[uint(got)]
}

// inHSM turns what only the device says into ErrUnavailable.
func inHSM(err error) error {
	for _, own := range [...]error{
		nil, hsm.ErrAuthentication, hsm.ErrMismatch, hsm.ErrToken, hsm.ErrUnsupported, hsm.ErrDomain, hsm.ErrDeadline, hsm.ErrBusy, hsm.ErrUnavailable,
		hsm.ErrShort, hsm.ErrInput, hsm.ErrMaterial, hsm.ErrImportToken, hsm.ErrExpired, hsm.ErrPeer, ErrForeign, ErrLacking,
	} {
		if errors.Is(err, own) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", hsm.ErrUnavailable, err)
}

// lacking turns the refusal of a mechanism or template into ErrUnsupported.
func lacking(err error) error {
	if isOneOf(err, lackingCodes) {
		return fmt.Errorf("%w: the device says %w", hsm.ErrUnsupported, err)
	}
	return err
}

// refusal is what err means where s was to open something: instead, where the device says that it is not right.
func (m *Module) refusal(s p11.SessionHandle, err, instead error) error {
	if !isOneOf(err, refusedCodes) && !isOneOf(err, m.mechanisms.forged) {
		return err
	}
	if _, trouble := m.ctx.GetSessionInfo(s); trouble != nil {
		return trouble
	}
	return instead
}

// viewString is b as a string for the length of a call, so that b can be wiped after it.
func viewString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
