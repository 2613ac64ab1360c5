package traffic

import (
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"trent/loadgen/workload"
)

const symmetric = "SYMMETRIC_DEFAULT"

// Model turns what a user knows of a system into calls.
type Model struct {
	Name        string       `json:"name"`
	Service     string       `json:"service"` // who calls
	Title       string       `json:"title"`
	Formula     string       `json:"formula"`
	Source      string       `json:"source"` // of the formula
	Inputs      []Input      `json:"inputs"`
	Assumptions []Assumption `json:"assumptions,omitempty"`

	spec  string // of a key that the file does not list; "" for symmetric
	terms func(in *inputs, out *terms)
}

// Models lists all models by name.
func Models() []Model {
	all := slices.Concat(storageModels(), messageModels(), secretModels(), dataModels(), clusterModels(), toolModels(), plainModels())
	slices.SortFunc(all, func(a, b Model) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// ModelNamed returns a model.
func ModelNamed(name string) (Model, bool) {
	all := Models()
	i := slices.IndexFunc(all, func(m Model) bool { return m.Name == name })
	if i < 0 {
		return Model{}, false
	}
	return all[i], true
}

// inputs are the values of a model's inputs.
type inputs struct{ values map[string]value }

// n is a figure: calls a second, a number, seconds, or 1 for true.
func (in *inputs) n(name string) float64 {
	v, ok := in.values[name]
	if !ok {
		panic("traffic: a model asks for an input it does not have: " + name)
	}
	return v.figure
}

func (in *inputs) on(name string) bool         { return in.n(name) == 1 }
func (in *inputs) choice(name string) string   { in.n(name); return in.values[name].text }
func (in *inputs) given(name string) bool      { in.n(name); return in.values[name].given }
func (in *inputs) d(name string) time.Duration { return seconds(in.n(name)) }

// commonFields are those of every cause, whatever its model.
var commonFields = []string{"name", "model", "service", "caller", "key", "times", "day"}

// cause reads one entry of causes.
func (p *reader) cause(node ast.Node, file *File, day dayCurve) Cause {
	c := Cause{Times: 1}
	fields := p.fields(node, "a cause")
	var model Model
	for _, entry := range fields {
		if entry.name == "model" {
			name := p.text(entry.value)
			var ok bool
			if model, ok = ModelNamed(name); !ok {
				p.fail(entry.value, "unknown model %q: expected one of %s", name, strings.Join(modelNames(), ", "))
			}
		}
	}
	if model.Name == "" {
		p.fail(node, "a cause needs a model, one of %s", strings.Join(modelNames(), ", "))
		return c
	}
	in := &inputs{values: map[string]value{}}
	for _, entry := range fields {
		switch entry.name {
		case "model":
		case "name":
			c.Name = p.text(entry.value)
		case "service":
			c.Service = p.text(entry.value)
		case "caller":
			c.Caller = p.text(entry.value)
		case "key":
			c.Key = p.text(entry.value)
		case "times":
			_, c.Times = p.figure(entry.value, Input{Name: "times", Kind: NumberInput})
		case "day":
			day = p.day(entry.value)
		default:
			p.input(entry, &model, in)
		}
	}
	if c.Name == "" {
		p.fail(node, "a cause has no name")
	}
	if p.err != nil {
		return c
	}
	model.complete(in)
	c.Model, c.Formula, c.Source = model.Name, model.Formula, model.Source
	c.Service, c.Caller = first(c.Service, model.Service), first(c.Caller, c.Name)
	c.Key = first(c.Key, "aws/"+c.Service)
	c.Inputs = model.given(in)
	out := &terms{}
	model.terms(in, out)
	if out.problem != "" {
		p.fail(node, "%s: %s", c.Name, out.problem)
		return c
	}
	c.Assumptions = slices.Concat(model.Assumptions, out.assumptions)
	p.flows(node, file, &model, &c, out, day)
	return c
}

// input reads one of the model's own inputs.
func (p *reader) input(entry field, m *Model, in *inputs) {
	i := slices.IndexFunc(m.Inputs, func(in Input) bool { return in.Name == entry.name })
	if i < 0 {
		known := slices.Clone(commonFields)
		for _, in := range m.Inputs {
			known = append(known, in.Name)
		}
		p.unknown(entry, "a cause of model "+m.Name, known)
		return
	}
	v := value{input: m.Inputs[i], given: true}
	if v.input.Kind == CallsInput {
		v.calls, v.text = p.calls(entry.value)
	} else {
		v.text, v.figure = p.figure(entry.value, v.input)
	}
	in.values[entry.name] = v
}

// calls reads a mapping of operations to rates.
func (p *reader) calls(node ast.Node) (out []namedRate, text string) {
	var written []string
	for _, entry := range p.fields(node, "calls") {
		if !slices.Contains(workload.Operations(), entry.name) {
			p.fail(entry.key, "unknown operation %q: expected one of %s", entry.name, strings.Join(workload.Operations(), ", "))
			return nil, ""
		}
		text, rate := p.figure(entry.value, Input{Name: entry.name, Kind: RateInput})
		out = append(out, namedRate{operation: entry.name, rate: rate})
		written = append(written, entry.name+" "+text)
	}
	return out, strings.Join(written, ", ")
}

// complete puts defaults in.
func (m *Model) complete(in *inputs) {
	for _, input := range m.Inputs {
		if _, ok := in.values[input.Name]; ok {
			continue
		}
		v := value{input: input, text: input.Default}
		if input.Default != "" {
			var err error
			if v.figure, err = figureOf(input, input.Default); err != nil {
				panic("traffic: default of " + m.Name + "." + input.Name + ": " + err.Error())
			}
		}
		in.values[input.Name] = v
	}
}

// given lists the inputs with their values, in the model's order.
func (m *Model) given(in *inputs) []Given {
	var out []Given
	for _, input := range m.Inputs {
		v := in.values[input.Name]
		if v.given || v.text != "" {
			out = append(out, Given{Name: input.Name, Value: v.text, Default: !v.given})
		}
	}
	return out
}

// flows gives a model's streams the names, the number and the day of the cause.
func (p *reader) flows(node ast.Node, file *File, m *Model, c *Cause, out *terms, day dayCurve) {
	for _, t := range out.list {
		f := Flow{Cause: c.Name, Service: c.Service, Caller: c.Caller, Operation: t.operation, Formula: t.formula, Context: t.context, Unbilled: t.unbilled}
		if workload.UsesKey(t.operation) {
			f.Key = c.Key
			f.KeySpec = file.specOf(c.Key, first(m.spec, symmetric))
			if workload.MakesPairs(t.operation) && f.KeySpec == symmetric {
				f.KeySpec = workload.PairSpecs()[0] // a pair's spec, as the service has it by default here
			}
		}
		if err := workload.Fits(t.operation, f.KeySpec); err != nil {
			p.fail(node, "%s: %v; list the key under keys with its spec", c.Name, err)
			return
		}
		day.put(&f, t.rate, t.follow)
		if t.storm != nil {
			f.Storms = append(f.Storms, *t.storm)
		}
		f = f.Scaled(c.Times)
		if c.Times != 1 {
			f.Formula += ", times " + number(c.Times)
		}
		if f.Rate.Mean > maxRate || len(f.Storms) > 0 && f.Storms[0].Calls > maxCount {
			p.fail(node, "%s: more than %g calls a second or %g at once", c.Name, float64(maxRate), float64(maxCount))
			return
		}
		c.Flows = append(c.Flows, f)
	}
	if len(c.Flows) == 0 {
		p.fail(node, "%s: by these inputs it makes no calls; 'trent workload show %s' lists them", c.Name, m.Name)
	}
}

// specOf is the spec of a key by its name. One that the file does not list is listed with the spec its user needs.
func (f *File) specOf(name, otherwise string) string {
	for _, k := range f.Keys {
		if k.Name == name {
			return k.Spec
		}
	}
	f.Keys = append(f.Keys, Key{Name: name, Spec: otherwise, Count: 1})
	return otherwise
}

func modelNames() []string {
	var names []string
	for _, m := range Models() {
		names = append(names, m.Name)
	}
	return names
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
