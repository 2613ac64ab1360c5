package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Exit codes of every verb, for scripts.
const (
	exitPass         = 0   // done, and every limit that was given is met
	exitFailed       = 1   // the command could not do its work
	exitUsage        = 2   // the command line or a file given to it is wrong
	exitSLO          = 3   // an SLO or quota was missed
	exitDenied       = 3   // a simulated request would be denied
	exitRegression   = 4   // a comparison found a regression
	exitVoid         = 5   // the run does not count: client or machine disturbed it
	exitInconclusive = 6   // the data do not decide
	exitInterrupted  = 130 // Ctrl-C or SIGTERM; the partial result was written
)

// exitError attaches an exit code and a hint (what to do next) to an error. Err may be nil where the
// verdict was already printed.
type exitError struct {
	Code int
	Err  error
	Hint string
}

func (e *exitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *exitError) Unwrap() error { return e.Err }

// usageError is a wrong command line or input file.
func usageError(err error, hint string) error {
	return &exitError{Code: exitUsage, Err: err, Hint: hint}
}

// failure is an error of the work itself, with what to do next.
func failure(err error, hint string) error {
	return &exitError{Code: exitFailed, Err: err, Hint: hint}
}

func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// report prints an error for people: lower case, one line, then the hint.
func report(w io.Writer, err error) {
	var e *exitError
	if errors.As(err, &e) {
		if e.Err == nil {
			return
		}
		fmt.Fprintf(w, "trent: %v\n", err)
		if e.Hint != "" {
			fmt.Fprintf(w, "trent: hint: %s\n", e.Hint)
		}
		return
	}
	fmt.Fprintf(w, "trent: %v\n", err)
}
