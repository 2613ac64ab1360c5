package operation_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"

	"trent/fastpath/model"
	"trent/fastpath/operation"
)

// TestMembersAreRead: each member of the request of an implemented operation is read somewhere in this package, or stands
// in the table of those that are not, and nothing stands there that is read.
func TestMembersAreRead(t *testing.T) {
	t.Parallel()
	read := membersRead(t)
	inputs := map[string]*model.Shape{}
	for _, op := range model.Operations() {
		inputs[op.Name] = model.ShapeOf(op.Input)
	}
	for _, row := range operation.Rows() {
		if !row.Implemented {
			continue
		}
		listed := 0
		for _, m := range inputs[row.Name].Members {
			why, unused := row.Unused[m.Name]
			if unused {
				listed++
				if why == "" {
					t.Errorf("%s.%s is unused without a reason", row.Name, m.Name)
				}
			}
			switch is := read[row.Name+"Request."+m.Name]; {
			case !is && !unused:
				t.Errorf("%s.%s is read by no handler and not listed as unused", row.Name, m.Name)
			case is && unused:
				t.Errorf("%s.%s is listed as unused and read", row.Name, m.Name)
			}
		}
		if listed != len(row.Unused) {
			t.Errorf("%s lists members that its request has not: %v", row.Name, row.Unused)
		}
	}
}

// membersRead type-checks this package and returns the fields of request types that its sources select, as
// "EncryptRequest.KeyId". Of what it imports only package wire is known; the errors that follow from that are
// not of interest.
func membersRead(t *testing.T) map[string]bool {
	t.Helper()
	fset := token.NewFileSet()
	wire := check(t, fset, "../wire", "trent/fastpath/wire", nil, nil)
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	check(t, fset, ".", "trent/fastpath/operation", wire, info)
	read := map[string]bool{}
	for e, s := range info.Selections {
		// What is only written into records is not acted on.
		if strings.HasPrefix(filepath.Base(fset.Position(e.Pos()).Filename), "audit") {
			continue
		}
		if s.Kind() != types.FieldVal {
			if s.Kind() == types.MethodVal {
				if s.Obj().Name() == "IgnoresCiphertext" {
					mark(read, s.Recv(), "DryRunModifiers")
				}
				mark(read, s.Recv(), strings.TrimPrefix(s.Obj().Name(), "Has")) // HasLimit reads Limit
			}
			continue
		}
		mark(read, s.Recv(), s.Obj().Name())
	}
	if len(read) < 50 {
		t.Fatalf("only %d members are read: the sources were not understood", len(read))
	}
	return read
}

func mark(read map[string]bool, recv types.Type, member string) {
	if p, ok := recv.(*types.Pointer); ok {
		recv = p.Elem()
	}
	if named, ok := recv.(*types.Named); ok && strings.HasSuffix(named.Obj().Name(), "Request") {
		read[named.Obj().Name()+"."+member] = true
	}
}

// importer knows one package; the others are empty.
type importer struct{ known *types.Package }

// Import implements types.Importer.
func (i importer) Import(path string) (*types.Package, error) {
	if i.known != nil && path == i.known.Path() {
		return i.known, nil
	}
	p := types.NewPackage(path, path[strings.LastIndexByte(path, '/')+1:])
	p.MarkComplete()
	return p, nil
}

func check(t *testing.T, fset *token.FileSet, dir, path string, known *types.Package, info *types.Info) *types.Package {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	conf := types.Config{Importer: importer{known}, Error: func(error) {}, FakeImportC: true}
	p, _ := conf.Check(path, fset, files, info) // the errors went to Error
	return p
}
