package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"trent/results"
)

// reportFlags are the renderings; each names a file, "-" for standard output.
type reportFlags struct {
	html, csv, hdr, junit, markdown string
	asJSON, why                     bool
}

func newReportCommand(e *environment) *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report FILE",
		Short: "Show, export, list, diff and merge the records of runs",
		Long: `Report reads a record (the file record.json, or the directory with it) and prints its tables, or exports it.
A file named "-" is standard output. Several exports can be asked for at once.`,
		Example: `  trent report trent-results/capacity-20261123-120000
  trent report record.json --html report.html
  trent report record.json --why
  trent report record.json --junit junit.xml --markdown summary.md
  trent report record.json --csv series=series.csv
  trent report list
  trent report diff before/record.json after/record.json
  trent report merge host1/record.json host2/record.json --out merged`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(errors.New("report wants one record"), "give a record.json, or the directory with it; 'trent report list' finds them")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := readRecord(args[0])
			if err != nil {
				return err
			}
			return f.export(e, r)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.html, "html", "", "write the HTML page to this file")
	flags.StringVar(&f.csv, "csv", "", "write a table as CSV: TABLE=FILE with TABLE one of "+strings.Join(results.CSVTables(), ", "))
	flags.StringVar(&f.hdr, "hdr", "", "write the histograms as an HdrHistogram log to this file")
	flags.StringVar(&f.junit, "junit", "", "write JUnit XML to this file, for CI")
	flags.StringVar(&f.markdown, "markdown", "", "write a summary in Markdown to this file, for CI")
	flags.BoolVar(&f.asJSON, "json", false, "print the record as JSON of the present schema")
	flags.BoolVar(&f.why, "why", false, "explain the outcome in sentences: figures, and what to change")
	c.AddCommand(newReportListCommand(e), newReportDiffCommand(e), newReportMergeCommand(e))
	return c
}

// readRecord gives errors their hints.
func readRecord(path string) (*results.Record, error) {
	r, err := results.ReadFile(path)
	if errors.Is(err, results.ErrNewer) {
		return nil, usageError(err, "read it with the version of trent that wrote it")
	}
	if err != nil {
		return nil, usageError(err, "give a record.json that a run of trent wrote, or its directory; 'trent report list' finds them")
	}
	return r, nil
}

func (f *reportFlags) export(e *environment, r *results.Record) error {
	var exports []export
	add := func(path string, render func(io.Writer, *results.Record) error) {
		if path != "" {
			exports = append(exports, export{path, render})
		}
	}
	add(f.html, results.RenderHTML)
	if f.csv != "" {
		table, path, _ := strings.Cut(f.csv, "=")
		if path == "" {
			path = "-"
		}
		add(path, func(w io.Writer, r *results.Record) error { return results.WriteCSV(w, r, table) })
	}
	add(f.hdr, results.WriteHistograms)
	add(f.junit, results.WriteJUnit)
	add(f.markdown, results.WriteMarkdown)
	for _, x := range exports {
		if err := x.write(e, r); err != nil {
			return err
		}
	}
	if f.why {
		if err := results.RenderWhy(e.aside(f.asJSON), r); err != nil || !f.asJSON {
			return err
		}
	}
	switch {
	case f.asJSON:
		return results.Write(e.Stdout, r)
	case len(exports) == 0:
		return results.RenderTerminal(e.Stdout, r)
	}
	return nil
}

// export is a rendering and where it goes.
type export struct {
	path   string
	render func(io.Writer, *results.Record) error
}

// write renders first, so that a failure leaves no half of a file.
func (x export) write(e *environment, r *results.Record) error {
	var content bytes.Buffer
	if err := x.render(&content, r); err != nil {
		return usageError(err, "")
	}
	if x.path == "-" {
		_, err := content.WriteTo(e.Stdout)
		return err
	}
	if err := os.WriteFile(x.path, content.Bytes(), 0o644); err != nil {
		return failure(fmt.Errorf("writing the export: %w", err), "")
	}
	fmt.Fprintf(e.Stderr, "Wrote %s\n", x.path)
	return nil
}
