package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const maxLines = 500

// source is one Go file of the repository.
type source struct {
	path      string // from the top, with slashes
	text      string
	generated bool
	test      bool
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if name := d.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "out") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		all = append(all, source{
			path:      filepath.ToSlash(rel),
			text:      string(b),
			generated: strings.Contains(string(b[:min(len(b), 400)]), "DO NOT EDIT."),
			test:      strings.HasSuffix(path, "_test.go"),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d sources found", len(all))
	}
	return all
}

func TestFilesAreShort(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if n := strings.Count(s.text, "\n"); n > maxLines && !s.generated {
			t.Errorf("%s has %d lines, more than %d: split it by idea", s.path, n, maxLines)
		}
	}
}

func TestPackagesHaveComments(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), s.path, s.text, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", s.path, err)
			continue
		}
		dir := filepath.Dir(s.path)
		documented[dir] = documented[dir] || hasDoc(f)
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

func hasDoc(f *ast.File) bool { return f.Doc != nil && len(f.Doc.Text()) > 40 }

func TestForbiddenWords(t *testing.T) {
	t.Parallel()
	rules := []struct {
		name  string
		re    *regexp.Regexp
		under string // path prefix; empty: everywhere
		tests bool   // also in tests
	}{
		{"weak randomness inside the HSM", regexp.MustCompile(`"math/rand(/v2)?"`), "hsm/", false},
		{"an open task without an owner", regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), "", true},
		{"panic for what is not built", regexp.MustCompile(`panic\("(not imple` + `mented|unimple` + `mented)`), "", true},
		{"a log of the standard logger on the server", regexp.MustCompile(`\blog\.Print`), "fastpath/", false},
		{"a print from the HSM", regexp.MustCompile(`\bfmt\.Print|os\.Std(out|err)`), "hsm/", false},
	}
	for _, s := range sources(t) {
		for _, r := range rules {
			if strings.HasPrefix(s.path, r.under) && (r.tests || !s.test) && r.re.MatchString(s.text) {
				t.Errorf("%s contains %s", s.path, r.name)
			}
		}
	}
}
