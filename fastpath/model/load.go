package model

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

//go:embed kms.json
var modelJSON []byte

//go:embed overlay.json
var overlayJSON []byte

// api is the parsed model.
type api struct {
	targetPrefix string
	operations   []Operation
	shapes       []*Shape
	byName       map[string]*Shape
	errors       []Error
}

// load parses the embedded files once. They are part of the binary, so a fault in them is a broken
// invariant and not an input error.
var load = sync.OnceValue(func() *api {
	a, err := parse(modelJSON, overlayJSON)
	if err != nil {
		panic("model: " + err.Error())
	}
	return a
})

// object is a JSON object whose members keep their order: the model's order is the order of the service's
// validation errors.
type object []struct {
	Name  string
	Value json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("reading an object: got %v, %v", t, err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fmt.Errorf("reading a member name: %w", err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("reading member %v: %w", name, err)
		}
		*o = append(*o, struct {
			Name  string
			Value json.RawMessage
		}{name.(string), value})
	}
	return nil
}

// shapeFile is a shape as kms.json spells it.
type shapeFile struct {
	Type      Kind
	Min, Max  *int64
	Pattern   string
	Enum      []string
	Sensitive bool
	Members   object
	Required  []string
	Member    string
	Key       string
	Value     string
	Exception bool
	Fault     string
}

// overlayFile is overlay.json.
type overlayFile struct {
	Patterns map[string]string
	Accepted map[string][]string
	Answered map[string]struct {
		Source string
		Values []string
	}
	Printed map[string]struct {
		Source string
		Values []string
	}
	Written   map[string][]string
	Retryable []string
	Textless  []string
	Errors    []struct {
		Name      string
		Status    int
		Retryable bool
		Capital   bool
	}
}

// parse reads the model and applies the overlay.
func parse(modelText, overlayText []byte) (*api, error) {
	var file struct {
		TargetPrefix string
		Operations   object
		Shapes       object
	}
	if err := json.Unmarshal(modelText, &file); err != nil {
		return nil, fmt.Errorf("parsing the model: %w", err)
	}
	var over overlayFile
	d := json.NewDecoder(bytes.NewReader(overlayText))
	d.DisallowUnknownFields()
	if err := d.Decode(&over); err != nil {
		return nil, fmt.Errorf("parsing the overlay: %w", err)
	}
	a := &api{targetPrefix: file.TargetPrefix, byName: make(map[string]*Shape)}
	for _, m := range file.Operations {
		o := Operation{Name: m.Name}
		if err := json.Unmarshal(m.Value, &o); err != nil {
			return nil, fmt.Errorf("parsing operation %s: %w", m.Name, err)
		}
		a.operations = append(a.operations, o)
	}
	for _, m := range file.Shapes {
		s, err := parseShape(m.Name, m.Value, &over)
		if err != nil {
			return nil, fmt.Errorf("parsing shape %s: %w", m.Name, err)
		}
		a.shapes = append(a.shapes, s)
		a.byName[s.Name] = s
	}
	a.errors = errorTable(a.shapes, &over)
	return a, nil
}

// parseShape reads one shape and applies what the overlay says of it.
func parseShape(name string, text []byte, over *overlayFile) (*Shape, error) {
	var f shapeFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, err
	}
	s := &Shape{
		Name: name, Kind: f.Type, Pattern: f.Pattern, Enum: f.Enum, Sensitive: f.Sensitive,
		Element: f.Member, Key: f.Key, Value: f.Value,
		Exception: f.Exception, ServerFault: f.Fault == "server",
		Accepted: over.Accepted[name], Answered: over.Answered[name].Values, Printed: over.Printed[name].Values,
	}
	if f.Min != nil {
		s.Min = Bound{*f.Min, true}
	}
	if f.Max != nil {
		s.Max = Bound{*f.Max, true}
	}
	if p := over.Patterns[name]; p != "" {
		s.Pattern = p
	}
	if s.Printed == nil {
		s.Printed = s.Enum
	}
	for _, m := range f.Members {
		member := Member{Name: m.Name, Required: slices.Contains(f.Required, m.Name)}
		if err := json.Unmarshal(m.Value, &member.Shape); err != nil {
			return nil, fmt.Errorf("parsing member %s: %w", m.Name, err)
		}
		member.Written = member.Required || slices.Contains(over.Written[name], m.Name)
		s.Members = append(s.Members, member)
	}
	return s, nil
}

// errorTable joins the modeled errors and the overlay's common ones.
func errorTable(shapes []*Shape, over *overlayFile) []Error {
	var table []Error
	for _, s := range shapes {
		if s.Exception {
			table = append(table, Error{
				Name: s.Name, Status: modeledStatus(s), Modeled: true,
				Retryable: slices.Contains(over.Retryable, s.Name),
				Textless:  slices.Contains(over.Textless, s.Name),
			})
		}
	}
	for _, e := range over.Errors {
		table = append(table, Error{
			Name: e.Name, Status: e.Status, Retryable: e.Retryable, Capital: e.Capital,
			Textless: slices.Contains(over.Textless, e.Name),
		})
	}
	return table
}
