package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// api is an API as both sides can tell it: what the committed model and an SDK's sources have in common.
type api struct {
	Operations map[string]operation
	Structures map[string]structure // but inputs, outputs and errors
	Enums      map[string][]string
	Errors     map[string]string // name → whose fault: client or server
}

type operation struct{ Input, Output structure }

// structure is the members by name.
type structure map[string]typed

// typed is a member's type, such as "string", "enum KeySpec", "list of structure Tag", and whether it must be given.
type typed struct {
	Type     string
	Required bool
}

func newAPI() *api {
	return &api{map[string]operation{}, map[string]structure{}, map[string][]string{}, map[string]string{}}
}

// modelFile is kms.json, as far as it is compared.
type modelFile struct {
	Operations map[string]struct{ Input, Output string }
	Shapes     map[string]modelShape
}

type modelShape struct {
	Type          string
	Enum          []string
	Exception     bool
	Fault         string
	Required      []string
	Members       map[string]string // name → shape
	Member, Value string            // shapes of lists and maps
}

// readModel reads the committed model.
func readModel(path string) (*api, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the model: %w", err)
	}
	var m modelFile
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("reading the model %s: %w", path, err)
	}
	a := newAPI()
	own := map[string]bool{} // inputs and outputs belong to their operation
	for name, op := range m.Operations {
		input, err := m.structure(op.Input)
		if err != nil {
			return nil, err
		}
		output, err := m.structure(op.Output)
		if err != nil {
			return nil, err
		}
		own[op.Input], own[op.Output] = true, true
		a.Operations[name] = operation{input, output}
	}
	for name, s := range m.Shapes {
		switch {
		case s.Exception:
			a.Errors[name] = s.Fault
		case s.Type == "structure" && !own[name]:
			if a.Structures[name], err = m.structure(name); err != nil {
				return nil, err
			}
		case len(s.Enum) > 0:
			a.Enums[name] = slices.Sorted(slices.Values(s.Enum))
		}
	}
	return a, nil
}

// typeOf words the type of a shape.
func (m *modelFile) typeOf(name string) (string, error) {
	s, ok := m.Shapes[name]
	if !ok {
		return "", fmt.Errorf("the model has no shape %q", name)
	}
	switch s.Type {
	case "structure":
		return "structure " + name, nil
	case "list":
		element, err := m.typeOf(s.Member)
		return "list of " + element, err
	case "map":
		value, err := m.typeOf(s.Value)
		return "map to " + value, err
	case "string":
		if len(s.Enum) > 0 {
			return "enum " + name, nil
		}
	}
	return s.Type, nil
}

// structure words the members of a structure; no name has none.
func (m *modelFile) structure(name string) (structure, error) {
	all := structure{}
	if name == "" {
		return all, nil
	}
	s, ok := m.Shapes[name]
	if !ok {
		return nil, fmt.Errorf("the model has no structure %q", name)
	}
	for member, shape := range s.Members {
		t, err := m.typeOf(shape)
		if err != nil {
			return nil, err
		}
		all[member] = typed{t, slices.Contains(s.Required, member)}
	}
	return all, nil
}
