package model

import "net/http"

// Operation is one operation of the API. Input and Output name structures; Output is empty for the
// operations that answer with an empty body.
type Operation struct {
	Name, Input, Output string
	Errors              []string
}

// Kind is the JSON-facing type of a shape.
type Kind string

// Kinds of shapes, spelled as in the model.
const (
	KindString    Kind = "string"
	KindBlob      Kind = "blob"
	KindInteger   Kind = "integer"
	KindBoolean   Kind = "boolean"
	KindTimestamp Kind = "timestamp"
	KindList      Kind = "list"
	KindMap       Kind = "map"
	KindStructure Kind = "structure"
)

// Bound is a limit that a shape may or may not have.
type Bound struct {
	Value int64
	Set   bool
}

// Shape is one type of the model with its constraints. Bounds count characters of strings, bytes of blobs,
// entries of lists, and are values for integers.
type Shape struct {
	Name      string
	Kind      Kind
	Min, Max  Bound
	Pattern   string   // the model's, or the overlay's; it covers the whole value, anchored or not
	Enum      []string // in the model's order
	Accepted  []string // enum values accepted beyond Enum (overlay), to be refused later by the operation
	Answered  []string // enum values that answers have beyond Enum and requests must not (overlay)
	Printed   []string // Enum in the order and extent in which the service prints it
	Sensitive bool     // never shown in an error

	Members             []Member // structures, in the model's order
	Element, Key, Value string   // shapes of lists and maps
	Exception           bool
	ServerFault         bool
}

// Member is one member of a structure.
type Member struct {
	Name, Shape string
	Required    bool
	Written     bool // answered even when empty
}

// Error is one error that the API can answer.
type Error struct {
	Name      string
	Status    int
	Retryable bool
	Capital   bool // its text member is spelled "Message"
	Textless  bool // the service is known to answer it without a text
	Modeled   bool
}

// Operations returns all operations in the model's order.
func Operations() []Operation { return load().operations }

// Shapes returns all shapes in the model's order.
func Shapes() []*Shape { return load().shapes }

// ShapeOf returns the shape of that name, or nil.
func ShapeOf(name string) *Shape { return load().byName[name] }

// Errors returns the modeled errors in the model's order, then the common ones of the overlay.
func Errors() []Error { return load().errors }

// TargetPrefix is what stands before the dot in X-Amz-Target.
func TargetPrefix() string { return load().targetPrefix }

// modeledStatus is the status of a modeled error: 500 for server faults, else 400 (API reference).
func modeledStatus(s *Shape) int {
	if s.ServerFault {
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
