// Package wire is the server's side of the API's JSON: request decoders, validators, response encoders and
// errors, generated from package model over one hand-written lexer. It is not a JSON library: it reads and
// writes the shapes of the model and nothing else, and it knows nothing of HTTP, keys or callers.
//
// # Requests
//
// Decode reads a body in place: strings are unescaped and blobs base64-decoded inside the body's own bytes, and
// the members of the request are views into it. So a body can be decoded once, it must not be changed or reused
// before the request has been handled, and whatever outlives the handler must be cloned. A string, blob, list,
// map or structure is absent when nil; present and empty is non-nil of length 0. An enum is absent when 0.
// Integers, booleans and timestamps have a method HasX. Requests are reused: Decode resets, and in steady state
// nothing is allocated on the hot operations.
//
// Decode answers only SerializationException: types and grammar, before any constraint is looked at. Validate
// then answers ValidationException with every violated constraint in the model's order. It decides without
// allocation, and only a refused request is walked again to build the text.
//
// # Responses
//
// Strings are left out when empty unless the member is required (or KeyMetadata's Description, which the service
// always shows); blobs, lists, maps and structures are left out when nil; enums when 0; integers, booleans and
// timestamps are Opt values, set by Some. AppendJSON allocates nothing beyond dst.
//
// # Choices where the service is silent
//
// A string's length counts Unicode code points, as the Smithy specification defines it, and a blob's its bytes.
// An empty body, or one of white space only, is {}. Member names match exactly; unknown members are skipped to a
// depth of 1000. Of repeated members and map keys the last wins. A null member is absent; a null in a list or map
// is kept and refused by Validate. Numbers for integers may have a fraction, which is cut off, or an exponent; out
// of 32 bits is SerializationException. Lone surrogates, invalid UTF-8, unescaped control characters, a byte order
// mark, text after the body and bad base64 (padding is required, white space refused) are malformed: a
// SerializationException without text. A timestamp is cut to milliseconds.
//
// The package owns no goroutines. Requests and responses are for one goroutine at a time; everything else is
// safe for concurrent use.
package wire

//go:generate go run ./generate
