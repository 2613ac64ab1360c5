package sts

import (
	"fmt"
	"net/http"
	"slices"

	"trent/fastpath/authz"
)

// Error is a refusal as the service words it.
type Error struct {
	Status   int // of HTTP
	Code     string
	Message  string
	Receiver bool // not the caller's doing
}

// Error gives code and text.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refusal(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func denied(format string, args ...any) *Error {
	return refusal(http.StatusForbidden, "AccessDenied", format, args...)
}

func invalid(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "ValidationError", format, args...)
}

func badParameter(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "InvalidParameterValue", format, args...)
}

func malformedPolicy(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "MalformedPolicyDocument", format, args...)
}

func badToken(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "InvalidIdentityToken", format, args...)
}

func malformedQuery(text string) *Error {
	return refusal(http.StatusNotFound, "MalformedQueryString", "The query string is malformed: %s", text)
}

// The refusals with a fixed text.
var (
	ErrInternal = &Error{http.StatusInternalServerError, "InternalFailure",
		"The request processing has failed because of an unknown error, exception or failure.", true}
	ErrUnavailable = &Error{http.StatusServiceUnavailable, "ServiceUnavailable",
		"The request has failed due to a temporary failure of the server.", true}
	errMissingToken  = refusal(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	errMissingAction = refusal(http.StatusBadRequest, "MissingAction",
		"Could not find operation in the request: it has no Action.")
	errRoot = denied("Roles may not be assumed by root accounts.")
)

// RegionDisabled refuses a Region that the installation does not serve.
func RegionDisabled(region, account string) *Error {
	return refusal(http.StatusForbidden, "RegionDisabledException",
		"STS is not activated in this region for account:%s. Your account administrator can activate STS in this region using the IAM Console.", account)
}

// Codes are the codes of all refusals, in order.
func Codes() []string {
	return []string{
		"AccessDenied", "ExpiredToken", "ExpiredTokenException", "IDPRejectedClaim", "IncompleteSignature", "InternalFailure",
		"InvalidAction", "InvalidClientTokenId", "InvalidIdentityToken", "InvalidParameterValue", "MalformedHttpRequest",
		"MalformedPolicyDocument", "MalformedQueryString", "MissingAction", "MissingAuthenticationToken", "PackedPolicyTooLarge",
		"RegionDisabledException", "ServiceUnavailable", "SignatureDoesNotMatch", "ValidationError",
	}
}

// CodeIndex is the place of a code among Codes.
func CodeIndex(code string) int {
	i, _ := slices.BinarySearch(Codes(), code)
	return i
}

// signing are STS's names for what is wrong with a signature, by KMS's.
var signing = map[string]struct {
	code   string
	status int
}{
	"MissingAuthenticationTokenException": {"MissingAuthenticationToken", http.StatusForbidden},
	"IncompleteSignatureException":        {"IncompleteSignature", http.StatusBadRequest},
	"UnrecognizedClientException":         {"InvalidClientTokenId", http.StatusForbidden},
	"ExpiredTokenException":               {"ExpiredToken", http.StatusForbidden},
	"InvalidSignatureException":           {"SignatureDoesNotMatch", http.StatusForbidden},
	"MalformedHttpRequestException":       {"MalformedHttpRequest", http.StatusBadRequest},
}

// Unsigned words a refusal of sigv4's, whose code is KMS's, as STS does.
func Unsigned(code, message string) *Error {
	named, ok := signing[code]
	switch {
	case !ok:
		return ErrInternal
	case named.code == errMissingToken.Code:
		return errMissingToken
	}
	return &Error{Status: named.status, Code: named.code, Message: message}
}

// denial words a decision (IAM User Guide, "Troubleshoot access denied error messages"). Those of another account learn
// no reason, but for a Deny of their own policies.
func denial(r *authz.Request, d *authz.Decision) *Error {
	action := r.Action.String()
	plain := "User: " + r.Caller.ARN + " is not authorized to perform: " + action
	if d.Kind == authz.KindTrust && d.Reason != authz.DeniedElsewhere {
		if d.Reason == authz.DeniedExplicitly {
			return denied("%s with an explicit deny in the role trust policy", plain)
		}
		return denied("%s because no role trust policy allows the %s action", plain, action)
	}
	if d.Reason == authz.DeniedElsewhere {
		return denied("%s on resource: %s", plain, r.Resource)
	}
	return denied("%s", d.Text(r.Caller.ARN, action, r.Resource))
}
