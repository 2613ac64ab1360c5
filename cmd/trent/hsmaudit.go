package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/operator"
)

func newHSMAuditCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show and verify what was done to a domain",
		Long: `Every command that was done to a domain is in its audit log, with the signatures that had it done. Each appliance keeps the log
in its state directory (` + operator.AuditFileName + `); the head of its hash chain is in every domain token. One that was out of service for a
while lacks what was done then: merge its log with another's.`,
		Example: `  trent hsm audit show --state /var/lib/trent-hsm
  trent hsm audit verify --state /var/lib/trent-hsm
  trent hsm audit verify audit.log --token newest.token --json
  trent hsm audit merge a/audit.log b/audit.log --out whole.log`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newAuditReadCommand(e, "show", "Show the log of a domain",
		"Show verifies the log as 'trent hsm audit verify' does, and prints what was done, when, and by whose signatures."),
		newAuditReadCommand(e, "verify", "Verify the log of a domain",
			`Verify does every command of the log again: each must be signed as the state before it asked, and lead to the state whose hash the
next one names; the last must lead to the state of the newest domain token, of --token or the appliance. So it finds an
entry that is missing, altered, moved or added, and a log that was cut off or is of another line of states. The exit code is
0 if all is right, and 1 if not. A log that does not go back to the creation is verified from the token of --since on.`),
		newAuditMergeCommand(e))
	return c
}

// auditFiles say which logs and tokens are meant.
type hsmAuditFlags struct {
	stateFlags
	since   string
	asJSON  bool
	stopped bool // the first appliance does not run, so it has no token to compare with
}

func newAuditReadCommand(e *environment, name, short, long string) *cobra.Command {
	var f hsmAuditFlags
	c := &cobra.Command{
		Use: name + " [FILE…]", Short: short, Long: long,
		Example: "  trent hsm audit " + name + " --state /var/lib/trent-hsm\n  trent hsm audit " + name + " audit.log --token newest.token --json",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				f.orDefault(e)
			}
			return f.run(c.Context(), e, args, name == "show")
		},
	}
	f.bind(c.Flags())
	c.Flags().StringVar(&f.since, "since", "", "file with the domain token of the state before the log's first entry")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	return c
}

// logs reads files, and what appliances keep.
func (f *hsmAuditFlags) logs(ctx context.Context, files []string) (operator.AuditLog, error) {
	var readers []io.Reader
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, usageError(fmt.Errorf("reading an audit log: %w", err), "")
		}
		defer file.Close()
		readers = append(readers, file)
	}
	if len(files) == 0 {
		for i, state := range f.states {
			b, err := appliance.NewConsole(state).Audit(ctx)
			var dial *net.OpError
			if errors.As(err, &dial) { // it does not run: its log lies there all the same
				if file, readErr := os.ReadFile(filepath.Join(state, operator.AuditFileName)); readErr == nil {
					b, err = file, nil
					f.stopped = f.stopped || i == 0
				}
			}
			if err != nil {
				return nil, noConsole(err, state)
			}
			readers = append(readers, bytes.NewReader(b))
		}
	}
	if len(readers) == 0 {
		return nil, usageError(errors.New("which log is meant is not said"), "give a file, or --state DIR of an appliance that runs here")
	}
	log, err := operator.ReadAudit(readers...)
	if err != nil {
		return nil, failure(err, "logs of other members may be whole: 'trent hsm audit merge' joins them")
	}
	return log, nil
}

// doneJSON is an entry for programs.
type doneJSON struct {
	Number  uint64       `json:"number"`
	Time    time.Time    `json:"time"`
	Command string       `json:"command"`
	Does    []string     `json:"does"`
	Signers []signerJSON `json:"signers"`
	State   string       `json:"state_hash"`
	Hash    string       `json:"hash"`
}

type auditJSON struct {
	Right   bool       `json:"right"`
	Problem string     `json:"problem,omitempty"`
	Against uint64     `json:"against_state,omitempty"` // of the newest domain token; 0: none was given
	Entries []doneJSON `json:"entries"`
}

func (f *hsmAuditFlags) run(ctx context.Context, e *environment, files []string, show bool) error {
	log, err := f.logs(ctx, files)
	if err != nil {
		return err
	}
	var newest *hsm.DomainState
	if !f.stopped || f.token != "" {
		if _, newest, err = f.newestOrNone(ctx); err != nil {
			return err
		}
	}
	var base *hsm.DomainState
	if f.since != "" {
		if _, base, err = readTokenFile(f.since); err != nil {
			return err
		}
	}
	done, problem := log.Verify(base, newest)
	if f.asJSON {
		err = encodeJSON(e.Stdout, newAuditJSON(done, problem, newest))
	} else {
		err = printAudit(e, done, problem, newest, show)
	}
	if err == nil && problem != nil {
		return &exitError{Code: exitFailed}
	}
	return err
}

func newAuditJSON(done []operator.Done, problem error, newest *hsm.DomainState) *auditJSON {
	a := &auditJSON{Right: problem == nil, Entries: []doneJSON{}}
	if problem != nil {
		a.Problem = problem.Error()
	}
	if newest != nil {
		a.Against = newest.Number
	}
	for _, d := range done {
		state := d.After.Hash()
		a.Entries = append(a.Entries, doneJSON{d.Number, d.Entry.Time, d.Command.Kind.String(), operator.Describe(d.Before, d.Command),
			signersJSON(d.Signers), hex.EncodeToString(state[:]), hex.EncodeToString(d.Hash[:])})
	}
	return a
}

func printAudit(e *environment, done []operator.Done, problem error, newest *hsm.DomainState, show bool) error {
	if show {
		for _, d := range done {
			names := make([]string, len(d.Signers))
			for i, p := range d.Signers {
				names[i] = p.Role.String() + " " + p.Name
			}
			fmt.Fprintf(e.Stdout, "%d  %s  %s  by %s\n", d.Number, d.Entry.Time.UTC().Format(time.RFC3339), d.Command.Kind, strings.Join(names, ", "))
			for _, line := range operator.Describe(d.Before, d.Command) {
				fmt.Fprintf(e.Stdout, "     %s\n", line)
			}
		}
	}
	if problem != nil {
		fmt.Fprintf(e.Stderr, "trent: %v\n", problem)
		fmt.Fprintf(e.Stderr, "trent: %d entries are right before that\n", len(done))
		return nil
	}
	against := "no domain token was given to compare its end with"
	if newest != nil {
		against = fmt.Sprintf("and its end is state %d, which the newest domain token has", newest.Number)
	}
	_, err := fmt.Fprintf(e.Stdout, "right: %d entries, each signed as the state before it asked; %s\n", len(done), against)
	return err
}

func newAuditMergeCommand(e *environment) *cobra.Command {
	var f hsmAuditFlags
	var out string
	c := &cobra.Command{
		Use:     "merge [FILE…]",
		Short:   "Join the logs of several members into one",
		Long:    "Merge joins logs of one domain, of files or of the appliances of --state. Two different entries of one number are a fork of the domain, and refused.",
		Example: "  trent hsm audit merge a/audit.log b/audit.log --out whole.log\n  trent hsm audit merge --state a --state b --out whole.log",
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return usageError(errors.New("where the log goes is not said"), "give --out FILE")
			}
			if len(args) == 0 {
				f.orDefault(e)
			}
			log, err := f.logs(c.Context(), args)
			if err != nil {
				return err
			}
			if err := writeNew(out, log.Encode(), 0o600); err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.Stdout, "%d entries are in %s\n", len(log), out)
			return err
		},
	}
	c.Flags().StringArrayVar(&f.states, "state", nil, "state directory of an appliance that runs here; may be repeated")
	c.Flags().StringVar(&out, "out", "", "file of the log (required)")
	return c
}
