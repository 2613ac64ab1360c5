package main

import (
	"bytes"
	"fmt"

	"trent/fastpath/model"
)

// requestType is the Go type of a member of a request.
func requestType(s *model.Shape) string {
	switch s.Kind {
	case model.KindString:
		if len(s.Enum) > 0 {
			return s.Name
		}
		return "[]byte"
	case model.KindBlob:
		return "[]byte"
	case model.KindInteger:
		return "int32"
	case model.KindBoolean:
		return "bool"
	case model.KindTimestamp:
		return "Timestamp"
	case model.KindList:
		return "[]" + requestType(model.ShapeOf(s.Element))
	case model.KindMap:
		return "[]Pair"
	}
	return s.Name
}

// isScalar tells whether presence of a member is kept in a bit.
func isScalar(s *model.Shape) bool {
	return s.Kind == model.KindInteger || s.Kind == model.KindBoolean || s.Kind == model.KindTimestamp
}

// isEnum tells whether a shape is an enumeration.
func isEnum(s *model.Shape) bool { return len(s.Enum) > 0 }

// element is the element shape of a list.
func element(s *model.Shape) *model.Shape { return model.ShapeOf(s.Element) }

// emitRequests writes the request types, their presence methods and Reset.
func emitRequests(p *plan, out *printer) error {
	for _, s := range p.parts {
		out.f("// %s is the structure of that name in requests.\n", s.goType)
		if err := emitRequestType(s, out); err != nil {
			return err
		}
		emitReset(s, out)
	}
	for _, s := range p.requests {
		out.f("// %s is the input of %s.\n", s.goType, s.operation)
		if err := emitRequestType(s, out); err != nil {
			return err
		}
		out.f("// Operation implements Request.\nfunc (*%s) Operation() Operation { return Operation%s }\n\n", s.goType, s.operation)
		emitReset(s, out)
	}
	return nil
}

// emitRequestType writes a struct: the model's members, then storage that Reset keeps.
func emitRequestType(s *structure, out *printer) error {
	out.f("type %s struct {\n", s.goType)
	for _, f := range s.fields {
		out.f("%s %s\n", f.name, fieldType(f.shape))
	}
	var hidden printer
	scalars := 0
	for _, f := range s.fields {
		switch {
		case isScalar(f.shape):
			scalars++
		case isEnum(f.shape):
			hidden.f("raw%s []byte // the text of an unknown value\n", f.name)
		case f.shape.Kind == model.KindStructure:
			hidden.f("store%s %s\n", f.name, f.shape.Name)
		case f.shape.Kind == model.KindList:
			hidden.f("store%s %s\n", f.name, requestType(f.shape))
			if isEnum(element(f.shape)) {
				hidden.f("raw%s [][]byte // the texts of all elements\n", f.name)
			}
		case f.shape.Kind == model.KindMap:
			hidden.f("store%s []Pair\n", f.name)
		}
	}
	if s.operation == "" {
		hidden.f("null bool // this list element was null\n")
	}
	if scalars > 8 {
		return fmt.Errorf("%s: more than 8 scalars", s.goType)
	}
	if scalars > 0 {
		out.f("\nhas uint8 // presence of the scalars, by bit\n")
	}
	if hidden.Len() > 0 {
		if scalars == 0 {
			out.f("\n")
		}
		out.f("%s", hidden.String())
	}
	out.f("}\n\n")
	bit := 0
	for _, f := range s.fields {
		if isScalar(f.shape) {
			out.f("// Has%s tells whether %s was given.\nfunc (r *%s) Has%s() bool { return r.has&(1<<%d) != 0 }\n\n", f.name, f.name, s.goType, f.name, bit)
			bit++
		}
	}
	return nil
}

// fieldType is requestType, with a pointer for structures.
func fieldType(s *model.Shape) string {
	if s.Kind == model.KindStructure {
		return "*" + s.Name
	}
	return requestType(s)
}

// emitReset writes Reset, which drops every view and keeps the storage of lists, maps and structures.
func emitReset(s *structure, out *printer) {
	name := "Reset"
	if s.operation == "" {
		name = "reset"
	}
	out.f("// %s drops every view and keeps storage.\nfunc (r *%s) %s() {\n", name, s.goType, name)
	for _, f := range s.fields {
		if f.shape.Kind == model.KindStructure {
			out.f("r.store%s.reset()\n", f.name)
		}
	}
	out.f("*r = %s{", s.goType)
	for _, f := range s.fields {
		switch f.shape.Kind {
		case model.KindMap, model.KindList:
			out.f("\nstore%s: recycle(r.store%s),", f.name, f.name)
			if f.shape.Kind == model.KindList && isEnum(element(f.shape)) {
				out.f("\nraw%s: recycle(r.raw%s),", f.name, f.name)
			}
		case model.KindStructure:
			out.f("\nstore%s: r.store%s,", f.name, f.name)
		}
	}
	if bytes.HasSuffix(out.Bytes(), []byte(",")) {
		out.f("\n")
	}
	out.f("}\n}\n\n")
}
