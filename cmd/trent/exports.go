package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"trent/loadgen/attack"
)

// exportFlags are the files that a run writes beside its record.
type exportFlags struct {
	raw, hdrLog string
	metrics     string
}

func (f *exportFlags) bind(c *cobra.Command) {
	c.Flags().StringVar(&f.raw, "raw", "", "write a line a hit to this file, as CSV compressed with gzip: n, due, sent, first byte, done, operation, outcome, …")
	c.Flags().StringVar(&f.hdrLog, "hdr-log", "", "write the latencies second by second to this file, as an HdrHistogram log")
	c.Flags().StringVar(&f.metrics, "metrics-listen", "", "serve the run's state as OpenMetrics on this address while it lasts, for example 127.0.0.1:9464")
}

// open makes the files. The writers are nil where nothing is asked for; close must be called and tells what went wrong.
func (f *exportFlags) open() (raw, hdrLog io.Writer, closing func() error, err error) {
	var files []*os.File
	closing = func() error {
		var failures []error
		for _, file := range files {
			failures = append(failures, file.Close())
		}
		return errors.Join(failures...)
	}
	for _, x := range []struct {
		path string
		into *io.Writer
	}{{f.raw, &raw}, {f.hdrLog, &hdrLog}} {
		if x.path == "" {
			continue
		}
		file, err := os.Create(x.path)
		if err != nil {
			return nil, nil, nil, errors.Join(usageError(fmt.Errorf("making an export: %w", err), "name a file in a directory that exists"), closing())
		}
		files, *x.into = append(files, file), file
	}
	return raw, hdrLog, closing, nil
}

// exporter listens if that is asked for; nil where not.
func (f *exportFlags) exporter(workload string) (*attack.Exporter, error) {
	if f.metrics == "" {
		return nil, nil
	}
	x, err := attack.NewExporter(f.metrics, workload)
	if err != nil {
		return nil, usageError(err, "give --metrics-listen a free address such as 127.0.0.1:9464")
	}
	return x, nil
}
