package workload

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"trent/loadgen/yamlfile"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// Default is the name of the workload used where none is named.
const Default = "mixed"

// Builtin lists the built-in workloads.
func Builtin() []string {
	return []string{"mixed", "envelope", "s3-bucket-keys", "secrets-reads", "token-signing"}
}

// maxFile bounds a workload file.
const maxFile = 1 << 20

// Load returns a built-in workload by its name, or reads a file.
func Load(nameOrFile string) (*Workload, error) {
	data, err := Read(nameOrFile)
	if err != nil {
		return nil, err
	}
	return Parse(nameOrFile, data)
}

// Read is the text of a built-in workload, or of a file.
func Read(nameOrFile string) ([]byte, error) {
	if data, err := builtin.ReadFile("builtin/" + nameOrFile + ".yaml"); err == nil {
		return data, nil
	}
	data, err := ReadFile(nameOrFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("workload %q is neither a file nor built in (%s)", nameOrFile, strings.Join(Builtin(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("reading workload: %w", err)
	}
	return data, nil
}

// ReadFile reads a file whose text Parse takes. What is larger is cut a byte behind the limit, so that Parse refuses it.
func ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// Error is what is wrong with a workload file, and where.
type Error = yamlfile.Error

// Parse reads and checks a workload; file names it in errors, which are of type *Error.
func Parse(file string, data []byte) (*Workload, error) {
	if err := yamlfile.Check(file, data, maxFile); err != nil {
		return nil, err
	}
	w := &Workload{}
	if err := yaml.UnmarshalWithOptions(data, w, yaml.Strict()); err != nil {
		return nil, yamlfile.Located(file, err, err.Error())
	}
	if path, message := w.complete(); message != "" {
		line, column := position(data, path)
		return nil, &Error{File: file, Line: line, Column: column, Message: message}
	}
	return w, nil
}

// position finds a path such as "$.mix[2].weight" in the file, or the nearest part above it that is there.
func position(data []byte, path string) (line, column int) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return 0, 0
	}
	for path != "" && path != "$" {
		if p, err := yaml.PathString(path); err == nil {
			if node, err := p.FilterFile(file); err == nil && node != nil && node.GetToken() != nil {
				at := start(node).GetToken().Position
				return at.Line, at.Column
			}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1, 1
}

// start is the node to point at: a block mapping's own token is its first colon, which no reader looks for.
func start(node ast.Node) ast.Node {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key
		}
	case *ast.MappingValueNode:
		return n.Key
	}
	return node
}
