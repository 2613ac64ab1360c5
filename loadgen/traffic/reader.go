package traffic

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"trent/loadgen/workload"
)

// reader walks the syntax tree and keeps the first error. Walking it by hand gives every value its place.
type reader struct {
	file string
	err  *workload.Error
}

func (p *reader) fail(node ast.Node, format string, args ...any) {
	if p.err != nil {
		return
	}
	p.err = &workload.Error{File: p.file, Message: fmt.Sprintf(format, args...)}
	// A block mapping's own token is its first colon, which no reader looks for.
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 && m.Values[0].Key != nil {
		node = m.Values[0].Key
	}
	if token := node.GetToken(); token != nil && token.Position != nil {
		p.err.Line, p.err.Column = token.Position.Line, token.Position.Column
	}
}

// field is one entry of a mapping.
type field struct {
	name       string
	key, value ast.Node
}

// fields lists a mapping's entries.
func (p *reader) fields(node ast.Node, what string) []field {
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		p.fail(node, "%s wants keys and values", what)
		return nil
	}
	var out []field
	seen := map[string]bool{}
	for _, entry := range mapping.Values {
		if entry.Key == nil || entry.Value == nil {
			p.fail(node, "%s has an empty entry", what)
			return nil
		}
		name, ok := entry.Key.(*ast.StringNode)
		if !ok {
			p.fail(entry.Key, "%s wants plain keys", what)
			return nil
		}
		if seen[name.Value] {
			p.fail(entry.Key, "%q is given twice", name.Value)
			return nil
		}
		seen[name.Value] = true
		out = append(out, field{name: name.Value, key: entry.Key, value: entry.Value})
	}
	return out
}

func (p *reader) unknown(f field, what string, known []string) {
	p.fail(f.key, "unknown key %q in %s; known: %s", f.name, what, strings.Join(known, ", "))
}

// items lists a sequence.
func (p *reader) items(node ast.Node, what string) []ast.Node {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		p.fail(node, "%s wants a list", what)
		return nil
	}
	for _, item := range list.Values {
		if item == nil {
			p.fail(node, "%s has an empty entry", what)
			return nil
		}
	}
	return list.Values
}

// scalar is a single value as written.
func (p *reader) scalar(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value
	}
	p.fail(node, "wants a single value")
	return ""
}

// longest name or text of a file, bytes.
const longest = 4096

// text is a name or a description.
func (p *reader) text(node ast.Node) string {
	s := strings.TrimSpace(p.scalar(node))
	switch {
	case p.err != nil:
	case s == "":
		p.fail(node, "is empty")
	case len(s) > longest:
		p.fail(node, "is longer than %d bytes", longest)
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }):
		p.fail(node, "has a control character")
	}
	return s
}

// figure is an input's figure.
func (p *reader) figure(node ast.Node, in Input) (text string, v float64) {
	text = p.scalar(node)
	if p.err != nil {
		return "", 0
	}
	v, err := figureOf(in, text)
	if err != nil {
		p.fail(node, "%s: %v", in.Name, err)
	}
	return text, v
}
