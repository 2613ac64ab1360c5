package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"trent/results"
)

// listed is a record in a list.
type listed struct {
	Path     string       `json:"path"`
	Kind     results.Kind `json:"kind"`
	Started  time.Time    `json:"started"`
	Outcome  string       `json:"outcome"`
	Headline string       `json:"headline"`
}

func newReportListCommand(e *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list [DIR]",
		Short:   "List the records below a directory, the newest first",
		Example: "  trent report list\n  trent report list results/recorded --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError(errors.New("list wants one directory at the most"), "the default is trent-results")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "trent-results"
			if len(args) == 1 {
				dir = args[0]
			}
			all, skipped, err := findRecords(dir)
			if err != nil {
				return usageError(err, "give the directory that runs wrote to by --out; the default is trent-results")
			}
			for _, path := range skipped {
				fmt.Fprintf(e.Stderr, "Not a record of this version: %s\n", path)
			}
			if asJSON {
				encoder := json.NewEncoder(e.Stdout)
				encoder.SetIndent("", " ")
				return encoder.Encode(all)
			}
			w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "STARTED\tKIND\tOUTCOME\tWHAT\tRECORD")
			for _, l := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Started.UTC().Format("2006-01-02 15:04:05"), l.Kind, l.Outcome, l.Headline, l.Path)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	return c
}

// findRecords reads every *.json below dir; those that are no records are skipped.
func findRecords(dir string) (all []listed, skipped []string, err error) {
	all = []listed{}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		r, err := results.ReadFile(path)
		if err != nil {
			if filepath.Base(path) == "record.json" {
				skipped = append(skipped, path)
			}
			return nil
		}
		all = append(all, listed{path, r.Kind, r.Started, r.Outcome, r.Title()})
		return nil
	})
	slices.SortFunc(all, func(a, b listed) int { return b.Started.Compare(a.Started) })
	return all, skipped, err
}

func newReportDiffCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "diff A B",
		Short: "Put the figures of two records side by side",
		Long: `Diff prints the figures of two records side by side, and what differs in how they were taken. It judges nothing:
for a judgement measure pairs of rounds by 'trent compare'.`,
		Example: "  trent report diff before/record.json after/record.json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError(errors.New("diff wants two records"), "trent report diff A B")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			a, err := readRecord(args[0])
			if err != nil {
				return err
			}
			b, err := readRecord(args[1])
			if err != nil {
				return err
			}
			return results.RenderDiff(e.Stdout, a, b)
		},
	}
}

func newReportMergeCommand(e *environment) *cobra.Command {
	var out outputFlags
	c := &cobra.Command{
		Use:   "merge RECORD RECORD [RECORD …]",
		Short: "Add up the records of runs that sent the same workload at the same time",
		Long: `Merge adds counts and histograms of several attacks exactly, as from several machines that attacked one endpoint
together, and computes percentiles of the merged histograms. The result is inconclusive: a record keeps too little for
intervals. Runs that are one from the start ('trent attack --agents') are judged as one.`,
		Example: "  trent report merge host1/record.json host2/record.json --out merged",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usageError(errors.New("merge wants two records at the least"), "trent report merge A B --out DIR")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			var all []*results.Record
			for _, path := range args {
				r, err := readRecord(path)
				if err != nil {
					return err
				}
				all = append(all, r)
			}
			merged, err := results.Merge(all)
			if err != nil {
				return usageError(err, "merge records of one workload, SLO and duration")
			}
			merged.Command = e.Command
			if err := out.deliver(e, merged); exitCode(err) != merged.ExitCode {
				return err
			}
			return nil // that a merged record is inconclusive is no failure of the merging
		},
	}
	out.bind(c)
	return c
}
