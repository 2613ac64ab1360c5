package wire

import (
	"bytes"
	"time"
)

// Operation is one operation of the API.
type Operation uint8

// String is the operation's name as in X-Amz-Target, empty for no operation.
func (op Operation) String() string {
	if op < NumOperations {
		return operationNames[op]
	}
	return ""
}

// LookupTarget finds the operation that an X-Amz-Target header names.
func LookupTarget(target []byte) (Operation, bool) {
	name, ok := bytes.CutPrefix(target, []byte(targetPrefix))
	if !ok {
		return OperationNone, false
	}
	return lookupName(name)
}

// Request is an operation's input. See the package comment for the lifetime of its members.
type Request interface {
	Operation() Operation
	// Reset drops every view into a body and keeps storage for the next one.
	Reset()
	// Decode resets and reads a body, changing the body. Error: SerializationException.
	Decode(body []byte) *Error
	// Validate checks the model's constraints. Error: ValidationException.
	Validate() *Error
}

// Response is an operation's output.
type Response interface {
	// AppendJSON appends the response's JSON to dst.
	AppendJSON(dst []byte) []byte
}

// Pair is an entry of a map in a request. Value is nil only when the request says null, which Validate refuses.
type Pair struct{ Key, Value []byte }

// ResponsePair is an entry of a map in a response.
type ResponsePair struct{ Key, Value string }

// Opt is a scalar that a response may leave out. The zero Opt is left out.
type Opt[T any] struct {
	value T
	set   bool
}

// Some is a value to be written.
func Some[T any](v T) Opt[T] { return Opt[T]{v, true} }

// Value returns the value and whether it is set.
func (o Opt[T]) Value() (T, bool) { return o.value, o.set }

// Timestamp is milliseconds since the Unix epoch, the API's own precision.
type Timestamp int64

// TimestampOf is t, cut to milliseconds.
func TimestampOf(t time.Time) Timestamp { return Timestamp(t.UnixMilli()) }

// Time is the timestamp in UTC.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t)).UTC() }

// unknownValue is an enum value whose text is not in the enumeration; Validate refuses it.
const unknownValue = 255

// keepEntries is how many entries of a list or map a pooled request keeps room for.
const keepEntries = 64

// recycle empties storage for the next request and lets go of what an unusually large one needed.
func recycle[T any](s []T) []T {
	if cap(s) > keepEntries {
		return nil
	}
	clear(s)
	return s[:0]
}
