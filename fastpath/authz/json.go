package authz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// node is a JSON value with its place, so that errors can name it. One of the members tells its type by kind:
// '{', '[', '"', or 'l' for a literal (number, true, false, null), whose text is text.
type node struct {
	kind    byte
	at      int // offset of the value's first byte
	text    string
	items   []node
	members []member
}

type member struct {
	name  string
	at    int // offset of the name
	value node
}

// maxDepth is more than any document of the grammar has.
const maxDepth = 16

// tree parses a document. Duplicate names are errors anywhere.
func tree(doc []byte) (node, error) {
	if !utf8.Valid(doc) {
		at := 0
		for at < len(doc) {
			r, n := utf8.DecodeRune(doc[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return node{}, errorAt(doc, at, "not UTF-8")
	}
	// Syntax first, by the strict scanner; the walk over tokens below then meets well-formed text only.
	if err := json.Unmarshal(doc, new(json.RawMessage)); err != nil {
		at := len(doc)
		if se := (*json.SyntaxError)(nil); errors.As(err, &se) {
			at = max(int(se.Offset)-1, 0)
		}
		return node{}, errorAt(doc, at, "not JSON: "+err.Error())
	}
	w := walker{doc: doc, d: json.NewDecoder(bytes.NewReader(doc))}
	w.d.UseNumber()
	return w.value(0)
}

type walker struct {
	doc []byte
	d   *json.Decoder
}

// next returns the next token and where it begins.
func (w *walker) next() (json.Token, int, error) {
	at := int(w.d.InputOffset())
	for at < len(w.doc) && bytes.IndexByte([]byte(" \t\r\n,:"), w.doc[at]) >= 0 {
		at++
	}
	t, err := w.d.Token()
	if err != nil {
		return nil, at, errorAt(w.doc, at, "not JSON: "+err.Error())
	}
	return t, at, nil
}

func (w *walker) value(depth int) (node, error) {
	t, at, err := w.next()
	if err != nil {
		return node{}, err
	}
	if depth > maxDepth {
		return node{}, errorAt(w.doc, at, "nested too deep")
	}
	n := node{kind: 'l', at: at}
	switch t := t.(type) {
	case string:
		n.kind, n.text = '"', t
	case json.Delim:
		n.kind = byte(t)
		if t == '{' {
			err = w.object(&n, depth)
		} else {
			err = w.array(&n, depth)
		}
	case nil:
		n.text = "null"
	default:
		n.text = fmt.Sprint(t)
	}
	return n, err
}

func (w *walker) object(n *node, depth int) error {
	seen := map[string]bool{}
	for w.d.More() {
		t, at, err := w.next()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if seen[name] {
			return errorAt(w.doc, at, fmt.Sprintf("%q is given twice", name))
		}
		seen[name] = true
		v, err := w.value(depth + 1)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{name, at, v})
	}
	_, _, err := w.next()
	return err
}

func (w *walker) array(n *node, depth int) error {
	for w.d.More() {
		v, err := w.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, v)
	}
	_, _, err := w.next()
	return err
}

// what names the type of a value for an error text.
func (n *node) what() string {
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	default:
		return n.text
	}
}

func errorAt(doc []byte, at int, reason string) *Error {
	at = min(at, len(doc))
	line := 1 + bytes.Count(doc[:at], []byte{'\n'})
	return &Error{Line: line, Column: at - bytes.LastIndexByte(doc[:at], '\n'), Reason: reason}
}
