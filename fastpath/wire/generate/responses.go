package main

import "trent/fastpath/model"

// writtenType is the Go type of a member of a response.
func (p *plan) writtenType(s *model.Shape) string {
	switch s.Kind {
	case model.KindString:
		if isEnum(s) {
			return s.Name
		}
		return "string"
	case model.KindBlob:
		return "[]byte"
	case model.KindInteger:
		return "Opt[int32]"
	case model.KindBoolean:
		return "Opt[bool]"
	case model.KindTimestamp:
		return "Opt[Timestamp]"
	case model.KindList:
		e := element(s)
		if e.Kind == model.KindStructure {
			return "[]" + p.responseType(e)
		}
		return "[]" + p.writtenType(e)
	case model.KindMap:
		return "[]ResponsePair"
	}
	return "*" + p.responseType(s)
}

// emitResponses writes the response types.
func emitResponses(p *plan, out *printer) error {
	for _, s := range p.responses {
		out.f("// %s is the structure %s in responses.\ntype %s struct {\n", s.goType, s.shape.Name, s.goType)
		for _, f := range s.fields {
			out.f("%s %s\n", f.name, p.writtenType(f.shape))
		}
		out.f("}\n\n")
	}
	return nil
}
