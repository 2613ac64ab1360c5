package authz

import (
	"fmt"
	"strings"
)

// ParsePolicy reads a key policy. Its error is an *Error.
func ParsePolicy(doc []byte) (*Policy, error) { return Parse(KindKey, doc) }

// Parse reads a policy document of a kind. Its error is an *Error. It panics for a kind that has no documents.
func Parse(kind Kind, doc []byte) (*Policy, error) {
	if kind >= numKinds || grammars[kind].name == "" {
		panic("authz: no grammar of this kind of policy")
	}
	root, err := tree(doc)
	if err != nil {
		return nil, err
	}
	p := parser{doc: doc, kind: kind}
	policy := p.policy(&root)
	if p.err != nil {
		return nil, p.err
	}
	return policy, nil
}

// parser keeps the first error of the grammar; one of a principal's form gives way to it.
type parser struct {
	doc  []byte
	kind Kind
	err  *Error
}

func (p *parser) fail(at int, format string, args ...any) {
	if p.err == nil || p.err.Principal {
		p.err = errorAt(p.doc, at, fmt.Sprintf(format, args...))
	}
}

func (p *parser) failPrincipal(at int, name string) {
	if p.err == nil {
		p.fail(at, "%q is not the name of a principal", name)
		p.err.Principal = true
		p.err.ARN = strings.HasPrefix(name, "arn:") && strings.Count(name, ":") >= 5
	}
}

func (p *parser) policy(n *node) *Policy {
	out := &Policy{Version: Version2008}
	if n.kind != '{' {
		p.fail(n.at, "a policy is an object, not %s", n.what())
		return out
	}
	given := false
	for i := range n.members {
		m := &n.members[i]
		switch m.name {
		case "Version":
			out.Version = p.str(m)
			if out.Version != Version2008 && out.Version != Version2012 {
				p.fail(m.value.at, "Version is %q or %q, not %q", Version2012, Version2008, out.Version)
			}
		case "Id":
			out.ID = p.str(m)
		case "Statement":
			given = true
			out.Statements = p.statements(&m.value)
		default:
			p.fail(m.at, "a policy has no element %q (it has Version, Id, Statement)", m.name)
		}
	}
	if !given {
		p.fail(n.at, "Statement is missing")
	}
	if g := &grammars[p.kind]; g.version == required && out.Version != Version2012 {
		p.fail(n.at, "%s needs the Version %q", g.name, Version2012)
	}
	return out
}

func (p *parser) statements(n *node) []Statement {
	switch {
	case n.kind == '{':
		return []Statement{p.statement(n)}
	case n.kind != '[':
		p.fail(n.at, "Statement is an object or a list of objects, not %s", n.what())
		return nil
	case len(n.items) == 0:
		p.fail(n.at, "Statement is an empty list")
	}
	out := make([]Statement, 0, len(n.items))
	for i := range n.items {
		if n.items[i].kind != '{' {
			p.fail(n.items[i].at, "a statement is an object, not %s", n.items[i].what())
			return nil
		}
		out = append(out, p.statement(&n.items[i]))
	}
	return out
}

func (p *parser) statement(n *node) Statement {
	var s Statement
	at := map[string]int{} // of the elements given
	for i := range n.members {
		m := &n.members[i]
		at[m.name] = m.at
		switch m.name {
		case "Sid":
			s.Sid = p.str(m)
		case "Effect":
			effect := p.str(m)
			s.Allow = effect == "Allow"
			if !s.Allow && effect != "Deny" {
				p.fail(m.value.at, "Effect is \"Allow\" or \"Deny\", not %q", effect)
			}
		case "Principal":
			s.Principals = p.principals(m)
		case "NotPrincipal":
			s.NotPrincipals = p.principals(m)
		case "Action":
			s.Actions = p.list(m)
		case "NotAction":
			s.NotActions = p.list(m)
		case "Resource":
			s.Resources = p.list(m)
		case "NotResource":
			s.NotResources = p.list(m)
		case "Condition":
			s.Conditions = p.conditions(&m.value)
		default:
			p.fail(m.at, "a statement has no element %q", m.name)
		}
	}
	p.elements(n, at, &s)
	return s
}

// str is a member that is a string.
func (p *parser) str(m *member) string {
	if m.value.kind != '"' {
		p.fail(m.value.at, "%s is a string, not %s", m.name, m.value.what())
	}
	return m.value.text
}

// list is a member that is a string or a list of strings.
func (p *parser) list(m *member) []string {
	nodes := p.nodes(m, "a string or a list of strings")
	out := make([]string, 0, len(nodes))
	for i := range nodes {
		if nodes[i].kind != '"' {
			p.fail(nodes[i].at, "%s holds strings, not %s", m.name, nodes[i].what())
		}
		out = append(out, nodes[i].text)
	}
	return out
}

// nodes is the items of a list, or the one scalar that stands for a list.
func (p *parser) nodes(m *member, want string) []node {
	switch m.value.kind {
	case '{':
		p.fail(m.value.at, "%s is %s, not %s", m.name, want, m.value.what())
		return nil
	case '[':
		if len(m.value.items) == 0 {
			p.fail(m.value.at, "%s is an empty list", m.name)
		}
		return m.value.items
	default:
		return []node{m.value}
	}
}

// conditions is an object of operators, each an object of keys, each a value or a list of values.
func (p *parser) conditions(n *node) []Condition {
	if n.kind != '{' {
		p.fail(n.at, "Condition is an object of operators, not %s", n.what())
		return nil
	}
	var out []Condition
	for i := range n.members {
		operator := &n.members[i]
		if _, ok := operatorNamed(operator.name); !ok && operator.name != "" {
			p.fail(operator.at, "there is no condition operator %q", operator.name)
		}
		if operator.value.kind != '{' {
			p.fail(operator.value.at, "the condition operator %q holds an object of keys, not %s", operator.name, operator.value.what())
			return nil
		}
		for j := range operator.value.members {
			key := &operator.value.members[j]
			nodes := p.nodes(key, "a value or a list of values")
			c := Condition{Operator: operator.name, Key: key.name, Values: make([]string, 0, len(nodes))}
			for v := range nodes {
				value := &nodes[v]
				if value.kind != '"' && (value.kind != 'l' || value.text == "null") {
					p.fail(value.at, "the condition key %q holds strings, numbers and booleans, not %s", key.name, value.what())
				}
				c.Values = append(c.Values, value.text)
			}
			if strings.TrimSpace(key.name) == "" || strings.TrimSpace(operator.name) == "" {
				p.fail(key.at, "a condition without operator or key")
			}
			out = append(out, c)
		}
	}
	return out
}
