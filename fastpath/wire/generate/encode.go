package main

import (
	"fmt"

	"trent/fastpath/model"
)

// emitEncoders writes AppendJSON of every response. Every member is appended with a comma before it; the
// first comma then becomes the opening brace, so no member needs to know whether it is the first.
func emitEncoders(p *plan, out *printer) error {
	for _, s := range p.responses {
		out.f("// AppendJSON implements Response.\nfunc (r *%s) AppendJSON(dst []byte) []byte {\n", s.goType)
		if len(s.fields) == 0 {
			out.f("return append(dst, \"{}\"...)\n}\n\n")
			continue
		}
		out.f("start := len(dst)\n")
		for _, f := range s.fields {
			emitMember(f, out)
		}
		out.f("return closeObject(dst, start)\n}\n\n")
	}
	return nil
}

// emitMember writes one member of an object.
func emitMember(f *field, out *printer) {
	value := "r." + f.name
	name := func() { out.f("dst = append(dst, `,%q:`...)\n", f.name) }
	switch f.shape.Kind {
	case model.KindString:
		switch {
		case isEnum(f.shape):
			out.f("if %s != 0 {\ndst = append(dst, `,%q:\"`...)\ndst = append(append(dst, %s.String()...), '\"')\n}\n", value, f.name, value)
			return
		case f.written:
			name()
			out.f("dst = appendString(dst, %s)\n", value)
			return
		}
		out.f("if %s != \"\" {\n", value)
		name()
		out.f("dst = appendString(dst, %s)\n}\n", value)
	case model.KindInteger, model.KindBoolean, model.KindTimestamp:
		out.f("if v, ok := %s.Value(); ok {\n", value)
		name()
		out.f("dst = %s\n}\n", map[model.Kind]string{
			model.KindInteger: "appendInt(dst, v)", model.KindBoolean: "strconv.AppendBool(dst, v)", model.KindTimestamp: "appendTimestamp(dst, v)",
		}[f.shape.Kind])
	default:
		out.f("if %s != nil {\n", value)
		name()
		out.f("dst = %s\n}\n", appendCall(f.shape, value))
	}
}

// appendCall is the expression that appends a blob, list, map or structure.
func appendCall(s *model.Shape, value string) string {
	switch s.Kind {
	case model.KindBlob:
		return fmt.Sprintf("appendBlob(dst, %s)", value)
	case model.KindMap:
		return fmt.Sprintf("appendPairs(dst, %s)", value)
	case model.KindStructure:
		return fmt.Sprintf("%s.AppendJSON(dst)", value)
	}
	switch e := element(s); {
	case e.Kind == model.KindStructure:
		return fmt.Sprintf("appendStructures(dst, %s)", value)
	case isEnum(e):
		return fmt.Sprintf("appendEnums(dst, %s)", value)
	}
	return fmt.Sprintf("appendStrings(dst, %s)", value)
}
