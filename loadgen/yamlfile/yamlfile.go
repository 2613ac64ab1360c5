// Package yamlfile is what the harness's YAML files have in common: bounds on what is read, and mistakes that name their place.
//
// It knows nothing of what a file means; each format walks the tree by rules of its own. All functions are pure and safe for
// concurrent use.
package yamlfile

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Error is a mistake in a file, at a place. Line and Column count from 1; 0 where the file as a whole is meant.
type Error struct {
	File         string
	Line, Column int
	Message      string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Located turns the YAML library's error into ours, with its place but without its picture of the lines around. An error without a
// place gets the fallback for its message.
func Located(name string, err error, fallback string) *Error {
	out := &Error{File: name, Message: fallback}
	var positioned yaml.Error
	if errors.As(err, &positioned) {
		out.Message = positioned.GetMessage()
		if token := positioned.GetToken(); token != nil && token.Position != nil {
			out.Line, out.Column = token.Position.Line, token.Position.Column
		}
	}
	return out
}

// Check refuses a text that is larger than so many bytes, or nests too deeply for the library. Errors: *Error.
func Check(name string, data []byte, most int) error {
	if len(data) > most {
		return &Error{File: name, Message: fmt.Sprintf("larger than %d bytes", most)}
	}
	return CheckDepth(name, data)
}

// Document is the tree of a file that is one document, checked first. Content says what the document is for ("with causes"). Errors:
// *Error.
func Document(name string, data []byte, most int, content string) (ast.Node, error) {
	if err := Check(name, data, most); err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, Located(name, err, "not valid YAML")
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, &Error{File: name, Message: "wants one YAML document " + content}
	}
	return file.Docs[0].Body, nil
}
