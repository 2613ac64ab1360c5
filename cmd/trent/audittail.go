package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/fastpath/audit"
)

func newAuditTailCommand(e *environment) *cobra.Command {
	var f auditFlags
	var n int
	var follow bool
	c := &cobra.Command{
		Use:   "tail [PATH …]",
		Short: "Print the newest records, and with --follow what comes",
		Long: `Tail prints the newest records that fit all flags, as 'trent audit grep' does. With --follow it goes on with those that
come, until Ctrl-C; a server's records are in its files within a quarter of a second, gzipped ones within a second and a quarter.`,
		Example: `  trent audit tail
  trent audit tail --follow --error any
  trent audit tail -n 1000 --json logs/ | jq .userIdentity.arn`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			if n < 0 {
				return usageError(fmt.Errorf("--lines %d is below 0", n), "")
			}
			if slices.Contains(args, "-") {
				return f.tailInput(e, n, follow)
			}
			ctx, stop := interruptible(c.Context())
			defer stop()
			return f.tail(ctx, e.Stdout, n, follow)
		},
	}
	f.bind(e, c.Flags())
	c.Flags().IntVarP(&n, "lines", "n", 20, "how many")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with records that come")
	return c
}

// tailInput is tail of what is piped in.
func (f *auditFlags) tailInput(e *environment, n int, follow bool) error {
	f.paths = slices.DeleteFunc(f.paths, func(path string) bool { return path == "-" })
	if len(f.paths) > 0 {
		return usageError(errors.New("standard input stands alone"), "give - or paths")
	}
	if follow {
		return f.read("standard input", e.Stdin, func(r *auditRecord) error { return f.print(e.Stdout, r) })
	}
	var last []*auditRecord
	if err := f.read("standard input", e.Stdin, func(r *auditRecord) error { last = keepNewest(last, r, n); return nil }); err != nil {
		return err
	}
	return f.printAll(e.Stdout, last, n)
}

// keepNewest adds r to the newest n, now and then cutting the others away.
func keepNewest(last []*auditRecord, r *auditRecord, n int) []*auditRecord {
	if last = append(last, r); len(last) >= 2*n+1024 {
		last = newest(last, n)
	}
	return last
}

func newest(all []*auditRecord, n int) []*auditRecord {
	slices.SortStableFunc(all, func(a, b *auditRecord) int { return a.EventTime.Compare(b.EventTime) })
	return slices.Delete(all, 0, max(0, len(all)-n))
}

func (f *auditFlags) printAll(w io.Writer, all []*auditRecord, n int) error {
	for _, r := range newest(all, n) {
		if err := f.print(w, r); err != nil {
			return err
		}
	}
	return nil
}

// tail reads the files from the newest on, until no older one can have a record that counts.
func (f *auditFlags) tail(ctx context.Context, w io.Writer, n int, follow bool) error {
	files, err := f.files()
	if err != nil {
		return err
	}
	followed := map[string]int{} // records seen, by path without .part
	for _, file := range files {
		followed[strings.TrimSuffix(file.path, audit.Part)] = -1
	}
	var last []*auditRecord
	for _, file := range slices.Backward(files) {
		if len(last) >= n && f.ours(file) && len(newest(last, n)) > 0 && file.modified.Before(newest(last, n)[0].EventTime) {
			break
		}
		seen := 0
		if err := f.readAll(file.path, func(r *auditRecord) error {
			seen++
			if f.matches(r) {
				last = keepNewest(last, r, n)
			}
			return nil
		}); err != nil {
			return err
		}
		followed[strings.TrimSuffix(file.path, audit.Part)] = seen
	}
	if err := f.printAll(w, last, n); err != nil || !follow {
		return err
	}
	return f.follow(ctx, w, followed, files)
}

// readAll is readFile for all records, whether or not they fit.
func (f *auditFlags) readAll(path string, each func(*auditRecord) error) error {
	all := auditFlags{}
	return all.readFile(path, each)
}

const followEvery = 250 * time.Millisecond

// follow prints the records that files get, and those of new files. seen is how many of each are known; below 0: all that it has.
func (f *auditFlags) follow(ctx context.Context, w io.Writer, seen map[string]int, before []auditFile) error {
	sizes := map[string]int64{}
	for _, file := range before {
		sizes[strings.TrimSuffix(file.path, audit.Part)] = file.size
	}
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		files, err := f.files()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		for _, file := range files {
			name := strings.TrimSuffix(file.path, audit.Part)
			if size, known := sizes[name]; known && size == file.size {
				continue
			}
			sizes[name] = file.size
			if err := f.printNew(w, file.path, name, seen); err != nil {
				return err
			}
		}
	}
}

func (f *auditFlags) printNew(w io.Writer, path, name string, seen map[string]int) error {
	known, at := seen[name], 0
	err := f.readAll(path, func(r *auditRecord) error {
		at++
		if known < 0 || at <= known || !f.matches(r) {
			return nil
		}
		return f.print(w, r)
	})
	seen[name] = max(at, known)
	return err
}
