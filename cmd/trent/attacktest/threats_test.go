package attacktest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThreatTable: every test that the threat table of package hsm names is there.
func TestThreatTable(t *testing.T) {
	t.Parallel()
	const top = "../../.."
	doc, err := os.ReadFile(filepath.Join(top, "hsm", "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(doc), "// # Threats\n")
	if !ok {
		t.Fatal("there is no threat table")
	}
	table, _, _ = strings.Cut(table, "// # FIPS\n")
	found := 0
	for line := range strings.Lines(table) {
		pkg := "cmd/trent/attacktest"
		for _, word := range regexp.MustCompile(`[a-z0-9]+(/[a-z0-9]+)+|\bhsm\b|Test[A-Z]\w+`).FindAllString(line, -1) {
			if !strings.HasPrefix(word, "Test") {
				pkg = word
				continue
			}
			if found++; !hasTest(t, filepath.Join(top, pkg), word) {
				t.Errorf("%s has no %s", pkg, word)
			}
		}
	}
	if found < 15 {
		t.Errorf("the table names %d tests", found)
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
