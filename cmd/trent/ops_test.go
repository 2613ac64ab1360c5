package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trent/fastpath"
)

// TestReferenceIsCurrent: the README's table of operations is what `trent ops --markdown` prints.
func TestReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "<!-- ops:begin -->\n")
	if !ok {
		t.Fatal("the README has no table of operations")
	}
	committed, _, _ := strings.Cut(rest, "<!-- ops:end -->")
	var want bytes.Buffer
	if err := fastpath.WriteMarkdown(&want); err != nil {
		t.Fatal(err)
	}
	if committed != want.String() {
		t.Error("the README's table of operations is not of this version; run 'make generate'")
	}
}
