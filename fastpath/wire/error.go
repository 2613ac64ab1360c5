package wire

import "fmt"

// Code is the name of an error.
type Code uint8

// codeInfo is a row of the table of errors.
type codeInfo struct {
	name      string
	status    int
	retryable bool
	capital   bool // the text member is spelled "Message"
	textless  bool // the service is known to answer it without a text
}

// info is the row of a code; of no code, the internal failure's.
func (c Code) info() *codeInfo {
	if c == 0 || c >= numCodes {
		c = CodeInternalFailure
	}
	return &codes[c]
}

// String is the exception's name, as in __type.
func (c Code) String() string { return c.info().name }

// Status is the HTTP status of the error.
func (c Code) Status() int { return c.info().status }

// Retryable tells whether clients repeat the request.
func (c Code) Retryable() bool { return c.info().retryable }

// CapitalMessage tells whether the text member is spelled "Message" instead of "message".
func (c Code) CapitalMessage() bool { return c.info().capital }

// Textless tells whether the service is known to answer the error without a text member.
func (c Code) Textless() bool { return c.info().textless }

// Error is an API error as the service answers it. Shared values exist: it is not to be changed.
type Error struct {
	Code      Code
	Message   string
	NoMessage bool // no text member at all
}

// Errorf returns an error with a text.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Bare returns an error without a text member.
func Bare(code Code) *Error { return &Error{Code: code, NoMessage: true} }

// Error implements error. The text may repeat what the request said in members that are not sensitive.
func (e *Error) Error() string {
	if e.NoMessage {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Message
}

// AppendJSON appends the error's body: __type first, then the text.
func (e *Error) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"__type":"`...)
	dst = append(dst, e.Code.String()...)
	dst = append(dst, '"')
	if !e.NoMessage {
		if e.Code.CapitalMessage() {
			dst = append(dst, `,"Message":`...)
		} else {
			dst = append(dst, `,"message":`...)
		}
		dst = appendString(dst, e.Message)
	}
	return append(dst, '}')
}
