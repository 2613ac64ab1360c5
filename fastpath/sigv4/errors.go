package sigv4

import (
	"fmt"
	"strings"
	"time"
)

// Error is a refusal: the exception's name and text as the service answers them.
type Error struct {
	Code    string
	Message string
}

// Error gives name and text.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Names of the exceptions (KMS API Reference, "Common Errors").
const (
	codeMissing    = "MissingAuthenticationTokenException"
	codeIncomplete = "IncompleteSignatureException"
	codeUnknown    = "UnrecognizedClientException"
	codeExpired    = "ExpiredTokenException"
	codeInvalid    = "InvalidSignatureException"
	codeMalformed  = "MalformedHttpRequestException"
)

// Refusals with a fixed text, as KMS words them.
var (
	errMissing       = &Error{codeMissing, "Missing Authentication Token"}
	errUnknownClient = &Error{codeUnknown, "The security token included in the request is invalid."}
	errExpiredToken  = &Error{codeExpired, "The security token included in the request is expired"}
	errMismatch      = &Error{codeInvalid, "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
	errScopeRegion   = &Error{codeInvalid, "Credential should be scoped to a valid region. "}
	errHostNotSigned = &Error{codeInvalid, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."}

	errHeaderSyntax   = &Error{codeMalformed, "The request's header block is malformed."}
	errTooManyHeaders = &Error{codeMalformed, fmt.Sprintf("The request has more than %d headers.", maxHeaders)}
	errTooManyParams  = &Error{codeMalformed, fmt.Sprintf("The request has more than %d query parameters.", maxParams)}
)

func errScopeService(service string) error {
	return &Error{codeInvalid, "Credential should be scoped to correct service: '" + service + "'. "}
}

func errScopeTerminator(got []byte) error {
	return &Error{codeInvalid, fmt.Sprintf("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, got)}
}

func errScopeDate(c *claim) error {
	return &Error{codeInvalid, fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "+
		"'%s' != '%s', from '%s'.", c.date, c.timestamp[:dateLength], c.timestamp[:])}
}

func errTooOld(c *claim, now, window int64) error {
	return &Error{codeInvalid, fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %s)",
		c.timestamp[:], formatTime(now-window), formatTime(now), formatWindow(window))}
}

func errNotYetCurrent(c *claim, now, window int64) error {
	return &Error{codeInvalid, fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %s)",
		c.timestamp[:], formatTime(now+window), formatTime(now), formatWindow(window))}
}

func formatTime(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(timestampLayout) }

// formatWindow writes "5 min."; windows of seconds occur with presigned requests only.
func formatWindow(seconds int64) string {
	if seconds%60 == 0 {
		return fmt.Sprintf("%d min.", seconds/60)
	}
	return fmt.Sprintf("%d s.", seconds)
}

func errNotSigned(header []byte) error {
	return &Error{codeInvalid, fmt.Sprintf("'%s' must be a 'SignedHeader' in the AWS Authorization.", strings.ToLower(string(header)))}
}

func errCredentialElements(credential []byte) error {
	return &Error{codeIncomplete, fmt.Sprintf("Credential must have exactly 5 slash-delimited elements, "+
		"e.g. keyid/date/region/service/term, got '%s'", credential)}
}

func errNotAPair(pair, authorization []byte) error {
	return &Error{codeIncomplete, fmt.Sprintf("'%s' not a valid key=value pair (missing equal-sign) in Authorization header: '%s'.",
		pair, authorization)}
}

func errDateFormat(date []byte) error {
	return &Error{codeIncomplete, fmt.Sprintf("Date must be in ISO-8601 'basic format'. Got '%s'. "+
		"See http://en.wikipedia.org/wiki/ISO_8601", date)}
}

// errIncompleteHeader names everything that the header form lacks.
func errIncompleteHeader(c *claim, dated bool, authorization []byte) error {
	var text strings.Builder
	for _, p := range []struct {
		missing bool
		name    string
	}{
		{len(c.credential) == 0, "Credential"},
		{len(c.signature) == 0, "Signature"},
		{len(c.signedHeaders) == 0, "SignedHeaders"},
	} {
		if p.missing {
			fmt.Fprintf(&text, "Authorization header requires '%s' parameter. ", p.name)
		}
	}
	if !dated {
		text.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	fmt.Fprintf(&text, "Authorization=%s", authorization)
	return &Error{codeIncomplete, text.String()}
}

// errIncompleteQuery names everything that the query form lacks (texts as at other AWS services).
func errIncompleteQuery(c *claim, algorithm, date []byte) error {
	var text strings.Builder
	for _, p := range []struct {
		missing bool
		name    string
	}{
		{len(algorithm) == 0, "X-Amz-Algorithm"},
		{len(c.credential) == 0, "X-Amz-Credential"},
		{len(c.signature) == 0, "X-Amz-Signature"},
		{len(c.signedHeaders) == 0, "X-Amz-SignedHeaders"},
		{len(date) == 0, "X-Amz-Date"},
	} {
		if p.missing {
			fmt.Fprintf(&text, "AWS query-string parameters must include '%s'. ", p.name)
		}
	}
	text.WriteString("Re-examine the query-string parameters.")
	return &Error{codeIncomplete, text.String()}
}

func errAlgorithm(algorithm []byte) error {
	return &Error{codeIncomplete, fmt.Sprintf("Unsupported AWS 'algorithm': '%s'.", algorithm)}
}

func errLifetime(value []byte) error {
	return &Error{codeIncomplete, fmt.Sprintf("X-Amz-Expires must be a number of seconds from 1 to %d, got '%s'.", maxLifetime, value)}
}
