package traffic

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"trent/loadgen/workload"
	"trent/loadgen/yamlfile"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// Builtin lists the built-in files of causes.
func Builtin() []string {
	return []string{"web-shop", "data-lake", "eks-cluster"}
}

// File is a system described by what causes its calls.
type File struct {
	Name        string  `json:"name"`
	Description string  `json:"description,omitempty"`
	Keys        []Key   `json:"keys"`
	Causes      []Cause `json:"causes"`
	Text        string  `json:"-"` // of the file
}

// Key is a key, or a number of equal ones, as the user names it.
type Key struct {
	Name  string `json:"name"`
	Spec  string `json:"spec"`
	Count int    `json:"count"`
}

// Cause is one thing that makes calls, and what its model made of it.
type Cause struct {
	Name        string       `json:"name"`
	Model       string       `json:"model"`
	Service     string       `json:"service"`
	Caller      string       `json:"caller"`
	Key         string       `json:"key"`
	Times       float64      `json:"times"` // how many such there are
	Inputs      []Given      `json:"inputs"`
	Formula     string       `json:"formula"` // as published
	Source      string       `json:"source"`
	Flows       []Flow       `json:"flows"`
	Assumptions []Assumption `json:"assumptions,omitempty"`
}

// Given is an input with its value as written, or its default.
type Given struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default bool   `json:"default,omitempty"`
}

// Assumption is a figure or a rule that no publication of the service confirms.
type Assumption struct {
	About string `json:"about"`
	Text  string `json:"text"`
}

// Flows are those of all causes, in the file's order.
func (f *File) Flows() []Flow {
	var out []Flow
	for i := range f.Causes {
		out = append(out, f.Causes[i].Flows...)
	}
	return out
}

// Bounds of a file.
const (
	maxFile   = 1 << 20
	maxCauses = 1000
	maxKeys   = 1_000_000
)

// Load returns a built-in file by its name, or reads one. Errors: *workload.Error for the content, else why it cannot be
// read.
func Load(nameOrFile string) (*File, error) {
	data, err := Read(nameOrFile)
	if err != nil {
		return nil, err
	}
	return Parse(nameOrFile, data)
}

// Read is the text of a built-in file, or of one on disk.
func Read(nameOrFile string) ([]byte, error) {
	if data, err := builtin.ReadFile("builtin/" + nameOrFile + ".yaml"); err == nil {
		return data, nil
	}
	data, err := workload.ReadFile(nameOrFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%q is neither a file of causes nor built in (%s)", nameOrFile, strings.Join(Builtin(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("reading causes: %w", err)
	}
	return data, nil
}

// Names reports whether a text, as a name or the content of a file, names causes: what Load and Parse are for.
func Names(nameOrFile string) bool {
	if slices.Contains(Builtin(), nameOrFile) {
		return true
	}
	data, err := workload.ReadFile(nameOrFile)
	return err == nil && HasCauses(data)
}

// HasCauses reports whether the text of a workload file has a list of causes. A text that is no YAML has none.
func HasCauses(data []byte) bool {
	body, err := yamlfile.Document("", data, maxFile, "")
	if err != nil {
		return false
	}
	mapping, ok := body.(*ast.MappingNode)
	return ok && slices.ContainsFunc(mapping.Values, func(v *ast.MappingValueNode) bool {
		return v.Key != nil && v.Key.GetToken() != nil && v.Key.GetToken().Value == "causes"
	})
}

// Parse reads and checks a file of causes; name stands for it in errors, which are of type *workload.Error.
func Parse(name string, data []byte) (*File, error) {
	body, err := yamlfile.Document(name, data, maxFile, "with causes")
	if err != nil {
		return nil, err
	}
	p := &reader{file: name}
	f := p.read(body)
	if p.err != nil {
		return nil, p.err
	}
	if f.Name == "" {
		f.Name = name
	}
	f.Text = string(data)
	return f, nil
}

func (p *reader) read(body ast.Node) *File {
	f := &File{}
	var causes, day, keys ast.Node
	for _, entry := range p.fields(body, "the file") {
		switch entry.name {
		case "name":
			f.Name = p.text(entry.value)
		case "description":
			f.Description = p.text(entry.value)
		case "day":
			day = entry.value
		case "keys":
			keys = entry.value
		case "causes":
			causes = entry.value
		case "mix":
			p.fail(entry.key, "a file has either mix or causes; a cause of model custom takes operations and their rates")
		default:
			p.unknown(entry, "the file", []string{"name", "description", "day", "keys", "causes"})
		}
	}
	if causes == nil {
		p.fail(body, "causes is missing")
	}
	if p.err != nil {
		return f
	}
	common := flat
	if day != nil {
		common = p.day(day)
	}
	if keys != nil {
		f.Keys = p.keys(keys)
	}
	list := p.items(causes, "causes")
	if len(list) == 0 || len(list) > maxCauses {
		p.fail(causes, "causes wants from 1 to %d entries", maxCauses)
		return f
	}
	seen := map[string]bool{}
	for _, item := range list {
		c := p.cause(item, f, common)
		if p.err != nil {
			return f
		}
		if seen[c.Name] {
			p.fail(item, "cause %q appears twice", c.Name)
			return f
		}
		seen[c.Name] = true
		f.Causes = append(f.Causes, c)
	}
	return f
}

func (p *reader) keys(node ast.Node) []Key {
	var out []Key
	total := 0
	for _, item := range p.items(node, "keys") {
		k := Key{Spec: symmetric, Count: 1}
		for _, entry := range p.fields(item, "a key") {
			switch entry.name {
			case "name":
				k.Name = p.text(entry.value)
			case "spec":
				if k.Spec = p.text(entry.value); p.err == nil && !slices.Contains(workload.KeySpecs(), k.Spec) {
					p.fail(entry.value, "unknown key spec %q: expected one of %s", k.Spec, strings.Join(workload.KeySpecs(), ", "))
				}
			case "count":
				_, v := p.figure(entry.value, Input{Name: "count", Kind: CountInput, Least: 1})
				if v > maxKeys {
					p.fail(entry.value, "count is above the limit of %d", maxKeys)
				}
				k.Count = int(v)
			default:
				p.unknown(entry, "a key", []string{"name", "spec", "count"})
			}
		}
		if p.err != nil {
			return nil
		}
		if total += k.Count; total > maxKeys {
			p.fail(item, "more than %d keys", maxKeys)
		}
		switch {
		case k.Name == "":
			p.fail(item, "a key has no name")
		case slices.ContainsFunc(out, func(o Key) bool { return o.Name == k.Name }):
			p.fail(item, "key %q appears twice", k.Name)
		}
		out = append(out, k)
	}
	return out
}

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
