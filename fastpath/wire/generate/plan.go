package main

import (
	"bytes"
	"fmt"
	"slices"

	"trent/fastpath/model"
)

// printer collects generated text.
type printer struct{ bytes.Buffer }

// f prints formatted text.
func (p *printer) f(format string, args ...any) { fmt.Fprintf(&p.Buffer, format, args...) }

// plan is the model arranged for generation: which structures are read, which are written.
type plan struct {
	operations []model.Operation
	requests   []*structure // operations' inputs, in the order of operations
	parts      []*structure // structures inside requests
	responses  []*structure // operations' outputs and the structures inside them
	enums      []*model.Shape
	patterns   []*model.Shape // the first shape of each pattern in requests, in order of first use
}

// structure is a structure shape with its Go type.
type structure struct {
	shape     *model.Shape
	goType    string
	operation string // requests only
	fields    []*field
}

// field is a member of a structure.
type field struct {
	name     string // as in the model
	path     string // as in validation errors
	shape    *model.Shape
	required bool
	waived   string // the condition under which a required member may be left out; empty: none
	written  bool
}

// newPlan walks the model from its operations.
func newPlan() (*plan, error) {
	p := &plan{operations: model.Operations()}
	reading, writing := make(map[string]bool), make(map[string]bool)
	for _, o := range p.operations {
		s, err := p.structure(o.Input, "")
		if err != nil {
			return nil, err
		}
		s.operation = o.Name
		p.requests = append(p.requests, s)
		if err := p.walk(s, reading, &p.parts, ""); err != nil {
			return nil, err
		}
	}
	for _, o := range p.operations {
		if o.Output == "" || writing[o.Output] {
			continue
		}
		writing[o.Output] = true
		s, err := p.structure(o.Output, "")
		if err != nil {
			return nil, err
		}
		p.responses = append(p.responses, s)
		if err := p.walk(s, writing, &p.responses, "Response"); err != nil {
			return nil, err
		}
	}
	p.rename()
	for _, s := range model.Shapes() {
		if len(s.Enum) > 0 {
			p.enums = append(p.enums, s)
		}
	}
	return p, nil
}

// rename takes the prefix away from written structures that are not read as well.
func (p *plan) rename() {
	read := make(map[string]bool)
	for _, s := range p.parts {
		read[s.shape.Name] = true
	}
	for _, s := range p.responses {
		if !read[s.shape.Name] {
			s.goType = s.shape.Name
		}
	}
}

// responseType is the Go type of a written structure.
func (p *plan) responseType(shape *model.Shape) string {
	for _, s := range p.responses {
		if s.shape == shape {
			return s.goType
		}
	}
	return ""
}

// walk adds the structures inside s to list, each once.
func (p *plan) walk(s *structure, seen map[string]bool, list *[]*structure, prefix string) error {
	for _, f := range s.fields {
		shape := f.shape
		if shape.Kind == model.KindList {
			shape = model.ShapeOf(shape.Element)
		}
		if shape.Kind != model.KindStructure || seen[shape.Name] {
			continue
		}
		seen[shape.Name] = true
		inner, err := p.structure(shape.Name, prefix)
		if err != nil {
			return err
		}
		*list = append(*list, inner)
		if err := p.walk(inner, seen, list, prefix); err != nil {
			return err
		}
	}
	return nil
}

// structure arranges one structure shape and refuses what the generator does not know.
func (p *plan) structure(name, prefix string) (*structure, error) {
	shape := model.ShapeOf(name)
	if shape == nil || shape.Kind != model.KindStructure {
		return nil, fmt.Errorf("%s is not a structure", name)
	}
	s := &structure{shape: shape, goType: prefix + name}
	for _, m := range shape.Members {
		f := &field{name: m.Name, path: lowerFirst(m.Name), shape: model.ShapeOf(m.Shape), required: m.Required, written: m.Written}
		if f.shape == nil {
			return nil, fmt.Errorf("%s.%s: no shape %s", name, m.Name, m.Shape)
		}
		if err := checkKnown(f.shape); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", name, m.Name, err)
		}
		s.fields = append(s.fields, f)
	}
	s.requireCiphertext()
	return s, nil
}

// requireCiphertext makes the ciphertext of a request required that only a dry run may leave out. The model calls it
// optional; its documentation says when it is.
func (s *structure) requireCiphertext() {
	if !slices.ContainsFunc(s.fields, func(f *field) bool { return f.name == "DryRunModifiers" }) {
		return
	}
	for _, f := range s.fields {
		if f.name == "CiphertextBlob" {
			f.required, f.waived = true, "r.IgnoresCiphertext()"
		}
	}
}

// checkKnown refuses shapes that the templates have no text for.
func checkKnown(s *model.Shape) error {
	switch s.Kind {
	case model.KindString, model.KindBlob, model.KindInteger, model.KindBoolean, model.KindTimestamp, model.KindStructure:
		return nil
	case model.KindList:
		e := model.ShapeOf(s.Element)
		if e == nil || e.Kind != model.KindString && e.Kind != model.KindStructure {
			return fmt.Errorf("list %s: unknown element %s", s.Name, s.Element)
		}
		if e.Kind == model.KindStructure && (s.Min.Set || s.Max.Set) {
			return fmt.Errorf("list %s: bounds on a list of structures", s.Name)
		}
		return nil
	case model.KindMap:
		for _, name := range []string{s.Key, s.Value} {
			e := model.ShapeOf(name)
			if e == nil || e.Kind != model.KindString || e.Min.Set || e.Max.Set || e.Pattern != "" || len(e.Enum) > 0 {
				return fmt.Errorf("map %s: constraints on %s", s.Name, name)
			}
		}
		if s.Min.Set || s.Max.Set {
			return fmt.Errorf("map %s: bounds", s.Name)
		}
		return nil
	}
	return fmt.Errorf("shape %s: unknown kind %q", s.Name, s.Kind)
}
