package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"trent/fastpath/authz"
)

// Document is a policy as it is given: by name, as a document, or as a file that holds one.
type Document struct {
	Name string // of a shared or an AWS managed policy; empty: Text is the policy
	Text string // JSON
	File string // path to be read by Config.ReadFiles; relative to the file that names it

	line, column int           // of the document in its file; 0: not known
	literal      bool          // Text stands in the file as it is, from line on
	places       []placeOfYAML // of a document in YAML: where what stands in Text came from
}

// placeOfYAML says that what begins at offset at of a text stands at line and column of the YAML file.
type placeOfYAML struct{ at, line, column int }

// filePrefix marks a policy that stands in a file of its own.
const filePrefix = "file:"

// maxDocument bounds a document in bytes. The largest policy of the service has 32 KiB (a key policy).
const maxDocument = 64 << 10

// fromText sorts a text out: a document, a file's path, or a name.
func (d *Document) fromText(text string) {
	trimmed := strings.TrimSpace(text)
	switch path, isFile := strings.CutPrefix(trimmed, filePrefix); {
	case strings.HasPrefix(trimmed, "{"):
		d.Text = text
	case isFile:
		d.File = strings.TrimSpace(path)
	default:
		d.Name = trimmed
	}
}

// UnmarshalYAML implements yaml.NodeUnmarshaler: a text, or the document in YAML.
func (d *Document) UnmarshalYAML(n ast.Node) error {
	*d = Document{}
	if t := n.GetToken(); t != nil && t.Position != nil {
		d.line, d.column = t.Position.Line, t.Position.Column
	}
	switch n := n.(type) {
	case *ast.StringNode:
		d.fromText(n.Value)
	case *ast.LiteralNode:
		d.fromText(n.Value.Value)
		d.literal = true
	case *ast.MappingNode, *ast.MappingValueNode:
		w := yamlWriter{doc: d}
		if err := w.value(n, 0); err != nil {
			return err
		}
		d.Text = w.out.String()
		if start := n.GetToken(); start != nil && len(d.places) > 0 {
			d.line, d.column = d.places[0].line, d.places[0].column
		}
	default:
		return errorAt(n, "a policy is a name, a document or file:PATH")
	}
	if d.Name == "" && d.Text == "" && d.File == "" {
		return errorAt(n, "this is empty; a policy is a name, a document or file:PATH")
	}
	return nil
}

// yamlWriter writes a YAML document as JSON and notes where its values came from.
type yamlWriter struct {
	doc *Document
	out bytes.Buffer
}

func (w *yamlWriter) note(n ast.Node) {
	if t := n.GetToken(); t != nil && t.Position != nil {
		w.doc.places = append(w.doc.places, placeOfYAML{w.out.Len(), t.Position.Line, t.Position.Column})
	}
}

// maxDepth is more than any policy has.
const maxDepth = 16

func (w *yamlWriter) value(n ast.Node, depth int) error {
	if depth > maxDepth {
		return errorAt(n, "nested too deep")
	}
	if w.out.Len() > maxDocument {
		return errorAt(n, fmt.Sprintf("the document is larger than %d bytes", maxDocument))
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return w.mapping(n, n.Values, depth)
	case *ast.MappingValueNode:
		return w.mapping(n, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		w.note(n)
		w.out.WriteByte('[')
		for i, item := range n.Values {
			if i > 0 {
				w.out.WriteByte(',')
			}
			if text, ok := splitText(item); n.IsFlowStyle && ok {
				w.note(item)
				w.text(text)
				continue
			}
			if err := w.value(item, depth+1); err != nil {
				return err
			}
		}
		w.out.WriteByte(']')
	case *ast.StringNode:
		w.note(n)
		w.text(n.Value)
	case *ast.LiteralNode:
		w.note(n)
		w.text(n.Value.Value)
	case *ast.BoolNode:
		w.note(n)
		fmt.Fprint(&w.out, n.Value)
	case *ast.IntegerNode, *ast.FloatNode:
		// As they are written: an account id may begin with a nought.
		w.note(n)
		w.text(n.GetToken().Value)
	case *ast.NullNode:
		w.note(n)
		w.out.WriteString("null")
	default:
		return errorAt(n, "a policy holds keys, lists, texts, numbers and booleans, not "+strings.ToLower(n.Type().String()))
	}
	return nil
}

// splitText is an item of a list in brackets that the parser takes for a pair though no space follows its colon:
// [kms:Encrypt] within braces.
func splitText(n ast.Node) (string, bool) {
	var pair *ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingValueNode:
		pair = n
	case *ast.MappingNode:
		if len(n.Values) != 1 || n.Start == nil || n.Start.Value == "{" {
			return "", false
		}
		pair = n.Values[0]
	default:
		return "", false
	}
	key, isText := pair.Key.(*ast.StringNode)
	value, ok := pair.Value.(ast.ScalarNode)
	if !isText || !ok {
		return "", false
	}
	return key.Value + ":" + value.GetToken().Value, true
}

func (w *yamlWriter) mapping(n ast.Node, values []*ast.MappingValueNode, depth int) error {
	if len(values) > 0 {
		w.note(values[0].Key)
	} else {
		w.note(n)
	}
	w.out.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			w.out.WriteByte(',')
		}
		key, ok := v.Key.(ast.ScalarNode)
		if !ok || v.Key.Type() == ast.MergeKeyType {
			return errorAt(v.Key, "a key is a text")
		}
		w.note(v.Key)
		if s, isString := key.(*ast.StringNode); isString {
			w.text(s.Value)
		} else {
			w.text(key.GetToken().Value)
		}
		w.out.WriteByte(':')
		if err := w.value(v.Value, depth+1); err != nil {
			return err
		}
	}
	w.out.WriteByte('}')
	return nil
}

func (w *yamlWriter) text(s string) {
	e := json.NewEncoder(&w.out)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings always encode
	w.out.Truncate(w.out.Len() - 1)
}

// MarshalJSON writes a name as a text and a document as itself.
func (d Document) MarshalJSON() ([]byte, error) {
	switch {
	case d.File != "" && d.Text == "":
		return json.Marshal(filePrefix + d.File)
	case d.Text != "" && json.Valid([]byte(d.Text)):
		return []byte(d.Text), nil
	case d.Text != "":
		return json.Marshal(d.Text)
	}
	return json.Marshal(d.Name)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Document) UnmarshalJSON(b []byte) error {
	*d = Document{}
	if len(b) > 0 && b[0] == '{' {
		d.Text = string(b)
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return errors.New("a policy is a name, a document or file:PATH")
	}
	d.fromText(text)
	return nil
}

// wrong is an error about the document, at its place in the file that it stands in.
func (d *Document) wrong(path, format string, args ...any) *ConfigError {
	return &ConfigError{Line: d.line, Column: d.column, Path: path, Text: fmt.Sprintf(format, args...)}
}

// refused is the error of a policy that breaks the grammar, at the place in the config file where that is known.
func (d *Document) refused(path string, err error) *ConfigError {
	var grammar *authz.Error
	if !errors.As(err, &grammar) {
		return d.wrong(path, "%s", err)
	}
	switch {
	case d.File != "":
		return d.wrong(path, "file %s: %s", d.File, err)
	case len(d.places) > 0 && grammar.Line == 1:
		at := grammar.Column - 1
		i := sort.Search(len(d.places), func(i int) bool { return d.places[i].at > at })
		p := d.places[max(i-1, 0)]
		return &ConfigError{Line: p.line, Column: p.column, Path: path, Text: grammar.Reason}
	case d.literal:
		return &ConfigError{Line: d.line + grammar.Line, Column: d.column, Path: path, Text: err.Error()}
	}
	return d.wrong(path, "%s", err)
}

// ReadFiles replaces every file:PATH by what the file holds.
func (c *Config) ReadFiles(read func(path string) ([]byte, error)) error {
	return c.documents(func(path string, d *Document) error {
		if d.File == "" {
			return nil
		}
		text, err := read(d.File)
		if err != nil {
			return d.wrong(path, "reading the policy: %s", err)
		}
		if len(text) > maxDocument {
			return d.wrong(path, "file %s is larger than %d bytes", d.File, maxDocument)
		}
		d.Text = string(text)
		return nil
	})
}

// documents calls f with every document and its path, in the order of the configuration.
func (c *Config) documents(f func(path string, d *Document) error) error {
	names := make([]string, 0, len(c.Policies))
	for name := range c.Policies {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		d := c.Policies[name]
		if err := f("policies."+name, &d); err != nil {
			return err
		}
		c.Policies[name] = d
	}
	for i := range c.Accounts {
		if err := c.Accounts[i].documents(fmt.Sprintf("accounts[%d]", i), f); err != nil {
			return err
		}
	}
	for i := range c.Credentials {
		if err := eachDocument(fmt.Sprintf("credentials[%d].policies", i), c.Credentials[i].Policies, f); err != nil {
			return err
		}
	}
	return nil
}

func eachDocument(path string, ds []Document, f func(string, *Document) error) error {
	for i := range ds {
		if err := f(fmt.Sprintf("%s[%d]", path, i), &ds[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a *AccountConfig) documents(path string, f func(string, *Document) error) error {
	var errs error
	each := func(sub string, ds []Document) {
		if errs == nil {
			errs = eachDocument(path+sub, ds, f)
		}
	}
	one := func(sub string, d *Document) {
		if errs == nil && d != nil {
			errs = f(path+sub, d)
		}
	}
	for i, level := range a.ServiceControlPolicies {
		each(fmt.Sprintf(".service_control_policies[%d]", i), level)
	}
	for i, level := range a.ResourceControlPolicies {
		each(fmt.Sprintf(".resource_control_policies[%d]", i), level)
	}
	for i := range a.Users {
		each(fmt.Sprintf(".users[%d].policies", i), a.Users[i].Policies)
		one(fmt.Sprintf(".users[%d].permissions_boundary", i), a.Users[i].Boundary)
	}
	for i := range a.Groups {
		each(fmt.Sprintf(".groups[%d].policies", i), a.Groups[i].Policies)
	}
	for i := range a.Roles {
		one(fmt.Sprintf(".roles[%d].trust_policy", i), a.Roles[i].Trust)
		each(fmt.Sprintf(".roles[%d].policies", i), a.Roles[i].Policies)
		one(fmt.Sprintf(".roles[%d].permissions_boundary", i), a.Roles[i].Boundary)
	}
	for i := range a.Providers {
		one(fmt.Sprintf(".oidc_providers[%d].keys", i), &a.Providers[i].Keys)
	}
	return errs
}
