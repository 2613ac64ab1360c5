package main

import (
	"slices"

	"trent/fastpath/model"
)

// emitDecoders writes Decode of every request and decode of every structure.
func emitDecoders(p *plan, out *printer) error {
	for _, s := range p.requests {
		out.f("// Decode implements Request.\nfunc (r *%s) Decode(body []byte) *Error {\nr.Reset()\nl := lexer{b: body}\n", s.goType)
		out.f("if l.begin() {\nr.decode(&l)\nl.end()\n}\nif l.err != nil {\nr.Reset()\n}\nreturn l.err\n}\n\n")
	}
	for _, s := range slices.Concat(p.requests, p.parts) {
		emitDecode(s, out)
	}
	return nil
}

// emitDecode writes the loop over an object's members: a switch on the name's length, then on its bytes.
func emitDecode(s *structure, out *printer) {
	out.f("func (r *%s) decode(l *lexer) {\nfor more := l.enter(wantStructure); more; more = l.more('}') {\n", s.goType)
	lengths := make(map[int][]*field)
	for _, f := range s.fields {
		lengths[len(f.name)] = append(lengths[len(f.name)], f)
	}
	order := make([]int, 0, len(lengths))
	for n := range lengths {
		order = append(order, n)
	}
	slices.Sort(order)
	bits := scalarBits(s)
	if len(order) == 0 {
		out.f("l.name()\nl.skip()\n}\n}\n\n")
		return
	}
	out.f("switch name := l.name(); len(name) {\n")
	for _, n := range order {
		out.f("case %d:\n", n)
		for _, f := range lengths[n] {
			out.f("if string(name) == %q {\n", f.name)
			emitValue(f, bits[f.name], out)
			out.f("continue\n}\n")
		}
	}
	out.f("}\nl.skip()\n}\n}\n\n")
}

// scalarBits numbers the presence bits of a structure.
func scalarBits(s *structure) map[string]int {
	bits := make(map[string]int)
	for _, f := range s.fields {
		if isScalar(f.shape) {
			bits[f.name] = len(bits)
		}
	}
	return bits
}

// emitValue writes the reading of one member's value. A repeated member replaces the earlier one whole.
func emitValue(f *field, bit int, out *printer) {
	n := f.name
	switch s := f.shape; s.Kind {
	case model.KindString:
		if isEnum(s) {
			out.f("r.%s = 0\nif text := l.text(); text != nil {\n", n)
			out.f("if r.%s = parse%s(text); r.%s == unknownValue {\nr.raw%s = text\n}\n}\n", n, s.Name, n, n)
			return
		}
		out.f("r.%s = l.text()\n", n)
	case model.KindBlob:
		out.f("r.%s = l.blob()\n", n)
	case model.KindInteger, model.KindBoolean, model.KindTimestamp:
		out.f("v, ok := l.%s()\nr.%s, r.has = v, r.has&^(1<<%d)\nif ok {\nr.has |= 1 << %d\n}\n", s.Kind, n, bit, bit)
	case model.KindMap:
		out.f("r.%s = l.pairs(&r.store%s)\n", n, n)
	case model.KindStructure:
		out.f("r.%s = nil\nif !l.null() {\nr.store%s.reset()\nr.%s = &r.store%s\nr.%s.decode(l)\n}\n", n, n, n, n, n)
	case model.KindList:
		emitList(f, out)
	}
}

// emitList writes the reading of a list.
func emitList(f *field, out *printer) {
	n, e := f.name, element(f.shape)
	switch {
	case isEnum(e):
		out.f("r.%s = enums(l, &r.store%s, &r.raw%s, parse%s)\n", n, n, n, e.Name)
	case e.Kind == model.KindString:
		out.f("r.%s = l.texts(&r.store%s)\n", n, n)
	default:
		out.f("r.%s = nil\nif !l.null() {\nlist := listIn(r.store%s)\n", n, n)
		out.f("for more := l.enter(wantList); more; more = l.more(']') {\n")
		out.f("list = append(list, %s{})\nif v := &list[len(list)-1]; l.null() {\nv.null = true\n} else {\nv.decode(l)\n}\n}\n", e.Name)
		out.f("r.%s, r.store%s = list, list\n}\n", n, n)
	}
}
