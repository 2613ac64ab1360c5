package main

import "slices"

// emitEnums writes the enum types, their texts and their parsers.
func emitEnums(p *plan, out *printer) error {
	inRequests := p.readEnums()
	for _, s := range p.enums {
		read := append(slices.Clone(s.Enum), s.Accepted...)
		values := append(slices.Clone(read), s.Answered...)
		out.f("// %s is the API's enumeration of that name; 0 is absent.\ntype %s uint8\n\n", s.Name, s.Name)
		out.f("// Values of %s.\nconst (\n_ %s = iota\n", s.Name, s.Name)
		for _, v := range values {
			out.f("%s%s\n", s.Name, constantName(v))
		}
		out.f(")\n\nvar text%s = [...]string{\n", s.Name)
		for _, v := range values {
			out.f("%s%s: %q,\n", s.Name, constantName(v), v)
		}
		out.f("}\n\n// String is the API's text, empty for absent and unknown values.\n")
		out.f("func (v %s) String() string {\nif int(v) < len(text%s) {\nreturn text%s[v]\n}\nreturn \"\"\n}\n\n", s.Name, s.Name, s.Name)
		if !inRequests[s.Name] {
			continue
		}
		out.f("func parse%s(text []byte) %s {\nswitch string(text) {\n", s.Name, s.Name)
		for _, v := range read {
			out.f("case %q:\nreturn %s%s\n", v, s.Name, constantName(v))
		}
		out.f("}\nreturn unknownValue\n}\n\n")
	}
	return nil
}

// readEnums names the enums that occur in requests.
func (p *plan) readEnums() map[string]bool {
	read := make(map[string]bool)
	for _, s := range slices.Concat(p.requests, p.parts) {
		for _, f := range s.fields {
			if len(f.shape.Enum) > 0 {
				read[f.shape.Name] = true
			}
			if f.shape.Element != "" {
				read[f.shape.Element] = true
			}
		}
	}
	return read
}
