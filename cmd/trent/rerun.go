package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"trent/results"
)

func newRerunCommand(e *environment) *cobra.Command {
	var out string
	var show bool
	c := &cobra.Command{
		Use:   "rerun RECORD",
		Short: "Repeat a recorded run: same command, files and seed",
		Long: `Rerun runs the command of a record again, with the workload and SLO texts that the record keeps, whatever became of the
files, and the same seed. It says first in what the machine differs from the recorded one. Endpoint and credentials
are those of the present environment.`,
		Example: "  trent rerun trent-results/attack-20261123-120000 --out again\n  trent rerun record.json --show",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(errors.New("rerun wants one record"), "give a record.json, or the directory with it")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := readRecord(args[0])
			if err != nil {
				return err
			}
			return rerun(e, r, out, show)
		},
	}
	c.Flags().StringVar(&out, "out", "", "directory for the new record (default: trent-results/ and the time)")
	c.Flags().BoolVar(&show, "show", false, "print the command only")
	return c
}

func rerun(e *environment, r *results.Record, out string, show bool) error {
	if len(r.Command) < 2 {
		return usageError(errors.New("the record does not say how it was made"), "")
	}
	dir, err := os.MkdirTemp("", "trent-rerun-*")
	if err != nil {
		return failure(fmt.Errorf("keeping the record's files: %w", err), "")
	}
	defer os.RemoveAll(dir)
	args := r.Command[1:]
	for _, file := range []struct{ flag, name, source string }{{"workload", "workload.yaml", r.Workload.Source}, {"slo", "slo.yaml", r.SLO.Source}} {
		if file.source == "" {
			continue
		}
		path := filepath.Join(dir, file.name)
		if err := os.WriteFile(path, []byte(file.source), 0o600); err != nil {
			return failure(fmt.Errorf("keeping the record's files: %w", err), "")
		}
		if _, given := flagValue(args, file.flag); given {
			args = withFlag(args, file.flag, path)
		}
	}
	args = withFlag(args, "seed", fmt.Sprint(r.Seed))
	for _, name := range []string{"out", "raw", "hdr-log"} { // files of the recorded run, which stay as they are
		args = withoutFlag(args, name)
	}
	if out != "" {
		args = append(args, "--out", out)
	}
	if args[0] == "serve" || args[0] == "rerun" {
		return usageError(fmt.Errorf("the record is of %q, which cannot be repeated", args[0]), "")
	}
	fmt.Fprintf(e.Stderr, "Repeating: trent %s\n", strings.Join(args, " "))
	if show {
		return nil
	}
	here := environmentNow()
	here.ClientCPUs, here.ServerCPUs = r.Environment.ClientCPUs, r.Environment.ServerCPUs // not known before the run
	for _, d := range r.Environment.Differences(&here) {
		fmt.Fprintf(e.Stderr, "Differs from the recorded run: %s\n", d)
	}
	if code := run(args, e); code != exitPass {
		return &exitError{Code: code}
	}
	return nil
}
