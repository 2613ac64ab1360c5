package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"trent/hsm"
	"trent/hsm/operator"
)

// showFile says what a file is.
func showFile(w io.Writer, name string, b []byte, s *hsm.DomainState) error {
	switch {
	case bytes.HasPrefix(b, []byte("trentcmd")):
		c, err := operator.ParseCommand(b)
		if err != nil {
			return usageError(&plain{fmt.Errorf("%s: %w", name, err)}, "")
		}
		return printCommand(w, name, c, s)
	case bytes.HasPrefix(b, []byte("trentshr")):
		share, err := operator.ParseShare(b)
		if err != nil {
			return usageError(&plain{fmt.Errorf("%s: %w", name, err)}, "")
		}
		_, err = fmt.Fprintf(w, "%s: share of operator %s, for module %s\n", name, share.Operator, share.Target)
		return err
	}
	if bytes.HasPrefix(b, []byte("trentlog")) {
		return usageError(fmt.Errorf("%s is an audit log", name), "'trent hsm audit show' shows it")
	}
	if p, err := operator.ParsePrincipal(b); err == nil {
		_, err = fmt.Fprintf(w, "%s: %s %s %s\n", name, p.Role, p.Name, operator.FingerprintOf(p.Signing))
		return err
	}
	if m, err := operator.ParseModule(b); err == nil {
		_, err = fmt.Fprintf(w, "%s: module %s %s\n", name, m.Name, operator.FingerprintOf(m.Signing))
		return err
	}
	if token, _, err := hsm.ParseDomainToken(b); err == nil {
		fmt.Fprintf(w, "%s: domain token\n", name)
		return printDomain(w, token)
	}
	return usageError(fmt.Errorf("%s is no public file, command, share or domain token, or is damaged", name), "get it again from where it came from")
}

// printCommand says what a command does: exactly what its bytes say.
func printCommand(w io.Writer, name string, c *operator.Command, s *hsm.DomainState) error {
	what := "state " + fmt.Sprint(c.State) + " of domain " + fmt.Sprintf("%x", c.Domain[:4])
	switch {
	case c.Kind == operator.CreateDomain:
		what = "a new domain"
		s = nil
	case s != nil && s.Domain == c.Domain:
		what = fmt.Sprintf("state %d of domain %s", c.State, s.Name)
	case s != nil:
		return usageError(fmt.Errorf("%s is for domain %x, not for %s (%x)", name, c.Domain, s.Name, s.Domain), "give the state of the domain that it is for")
	}
	if _, err := fmt.Fprintf(w, "%s: %s, for %s, good until %s\n", name, c.Kind, what, c.Expires.UTC().Format(time.RFC3339)); err != nil {
		return err
	}
	if c.Target != (hsm.Fingerprint{}) {
		fmt.Fprintf(w, "  done by module %s alone\n", c.Target)
	}
	if s == nil && (c.Kind == operator.ModifyMembers || c.Kind == operator.ModifySigners || c.Kind == operator.ModifyRules) {
		fmt.Fprintln(w, "  sets the whole list as follows; --state or --token shows what that changes")
	}
	for _, line := range operator.Describe(s, c) {
		if _, err := fmt.Fprintf(w, "  %s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// plain is an error without the names of what it is, for people; programs still find these.
type plain struct{ err error }

func (p *plain) Error() string {
	text := p.err.Error()
	for _, name := range []error{hsm.ErrCommand, operator.ErrCommand, hsm.ErrQuorum, operator.ErrQuorum} {
		text = strings.ReplaceAll(text, name.Error()+": ", "")
	}
	return text
}

func (p *plain) Unwrap() error { return p.err }

// refusal is the exit code and hint for what commands, tokens and files were refused for.
func refusal(err error) error {
	var e *exitError
	switch {
	case err == nil, errors.As(err, &e):
		return err
	}
	err = &plain{err}
	switch {
	case errors.Is(err, hsm.ErrStale), errors.Is(err, operator.ErrStale):
		return failure(err, "the domain went on: propose the change anew for its newest state")
	case errors.Is(err, hsm.ErrQuorum), errors.Is(err, operator.ErrQuorum):
		return failure(err, "'trent hsm quorum sign' adds a signature, 'trent hsm quorum status' says what is missing")
	case errors.Is(err, operator.ErrSigned):
		return failure(err, "another operator's is needed")
	}
	return failure(err, "")
}
