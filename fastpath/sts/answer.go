package sts

import (
	"bytes"
	"encoding/json"
)

// ContentType of every answer in XML; JSONType where a client accepts JSON only.
const (
	ContentType = "text/xml"
	JSONType    = "application/json"
)

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// element is an element of an answer: text, or others.
type element struct {
	name, text string
	children   []element
}

func leaf(name, text string) element { return element{name: name, text: text} }

func parent(name string, children ...element) element {
	return element{name: name, children: children}
}

// given leaves out an element without text.
func given(name, text string) []element {
	if text == "" {
		return nil
	}
	return []element{leaf(name, text)}
}

// appendXML appends e, indented as the service's answers are.
func (e *element) appendXML(b *bytes.Buffer, indent string, attribute string) {
	b.WriteString(indent + "<" + e.name + attribute + ">")
	if e.children == nil {
		escape(b, e.text)
	} else {
		b.WriteByte('\n')
		for i := range e.children {
			e.children[i].appendXML(b, indent+"  ", "")
		}
		b.WriteString(indent)
	}
	b.WriteString("</" + e.name + ">\n")
}

// escape writes a text as the service does: quotes stay. What no XML document may hold (XML 1.0, section 2.2) is replaced.
func escape(b *bytes.Buffer, text string) {
	for _, c := range text {
		switch {
		case c == '&':
			b.WriteString("&amp;")
		case c == '<':
			b.WriteString("&lt;")
		case c == '>':
			b.WriteString("&gt;")
		case c == '\r':
			b.WriteString("&#xD;")
		case c < ' ' && c != '\t' && c != '\n', c == 0xfffe, c == 0xffff:
			b.WriteRune('\uFFFD')
		default:
			b.WriteRune(c)
		}
	}
}

// MarshalJSON writes what is in e as the service's JSON answers have it.
func (e *element) MarshalJSON() ([]byte, error) {
	if e.children == nil {
		return json.Marshal(e.text)
	}
	b := []byte{'{'}
	for i := range e.children {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(e.children[i].name) // texts always encode
		value, err := e.children[i].MarshalJSON()
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// appendAnswer appends a success.
func appendAnswer(dst []byte, action, requestID string, asJSON bool, result []element) []byte {
	response := parent(action+"Response",
		parent(action+"Result", result...),
		parent("ResponseMetadata", leaf("RequestId", requestID)))
	if asJSON {
		root := parent("", response)
		return appendJSON(dst, &root)
	}
	return appendDocument(dst, &response)
}

// AppendError appends a refusal.
func AppendError(dst []byte, e *Error, requestID string, asJSON bool) []byte {
	kind := "Sender"
	if e.Receiver {
		kind = "Receiver"
	}
	response := parent("ErrorResponse",
		parent("Error", leaf("Type", kind), leaf("Code", e.Code), leaf("Message", e.Message)),
		leaf("RequestId", requestID))
	if asJSON {
		return appendJSON(dst, &response)
	}
	return appendDocument(dst, &response)
}

func appendDocument(dst []byte, root *element) []byte {
	b := bytes.NewBuffer(dst)
	root.appendXML(b, "", ` xmlns="`+namespace+`"`)
	return b.Bytes()
}

func appendJSON(dst []byte, root *element) []byte {
	text, err := root.MarshalJSON()
	if err != nil {
		panic("sts: an answer does not encode") // only texts are in it
	}
	return append(dst, text...)
}
