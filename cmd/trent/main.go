// Command trent emulates AWS Key Management Service and the HSMs behind it, and measures it.
//
// A file holds a verb; flags and wiring live here, the work in the packages. Only this package prints
// for people and exits: everything below returns errors, which exit.go turns into exit codes and hints.
package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// environment is what a verb may touch of the world around the process.
type environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	IsTerminal     bool     // Stderr, where progress goes
	Command        []string // the command line under way, as a record keeps it
}

func main() {
	os.Exit(run(os.Args[1:], &environment{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv:     os.Getenv,
		IsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
	}))
}

// run executes one command line and returns its exit code.
func run(args []string, e *environment) int {
	inner := *e
	inner.Command = append([]string{"trent"}, args...)
	e = &inner
	root := newRootCommand(e)
	root.SetArgs(args)
	err := root.Execute()
	if err != nil {
		report(e.Stderr, err)
	}
	return exitCode(err)
}
