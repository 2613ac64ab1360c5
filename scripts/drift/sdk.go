package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// readSDK reads the API out of the sources of an SDK module: api_op_*.go for the operations, types/ for the rest.
func readSDK(dir string) (*api, error) {
	a := newAPI()
	files, err := parseAll(filepath.Join(dir, "api_op_*.go"))
	if err != nil {
		return nil, err
	}
	types, err := parseAll(filepath.Join(dir, "types", "*.go"))
	if err != nil {
		return nil, err
	}
	for _, f := range types {
		readEnums(f, a)
	}
	for _, f := range types {
		for name, s := range structs(f) {
			if fault := faultOf(f, name); fault != "" {
				a.Errors[name] = fault
			} else if ast.IsExported(name) {
				a.Structures[name] = a.structure(s)
			}
		}
	}
	for path, f := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "api_op_"), ".go")
		all := structs(f)
		input, output := all[name+"Input"], all[name+"Output"]
		if input == nil || output == nil {
			return nil, fmt.Errorf("%s declares no %sInput and %sOutput", path, name, name)
		}
		a.Operations[name] = operation{a.structure(input), a.structure(output)}
	}
	if len(a.Operations) == 0 || len(a.Structures) == 0 || len(a.Enums) == 0 || len(a.Errors) == 0 {
		return nil, fmt.Errorf("the sources in %s are not laid out as an SDK's: %d operations, %d structures, %d enums, %d errors",
			dir, len(a.Operations), len(a.Structures), len(a.Enums), len(a.Errors))
	}
	return a, nil
}

// parseAll parses the files that match, without tests, by path.
func parseAll(glob string) (map[string]*ast.File, error) {
	paths, err := filepath.Glob(glob)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	all := map[string]*ast.File{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		if all[path], err = parser.ParseFile(fset, path, nil, parser.ParseComments); err != nil {
			return nil, fmt.Errorf("reading the SDK: %w", err)
		}
	}
	return all, nil
}

// structs are the structures that a file declares.
func structs(f *ast.File) map[string]*ast.StructType {
	all := map[string]*ast.StructType{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok {
				if s, ok := t.Type.(*ast.StructType); ok {
					all[t.Name.Name] = s
				}
			}
		}
	}
	return all
}

// readEnums finds `const X Type = "value"`, and the types that have such constants.
func readEnums(f *ast.File, a *api) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			t, ok := v.Type.(*ast.Ident)
			if !ok || len(v.Values) != 1 {
				continue
			}
			lit, ok := v.Values[0].(*ast.BasicLit)
			if !ok {
				continue
			}
			if text, err := strconv.Unquote(lit.Value); err == nil {
				a.Enums[t.Name] = append(a.Enums[t.Name], text)
			}
		}
	}
	for name := range a.Enums {
		slices.Sort(a.Enums[name])
	}
}

// faultOf reads the method ErrorFault, which errors have: client, server, or empty for what is no error.
func faultOf(f *ast.File, name string) string {
	for _, d := range f.Decls {
		m, ok := d.(*ast.FuncDecl)
		if !ok || m.Name.Name != "ErrorFault" || m.Recv == nil || receiver(m) != name {
			continue
		}
		fault := ""
		ast.Inspect(m.Body, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if f, ok := strings.CutPrefix(s.Sel.Name, "Fault"); ok {
					fault = strings.ToLower(f)
				}
			}
			return true
		})
		return fault
	}
	return ""
}

func receiver(m *ast.FuncDecl) string {
	t := m.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// structure words the members of a Go structure; what the SDK adds for itself is left out.
func (a *api) structure(s *ast.StructType) structure {
	all := structure{}
	for _, field := range s.Fields.List {
		for _, name := range field.Names {
			if !name.IsExported() || name.Name == "ResultMetadata" {
				continue
			}
			all[name.Name] = typed{a.typeOf(field.Type), strings.Contains(field.Doc.Text(), "This member is required.")}
		}
	}
	return all
}

// typeOf words a Go type as the model does.
func (a *api) typeOf(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.StarExpr:
		return a.typeOf(t.X)
	case *ast.ArrayType:
		if id, ok := t.Elt.(*ast.Ident); ok && id.Name == "byte" {
			return "blob"
		}
		return "list of " + a.typeOf(t.Elt)
	case *ast.MapType:
		return "map to " + a.typeOf(t.Value)
	case *ast.SelectorExpr:
		if t.Sel.Name == "Time" {
			return "timestamp"
		}
		return a.named(t.Sel.Name)
	case *ast.Ident:
		switch t.Name {
		case "int32", "int64":
			return "integer"
		case "bool":
			return "boolean"
		case "string":
			return "string"
		}
		return a.named(t.Name)
	}
	return fmt.Sprintf("unknown %T", e)
}

func (a *api) named(name string) string {
	if _, ok := a.Enums[name]; ok {
		return "enum " + name
	}
	return "structure " + name
}
