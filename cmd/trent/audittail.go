package main

import (
	"bytes"
	"context"
	"encoding/json"
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
	read := map[string]*followed{}
	for _, file := range files { // those that are too old to be read are not read later either, unless they grow
		read[strings.TrimSuffix(file.path, audit.Part)] = &followed{size: file.size}
	}
	var last []*auditRecord
	for _, file := range slices.Backward(files) {
		if len(last) >= n && f.ours(file) {
			if last = newest(last, n); len(last) > 0 && file.modified.Before(last[0].EventTime) {
				break
			}
		}
		at := read[strings.TrimSuffix(file.path, audit.Part)]
		if err := f.readWhole(file, at, func(r *auditRecord, _ int) error {
			if f.matches(r) {
				last = keepNewest(last, r, n)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if err := f.printAll(w, last, n); err != nil || !follow {
		return err
	}
	return f.follow(ctx, w, read)
}

const followEvery = 250 * time.Millisecond

// followed is how far a file is read.
type followed struct {
	size    int64 // when it was read last
	records int   // that were in it then
}

// follow prints the records that files get, and those of new files.
func (f *auditFlags) follow(ctx context.Context, w io.Writer, read map[string]*followed) error {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		files, err := f.files()
		if err != nil {
			return err
		}
		for _, file := range files {
			name := strings.TrimSuffix(file.path, audit.Part)
			at := read[name]
			if at == nil {
				at = &followed{}
				read[name] = at
			}
			if at.size == file.size {
				continue
			}
			if err := f.printNew(w, file, at); err != nil {
				return err
			}
		}
	}
}

// printNew prints what a file got: of one that Trent writes as it is, what stands behind the last record; else all is read again.
func (f *auditFlags) printNew(w io.Writer, file auditFile, at *followed) error {
	if text, size, ok := added(file.path, at.size); ok {
		at.size = size
		for line := range strings.Lines(text) {
			r, ok := parseAuditRecord(json.RawMessage(strings.Trim(line, ",\n")))
			if !ok {
				continue
			}
			at.records++
			if f.matches(r) {
				if err := f.print(w, r); err != nil {
					return err
				}
			}
		}
		return nil
	}
	known := at.records
	return f.readWhole(file, at, func(r *auditRecord, n int) error {
		if n <= known || !f.matches(r) {
			return nil
		}
		return f.print(w, r)
	})
}

// readWhole gives all records of a file, whether or not they fit, with their numbers from 1 on, and notes how far it came. A file in
// progress is read as it is at one moment.
func (f *auditFlags) readWhole(file auditFile, at *followed, each func(r *auditRecord, n int) error) error {
	n := 0
	take := func(r *auditRecord) error { n++; return each(r, n) }
	all, size := auditFlags{}, file.size
	var err error
	if strings.HasSuffix(file.path, audit.Part) {
		var text []byte
		if text, err = os.ReadFile(file.path); err == nil {
			size = int64(len(text))
			err = all.read(file.path, bytes.NewReader(text), take)
		} else if errors.Is(err, os.ErrNotExist) {
			err = all.readFile(file.path, take) // it has its name now
		}
	} else {
		err = all.readFile(file.path, take)
	}
	at.size, at.records = size, max(n, at.records)
	return err
}

// added is what an unfinished file has behind its first size bytes, and its size now. The tail that these ended with was
// overwritten by the next record.
func added(path string, size int64) (text string, now int64, ok bool) {
	from := size - int64(len(audit.Tail))
	if from <= 0 || !strings.HasSuffix(path, ".json"+audit.Part) {
		return "", 0, false
	}
	file, err := os.Open(path)
	if err != nil {
		return "", 0, false
	}
	defer file.Close()
	b, err := io.ReadAll(io.NewSectionReader(file, from, 1<<40))
	text, whole := strings.CutSuffix(string(b), audit.Tail)
	if err != nil || !whole || !strings.HasPrefix(text, ",\n") {
		return "", 0, false
	}
	return text, from + int64(len(b)), true
}
