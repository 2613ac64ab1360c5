// Command reference puts the table of operations into the README: what `trent ops --markdown` prints, between the
// marks <!-- ops:begin --> and <!-- ops:end -->. `make generate` runs it at the top of the repository; a test of
// cmd/trent fails where the README is behind.
package main

//go:generate go run . ../..

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	top := "."
	if len(os.Args) > 1 {
		top = os.Args[1]
	}
	if err := run(top); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(top string) error {
	c := exec.Command("go", "run", "./cmd/trent", "ops", "--markdown")
	c.Dir, c.Stderr = top, os.Stderr
	table, err := c.Output()
	if err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	path := filepath.Join(top, "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the README: %w", err)
	}
	text, err = replace(text, table)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("writing the README: %w", err)
	}
	return nil
}

// replace puts table between the marks of text.
func replace(text, table []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(text, []byte("<!-- ops:begin -->\n"))
	_, after, closed := bytes.Cut(rest, []byte("<!-- ops:end -->"))
	if !ok || !closed {
		return nil, fmt.Errorf("the README has no marks ops:begin and ops:end, each on a line of its own")
	}
	return bytes.Join([][]byte{before, []byte("<!-- ops:begin -->\n"), table, []byte("<!-- ops:end -->"), after}, nil), nil
}
