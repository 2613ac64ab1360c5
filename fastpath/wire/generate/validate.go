package main

import (
	"fmt"
	"slices"
	"strings"

	"trent/fastpath/model"
)

// emitValidators writes for every structure the yes/no check and the walk that reports.
func emitValidators(p *plan, out *printer) error {
	for _, s := range p.requests {
		out.f("// Validate implements Request.\nfunc (r *%s) Validate() *Error {\nif r.valid() {\nreturn nil\n}\n", s.goType)
		out.f("var v violations\nr.explain(&v)\nreturn v.err()\n}\n\n")
	}
	for _, s := range slices.Concat(p.requests, p.parts) {
		out.f("func (r *%s) valid() bool {\n", s.goType)
		for _, f := range s.fields {
			if err := p.emitCheck(f, out); err != nil {
				return fmt.Errorf("%s.%s: %w", s.goType, f.name, err)
			}
		}
		out.f("return true\n}\n\n")
		out.f("func (r *%s) explain(v *violations) {\n", s.goType)
		for _, f := range s.fields {
			p.emitReport(f, out)
		}
		out.f("}\n\n")
	}
	return nil
}

// emitCheck writes the conditions under which a member is refused.
func (p *plan) emitCheck(f *field, out *printer) error {
	v := "r." + f.name
	refuse := func(conditions ...string) {
		if len(conditions) > 0 {
			out.f("if %s {\nreturn false\n}\n", strings.Join(conditions, " || "))
		}
	}
	switch s := f.shape; {
	case isEnum(s):
		conditions := []string{v + " == unknownValue"}
		if f.required {
			conditions = append(conditions, v+" == 0")
		}
		refuse(conditions...)
	case s.Kind == model.KindString, s.Kind == model.KindBlob:
		conditions := p.textConditions(s, v)
		if f.waived != "" {
			refuse(fmt.Sprintf("%s == nil && !%s", v, f.waived))
		}
		if f.required && f.waived == "" {
			refuse(append([]string{v + " == nil"}, conditions...)...)
		} else if len(conditions) > 0 {
			refuse(fmt.Sprintf("%s != nil && (%s)", v, strings.Join(conditions, " || ")))
		}
	case s.Kind == model.KindInteger:
		if f.required {
			return fmt.Errorf("a required integer is not known to the templates")
		}
		if !s.Min.Set || !s.Max.Set || s.Max.Value <= 0 {
			return fmt.Errorf("an integer without both bounds is not known to the templates")
		}
		refuse(fmt.Sprintf("r.Has%s() && (%s < %d || %s > %d)", f.name, v, s.Min.Value, v, s.Max.Value))
	case s.Kind == model.KindBoolean, s.Kind == model.KindTimestamp:
		if f.required {
			return fmt.Errorf("a required %s is not known to the templates", s.Kind)
		}
	case s.Kind == model.KindStructure:
		if f.required {
			refuse(v + " == nil")
		}
		refuse(fmt.Sprintf("%s != nil && !%s.valid()", v, v))
	default:
		p.emitCollectionCheck(f, out, refuse)
	}
	return nil
}

// textConditions are the conditions under which a string or blob that is present is refused.
func (p *plan) textConditions(s *model.Shape, v string) []string {
	var conditions []string
	if s.Min.Set && s.Min.Value > 0 {
		if s.Kind == model.KindBlob || s.Min.Value == 1 {
			conditions = append(conditions, fmt.Sprintf("len(%s) < %d", v, s.Min.Value))
		} else {
			conditions = append(conditions, fmt.Sprintf("shorter(%s, %d)", v, s.Min.Value))
		}
	}
	if s.Max.Set {
		if s.Kind == model.KindBlob {
			conditions = append(conditions, fmt.Sprintf("len(%s) > %d", v, s.Max.Value))
		} else {
			conditions = append(conditions, fmt.Sprintf("longer(%s, %d)", v, s.Max.Value))
		}
	}
	if s.Pattern != "" {
		conditions = append(conditions, fmt.Sprintf("!%s(%s)", p.matcher(s), v))
	}
	return conditions
}

// emitCollectionCheck is emitCheck for lists and maps.
func (p *plan) emitCollectionCheck(f *field, out *printer, refuse func(...string)) {
	v, s := "r."+f.name, f.shape
	var conditions []string
	if f.required {
		conditions = append(conditions, v+" == nil")
	}
	if s.Min.Set && s.Min.Value > 0 {
		conditions = append(conditions, fmt.Sprintf("%s != nil && len(%s) < %d", v, v, s.Min.Value))
	}
	if s.Max.Set {
		conditions = append(conditions, fmt.Sprintf("len(%s) > %d", v, s.Max.Value))
	}
	refuse(conditions...)
	if s.Kind == model.KindMap {
		out.f("for i := range %s {\nif %s[i].Value == nil {\nreturn false\n}\n}\n", v, v)
		return
	}
	switch e := element(s); {
	case isEnum(e):
		out.f("for _, e := range %s {\n", v)
		refuse("e == 0", "e == unknownValue")
	case e.Kind == model.KindString:
		out.f("for _, e := range %s {\n", v)
		refuse(append([]string{"e == nil"}, p.textConditions(e, "e")...)...)
	default:
		out.f("for i := range %s {\n", v)
		refuse(fmt.Sprintf("%s[i].null", v), fmt.Sprintf("!%s[i].valid()", v))
	}
	out.f("}\n")
}

// ruleOf is the rule literal of a shape.
func (p *plan) ruleOf(s *model.Shape, required bool) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if required {
		add("required: true")
	}
	if s.Sensitive {
		add("sensitive: true")
	}
	if s.Min.Set && s.Min.Value != 0 {
		add("min: %d", s.Min.Value)
	}
	if s.Max.Set {
		add("max: %d", s.Max.Value)
	}
	if s.Pattern != "" {
		add("match: %s, pattern: %q", p.matcher(s), s.Pattern)
	}
	if isEnum(s) {
		add("values: %q", "["+strings.Join(s.Printed, ", ")+"]")
	}
	return "rule{" + strings.Join(parts, ", ") + "}"
}

// emitReport writes the reporting of one member.
func (p *plan) emitReport(f *field, out *printer) {
	v, s, r := "r."+f.name, f.shape, p.ruleOf(f.shape, f.required)
	if f.waived != "" {
		r = strings.Replace(r, "required: true", "required: !"+f.waived, 1)
	}
	switch {
	case isEnum(s):
		out.f("v.enum(%q, uint8(%s), r.raw%s, %s)\n", f.path, v, f.name, r)
	case s.Kind == model.KindString:
		out.f("v.member(%q, %s, %s)\n", f.path, v, r)
	case s.Kind == model.KindBlob:
		out.f("v.blob(%q, %s, %s)\n", f.path, v, r)
	case s.Kind == model.KindInteger:
		out.f("v.integer(%q, %s, r.Has%s(), %s)\n", f.path, v, f.name, r)
	case s.Kind == model.KindMap:
		out.f("v.pairs(%q, %s, %s)\n", f.path, v, r)
	case s.Kind == model.KindStructure:
		if f.required {
			out.f("v.missing(%s == nil, %q, %s)\n", v, f.path, r)
		}
		out.f("if %s != nil {\nback := v.enter(%q, 0)\n%s.explain(v)\nv.leave(back)\n}\n", v, f.path, v)
	case s.Kind == model.KindList && isEnum(element(s)):
		e := element(s)
		out.f("if %s != nil {\nv.list(%q, r.raw%s, %s, %s, func(text []byte) bool { return parse%s(text) != unknownValue })\n}", v, f.path, f.name, r, p.ruleOf(e, true), e.Name)
		if f.required {
			out.f(" else {\nv.list(%q, nil, %s, rule{}, nil)\n}", f.path, r)
		}
		out.f("\n")
	case s.Kind == model.KindList && element(s).Kind == model.KindString:
		out.f("v.list(%q, %s, %s, %s, nil)\n", f.path, v, r, p.ruleOf(element(s), true))
	case s.Kind == model.KindList:
		if f.required {
			out.f("v.missing(%s == nil, %q, %s)\n", v, f.path, r)
		}
		out.f("for i := range %s {\nif %s[i].null {\nv.nullElement(%q, i+1)\ncontinue\n}\n", v, v, f.path)
		out.f("back := v.enter(%q, i+1)\n%s[i].explain(v)\nv.leave(back)\n}\n", f.path, v)
	}
}
