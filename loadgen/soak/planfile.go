package soak

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"trent/loadgen/workload"
	"trent/loadgen/yamlfile"
)

// Bounds of a fault plan.
const (
	maxPlanFile = 64 << 10
	maxActions  = 200
	minEvery    = 100 * time.Millisecond
	maxTime     = 31 * 24 * time.Hour
)

// defaultAllow is how long after an action errors are put down to it where the plan does not say.
const defaultAllow = 30 * time.Second

// PlanError is a mistake in a fault plan, at a place.
type PlanError = yamlfile.Error

// LoadPlan reads a fault plan. Errors: *PlanError for its content, else why it cannot be read.
func LoadPlan(path string) (Plan, error) {
	data, err := workload.ReadFile(path)
	if err != nil {
		return Plan{}, fmt.Errorf("reading the fault plan: %w", err)
	}
	return ParsePlan(path, data)
}

// ParsePlan parses the text of a fault plan; name appears in errors. Errors: *PlanError.
func ParsePlan(name string, data []byte) (Plan, error) {
	body, err := yamlfile.Document(name, data, maxPlanFile, "with faults")
	if err != nil {
		return Plan{}, err
	}
	p := &planReader{file: name}
	plan := Plan{Name: name, Source: string(data)}
	p.mapping(body, "the plan", "name, seed, faults", func(key string, value ast.Node) bool {
		switch key {
		case "name":
			plan.Name = p.text(value)
		case "seed":
			n, err := strconv.ParseUint(p.text(value), 10, 64)
			if err != nil {
				p.fail(value, "seed wants a whole number")
			}
			plan.Seed = n
		case "faults":
			plan.Actions = p.actions(value)
		default:
			return false
		}
		return true
	})
	if p.err != nil {
		return Plan{}, p.err
	}
	if len(plan.Actions) == 0 {
		return Plan{}, &PlanError{File: name, Message: "has no faults"}
	}
	return plan, nil
}

// planReader walks the syntax tree, so that every value has its place, and keeps the first error.
type planReader struct {
	file string
	err  *PlanError
}

func (p *planReader) fail(node ast.Node, format string, args ...any) {
	if p.err != nil {
		return
	}
	p.err = &PlanError{File: p.file, Message: fmt.Sprintf(format, args...)}
	if node == nil {
		return
	}
	if token := node.GetToken(); token != nil && token.Position != nil {
		p.err.Line, p.err.Column = token.Position.Line, token.Position.Column
	}
}

func (p *planReader) mapping(node ast.Node, what, known string, field func(key string, value ast.Node) bool) {
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		p.fail(node, "%s wants keys: %s", what, known)
		return
	}
	seen := map[string]bool{}
	for _, entry := range mapping.Values {
		name, ok := entry.Key.(*ast.StringNode)
		switch {
		case !ok || entry.Value == nil:
			p.fail(node, "%s wants plain keys with values: %s", what, known)
			return
		case seen[name.Value]:
			p.fail(entry.Key, "%q is given twice", name.Value)
			return
		}
		seen[name.Value] = true
		if !field(name.Value, entry.Value) {
			p.fail(entry.Key, "unknown key %q in %s; known: %s", name.Value, what, known)
			return
		}
	}
}

func (p *planReader) text(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.IntegerNode:
		return n.GetToken().Value
	}
	p.fail(node, "wants a single value")
	return ""
}

func (p *planReader) duration(node ast.Node, low time.Duration) time.Duration {
	text := p.text(node)
	d, err := time.ParseDuration(text)
	if err != nil || d < low || d > maxTime {
		p.fail(node, "%q: wants a time from %v to %v, such as 90s or 10m", text, low, maxTime)
		return low
	}
	return d
}

func (p *planReader) actions(node ast.Node) []Action {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		p.fail(node, "faults wants a list")
		return nil
	}
	if len(list.Values) > maxActions {
		p.fail(node, "more than %d faults", maxActions)
		return nil
	}
	var all []Action
	for _, item := range list.Values {
		all = append(all, p.action(item))
	}
	return all
}

func (p *planReader) action(node ast.Node) Action {
	a := Action{Allow: -1}
	p.mapping(node, "a fault", "kind, at, every, for, by, allow", func(key string, value ast.Node) bool {
		switch key {
		case "kind":
			a.Kind = p.text(value)
			if _, ok := kinds[a.Kind]; !ok {
				p.fail(value, "unknown kind %q; known: %s", a.Kind, kindNames())
			}
		case "at":
			a.At = p.times(value)
		case "every":
			a.Every, a.Jitter = p.every(value)
		case "for":
			a.For = p.duration(value, time.Millisecond)
		case "by":
			a.By = p.duration(value, time.Millisecond)
		case "allow":
			a.Allow = p.duration(value, 0)
		default:
			return false
		}
		return true
	})
	p.check(node, &a)
	return a
}

func kindNames() string {
	var names []string
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// check finds what is missing or contradicts itself, and fills in defaults.
func (p *planReader) check(node ast.Node, a *Action) {
	k := kinds[a.Kind]
	switch {
	case a.Kind == "":
		p.fail(node, "a fault wants a kind: %s", kindNames())
	case (len(a.At) == 0) == (a.Every == 0):
		p.fail(node, "%s wants either at or every", a.Kind)
	case a.For > 0 && !k.lasts:
		p.fail(node, "%s takes no for", a.Kind)
	case a.By > 0 && !k.by:
		p.fail(node, "%s takes no by", a.Kind)
	case a.Every > 0 && a.For >= a.Every-a.Jitter:
		p.fail(node, "%s lasts as long as the time to the next", a.Kind)
	}
	if k.lasts && a.For == 0 {
		a.For = time.Second
	}
	if k.by && a.By == 0 {
		a.By = 10 * time.Millisecond
	}
	if a.Allow < 0 {
		a.Allow = 0
		if k.server {
			a.Allow = defaultAllow
		}
	}
}

// times is a time or a list of them.
func (p *planReader) times(node ast.Node) []time.Duration {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return []time.Duration{p.duration(node, 0)}
	}
	if len(list.Values) == 0 || len(list.Values) > maxActions {
		p.fail(node, "at wants between 1 and %d times", maxActions)
	}
	var all []time.Duration
	for _, item := range list.Values {
		all = append(all, p.duration(item, 0))
	}
	return all
}

// every is a time, with ± and a jitter behind it if wanted.
func (p *planReader) every(node ast.Node) (every, jitter time.Duration) {
	text := p.text(node)
	mean, spread, random := strings.Cut(text, "±")
	every, err := time.ParseDuration(strings.TrimSpace(mean))
	if err != nil || every < minEvery || every > maxTime {
		p.fail(node, "%q: every wants a time of %v at the least, such as 10m or 10m±2m", text, minEvery)
		return minEvery, 0
	}
	if random {
		if jitter, err = time.ParseDuration(strings.TrimSpace(spread)); err != nil || jitter < 0 || jitter > every/2 {
			p.fail(node, "%q: the spread wants a time up to half of every", text)
			return every, 0
		}
	}
	return every, jitter
}
